package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/veraison/go-cose"
)

// envelope is what notation's library would write. It is put together here, because the library
// refuses to sign with most of what is wrong.
func (s *signing) envelope(mediaType string, chain []*x509.Certificate) []byte {
	if mediaType == jws.MediaTypeEnvelope {
		return s.jws(chain)
	}
	return s.cose(chain)
}

func (s *signing) algorithm() (string, cose.Algorithm, crypto.Hash, int) {
	switch key := s.key.(type) {
	case *rsa.PrivateKey:
		switch key.N.BitLen() {
		case 2048:
			return "PS256", cose.AlgorithmPS256, crypto.SHA256, 0
		case 3072:
			return "PS384", cose.AlgorithmPS384, crypto.SHA384, 0
		}
		return "PS512", cose.AlgorithmPS512, crypto.SHA512, 0
	case *ecdsa.PrivateKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return "ES256", cose.AlgorithmES256, crypto.SHA256, 32
		case 384:
			return "ES384", cose.AlgorithmES384, crypto.SHA384, 48
		}
		return "ES512", cose.AlgorithmES512, crypto.SHA512, 66
	}
	panic("no such key")
}

func (s *signing) raw(message []byte) []byte {
	_, _, hash, size := s.algorithm()
	hasher := hash.New()
	hasher.Write(message)
	sum := hasher.Sum(nil)
	if key, ok := s.key.(*rsa.PrivateKey); ok {
		return must(rsa.SignPSS(rand.Reader, key, hash, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
	}
	r, t, err := ecdsa.Sign(rand.Reader, s.key.(*ecdsa.PrivateKey), sum)
	if err != nil {
		panic(err)
	}
	return append(r.FillBytes(make([]byte, size)), t.FillBytes(make([]byte, size))...)
}

// headers are those of the scheme, and which of them have to be understood.
func (s *signing) headers(time func(time.Time) any) (map[string]any, []any) {
	headers := map[string]any{"io.cncf.notary.signingScheme": string(s.scheme)}
	critical := []any{"io.cncf.notary.signingScheme"}
	if s.scheme == signature.SigningSchemeX509 {
		headers["io.cncf.notary.signingTime"] = time(signed)
	} else {
		headers["io.cncf.notary.authenticSigningTime"] = time(signed)
		critical = append(critical, "io.cncf.notary.authenticSigningTime")
	}
	if !s.expiry.IsZero() {
		headers["io.cncf.notary.expiry"] = time(s.expiry)
		critical = append(critical, "io.cncf.notary.expiry")
	}
	for _, attribute := range s.attributes {
		headers[attribute.Key.(string)] = attribute.Value
		critical = append(critical, attribute.Key)
	}
	return headers, critical
}

func (s *signing) jws(chain []*x509.Certificate) []byte {
	headers, critical := s.headers(func(t time.Time) any { return t })
	algorithm, _, _, _ := s.algorithm()
	headers["alg"], headers["cty"], headers["crit"] = algorithm, s.contentType, critical
	protected, payload := url(must(json.Marshal(headers))), url(s.payload())
	mark := s.raw([]byte(string(protected) + "." + string(payload)))
	if s.breakSig {
		mark = flip(mark, mark)
	}
	var certificates [][]byte
	for _, certificate := range chain {
		certificates = append(certificates, certificate.Raw)
	}
	envelope := must(json.Marshal(map[string]any{
		"payload": string(payload), "protected": string(protected), "signature": string(url(mark)),
		"header": map[string]any{"x5c": certificates, "io.cncf.notary.signingAgent": "test"},
	}))
	if s.breakPayload {
		envelope = flip(envelope, payload[len(payload)-40:])
	}
	return envelope
}

func (s *signing) cose(chain []*x509.Certificate) []byte {
	encode := must(cbor.EncOptions{Time: cbor.TimeUnix, TimeTag: cbor.EncTagRequired, Sort: cbor.SortCoreDeterministic}.EncMode())
	headers, critical := s.headers(func(t time.Time) any { return t })
	_, algorithm, _, _ := s.algorithm()
	labels := map[any]any{int64(1): int64(algorithm), int64(2): critical, int64(3): s.contentType}
	for key, value := range headers {
		labels[key] = value
	}
	protected, payload := must(encode.Marshal(labels)), s.payload()
	mark := s.raw(must(encode.Marshal([]any{"Signature1", protected, []byte{}, payload})))
	if s.breakSig {
		mark = flip(mark, mark)
	}
	var certificates []any
	for _, certificate := range chain {
		certificates = append(certificates, certificate.Raw)
	}
	envelope := must(encode.Marshal(cbor.Tag{Number: 18, Content: []any{
		protected, map[any]any{int64(33): certificates, "io.cncf.notary.signingAgent": "test"}, payload, mark,
	}}))
	if s.breakPayload {
		envelope = flip(envelope, payload[len(payload)-40:])
	}
	return envelope
}
