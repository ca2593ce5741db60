#!/usr/bin/env bash
# Compiles the headers with every compiler, language standard and target that they promise to work
# with, warnings being errors. The last line is "N passed, N failed".
#
#     tests/cross/matrix.sh [native] [configurations] [examples] [tests] [targets]    default: all
#
# native:         opensandbox.h and each header in port/, as C and C++, with gcc and clang
# configurations: each OSB_NO_... macro by itself and all together; how functions are declared; sizes
# examples:       each of them, with gcc and clang
# tests:          each suite with clang; `make test` has them compiled by gcc
# targets:        opensandbox.h for microcontrollers, linked without any C library
#
# Nowhere may there be an exported name without the prefix osb_. Rows are compiled side by side.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly WARNINGS=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
readonly WORK=build/cross
rows=0

# One row of the table, by a process of its own in a directory of its own.
row() {
    rows=$((rows + 1))
    local ROW=$WORK/$rows
    mkdir -p "$ROW"
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
    "$@" >"$ROW/output" 2>&1 &
}

# The result of one cell: runs a command, and keeps what it says if it fails.
cell() {
    local label=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "$label" >>"$ROW/passed"
        printf '  %s ok' "$label"
    else
        echo "$label" >>"$ROW/failed"
        printf '  %s FAILED\n%s\n' "$label" "$output"
    fi
}

# A row that ended without a result has failed as well.
count() {
    local passed=0 failed=0 i
    for ((i = 1; i <= rows; i++)); do
        cat "$WORK/$i/output"
        [ -e "$WORK/$i/passed" ] && passed=$((passed + $(wc -l <"$WORK/$i/passed")))
        [ -e "$WORK/$i/failed" ] && failed=$((failed + $(wc -l <"$WORK/$i/failed")))
        [ -e "$WORK/$i/passed" ] || [ -e "$WORK/$i/failed" ] || failed=$((failed + 1))
    done
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

# --- native

# A file that uses headers as a program does: the library's implementation first, then the ports.
source_including() {
    echo '#define OPENSANDBOX_IMPLEMENTATION'
    printf '#include "%s"\n' "$@"
}

# compile_native LANGUAGE HEADERS COMPILER FLAG...: compiles, then looks at the exported names.
compile_native() {
    local language=$1 headers=$2
    shift 2
    # shellcheck disable=SC2086 # a list of headers
    source_including $headers >"$ROW/source.$language"
    "$@" "${WARNINGS[@]}" -I. -c "$ROW/source.$language" -o "$ROW/native.o" && only_our_names
}

only_our_names() {
    local names
    names=$(nm -g --defined-only "$ROW/native.o" | awk '$3 !~ /^osb_/ { print $3 }')
    [ -z "$names" ] || {
        echo "exported without the prefix osb_: $names"
        return 1
    }
}

# A port is a header for a platform; where the platform's own headers are missing it is left out.
missing_header_of() {
    local messages
    messages=$(source_including opensandbox.h "$1" | gcc -I. -E -x c - 2>&1 >/dev/null) || true
    sed -n 's/.*fatal error: \(.*\): No such file.*/\1/p' <<<"$messages"
}

native_row() {
    local headers=$1 compiler=$2 standard=$3 language=c
    case $standard in c++*) language=cc ;; esac
    # The POSIX port needs more of the system's headers than a strict standard shows.
    local flags=("-std=$standard" -D_POSIX_C_SOURCE=200809L)
    printf '%-9s %-6s %-28s' "$compiler" "$standard" "${headers##* }"
    for level in -Os -O2; do
        cell "$level" compile_native "$language" "$headers" "$compiler" "${flags[@]}" "$level"
    done
    echo
}

native_header() {
    local standard
    for standard in c99 c11 c17; do
        row native_row "$1" gcc "$standard"
        row native_row "$1" clang "$standard"
    done
    row native_row "$1" g++ c++11
    row native_row "$1" clang++ c++11
}

native() {
    local port missing
    native_header opensandbox.h
    for port in port/*.h; do
        missing=$(missing_header_of "$port")
        if [ -n "$missing" ]; then
            row echo "$port: left out, there is no $missing here"
            : >"$WORK/$rows/passed"
        else
            native_header "opensandbox.h $port"
        fi
    done
}

text_bytes() {
    size "$1" | awk 'NR == 2 { print $1 }'
}

# What is left out makes the object smaller than $everything bytes.
compile_less() {
    compile_native c opensandbox.h gcc -std=c99 -Os "$@" || return
    local bytes
    bytes=$(text_bytes "$ROW/native.o")
    [ "$bytes" -lt "$everything" ] || {
        echo "$bytes bytes, no less than without the macro"
        return 1
    }
}

configuration_row() {
    local name=$1
    shift
    printf '%-45s' "gcc c99 $name"
    cell -Os compile_less "$@"
    echo
}

# Of a program that calls none of them, without a warning.
compile_static() {
    compile_native "$@" -DOSB_STATIC && [ -z "$(nm -g --defined-only "$ROW/native.o")" ] || {
        echo 'functions are exported, or it does not compile'
        return 1
    }
}

static_row() {
    printf '%-45s' 'OSB_STATIC'
    cell gcc compile_static c opensandbox.h gcc -std=c99 -Os
    cell clang compile_static c opensandbox.h clang -std=c99 -Os
    cell g++ compile_static cc opensandbox.h g++ -std=c++11 -Os
    echo
}

compile_hidden() {
    compile_native c opensandbox.h "$@" '-DOSB_DEF=__attribute__((visibility("hidden"))) extern' &&
        readelf -sW "$ROW/native.o" | awk '
            $4 == "FUNC" && $8 ~ /^osb_[a-z]/ { n++; bad += $6 != "HIDDEN" }
            END { print n " functions, " bad + 0 " of them not hidden"; exit n == 0 || bad > 0 }'
}

declaration_row() {
    printf '%-45s' 'OSB_DEF'
    cell gcc compile_hidden gcc -std=c99 -Os
    cell clang compile_hidden clang -std=c99 -Os
    echo
}

refused() {
    ! compile_native c opensandbox.h gcc -std=c99 -Os "$@" >"$ROW/refused" 2>&1 &&
        grep -q '#error.* at most' "$ROW/refused"
}

sizes_row() {
    printf '%-45s' 'the largest OSB_..._SIZE, and larger ones'
    cell largest compile_native c opensandbox.h gcc -std=c99 -Os -DOSB_ID_SIZE=384 \
        -DOSB_LANGUAGE_SIZE=64 -DOSB_ENDPOINT_SIZE=510 -DOSB_ENDPOINT_HEADERS_SIZE=510
    cell ID refused -DOSB_ID_SIZE=385
    cell LANGUAGE refused -DOSB_LANGUAGE_SIZE=65
    cell ENDPOINT refused -DOSB_ENDPOINT_SIZE=511
    cell ENDPOINT_HEADERS refused -DOSB_ENDPOINT_HEADERS_SIZE=511
    echo
}

configurations() {
    local macro macros
    macros=$(grep -oE '\bOSB_NO_[A-Z_]+' opensandbox.h | sort -u)
    ROW=$WORK compile_native c opensandbox.h gcc -std=c99 -Os
    everything=$(text_bytes "$WORK/native.o")
    for macro in $macros; do
        row configuration_row "-D$macro" "-D$macro"
    done
    # shellcheck disable=SC2046,SC2086 # a list of flags
    row configuration_row "all of them" $(printf -- '-D%s ' $macros)
    row static_row
    row declaration_row
    row sizes_row
}

example_row() {
    printf '%-45s' "$1"
    cell gcc gcc -O2 "${WARNINGS[@]}" -I. -c "$1" -o "$ROW/example.o"
    cell clang clang "${WARNINGS[@]}" -I. -fsyntax-only "$1"
    echo
}

examples() {
    local example
    for example in examples/*.c; do
        row example_row "$example"
    done
}

test_row() {
    printf '%-45s' "$1"
    cell clang clang -std=c99 "${WARNINGS[@]}" -I. -fsyntax-only "$1"
    echo
}

tests() {
    local suite
    for suite in tests/{unit,replay,faults,ports,e2e,tls,threads,fuzz}/*.c; do
        row test_row "$suite"
    done
}

# --- targets

# No header of a C library can be found but tests/cross/include.
compile_target() {
    local object=$1 source=$2 compiler=$3
    shift 3
    "$compiler" "$@" -std=c99 -ffreestanding -ffunction-sections -fdata-sections "${WARNINGS[@]}" \
        -nostdinc -isystem "$("$compiler" -print-file-name=include)" \
        -isystem "$WORK/include" -isystem tests/cross/include -I. -x c -c "$source" -o "$object"
}

link_target() {
    local compiler=$1
    shift
    local objects=("$ROW/main.o" "$ROW/libc.o" "$ROW/opensandbox.o")
    compile_target "${objects[0]}" tests/size/full.c "$compiler" "$@" &&
        compile_target "${objects[1]}" tests/size/libc.c "$compiler" "$@" \
            -fno-tree-loop-distribute-patterns &&
        compile_target "${objects[2]}" opensandbox.h "$compiler" "$@" \
            -DOPENSANDBOX_IMPLEMENTATION &&
        "$compiler" "$@" -nostdlib -Wl,--gc-sections "${objects[@]}" -lgcc -o "$ROW/program.elf"
}

target_row() {
    local name=$1
    shift
    printf '%-45s' "$name c99"
    for level in -Os -O2; do
        cell "$level" link_target "$@" "$level"
    done
    echo
}

targets() {
    mkdir -p "$WORK/include"
    cp /usr/include/jsmn.h "$WORK/include/"
    row target_row cortex-m0plus arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb
    row target_row cortex-m4 arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb
    row target_row rv32imac riscv64-unknown-elf-gcc -march=rv32imac -mabi=ilp32
    row target_row "atmega2560 (16-bit int)" avr-gcc -mmcu=atmega2560
}

rm -rf "$WORK"
mkdir -p "$WORK"
[ $# -gt 0 ] || set -- native configurations examples tests targets
for part in "$@"; do
    case $part in
    native | configurations | examples | tests | targets) "$part" ;;
    *)
        sed -n 's/^#  *\(tests\/cross.*\]\).*/usage: \1/p' "$0" >&2
        exit 2
        ;;
    esac
done
wait
count
