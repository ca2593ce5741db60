#!/bin/sh
# Runs the official JavaScript SDK against tools/devserver; with --install it only fetches it.
#
# The SDK goes to build/interop, outside the tracked files. The tests themselves use loopback only.
set -eu

SDK=@alibaba-group/opensandbox
VERSION=${OPENSANDBOX_JS_VERSION:-0.1.11}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
modules=${INTEROP_DIR:-$root/build/interop}

say() { echo "interop: $*"; }

"$root/tools/deps.sh" interop

installed=$modules/node_modules/$SDK/package.json
if ! grep -qs "\"version\": \"$VERSION\"" "$installed"; then
    say "installing $SDK@$VERSION into $modules"
    # Node.js has certificates of its own, and does not look for the machine's, which may have more.
    store=/etc/ssl/certs/ca-certificates.crt
    if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -f "$store" ]; then export NODE_EXTRA_CA_CERTS="$store"; fi
    mkdir -p "$modules"
    [ -f "$modules/package.json" ] || echo '{"private": true}' >"$modules/package.json"
    npm install --prefix "$modules" --no-audit --no-fund --ignore-scripts --loglevel error \
        "$SDK@$VERSION" >/dev/null
fi

[ "${1:-}" != --install ] || exit 0

say "running $SDK@$VERSION against tools/devserver"
cd "$here"
# The SDK reports how long a create took unless told not to.
OPENSANDBOX_DISABLE_METRICS=1 INTEROP_DIR=$modules exec node main.mjs "$@"
