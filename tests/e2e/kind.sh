#!/usr/bin/env bash
# The image in a real cluster: built, loaded into kind, installed from config/default, and given a
# source to follow; then the demo on the same cluster. Without a container engine there is nothing
# to show, and that is said.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! docker info >/dev/null 2>&1; then
  echo "skipped: no container engine"
  exit 0
fi
for tool in kind kubectl cargo; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed: it is needed besides the container engine"; exit 1; }
done

readonly cluster="sluice-e2e-$$"
readonly image="sluice-controller:$cluster"
readonly registry="$cluster-registry"
work=$(mktemp -d)
readonly work
export KUBECONFIG="$work/kubeconfig"

cleanup() {
  local status=$?
  if [ "$status" -ne 0 ]; then
    kubectl -n sluice-system get pods -o wide || true
    kubectl get ocirepositories,kustomizations -A -o yaml || true
    kubectl -n sluice-system logs deployment/sluice-controller --tail=200 || true
  fi
  kind delete cluster --name "$cluster" || true
  docker rm --force "$registry" >/dev/null 2>&1 || true
  docker image rm --force "$image" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

docker build --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)" --tag "$image" .
docker run --rm "$image" --version
kind create cluster --name "$cluster" --wait 180s
kind load docker-image "$image" --name "$cluster"

# config/default with the image that was just built; what is installed otherwise stays as it is.
cp -r config "$work/config"
cat >>"$work/config/default/kustomization.yaml" <<YAML
images:
- name: ghcr.io/sluice-dev/sluice-controller
  newName: sluice-controller
  newTag: $cluster
YAML
kubectl apply --server-side -k "$work/config/default"
kubectl wait --for=condition=Established --timeout=60s \
  crd/ocirepositories.source.toolkit.fluxcd.io crd/kustomizations.kustomize.toolkit.fluxcd.io
kubectl -n sluice-system rollout status deployment/sluice-controller --timeout=180s

# A registry that both sides reach: this machine by a port, the cluster by the engine's network.
docker run --detach --name "$registry" --network kind --publish 127.0.0.1::5000 registry:3 >/dev/null
port=$(docker port "$registry" 5000/tcp | head -n 1 | sed 's/.*://')
address=$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' "$registry")

push() { # folder
  cargo run --quiet --release -p sluice-cli -- push artifact "oci://localhost:$port/app:latest" \
    --path "$1" --source kind --revision "$(basename "$1")" --insecure
}

configmap() { # name, file
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\ndata:\n  key: value\n' "$1" >"$2"
}

mkdir "$work/one" "$work/two"
configmap stays "$work/one/stays.yaml"
configmap goes "$work/one/goes.yaml"
configmap stays "$work/two/stays.yaml"
configmap comes "$work/two/comes.yaml"

# The registry listens a moment after its container has started.
curl --silent --show-error --retry 30 --retry-connrefused --retry-delay 1 \
  "http://localhost:$port/v2/" >/dev/null
push "$work/one"
kubectl apply -f - <<YAML
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: app, namespace: default}
spec: {url: "oci://$address:5000/app", interval: 1m, insecure: true, ref: {tag: latest}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app, namespace: default}
spec:
  interval: 1m
  path: ./
  prune: true
  wait: true
  targetNamespace: default
  sourceRef: {kind: OCIRepository, name: app}
YAML
kubectl wait --for=condition=Ready --timeout=120s ocirepository/app kustomization/app
kubectl get configmap stays goes

push "$work/two"
kubectl annotate ocirepository/app reconcile.fluxcd.io/requestedAt="$(date +%s)"
kubectl wait --for=create --timeout=120s configmap/comes
kubectl wait --for=delete --timeout=120s configmap/goes
kubectl get configmap stays
kubectl delete kustomization/app ocirepository/app --timeout=120s
kubectl wait --for=delete --timeout=60s configmap/stays configmap/comes

# The demo brings an operator of its own.
kubectl -n sluice-system scale deployment/sluice-controller --replicas=0
kubectl -n sluice-system wait --for=delete pod --all --timeout=60s
make demo ARGS="--cluster current --exit"
