package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"time"

	"github.com/notaryproject/notation-core-go/signature"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const payloadType = "application/vnd.cncf.notary.payload.v1+json"

// Long before and after everything that is signed.
var begin, end = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC)

var signed = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// A signing is what is done to sign, what goes wrong, and what is demanded.
type signing struct {
	policy       json.RawMessage
	target       ocispec.Descriptor
	contentType  string
	scheme       signature.SigningScheme
	expiry       time.Time
	attributes   []signature.Attribute
	key          crypto.Signer
	leaf, ca     func(*x509.Certificate)
	depth        int
	otherTrusted bool
	onlyLeaf     bool
	breakPayload bool
	breakChain   bool
	breakSig     bool
	trustLeaf    bool
}

type change struct {
	name string
	edit func(*signing)
}

func ec(curve elliptic.Curve) crypto.Signer { return must(ecdsa.GenerateKey(curve, rand.Reader)) }

func newSigning(image ocispec.Descriptor) *signing {
	nothing := func(*x509.Certificate) {}
	return &signing{
		policy: policy("strict", nil), target: image, contentType: payloadType, scheme: signature.SigningSchemeX509,
		key: ec(elliptic.P256()), leaf: nothing, ca: nothing, depth: 1,
	}
}

func identities(level string, names ...string) json.RawMessage {
	return policy(level, func(s map[string]any) { s["trustedIdentities"] = names })
}

func field(name string, value any) func(*signing) {
	return func(s *signing) {
		s.policy = policy("strict", func(statement map[string]any) { statement[name] = value })
	}
}

func level(name string, override map[string]string) json.RawMessage {
	return policy("strict", func(s map[string]any) {
		s["signatureVerification"] = map[string]any{"level": name, "override": override}
	})
}

const good, wrong = "x509.subject: C=US, ST=WA, O=Team", "x509.subject: C=US, ST=WA, O=Others"

func changes(image ocispec.Descriptor, withPolicies bool) []change {
	other := image
	other.Digest = "sha256:" + "0000000000000000000000000000000000000000000000000000000000000000"
	longer, typed := image, image
	longer.Size++
	typed.MediaType = ocispec.MediaTypeImageIndex
	past := signed.Add(time.Hour)
	ended := func(c *x509.Certificate) { c.NotAfter = past }
	all := []change{
		{"as it should be", func(*signing) {}},
		{"P-384", func(s *signing) { s.key = ec(elliptic.P384()) }},
		{"P-521", func(s *signing) { s.key = ec(elliptic.P521()) }},
		{"RSA of 2048 bits", func(s *signing) { s.key = must(rsa.GenerateKey(rand.Reader, 2048)) }},
		{"RSA of 3072 bits", func(s *signing) { s.key = must(rsa.GenerateKey(rand.Reader, 3072)) }},
		{"RSA of 4096 bits", func(s *signing) { s.key = must(rsa.GenerateKey(rand.Reader, 4096)) }},
		{"a certificate that signed itself", func(s *signing) { s.depth = 0 }},
		{"three certificates", func(s *signing) { s.depth = 2 }},
		{"the certificate of whoever signed is trusted itself", func(s *signing) { s.trustLeaf = true }},
		{"the scheme of signing authorities", func(s *signing) { s.scheme = signature.SigningSchemeX509SigningAuthority }},
		{"an expiry that is far", func(s *signing) { s.expiry = end }},
		// Who signed.
		{"another root", func(s *signing) { s.otherTrusted = true }},
		{"another root, audit", func(s *signing) { s.otherTrusted, s.policy = true, policy("audit", nil) }},
		{"another root, permissive", func(s *signing) { s.otherTrusted, s.policy = true, policy("permissive", nil) }},
		{"another root, skip", func(s *signing) {
			s.otherTrusted = true
			s.policy = policy("skip", func(statement map[string]any) {
				statement["trustStores"], statement["trustedIdentities"] = []string{}, []string{}
			})
		}},
		{"the identity", func(s *signing) { s.policy = identities("strict", good) }},
		{"one of two identities", func(s *signing) { s.policy = identities("strict", wrong, good) }},
		{"a part of the identity with an alias", func(s *signing) { s.policy = identities("strict", "x509.subject: CN=signer, C=US, S=WA, O=Team") }},
		{"another identity", func(s *signing) { s.policy = identities("strict", wrong) }},
		{"another identity, permissive", func(s *signing) { s.policy = identities("permissive", wrong) }},
		{"another identity, audit", func(s *signing) { s.policy = identities("audit", wrong) }},
		{"a store for the other scheme only", field("trustStores", []string{"signingAuthority:team"})},
		// When.
		{"an expiry that is over", func(s *signing) { s.expiry = past }},
		{"an expiry that is over, permissive", func(s *signing) { s.expiry, s.policy = past, policy("permissive", nil) }},
		{"a certificate that has ended", func(s *signing) { s.leaf = ended }},
		{"a certificate that has ended, permissive", func(s *signing) { s.leaf, s.policy = ended, policy("permissive", nil) }},
		{"a certificate that has ended, under a signing authority", func(s *signing) {
			s.leaf, s.scheme = ended, signature.SigningSchemeX509SigningAuthority
		}},
		{"a certificate that had not begun, under a signing authority", func(s *signing) {
			s.leaf = func(c *x509.Certificate) { c.NotBefore = past }
			s.scheme = signature.SigningSchemeX509SigningAuthority
		}},
		// What.
		{"another image", func(s *signing) { s.target = other }},
		{"another size", func(s *signing) { s.target = longer }},
		{"another media type", func(s *signing) { s.target = typed }},
		{"another kind of payload", func(s *signing) { s.contentType = "text/plain" }},
		{"a changed payload", func(s *signing) { s.breakPayload = true }},
		{"a changed signature", func(s *signing) { s.breakSig = true }},
		{"a changed payload, audit", func(s *signing) { s.breakPayload, s.policy = true, policy("audit", nil) }},
		// Certificates.
		{"a chain without its root", func(s *signing) { s.onlyLeaf = true }},
		{"a chain of another root with the same name", func(s *signing) { s.breakChain = true }},
		{"a certificate for encryption", func(s *signing) { s.leaf = func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment } }},
		{"a certificate for servers", func(s *signing) {
			s.leaf = func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
		}},
		{"a certificate without a use", func(s *signing) { s.leaf = func(c *x509.Certificate) { c.KeyUsage = 0 } }},
		{"an authority as signer", func(s *signing) { s.leaf = func(c *x509.Certificate) { c.IsCA = true } }},
		{"an authority that may not have others below", func(s *signing) {
			s.depth = 2
			s.ca = func(c *x509.Certificate) { c.MaxPathLenZero = true }
		}},
		{"a certificate whose revocation cannot be known", func(s *signing) {
			s.leaf = func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://127.0.0.1:9/crl"} }
		}},
		{"a certificate whose revocation cannot be known, permissive", func(s *signing) {
			s.leaf = func(c *x509.Certificate) { c.OCSPServer = []string{"http://127.0.0.1:9/"} }
			s.policy = policy("permissive", nil)
		}},
		{"a certificate whose revocation is not asked for", func(s *signing) {
			s.leaf = func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://127.0.0.1:9/crl"} }
			s.policy = level("strict", map[string]string{"revocation": "skip"})
		}},
		{"a plugin", func(s *signing) {
			s.attributes = []signature.Attribute{{Key: "io.cncf.notary.verificationPlugin", Critical: true, Value: "x"}}
		}},
	}
	if withPolicies {
		all = append(all, policies()...)
	}
	return all
}

// policies are documents that are refused, or do not apply.
func policies() []change {
	raw := func(text string) func(*signing) { return func(s *signing) { s.policy = json.RawMessage(text) } }
	two := func(a, b string) func(*signing) {
		return raw(`{"version": "1.0", "trustPolicies": [` + a + `, ` + b + `]}`)
	}
	statement := func(name, scope string) string {
		return `{"name": "` + name + `", "registryScopes": ["` + scope + `"], "signatureVerification": {"level": "strict"},
			"trustStores": ["ca:team"], "trustedIdentities": ["*"]}`
	}
	return []change{
		{"policy: of this place", field("registryScopes", []string{place})},
		{"policy: this place before all", two(statement("all", "*"), statement("team", place))},
		{"policy: of another place", field("registryScopes", []string{"registry.example.com/team"})},
		{"policy: empty", raw(`{}`)},
		{"policy: another version", raw(`{"version": "2.0"}`)},
		{"policy: no statements", raw(`{"version": "1.0", "trustPolicies": []}`)},
		{"policy: a statement without a name", field("name", "")},
		{"policy: two statements of one name", two(statement("team", "*"), statement("team", place))},
		{"policy: two statements of one scope", two(statement("a", place), statement("b", place))},
		{"policy: a scope that is none", field("registryScopes", []string{"team"})},
		{"policy: a scope with a wildcard in it", field("registryScopes", []string{"registry.example.com/*"})},
		{"policy: no scopes", field("registryScopes", []string{})},
		{"policy: a wildcard and a scope", field("registryScopes", []string{"*", place})},
		{"policy: no level", field("signatureVerification", map[string]any{})},
		{"policy: a level that is none", field("signatureVerification", map[string]any{"level": "hard"})},
		{"policy: an override of integrity", func(s *signing) { s.policy = level("strict", map[string]string{"integrity": "log"}) }},
		{"policy: an override that skips", func(s *signing) { s.policy = level("strict", map[string]string{"expiry": "skip"}) }},
		{"policy: an override of nothing known", func(s *signing) { s.policy = level("strict", map[string]string{"mood": "log"}) }},
		{"policy: an override to nothing known", func(s *signing) { s.policy = level("strict", map[string]string{"expiry": "shrug"}) }},
		{"policy: an override of skip", func(s *signing) { s.policy = level("skip", map[string]string{"expiry": "log"}) }},
		{"policy: an override that lets an expiry pass", func(s *signing) {
			s.expiry, s.policy = signed.Add(time.Hour), level("strict", map[string]string{"expiry": "log"})
		}},
		{"policy: skip with stores", func(s *signing) { s.policy = policy("skip", nil) }},
		{"policy: no stores", field("trustStores", []string{})},
		{"policy: no identities", field("trustedIdentities", []string{})},
		{"policy: a store without a type", field("trustStores", []string{"team"})},
		{"policy: a store of another type", field("trustStores", []string{"cb:team"})},
		{"policy: a store of an odd name", field("trustStores", []string{"ca:te am"})},
		{"policy: an empty identity", field("trustedIdentities", []string{""})},
		{"policy: an identity without a type", field("trustedIdentities", []string{"team"})},
		{"policy: an identity without a value", field("trustedIdentities", []string{"x509.subject:"})},
		{"policy: an identity that lacks parts", field("trustedIdentities", []string{"x509.subject: C=US, O=Team"})},
		{"policy: an identity with a part twice", field("trustedIdentities", []string{"x509.subject: C=US, C=DE, ST=WA, O=Team"})},
		{"policy: an identity with a part of two", field("trustedIdentities", []string{"x509.subject: C=US+L=X, ST=WA, O=Team"})},
		{"policy: identities of which one holds the other", field("trustedIdentities", []string{good, good + ", CN=signer"})},
		{"policy: a wildcard and an identity", field("trustedIdentities", []string{"*", good})},
		{"policy: identities of other types only", field("trustedIdentities", []string{"other:x"})},
		{"policy: a time that is none", func(s *signing) {
			s.policy = policy("strict", func(statement map[string]any) {
				statement["signatureVerification"] = map[string]any{"level": "strict", "verifyTimestamp": "never"}
			})
		}},
	}
}

func name(common string) pkix.Name {
	return pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"Team"}, CommonName: common}
}

func serial() *big.Int { return must(rand.Int(rand.Reader, big.NewInt(1<<62))) }

// chain is the certificate of the key, those above it, and the root.
func (s *signing) chain() []*x509.Certificate {
	leaf := &x509.Certificate{
		SerialNumber: serial(), Subject: name("signer"), NotBefore: begin, NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		BasicConstraintsValid: true,
	}
	s.leaf(leaf)
	create := func(template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) *x509.Certificate {
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, public, by))))
	}
	if s.depth == 0 {
		return []*x509.Certificate{create(leaf, leaf, s.key.Public(), s.key)}
	}
	authority := func(common string) *x509.Certificate {
		c := &x509.Certificate{
			SerialNumber: serial(), Subject: name(common), NotBefore: begin, NotAfter: end, IsCA: true,
			BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		s.ca(c)
		return c
	}
	var key crypto.Signer = ec(elliptic.P384())
	root := create(authority("root"), authority("root"), key.Public(), key)
	chain, above := []*x509.Certificate{root}, root
	if s.depth == 2 {
		below := must(rsa.GenerateKey(rand.Reader, 2048))
		above = create(authority("middle"), root, below.Public(), key)
		chain, key = append([]*x509.Certificate{above}, chain...), below
	}
	return append([]*x509.Certificate{create(leaf, above, s.key.Public(), key)}, chain...)
}

func (s *signing) sign(mediaType string) ([]byte, []string) {
	chain := s.chain()
	trusted := chain[len(chain)-1]
	if s.trustLeaf {
		trusted = chain[0]
	}
	if s.otherTrusted {
		others := newSigning(s.target).chain()
		trusted = others[len(others)-1]
	}
	if s.breakChain {
		others := newSigning(s.target).chain()
		chain = append(chain[:1:1], others[1:]...)
		trusted = chain[1]
	}
	if s.onlyLeaf {
		chain = chain[:1]
	}
	envelope := s.envelope(mediaType, chain)
	return envelope, []string{pemOf(trusted)}
}

func (s *signing) payload() []byte {
	return must(json.Marshal(map[string]any{"targetArtifact": s.target}))
}

// flip changes a bit in the middle of what is after a mark.
func flip(envelope, part []byte) []byte {
	at := bytes.Index(envelope, part)
	if at < 0 {
		panic("the part is not there")
	}
	envelope = append([]byte{}, envelope...)
	envelope[at+len(part)/2] ^= 1
	return envelope
}

func url(raw []byte) []byte { return []byte(base64.RawURLEncoding.EncodeToString(raw)) }
