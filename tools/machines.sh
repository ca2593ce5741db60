#!/usr/bin/env bash
# Runs the unit suites, the replays and what the fuzzers once found as programs of other machines, by
# emulation, and natively with clang's search for memory that was never written.
#
#     tools/machines.sh [MACHINE...]     default: all
#
# Each suite becomes a program build/machines/MACHINE/SUITE, which tools/run-tests.py can start.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly WORK=build/machines
# The tests compare with dates after 2038, hence the times of 64 bits. Warnings are for `make cross`.
readonly FLAGS=(-D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64 -std=c99 -g -O1
    -isystem tests/support/cross -isystem "$WORK/include" -I.)
readonly MACHINES='x86 powerpc arm riscv64 msan'

# What compiles for a machine, and what runs its programs.
compiler_of() {
    case $1 in
    x86) echo i686-linux-gnu-gcc -static ;; # 32 bits
    powerpc) echo powerpc-linux-gnu-gcc -static ;; # 32 bits, big-endian
    arm) echo arm-linux-gnueabihf-gcc -static ;; # 32 bits
    riscv64) echo riscv64-linux-gnu-gcc -static ;;
    msan) echo clang -fsanitize=memory -fno-omit-frame-pointer ;;
    *) echo "tools/machines.sh: no machine '$1' (there are: $MACHINES)" >&2; return 1 ;;
    esac
}

emulator_of() {
    case $1 in
    x86) echo qemu-i386 ;;
    powerpc) echo qemu-ppc ;;
    arm | riscv64) echo "qemu-$1" ;;
    msan) echo exec ;;
    esac
}

# build MACHINE SOURCE: a program, and a script of the suite's name that runs it.
build() {
    local machine=$1 source=$2 name extra=()
    name=$(basename "$source" .c)
    case $name in
    fuzz_*) extra=(tests/fuzz/files_main.c '-DFUZZ_DIRECTORY="tests/fuzz/regressions"'
        "-DFUZZ_TARGET=\"${name#fuzz_}\"") ;;
    esac
    # Unquoted: a compiler with its options.
    $(compiler_of "$machine") "${FLAGS[@]}" "${extra[@]}" "$source" -o "$WORK/$machine/$name.bin"
    printf '#!/bin/sh\n%s "$0.bin"\n' "$(emulator_of "$machine")" >"$WORK/$machine/$name"
    chmod +x "$WORK/$machine/$name"
}

[ $# -gt 0 ] || set -- $MACHINES
mkdir -p "$WORK/include"
cp /usr/include/jsmn.h "$WORK/include"
programs=()
running=0
for machine in "$@"; do
    compiler_of "$machine" >/dev/null
    mkdir -p "$WORK/$machine"
    for source in tests/unit/*.c tests/replay/*.c tests/fuzz/fuzz_*.c; do
        build "$machine" "$source" &
        programs+=("$WORK/$machine/$(basename "$source" .c)")
        running=$((running + 1))
        if [ $running -gt "$(nproc)" ]; then
            wait -n
            running=$((running - 1))
        fi
    done
done
while [ $running -gt 0 ]; do
    wait -n
    running=$((running - 1))
done
tools/run-tests.py --time-limit 600 "${programs[@]}"
