#!/bin/sh
# Installs the headers and what pkg-config and CMake need to find them.
#
#     DESTDIR=... PREFIX=/usr/local HEADER=build/dist/opensandbox.h tools/packaging/install.sh
#
# HEADER is what becomes opensandbox.h: with jsmn inside, or as it is where jsmn.h is installed too.
set -eu
PREFIX=${PREFIX:-/usr/local}
HEADER=${HEADER:-build/dist/opensandbox.h}
DESTDIR=${DESTDIR:-}
here=tools/packaging
include=$DESTDIR$PREFIX/include/opensandbox
cmake=$DESTDIR$PREFIX/share/cmake/opensandbox

cd "$(dirname "$0")/../.."
version=$(sed -n 's/^#define OSB_VERSION "\(.*\)"/\1/p' "$HEADER")

# fill TEMPLATE FILE
fill() {
    sed -e "s|@PREFIX@|$PREFIX|" -e "s|@VERSION@|$version|" "$1" >"$2"
    chmod 644 "$2"
}

mkdir -p "$include/port" "$cmake" "$DESTDIR$PREFIX/share/pkgconfig"
install -m 644 "$HEADER" "$include/opensandbox.h"
install -m 644 port/*.h "$include/port"
fill $here/opensandbox.pc.in "$DESTDIR$PREFIX/share/pkgconfig/opensandbox.pc"
install -m 644 $here/cmake/opensandboxConfig.cmake "$cmake"
fill $here/cmake/opensandboxConfigVersion.cmake.in "$cmake/opensandboxConfigVersion.cmake"
echo "installed opensandbox.h $version in $DESTDIR$PREFIX"
