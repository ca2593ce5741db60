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

core=$lwip/src/core
gcc -std=c99 -D_POSIX_C_SOURCE=200809L -g -O1 -fsanitize=address,undefined \
    -fno-sanitize-recover=all $warnings $includes tests/firmware/test_lwip.c -c -o "$work/test.o"
gcc -g -O1 -w -fsanitize=address $includes "$work/test.o" $core/*.c $core/ipv4/*.c "$lwip/src/netif/ethernet.c" \
    -fsanitize=undefined -lcmocka -o "$work/test_lwip"
tools/run-tests.py "$work/test_lwip"
