// Command notation signs an image as notation does, by every kind of key, in both forms, under both
// schemes, and with each thing wrong alone, and asks notation's own library for its verdict under a
// trust policy.
//
//	go run . sha256:… SIZE > ../notation.json
package main

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Case is one signed image and what is demanded of it.
type Case struct {
	Name         string          `json:"name"`
	MediaType    string          `json:"mediaType"`
	Envelope     string          `json:"envelope"`
	Policy       json.RawMessage `json:"policy"`
	Certificates []string        `json:"certificates"`
	// What the reference says: verified, ignored, or why not.
	Reference string `json:"reference"`
}

const place = "registry.example.com/team/app"

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// policy is a trust policy of one statement.
func policy(level string, edit func(map[string]any)) json.RawMessage {
	statement := map[string]any{
		"name": "team", "registryScopes": []string{"*"},
		"signatureVerification": map[string]any{"level": level},
		"trustStores":           []string{"ca:team", "signingAuthority:team"}, "trustedIdentities": []string{"*"},
	}
	if edit != nil {
		edit(statement)
	}
	return must(json.Marshal(map[string]any{"version": "1.0", "trustPolicies": []any{statement}}))
}

type store []*x509.Certificate

func (s store) GetCertificates(context.Context, truststore.Type, string) ([]*x509.Certificate, error) {
	return s, nil
}

// verdict is that of source-controller: an outcome whose authenticity failed without consequence is
// ignored.
func verdict(one Case, image ocispec.Descriptor) string {
	var document trustpolicy.Document
	if err := json.Unmarshal(one.Policy, &document); err != nil {
		return err.Error()
	}
	for at, statement := range document.TrustPolicies {
		// As source-controller does, before the document is checked.
		if statement.SignatureVerification.VerificationLevel == trustpolicy.LevelSkip.Name {
			document.TrustPolicies[at].TrustStores, document.TrustPolicies[at].TrustedIdentities = nil, nil
		}
	}
	var trusted store
	for _, text := range one.Certificates {
		block, _ := pem.Decode([]byte(text))
		trusted = append(trusted, must(x509.ParseCertificate(block.Bytes)))
	}
	judge, err := verifier.New(&document, trusted, nil)
	if err != nil {
		return err.Error()
	}
	options := notation.VerifierVerifyOptions{
		ArtifactReference: place + "@" + image.Digest.String(), SignatureMediaType: one.MediaType,
	}
	outcome, err := judge.Verify(context.Background(), image, must(base64.StdEncoding.DecodeString(one.Envelope)), options)
	if err != nil {
		return err.Error()
	}
	if outcome.VerificationLevel == trustpolicy.LevelSkip {
		return "ignored"
	}
	for _, result := range outcome.VerificationResults {
		if result.Error != nil && result.Type == trustpolicy.TypeAuthenticity {
			return "ignored"
		}
	}
	return "verified"
}

func pemOf(certificate *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
}

func main() {
	size := must(strconv.ParseInt(os.Args[2], 10, 64))
	image := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.Digest(os.Args[1]), Size: size}
	var cases []Case
	add := func(one Case) {
		one.Reference = verdict(one, image)
		fmt.Fprintf(os.Stderr, "%s: %s\n", one.Name, strings.ReplaceAll(one.Reference, "\n", " "))
		cases = append(cases, one)
	}
	forms := map[string]string{"jws": jws.MediaTypeEnvelope, "cose": cose.MediaTypeEnvelope}
	for _, form := range []string{"jws", "cose"} {
		for _, change := range changes(image, form == "jws") {
			s := newSigning(image)
			change.edit(s)
			envelope, certificates := s.sign(forms[form])
			add(Case{
				Name: form + ": " + change.name, MediaType: forms[form],
				Envelope: base64.StdEncoding.EncodeToString(envelope), Policy: s.policy, Certificates: certificates,
			})
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	out.SetEscapeHTML(false)
	if err := out.Encode(cases); err != nil {
		panic(err)
	}
}
