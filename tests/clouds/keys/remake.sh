#!/bin/sh
# Makes the key and the certificate of the application anew, with openssl. They are for the
# imitation only, and worth nothing.
set -eu
cd "$(dirname "$0")"
openssl req -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=shop -keyout key.pem -out certificate.pem 2>/dev/null
cat key.pem certificate.pem >application.pem
openssl rsa -in key.pem -RSAPublicKey_out -outform DER -out public.der 2>/dev/null
rm key.pem certificate.pem
