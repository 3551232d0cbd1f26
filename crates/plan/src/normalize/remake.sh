#!/bin/sh
# Writes kinds.txt anew from the Go types of Kubernetes; needs Go and its module proxy.
# The version is that of the control plane of the tests.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/remake/main.go" "$work"
cd "$work"
go mod init fields >/dev/null 2>&1
go get k8s.io/client-go@v0.36.4
go mod tidy >/dev/null 2>&1
go run . >"$here/kinds.txt"
