package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	"github.com/digitorus/timestamp"
	ct "github.com/google/certificate-transparency-go"
	cttls "github.com/google/certificate-transparency-go/tls"
	ctx509 "github.com/google/certificate-transparency-go/x509"
	ctx509util "github.com/google/certificate-transparency-go/x509util"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/rekor/pkg/util"
	"github.com/sigstore/sigstore/pkg/signature"
)

const (
	usageCode   = x509.ExtKeyUsageCodeSigning
	usageServer = x509.ExtKeyUsageServerAuth
	statement   = "application/vnd.in-toto+json"
)

// A signing is what is done to sign, and what goes wrong.
type signing struct {
	digest         string
	issued, logged time.Time
	usage          x509.ExtKeyUsage
	authority      *authority
	certificateLog *ecdsa.PrivateKey
	log            *ecdsa.PrivateKey
	checkpointLog  *ecdsa.PrivateKey
	timed          *authority
	shiftTime      int64

	breakSCT, breakPromise, breakSignature, breakProof, breakCheckpoint bool
	otherEntry, otherKey, otherTime, noEntry, noProof, secondVersion    bool
}

func newSigning(w *world, digest string, now time.Time) *signing {
	return &signing{
		digest: digest, issued: now, logged: now.Add(time.Minute), usage: usageCode,
		authority: w.fulcio, certificateLog: w.ctlog, log: w.rekor,
	}
}

func (s *signing) sign(form string) Case {
	key := newKey()
	certificate := s.certificate(key)
	if s.otherKey {
		key = newKey()
	}
	if form == "tag" {
		return s.tag(key, certificate)
	}
	return s.bundle(key, certificate)
}

func hashed(key *ecdsa.PrivateKey, message []byte) []byte {
	hash := sha256.Sum256(message)
	return must(ecdsa.SignASN1(rand.Reader, key, hash[:]))
}

// flip changes the last bit of a signature's number: it stays a signature.
func flip(wanted bool, bytes []byte) []byte {
	if wanted {
		bytes = append([]byte{}, bytes...)
		bytes[len(bytes)-1] ^= 1
	}
	return bytes
}

// certificate is one of an identity, as the log of certificates has seen it.
func (s *signing) certificate(key *ecdsa.PrivateKey) []byte {
	template := &x509.Certificate{
		SerialNumber: serial(), NotBefore: s.issued, NotAfter: s.issued.Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{s.usage},
		URIs: []*url.URL{must(url.Parse(subject))},
		// The issuer in its first form, as plain bytes, and in its second.
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}, Value: []byte(issuer)},
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}, Value: must(asn1.MarshalWithParams(issuer, "utf8"))},
		},
	}
	create := func() []byte {
		return must(x509.CreateCertificate(rand.Reader, template, s.authority.certificate, key.Public(), s.authority.key))
	}
	if s.certificateLog == nil {
		return create()
	}
	before := must(x509.ParseCertificate(create()))
	sct := ct.SignedCertificateTimestamp{
		SCTVersion: ct.V1, Timestamp: uint64(s.issued.UnixMilli()), LogID: ct.LogID{KeyID: logID(s.certificateLog)},
	}
	entry := ct.LogEntry{Leaf: ct.MerkleTreeLeaf{TimestampedEntry: &ct.TimestampedEntry{
		EntryType: ct.PrecertLogEntryType, Timestamp: sct.Timestamp,
		PrecertEntry: &ct.PreCert{
			IssuerKeyHash:  sha256.Sum256(s.authority.certificate.RawSubjectPublicKeyInfo),
			TBSCertificate: before.RawTBSCertificate,
		},
	}}}
	input := must(ct.SerializeSCTSignatureInput(sct, entry))
	sct.Signature = ct.DigitallySigned{
		Algorithm: cttls.SignatureAndHashAlgorithm{Hash: cttls.SHA256, Signature: cttls.ECDSA},
		Signature: flip(s.breakSCT, hashed(s.certificateLog, input)),
	}
	list := must(ctx509util.MarshalSCTsIntoSCTList([]*ct.SignedCertificateTimestamp{&sct}))
	value := must(asn1.Marshal(must(cttls.Marshal(*list))))
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{
		Id: asn1.ObjectIdentifier(ctx509.OIDExtensionCTSCT), Value: value,
	})
	return create()
}

func pemOf(certificate []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}

func canonical(value any) []byte { return must(jsoncanonicalizer.Transform(must(json.Marshal(value)))) }

// hashedRekord is the log's entry of a signature of a payload.
func hashedRekord(payload, signature, certificate []byte) []byte {
	hash := sha256.Sum256(payload)
	return canonical(object{
		"apiVersion": "0.0.1", "kind": "hashedrekord",
		"spec": object{
			"data": object{"hash": object{"algorithm": "sha256", "value": hex.EncodeToString(hash[:])}},
			"signature": object{
				"content": encode(signature), "publicKey": object{"content": encode(pemOf(certificate))},
			},
		},
	})
}

// promise is the log's word that it will hold an entry.
func (s *signing) promise(body []byte, index int64) []byte {
	id := logID(s.log)
	payload := canonical(object{
		"body": encode(body), "integratedTime": s.logged.Unix(), "logIndex": index,
		"logID": hex.EncodeToString(id[:]),
	})
	return flip(s.breakPromise, hashed(s.log, payload))
}

func (s *signing) tag(key *ecdsa.PrivateKey, certificate []byte) Case {
	payload := fmt.Sprintf(`{"critical":{"identity":{"docker-reference":"registry.example.com/team/app"},`+
		`"image":{"docker-manifest-digest":"sha256:%s"},"type":"cosign container image signature"},"optional":null}`, s.digest)
	signature := hashed(key, []byte(payload))
	body := hashedRekord([]byte(payload), signature, certificate)
	if s.otherEntry {
		body = hashedRekord([]byte("other"), hashed(key, []byte("other")), certificate)
	}
	id := logID(s.log)
	annotations := map[string]string{
		"dev.cosignproject.cosign/signature": encode(flip(s.breakSignature, signature)),
		"dev.sigstore.cosign/certificate":    string(pemOf(certificate)),
		"dev.sigstore.cosign/chain":          string(pemOf(s.authority.certificate.Raw)) + string(pemOf(s.authority.root.Raw)),
	}
	if !s.noEntry {
		annotations["dev.sigstore.cosign/bundle"] = string(must(json.Marshal(object{
			"SignedEntryTimestamp": encode(s.promise(body, 1000)),
			"Payload": object{
				"body": encode(body), "integratedTime": s.logged.Unix() + s.shiftTime, "logIndex": 1000,
				"logID": hex.EncodeToString(id[:]),
			},
		})))
	}
	return Case{Payload: payload, Annotations: annotations}
}

func (s *signing) bundle(key *ecdsa.PrivateKey, certificate []byte) Case {
	payload := []byte(fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"%s"}}],`+
		`"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{}}`, s.digest))
	signature := hashed(key, dsse.PAE(statement, payload))
	material := object{"certificate": object{"rawBytes": encode(certificate)}}
	if !s.noEntry {
		entryPayload, entrySignature := payload, signature
		if s.otherEntry {
			entryPayload = []byte("{}")
			entrySignature = hashed(key, dsse.PAE(statement, entryPayload))
		}
		material["tlogEntries"] = []object{s.entry(entryPayload, entrySignature, certificate)}
	}
	if s.timed != nil {
		material["timestampVerificationData"] = object{
			"rfc3161Timestamps": []object{{"signedTimestamp": encode(s.time(signature))}},
		}
	}
	return Case{Bundle: must(json.Marshal(object{
		"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": material,
		"dsseEnvelope": object{
			"payload": encode(payload), "payloadType": statement,
			"signatures": []object{{"sig": encode(flip(s.breakSignature, signature))}},
		},
	}))}
}

// entry is that of a bundle, with the way from it to the root of the log, which has two entries.
func (s *signing) entry(payload, signature, certificate []byte) object {
	body, kind := s.body(payload, signature, certificate)
	neighbour := sha256.Sum256([]byte("\x00neighbour"))
	leaf := sha256.Sum256(append([]byte{0}, body...))
	root := sha256.Sum256(append([]byte{1}, append(neighbour[:], leaf[:]...)...))
	id := logID(s.log)
	entry := object{
		"logIndex": "1", "logId": object{"keyId": encode(id[:])}, "kindVersion": kind, "canonicalizedBody": encode(body),
	}
	if !s.secondVersion {
		entry["integratedTime"] = strconv.FormatInt(s.logged.Unix()+s.shiftTime, 10)
		entry["inclusionPromise"] = object{"signedEntryTimestamp": encode(s.promise(body, 1))}
	}
	if s.noProof {
		return entry
	}
	checkpoint := s.checkpoint(root[:])
	if s.breakProof {
		neighbour[0] ^= 1
	}
	entry["inclusionProof"] = object{
		"logIndex": "1", "treeSize": "2", "rootHash": encode(root[:]), "hashes": []string{encode(neighbour[:])},
		"checkpoint": object{"envelope": checkpoint},
	}
	return entry
}

func (s *signing) body(payload, signature, certificate []byte) ([]byte, object) {
	if s.secondVersion {
		hash := sha256.Sum256(dsse.PAE(statement, payload))
		return canonical(object{
			"apiVersion": "0.0.2", "kind": "hashedrekord",
			"spec": object{"hashedRekordV002": object{
				"data": object{"algorithm": "SHA2_256", "digest": encode(hash[:])},
				"signature": object{"content": encode(signature), "verifier": object{
					"keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": object{"rawBytes": encode(certificate)},
				}},
			}},
		}), object{"kind": "hashedrekord", "version": "0.0.2"}
	}
	hash := sha256.Sum256(payload)
	envelope := sha256.Sum256(must(json.Marshal(object{
		"payload": encode(payload), "payloadType": statement, "signatures": []object{{"sig": encode(signature)}},
	})))
	value := func(hash [32]byte) object { return object{"algorithm": "sha256", "value": hex.EncodeToString(hash[:])} }
	return canonical(object{
		"apiVersion": "0.0.1", "kind": "dsse",
		"spec": object{
			"envelopeHash": value(envelope), "payloadHash": value(hash),
			"signatures": []object{{"signature": encode(signature), "verifier": encode(pemOf(certificate))}},
		},
	}), object{"kind": "dsse", "version": "0.0.1"}
}

func (s *signing) checkpoint(root []byte) string {
	key := s.log
	if s.checkpointLog != nil {
		key = s.checkpointLog
	}
	signer := must(signature.LoadECDSASignerVerifier(key, crypto.SHA256))
	if s.secondVersion {
		return secondCheckpoint(signer, root)
	}
	text := must(util.CreateAndSignCheckpoint(context.Background(), "rekor.example.com", 42, 2, root, signer))
	if s.breakCheckpoint {
		text = bytes.Replace(text, []byte("\n2\n"), []byte("\n3\n"), 1)
	}
	return string(text)
}

// time is the word of an authority for times that a signature existed.
func (s *signing) time(signature []byte) []byte {
	if s.otherTime {
		signature = []byte("other")
	}
	hash := sha256.Sum256(signature)
	token := timestamp.Timestamp{
		HashAlgorithm: crypto.SHA256, HashedMessage: hash[:], Time: s.logged, SerialNumber: serial(),
		Policy: asn1.ObjectIdentifier{1, 2, 3, 4}, Qualified: false, AddTSACertificate: true,
	}
	return must(token.CreateResponseWithOpts(s.timed.certificate, s.timed.key, crypto.SHA256))
}
