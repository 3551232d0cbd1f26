// Command keyless signs an image without keys, with a throw-away imitation of Sigstore: an authority
// for certificates, one for times, a log of certificates and a log of signatures. It breaks each
// element alone, and asks cosign's own library for its verdict of every case.
//
//	go run . sha256:… > ../keyless.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// A Case is one signed image.
type Case struct {
	Name string `json:"name"`
	// A bundle that refers to the image, or the annotations and payload of a signature tag.
	Bundle      json.RawMessage   `json:"bundle,omitempty"`
	Payload     string            `json:"payload,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// What the reference says: empty if it accepts.
	Reference string `json:"reference"`
}

// What a case changes while the image is signed.
type change struct {
	name string
	edit func(*signing)
}

const (
	subject = "https://ci.example.com/team/app@refs/heads/main"
	issuer  = "https://oidc.example.com"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	digest := strings.TrimPrefix(os.Args[1], "sha256:")
	world, other := newWorld(), newWorld()
	now := time.Now().Add(-time.Hour).Truncate(time.Second)
	changes := []change{
		{"as it should be", func(s *signing) {}},
		{"a certificate of another authority", func(s *signing) { s.authority = other.fulcio }},
		{"no timestamp of a certificate log", func(s *signing) { s.certificateLog = nil }},
		{"a timestamp of another certificate log", func(s *signing) { s.certificateLog = other.ctlog }},
		{"a changed timestamp of the certificate log", func(s *signing) { s.breakSCT = true }},
		{"a certificate that had ended when it was logged", func(s *signing) { s.logged = now.Add(20 * time.Minute) }},
		{"a certificate that had not begun when it was logged", func(s *signing) { s.logged = now.Add(-20 * time.Minute) }},
		{"a certificate for another use", func(s *signing) { s.usage = usageServer }},
		{"an entry of another log", func(s *signing) { s.log = other.rekor }},
		{"an entry whose time was changed", func(s *signing) { s.shiftTime = 60 }},
		{"an entry whose promise was changed", func(s *signing) { s.breakPromise = true }},
		{"an entry of another artifact", func(s *signing) { s.otherEntry = true }},
		{"no entry", func(s *signing) { s.noEntry = true }},
		{"a changed signature", func(s *signing) { s.breakSignature = true }},
		{"a signature by another key", func(s *signing) { s.otherKey = true }},
		{"a statement about another artifact", func(s *signing) { s.digest = strings.Repeat("0", 64) }},
	}
	onlyBundles := []change{
		{"a time of an authority for times", func(s *signing) { s.timed = world.tsa }},
		{"a second version of the log, with a time", func(s *signing) { s.timed, s.secondVersion = world.tsa, true }},
		{"a second version of the log, without a time", func(s *signing) { s.secondVersion = true }},
		{"a second version of the log, with the time of another authority", func(s *signing) { s.timed, s.secondVersion = other.tsa, true }},
		{"a second version of the log, with the time of another signature", func(s *signing) { s.timed, s.secondVersion, s.otherTime = world.tsa, true, true }},
		{"a changed way to the root of the log", func(s *signing) { s.breakProof = true }},
		{"a changed checkpoint", func(s *signing) { s.breakCheckpoint = true }},
		{"a checkpoint of another log", func(s *signing) { s.checkpointLog = other.rekor }},
		{"no proof of inclusion", func(s *signing) { s.noProof = true }},
	}
	var cases []Case
	for _, form := range []string{"bundle", "tag"} {
		all := changes
		if form == "bundle" {
			all = append(append([]change{}, changes...), onlyBundles...)
		}
		for _, change := range all {
			s := newSigning(world, digest, now)
			change.edit(s)
			one := s.sign(form)
			one.Name = form + ": " + change.name
			one.Reference = verdict(world, one, digest)
			fmt.Fprintf(os.Stderr, "%s: %s\n", one.Name, one.Reference)
			cases = append(cases, one)
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	out.SetEscapeHTML(false)
	if err := out.Encode(map[string]any{
		"root": world.root(now), "otherRoot": other.root(now), "subject": subject, "issuer": issuer,
		"cases": cases,
	}); err != nil {
		panic(err)
	}
}
