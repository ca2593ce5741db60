#!/bin/sh
# Runs examples/exact.c: 100 MB of text from events and 100 MB of random bytes from a log, to the
# same checksums, in 4 KB of buffer and less than 2 MB of resident memory. It is built twice: as
# its top comment says, and, where there is a musl-gcc, statically for a small target.
set -eu
cd "$(dirname "$0")/../.."

readonly MEMORY_LIMIT_KB=2048
readonly OUTPUT=build/exact.txt

run() {
    echo "--- $1"
    # A pipe would hide the exit status.
    tools/with-devserver.sh "$1" >"$OUTPUT" || {
        cat "$OUTPUT"
        exit 1
    }
    cat "$OUTPUT"
    awk -v limit=$MEMORY_LIMIT_KB '
        /^peak resident memory/ { peak = $4 }
        END { if (peak == "" || peak > limit) { print "more than " limit " kB"; exit 1 } }' "$OUTPUT"
}

mkdir -p build
cc -O2 -Wall -Wextra -I. examples/exact.c -o build/exact
run build/exact
if command -v musl-gcc >/dev/null; then
    # musl has a directory of headers of its own; build/dist/opensandbox.h has jsmn inside.
    musl-gcc -Os -static -s -Ibuild/dist -I. examples/exact.c -o build/exact-musl
    run build/exact-musl
fi
