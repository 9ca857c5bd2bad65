#!/bin/sh
# Makes the certificates of the probe tests anew: a CA, and leaves it signed or did not sign. Valid from 2020 to 2099.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/ca.conf" <<CONF
[ca]
default_ca = test
[test]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[good]
subjectAltName = DNS:www.gslb.example, IP:127.0.0.1
[other]
subjectAltName = DNS:other.example
CONF
: > "$work/index"

# sign NAME COMMON-NAME EXTENSIONS FROM UNTIL SIGNER...
sign() {
  name=$1 subject=$2 extensions=$3 from=$4 until=$5
  shift 5
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$name.key" -subj "/CN=$subject" -out "$work/$name.csr"
  openssl ca -batch -notext -config "$work/ca.conf" -extensions "$extensions" -startdate "$from" -enddate "$until" \
    -in "$work/$name.csr" -out "$name.pem" "$@"
}

sign ca "Meridian test CA" root 20200101000000Z 20991231000000Z -selfsign -keyfile ca.key
sign good www.gslb.example good 20200101000000Z 20991231000000Z -cert ca.pem -keyfile ca.key
sign other other.example other 20200101000000Z 20991231000000Z -cert ca.pem -keyfile ca.key
sign expired www.gslb.example good 20200101000000Z 20200201000000Z -cert ca.pem -keyfile ca.key
sign stranger www.gslb.example good 20200101000000Z 20991231000000Z -selfsign -keyfile stranger.key
rm ca.key
