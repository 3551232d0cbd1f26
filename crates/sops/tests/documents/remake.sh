#!/bin/sh
# Makes every encrypted document and its key anew, with the real sops, age and gpg on the PATH.
# The keys are for these documents only, and worth nothing.
set -eu
cd "$(dirname "$0")"
rm -rf keys encrypted expected gnupg
mkdir -p keys encrypted expected
export GNUPGHOME="$PWD/gnupg"
mkdir -m 700 "$GNUPGHOME"
for name in one two other; do age-keygen -o "keys/$name.agekey" 2>/dev/null; done
age-keygen -pq -o keys/hybrid.agekey 2>/dev/null
recipient() { sed -n 's/^# public key: //p' "keys/$1.agekey"; }
make_key() {
  gpg --batch --quiet --passphrase '' --quick-gen-key "$1 <$1@example.com>" "$2" "$3" never
}
fingerprint() {
  gpg --batch --with-colons --list-keys "$1@example.com" | sed -n 's/^fpr:*\([0-9A-F]*\):.*/\1/p' | head -1
}
make_key rsa rsa3072 sign,encr
make_key ecc ed25519 sign
gpg --batch --quiet --passphrase '' --quick-add-key "$(fingerprint ecc)" cv25519 encr never
for name in rsa ecc; do
  gpg --batch --quiet --armor --export-secret-keys "$name@example.com" >keys/$name.asc
done
# encrypt NAME FILE [type] OPTION…
encrypt() {
  out=encrypted/$1; file=plain/$2; shift 2
  sops --config /dev/null encrypt "$@" "$file" >"$out"
}
age_one="--age $(recipient one)"
export SOPS_AGE_KEY_FILE=keys/one.agekey
for document in secret.yaml values.yaml config.json db.env my.ini blob.txt keystore.jks; do
  encrypt "$document" "$document" $age_one
  sops decrypt "encrypted/$document" >"expected/$document"
done
encrypt pull.dockerconfigjson pull.dockerconfigjson $age_one --input-type json --output-type json
sops decrypt --input-type json --output-type json encrypted/pull.dockerconfigjson >expected/pull.dockerconfigjson
encrypt regex.yaml secret.yaml $age_one --encrypted-regex '^(data|stringData)$'
encrypt suffix.yaml values.yaml $age_one --encrypted-suffix ed
encrypt unencrypted-regex.yaml secret.yaml $age_one --unencrypted-regex '^(apiVersion|kind|metadata)$'
encrypt stray.yaml stray.yaml $age_one --encrypted-regex "^name\$"
encrypt patch.yaml patch.yaml $age_one --encrypted-regex "^data\$"
encrypt hybrid.yaml secret.yaml --age "$(recipient hybrid)"
encrypt two.yaml secret.yaml --age "$(recipient other),$(recipient two)"
encrypt rsa.yaml secret.yaml --pgp "$(fingerprint rsa)"
encrypt ecc.yaml secret.yaml --pgp "$(fingerprint ecc)"
# Rules that have no option.
encrypt_by() {
  cat >rules.config
  sops --config rules.config encrypt plain/secret.yaml >"encrypted/$1"
}
encrypt_by groups.yaml <<YAML
creation_rules:
  - shamir_threshold: 2
    key_groups:
      - age: ["$(recipient one)"]
      - age: ["$(recipient two)"]
      - pgp: ["$(fingerprint rsa)"]
YAML
encrypt_by mac-only.yaml <<YAML
creation_rules:
  - age: "$(recipient one)"
    encrypted_regex: ^stringData\$
    mac_only_encrypted: true
YAML
encrypt_by comment.yaml <<YAML
creation_rules:
  - age: "$(recipient one)"
    encrypted_comment_regex: who
YAML
gpgconf --kill all 2>/dev/null || true
rm -rf gnupg rules.config
