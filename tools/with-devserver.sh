#!/bin/sh
# Runs a command against a local OpenSandbox server (tools/devserver) that lives as long as the
# command does. The command finds the server by OPEN_SANDBOX_DOMAIN and OPEN_SANDBOX_API_KEY; its
# exit status is passed on.
#
#     tools/with-devserver.sh [--tls DIRECTORY] COMMAND [ARGUMENT]...
#
# With --tls the server speaks TLS, with good.pem and good.key of that directory, and its authority
# ca.pem is in SSL_CERT_FILE (see tests/tls/certificates.sh).
set -eu

usage() {
    echo "usage: tools/with-devserver.sh [--tls DIRECTORY] COMMAND [ARGUMENT]..." >&2
    exit 2
}

tls=
if [ "${1:-}" = --tls ]; then
    [ $# -gt 2 ] || usage
    tls=$2
    shift 2
fi
[ $# -gt 0 ] || usage

work=$(mktemp -d)
server=

stop_server() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap stop_server EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Whoever knows the key can run commands as this user, so every server gets one of its own, and not
# on its command line, which everybody on the machine can read.
new_key() {
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

give_up() {
    echo "tools/with-devserver.sh: $1" >&2
    cat "$work/log" >&2
    exit 1
}

wait_until_ready() {
    tries=0
    until [ -s "$work/url" ]; do
        kill -0 "$server" 2>/dev/null || give_up "the dev server has ended"
        tries=$((tries + 1))
        [ "$tries" -lt 400 ] || give_up "the dev server is not ready after 20 s"
        sleep 0.05
    done
}

OPEN_SANDBOX_API_KEY=$(new_key)
echo "$OPEN_SANDBOX_API_KEY" >"$work/key" # a directory of mktemp is nobody else's
python3 "$(dirname "$0")/devserver" --port 0 --api-key-file "$work/key" \
    ${tls:+--tls-cert "$tls/good.pem" --tls-key "$tls/good.key"} \
    --ready-file "$work/url" --exit-with-parent >"$work/log" 2>&1 &
server=$!
wait_until_ready

url=$(cat "$work/url")
OPEN_SANDBOX_DOMAIN=${url#*://}
OPEN_SANDBOX_PROTOCOL=${url%%://*}
export OPEN_SANDBOX_API_KEY OPEN_SANDBOX_DOMAIN OPEN_SANDBOX_PROTOCOL
if [ -n "$tls" ]; then
    SSL_CERT_FILE=$tls/ca.pem
    export SSL_CERT_FILE
fi

trap : INT # Ctrl-C is the command's; the server is here until that has ended
status=0
"$@" || status=$?
[ "$status" -eq 0 ] || cat "$work/log" >&2
exit "$status"
