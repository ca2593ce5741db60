#!/usr/bin/env bash
# Builds the Winsock port's tests and the unit suites with mingw-w64 and runs them under wine, the
# former against a local dev server. Wine's own files go to build/wine.
#
#     tools/windows.sh
set -euo pipefail
cd "$(dirname "$0")/.."

readonly WORK=build/windows
readonly COMPILER=(x86_64-w64-mingw32-gcc -std=c99 -g -D__USE_MINGW_ANSI_STDIO=1
    -isystem tests/support/cross -isystem "$WORK/include" -I.)
# The unit suites' own warnings are for `make test`.
readonly WARNINGS=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
export WINEPREFIX=$PWD/build/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
unset DISPLAY
trap 'wineserver -k || true' EXIT # of this WINEPREFIX

# build SOURCE OPTION...: a program, and a script of the suite's name that runs it.
build() {
    local source=$1 name
    name=$(basename "$source" .c)
    shift
    "${COMPILER[@]}" "$source" -o "$WORK/$name.exe" "$@"
    # wine complains that it finds no 32-bit part of itself, which nobody asks for
    printf '#!/bin/sh\nwine "$0.exe" >"$0.out" 2>/dev/null\nstatus=$?\ntr -d "\\r" <"$0.out"\nexit $status\n' \
        >"$WORK/$name"
    chmod +x "$WORK/$name"
    programs+=("$WORK/$name")
}

mkdir -p "$WORK/include"
cp /usr/include/jsmn.h "$WORK/include"
programs=()
build tests/windows/test_win32.c "${WARNINGS[@]}" -lws2_32 -lbcrypt
for source in tests/unit/*.c; do
    grep -q '#include <sys/' "$source" || build "$source" -w # guard pages are mmap's
done
[ -d "$WINEPREFIX" ] || wineboot --init >/dev/null 2>&1 # once; takes seconds
tools/with-devserver.sh tools/run-tests.py --jobs 2 "${programs[@]}"
