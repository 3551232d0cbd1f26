package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"time"
)

// An authority is a certificate with its key, below a root.
type authority struct {
	root, certificate *x509.Certificate
	key               *ecdsa.PrivateKey
}

// A world is everything that a trusted root names.
type world struct {
	fulcio, tsa  *authority
	rekor, ctlog *ecdsa.PrivateKey
}

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func serial() *big.Int { return must(rand.Int(rand.Reader, big.NewInt(1<<62))) }

// Long before and after everything that is signed.
var begin, end = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC)

func newAuthority(name string, usage x509.ExtKeyUsage, isLeaf bool) *authority {
	rootKey, key := newKey(), newKey()
	root := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{Organization: []string{"test"}, CommonName: name + " root"},
		NotBefore: begin, NotAfter: end, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER := must(x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey))
	root = must(x509.ParseCertificate(rootDER))
	below := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{Organization: []string{"test"}, CommonName: name},
		NotBefore: begin, NotAfter: end, BasicConstraintsValid: true,
	}
	if isLeaf {
		below.KeyUsage = x509.KeyUsageDigitalSignature
		// The one extension that has to be critical is that of an authority for times.
		below.ExtraExtensions = []pkix.Extension{{
			Id: []int{2, 5, 29, 37}, Critical: true, Value: []byte{0x30, 0x0a, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 8},
		}}
	} else {
		below.IsCA, below.MaxPathLenZero, below.KeyUsage = true, true, x509.KeyUsageCertSign
		below.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	}
	der := must(x509.CreateCertificate(rand.Reader, below, root, key.Public(), rootKey))
	return &authority{root: root, certificate: must(x509.ParseCertificate(der)), key: key}
}

func newWorld() *world {
	return &world{
		fulcio: newAuthority("certificates", x509.ExtKeyUsageCodeSigning, false),
		tsa:    newAuthority("times", x509.ExtKeyUsageTimeStamping, true),
		rekor:  newKey(),
		ctlog:  newKey(),
	}
}

func spki(key *ecdsa.PrivateKey) []byte { return must(x509.MarshalPKIXPublicKey(key.Public())) }

func logID(key *ecdsa.PrivateKey) [32]byte { return sha256.Sum256(spki(key)) }

func encode(bytes []byte) string { return base64.StdEncoding.EncodeToString(bytes) }

type object = map[string]any

// root is the trusted_root.json of a world.
func (w *world) root(now time.Time) json.RawMessage {
	validFor := object{"start": begin.Format(time.RFC3339)}
	log := func(key *ecdsa.PrivateKey, url string) object {
		id := logID(key)
		return object{
			"baseUrl": url, "hashAlgorithm": "SHA2_256", "logId": object{"keyId": encode(id[:])},
			"publicKey": object{"rawBytes": encode(spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": validFor},
		}
	}
	by := func(a *authority, url string) object {
		chain := []object{{"rawBytes": encode(a.certificate.Raw)}, {"rawBytes": encode(a.root.Raw)}}
		return object{
			"subject": object{"organization": "test", "commonName": a.root.Subject.CommonName}, "uri": url,
			"certChain": object{"certificates": chain}, "validFor": validFor,
		}
	}
	return must(json.Marshal(object{
		"mediaType":              "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs":                  []object{log(w.rekor, "https://rekor.example.com")},
		"ctlogs":                 []object{log(w.ctlog, "https://ctfe.example.com")},
		"certificateAuthorities": []object{by(w.fulcio, "https://fulcio.example.com")},
		"timestampAuthorities":   []object{by(w.tsa, "https://tsa.example.com")},
	}))
}
