#!/usr/bin/env bash
# Makes the signed images beside this file anew, with the real tools, against Debian's
# docker-registry on loopback. The keys are throw-away ones and stay: they are in keys/.
#
#   COSIGN2=… COSIGN3=… NOTATION=… ./remake.sh
#
# cosign installs with `go install github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5` and
# `…/cosign/v3/cmd/cosign@v3.1.3`, notation 1.3.2 with `go build ./cmd/notation` in its module. Also
# needed: docker-registry, curl, go, jq, openssl, tar.
#
# Each <case>.json is a repository: manifests with their tags, and blobs in base64. The image that
# is signed is the same in all of them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
port=${PORT:-5778}
registry=http://127.0.0.1:$port
export COSIGN_PASSWORD=
cd "$work"
trap 'kill "$server" 2>/dev/null; rm -rf "$work"' EXIT

cat > registry.yml <<C
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/data}}
http: {addr: "127.0.0.1:$port"}
C
docker-registry serve registry.yml > registry.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -fs -o /dev/null $registry/v2/ && break; sleep 0.1; done

any='application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json'
content=application/vnd.cncf.flux.content.v1.tar+gzip

blob() { # blob REPOSITORY FILE: pushes it and prints its digest
  local digest location
  digest=sha256:$(sha256sum < "$2" | cut -d' ' -f1)
  location=$(curl -fsSi -X POST "$registry/v2/$1/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //Ip')
  curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' \
    --data-binary "@$2" "$location&digest=$digest"
  echo "$digest"
}

image() { # image REPOSITORY: pushes the image as v1 and prints its reference by digest
  local layer config
  layer=$(blob "$1" layer.tgz) config=$(blob "$1" config.json)
  jq -cnj --arg layer "$layer" --argjson size "$(stat -c %s layer.tgz)" --arg config "$config" \
    --arg content $content '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {mediaType: "application/vnd.cncf.flux.config.v1+json", digest: $config, size: 2},
    layers: [{mediaType: $content, digest: $layer, size: $size}]}' > image.json
  curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
    --data-binary @image.json "$registry/v2/$1/manifests/v1"
  echo "127.0.0.1:$port/$1@sha256:$(sha256sum < image.json | cut -d' ' -f1)"
}

manifest() { # manifest REPOSITORY NAME [TAG]: prints it, and what an index holds, as one line each
  curl -fsS -D headers -o body -H "Accept: $any" "$registry/v2/$1/manifests/$2"
  jq -cn --arg tag "${3:-}" --rawfile body body \
    --arg type "$(tr -d '\r' < headers | sed -n 's/^Content-Type: //Ip')" \
    '{tag: $tag, mediaType: $type, body: $body}'
  for child in $(jq -r '.manifests[]?.digest' body); do manifest "$1" "$child"; done
}

dump() { # dump REPOSITORY: writes <repository>.json
  for tag in $(curl -fsS "$registry/v2/$1/tags/list" | jq -r '.tags[]' | sort); do
    manifest "$1" "$tag" "$tag"
  done > manifests
  for digest in $(jq -r '.body | fromjson | (.layers[]?, .config // empty) | .digest' manifests | sort -u); do
    curl -fsS "$registry/v2/$1/blobs/$digest" | base64 -w0 | jq -R .
  done > blobs
  jq -n --slurpfile manifests manifests --slurpfile blobs blobs '$ARGS.named' > "$here/$1.json"
}

printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: signed}\ndata: {by: a key}\n' > cm.yaml
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=600 -cf - cm.yaml | gzip -n > layer.tgz
printf '{}' > config.json

image unsigned > /dev/null
dump unsigned

for kind in p256 p384 p521 rsa ed25519; do
  [ -f "$here/keys/$kind.pem" ] || { echo "keys/$kind.pem is missing" >&2; exit 1; }
  "$COSIGN2" import-key-pair --key "$here/keys/$kind.pem" --output-key-prefix $kind -y 2> cosign.log
  "$COSIGN2" sign -y --key $kind.key --tlog-upload=false "$(image tag-$kind)" 2> cosign.log
  dump tag-$kind
  "$COSIGN3" sign -y --key $kind.key --use-signing-config=false --tlog-upload=false \
    "$(image bundle-$kind)" 2> cosign.log
  dump bundle-$kind
done

# Without keys: an imitation of Sigstore, with cosign's own verdict of every case.
image keyless > reference
signed=$(sed 's/.*@//' reference)
(cd "$here/keyless" && go run . "$signed" > ../keyless.json)

# By the real notation, under an authority of its own. Its verdicts of each broken element are
# another program's.
export XDG_CONFIG_HOME=$work/config
mkdir -p config/notation
openssl req -x509 -newkey rsa:2048 -nodes -days 7300 -keyout ca.pem -out "$here/keys/notation.crt" \
  -subj '/C=US/ST=WA/O=Team/CN=root' -addext basicConstraints=critical,CA:TRUE \
  -addext keyUsage=critical,keyCertSign 2> openssl.log
openssl req -newkey rsa:2048 -nodes -keyout signer.pem -out signer.csr \
  -subj '/C=US/ST=WA/O=Team/CN=signer' 2> openssl.log
printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n' > signer.cnf
openssl x509 -req -in signer.csr -CA "$here/keys/notation.crt" -CAkey ca.pem -CAserial ca.srl -CAcreateserial \
  -days 7300 -extfile signer.cnf -out signer.crt 2> openssl.log
cat signer.crt "$here/keys/notation.crt" > chain.crt
jq -n --arg work "$work" '{default: "k", keys: [{name: "k", keyPath: ($work + "/signer.pem"),
  certPath: ($work + "/chain.crt")}]}' > config/notation/signingkeys.json
for form in jws cose; do
  "$NOTATION" sign --insecure-registry --signature-format $form --key k \
    "$(image notation-$form)" > notation.log 2>&1
  dump notation-$form
done
size=$(stat -c %s image.json)
(cd "$here/notation" && go run . "$signed" "$size" > ../notation.json)
