#!/bin/sh
# Checks the ports for lwIP: that they compile without a warning, as C and C++, with and without
# IPv6, and over sockets that are macros; and their tests, on this machine with sanitizers.
set -eu
cd "$(dirname "$0")/.."
lwip=build/firmware/source/lwip
work=build/firmware/check
mkdir -p "$work"
warnings='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror'
includes="-Itests/firmware -Ibuild/dist -I. -isystem $lwip/src/include -isystem $lwip/port/include"

compile() {
    "$@" $warnings $includes -fsyntax-only
}

printf '#include "opensandbox.h"\n#include "port/osb_lwip.h"\n' >"$work/lwip.c"
for ipv6 in 0 1; do
    compile arm-none-eabi-gcc -std=c99 -mcpu=cortex-m3 -mthumb -DSOCKETS -DLWIP_IPV6=$ipv6 \
        tests/firmware/sockets.c
    for language in 'c -std=c99' 'c++ -std=c++11'; do
        compile gcc -x $language -D_POSIX_C_SOURCE=200809L -DOPENSANDBOX_IMPLEMENTATION -DLWIP_IPV6=$ipv6 "$work/lwip.c"
    done
done
echo 'the ports for lwIP compile: raw API, sockets, C and C++, IPv4 and IPv6'

# Ours with all warnings, lwIP's own sources without; both with sanitizers.
build_test() {
    name=$1
    shift
    gcc -std=c99 -D_POSIX_C_SOURCE=200809L $sanitize $warnings $includes "$@" \
        -c tests/firmware/"$name".c -o "$work/$name.o"
    gcc $sanitize -w $includes "$@" "$work/$name.o" "$lwip"/src/core/*.c "$lwip"/src/core/ipv4/*.c \
        "$lwip/src/netif/ethernet.c" $more -lcmocka -o "$work/$name"
}

sanitize='-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all'
more=
build_test test_lwip
more="$(echo "$lwip"/src/api/*.c) $lwip/port/sys_arch.c -lpthread"
build_test test_sockets -DSOCKETS
tools/run-tests.py "$work/test_lwip" "$work/test_sockets"
