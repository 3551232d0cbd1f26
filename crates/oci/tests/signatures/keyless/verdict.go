package main

import (
	"context"
	"encoding/hex"
	"encoding/json"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v3/pkg/cosign"
	cbundle "github.com/sigstore/cosign/v3/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v3/pkg/oci/static"
	rekornote "github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	f_log "github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
)

// secondCheckpoint is the checkpoint of a log of the second version, which has two entries.
func secondCheckpoint(signer signature.SignerVerifier, hash []byte) string {
	const origin = "rekor.example.com"
	noteSigner := must(rekornote.NewNoteSigner(context.Background(), origin, signer))
	text := f_log.Checkpoint{Origin: origin, Size: 2, Hash: hash}.Marshal()
	return string(must(note.Sign(&note.Note{Text: string(text)}, noteSigner)))
}

// verdict asks cosign, as source-controller does: offline, by a trusted root, for one identity.
func verdict(w *world, one Case, digest string) string {
	material := must(root.NewTrustedRootFromJSON(w.root(begin)))
	options := &cosign.CheckOpts{
		TrustedMaterial: material, Offline: true, ClaimVerifier: cosign.SimpleClaimVerifier,
		Identities: []cosign.Identity{{Issuer: issuer, Subject: subject}},
	}
	var err error
	if one.Bundle != nil {
		var parsed bundle.Bundle
		err = parsed.UnmarshalJSON(one.Bundle)
		if err == nil {
			raw := must(hex.DecodeString(digest))
			_, err = cosign.VerifyNewBundle(context.Background(), options, verify.WithArtifactDigest("sha256", raw), &parsed)
		}
	} else {
		err = verifyTag(options, one, digest)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

func verifyTag(options *cosign.CheckOpts, one Case, digest string) error {
	annotation := func(name string) string { return one.Annotations[name] }
	parts := []static.Option{static.WithCertChain(
		[]byte(annotation("dev.sigstore.cosign/certificate")), []byte(annotation("dev.sigstore.cosign/chain")))}
	if text := annotation("dev.sigstore.cosign/bundle"); text != "" {
		var entry cbundle.RekorBundle
		if err := json.Unmarshal([]byte(text), &entry); err != nil {
			return err
		}
		parts = append(parts, static.WithBundle(&entry))
	}
	signature, err := static.NewSignature([]byte(one.Payload), annotation("dev.cosignproject.cosign/signature"), parts...)
	if err != nil {
		return err
	}
	_, err = cosign.VerifyImageSignature(context.Background(), signature, v1.Hash{Algorithm: "sha256", Hex: digest}, options)
	return err
}
