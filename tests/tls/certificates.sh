#!/bin/sh
# Makes the certificates that the TLS tests use, each as NAME.pem and NAME.key.
#
#     tests/tls/certificates.sh DIRECTORY
set -eu

[ $# -eq 1 ] || { echo "usage: tests/tls/certificates.sh DIRECTORY" >&2; exit 2; }
out=$1
work=$out/work
mkdir -p "$out" "$work/issued"
: >"$work/index.txt"

cat >"$work/openssl.cnf" <<EOF
[ca]
default_ca = test
[test]
database = $work/index.txt
unique_subject = no
new_certs_dir = $work/issued
rand_serial = yes
policy = any
default_md = sha256
default_days = 3650
copy_extensions = none
[any]
commonName = supplied
[req]
distinguished_name = nobody
[nobody]
EOF

quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
}

# new_key NAME KIND: ec:CURVE or rsa:BITS
new_key() {
    case $2 in
    ec:*) quietly openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:${2#ec:}" -out "$out/$1.key" ;;
    rsa:*) quietly openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:${2#rsa:}" -out "$out/$1.key" ;;
    esac
}

# issue NAME KIND ISSUER EXTENSIONS [OPTION-OF-OPENSSL-CA...]: ISSUER "self" signs itself
issue() {
    name=$1 issuer=$3
    new_key "$name" "$2"
    printf '%b\n' "$4" >"$work/$name.ext"
    shift 4
    quietly openssl req -new -config "$work/openssl.cnf" -key "$out/$name.key" \
        -subj "/CN=${cn:-$name}" -out "$work/$name.csr"
    if [ "$issuer" = self ]; then
        set -- -selfsign -keyfile "$out/$name.key" "$@"
    else
        set -- -cert "$work/$issuer.crt" -keyfile "$out/$issuer.key" "$@"
    fi
    quietly openssl ca -batch -notext -config "$work/openssl.cnf" -in "$work/$name.csr" \
        -extfile "$work/$name.ext" -out "$work/$name.crt" "$@"
    cat "$work/$name.crt" >"$out/$name.pem"
}

# with_chain NAME ISSUER...: adds what the server has to send with its certificate
with_chain() {
    name=$1
    shift
    for issuer in "$@"; do cat "$work/$issuer.crt" >>"$out/$name.pem"; done
}

authority='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign'
server='subjectAltName=DNS:api.example.com,IP:127.0.0.1,IP:::1'

issue ca ec:P-256 self "$authority"
issue other-ca ec:P-256 self "$authority"

issue good ec:P-256 ca "$server\nextendedKeyUsage=serverAuth"
issue good-rsa rsa:2048 ca "$server"
issue good-224 ec:P-224 ca "$server"
issue wildcard ec:P-256 ca 'subjectAltName=DNS:*.example.com'
issue address ec:P-256 ca 'subjectAltName=IP:127.0.0.1'
cn=api.example.com issue name-only ec:P-256 ca 'basicConstraints=CA:FALSE'
issue expired ec:P-256 ca "$server" -startdate 20190101000000Z -enddate 20200101000000Z
issue future ec:P-256 ca "$server" -startdate 20900102000000Z -enddate 20990101000000Z
issue wrong-name ec:P-256 ca 'subjectAltName=DNS:other.example.com,IP:127.0.0.2'
cn=127.0.0.1 issue address-as-name ec:P-256 ca 'subjectAltName=DNS:127.0.0.1'
issue name-like-address ec:P-256 ca 'subjectAltName=DNS:1234,IP:127.0.0.1'
issue unknown ec:P-256 other-ca "$server"
issue self-signed ec:P-256 self "$server"
issue rsa-1024 rsa:1024 ca "$server"
issue ec-192 ec:P-192 ca "$server"
issue sha1 ec:P-256 ca "$server" -md sha1
issue for-clients ec:P-256 ca "$server\nextendedKeyUsage=clientAuth"

issue middle ec:P-256 ca "$authority"
issue chain ec:P-256 middle "$server"
with_chain chain middle
issue chain-missing ec:P-256 middle "$server"
issue old-middle ec:P-256 ca "$authority" -startdate 20190101000000Z -enddate 20200101000000Z
issue chain-expired ec:P-256 old-middle "$server"
with_chain chain-expired old-middle
issue short-middle ec:P-256 ca "$authority" -days 1000
issue chain-short ec:P-256 short-middle "$server"
with_chain chain-short short-middle
issue weak-rsa rsa:1024 ca "$authority"
issue chain-weak-rsa ec:P-256 weak-rsa "$server"
with_chain chain-weak-rsa weak-rsa
issue weak-ec ec:P-192 ca "$authority"
issue chain-weak-ec ec:P-256 weak-ec "$server"
with_chain chain-weak-ec weak-ec
# A server that signs certificates as if it were an authority.
issue chain-no-authority ec:P-256 good "$server"
with_chain chain-no-authority good

issue client ec:P-256 ca 'extendedKeyUsage=clientAuth'
issue wrong-client ec:P-256 other-ca 'extendedKeyUsage=clientAuth'
quietly openssl pkey -in "$out/client.key" -traditional -aes128 -passout pass:secret -out "$out/client-encrypted.key"

# Other forms of the same authority: DER, among others in a directory, in a damaged file.
quietly openssl x509 -in "$out/ca.pem" -outform DER -out "$out/ca.der"
mkdir -p "$out/authorities"
cp "$out/ca.pem" "$out/other-ca.pem" "$out/authorities"
echo 'not a certificate' >"$out/authorities/README"
{ cat "$out/ca.pem"; sed 's/^MII/AAA/' "$out/other-ca.pem"; } >"$out/damaged.pem"

# The pin of `good`: SHA-256 of its SubjectPublicKeyInfo.
openssl pkey -in "$out/good.key" -pubout -outform DER | openssl dgst -sha256 -binary >"$out/good.pin"
rm -rf "$work"
