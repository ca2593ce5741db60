#!/bin/sh
# Installs what some targets of the Makefile need, and only what is missing.
#
#     tools/deps.sh GROUP...     the groups are in the table below; default: all
#
# When nothing is missing it is done in milliseconds: every target can afford to call it first.
set -eu

# group | Debian package | what shows that it is there: a command, or a file | what it is for
packages() {
    cat <<'TABLE'
demo    make                    make                         runs the Makefile
demo    gcc                     cc                           C compiler
demo    libc6-dev               /usr/include/stdio.h         headers of the C library
demo    libjsmn-dev             /usr/include/jsmn.h          JSON tokenizer inside opensandbox.h
demo    python3                 python3                      runs the local dev server
test    gcc                     gcc                          C compiler with sanitizers
test    libcmocka-dev           /usr/include/cmocka.h        unit tests
test    valgrind                valgrind                     second run of the unit tests
test    openssl                 openssl                      certificates, and a TLS server
test    nginx-light             /usr/sbin/nginx              another TLS server
cross   gcc                     gcc                          native C compiler
cross   g++                     g++                          native C++ compiler
cross   clang                   clang                        second native compiler
cross   gcc-arm-none-eabi       arm-none-eabi-gcc            Cortex-M compiler
cross   gcc-riscv64-unknown-elf riscv64-unknown-elf-gcc      RISC-V compiler
cross   gcc-xtensa-lx106        xtensa-lx106-elf-gcc         Xtensa compiler
cross   gcc-avr                 avr-gcc                      AVR compiler (16-bit int)
cross   libcmocka-dev           /usr/include/cmocka.h        the tests, for the second compiler
lint    clang-format            clang-format                 layout of the sources
lint    clang-tidy              clang-tidy                   static analysis
lint    cppcheck                cppcheck                     static analysis
interop nodejs                  node                         runs the official JavaScript SDK
interop npm                     npm                          fetches the official JavaScript SDK
fuzz    clang                   clang                        compiler with libFuzzer
fuzz    libclang-rt-dev         /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a  libFuzzer
fuzz    afl++                   afl-fuzz                     second fuzzer
machines qemu-user              qemu-arm                     runs programs of other machines
machines gcc-i686-linux-gnu     i686-linux-gnu-gcc           32-bit x86 compiler
machines libc6-dev-i386-cross   /usr/i686-linux-gnu/include/stdio.h   its C library
machines gcc-powerpc-linux-gnu  powerpc-linux-gnu-gcc        big-endian PowerPC compiler
machines libc6-dev-powerpc-cross /usr/powerpc-linux-gnu/include/stdio.h its C library
machines gcc-arm-linux-gnueabihf arm-linux-gnueabihf-gcc     ARM compiler
machines libc6-dev-armhf-cross  /usr/arm-linux-gnueabihf/include/stdio.h its C library
machines gcc-riscv64-linux-gnu  riscv64-linux-gnu-gcc        64-bit RISC-V compiler
machines libc6-dev-riscv64-cross /usr/riscv64-linux-gnu/include/stdio.h its C library
windows gcc-mingw-w64-x86-64-win32 x86_64-w64-mingw32-gcc    Windows compiler
windows wine64                  /usr/lib/wine/wine64         runs programs for Windows
windows wine                    wine                         its launcher
mutants tcc                     tcc                          compiles a suite in milliseconds
bench   libcurl4-openssl-dev    /usr/include/*/curl/curl.h   the peer in C
bench   libcjson-dev            /usr/include/cjson/cJSON.h   the peer in C
bench   curl                    curl                         the peer for transfers
bench   strace                  strace                       counts system calls
docs    doxygen                 doxygen                      the reference
packages cmake                  cmake                        find_package and FetchContent
packages meson                  meson                        Meson's wrap
packages ninja-build            ninja                        what Meson builds with
packages pkgconf                pkg-config                   the pkg-config file
packages dpkg-dev               dpkg-buildpackage            the Debian package
packages debhelper              dh                           the Debian package
packages python3-venv           /usr/lib/python3.*/ensurepip/__init__.py  packagers that Debian has not
packages python3-kconfiglib     /usr/lib/python3/dist-packages/kconfiglib.py  Zephyr's Kconfig
packages python3-yaml           /usr/lib/python3/dist-packages/yaml/__init__.py  Zephyr's module.yml
packages arduino-builder        arduino-builder              Arduino's builder
packages arduino-core-avr       /usr/share/arduino/hardware/arduino/avr/boards.txt  its boards
packages git                    git                          the list of the sources' files
api     python3                 python3                      reads the API's documents
api     python3-yaml            /usr/lib/python3/dist-packages/yaml/__init__.py  reads OpenAPI files
firmware gcc-arm-none-eabi      arm-none-eabi-gcc            Cortex-M compiler
firmware libnewlib-arm-none-eabi /usr/lib/arm-none-eabi/newlib/thumb/v7-m/nofp/libc_nano.a  its C library
firmware qemu-system-arm        qemu-system-arm              runs the images
firmware dpkg-dev               dpkg-source                  sources of lwIP and mbedTLS
firmware openssl                openssl                      certificate of the local server
osb     musl-tools              musl-gcc                     C library for static programs
osb     dpkg-dev                dpkg-source                  source of mbedTLS
osb-test zsh                    zsh                          tries completion in it
osb-test fish                   fish                         tries completion in it
osb-test groff                  /usr/share/groff/*/tmac/an.tmac  checks the manual page
tls     libmbedtls-dev          /usr/include/mbedtls/ssl.h   TLS port
TABLE
}

all_groups() {
    packages | awk '!seen[$1]++ { printf "%s ", $1 }'
}

# A group's own packages come after those of the groups that it builds on.
with_prerequisites() {
    case $1 in
    test) echo "demo tls test" ;;
    interop) echo "demo $1" ;;
    packages | windows | osb) echo "demo $1" ;;
    firmware) echo "demo test firmware" ;;
    bench) echo "demo test interop bench" ;;
    machines) echo "demo test fuzz machines" ;;
    mutants) echo "demo test mutants" ;;
    cross) echo "demo tls cross" ;;
    lint) echo "demo tls cross lint" ;;
    all) all_groups ;;
    *)
        for known in $(all_groups); do
            [ "$1" != "$known" ] || { echo "$1" && return; }
        done
        echo "tools/deps.sh: no group '$1' (there are: $(all_groups)all)" >&2
        return 1
        ;;
    esac
}

present() {
    case $1 in
    /*) # may be a pattern
        set -- $1
        [ -e "$1" ]
        ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# Sets `missing` to the packages of the groups in $1 that are not there, and says what each is for.
find_missing() {
    missing=
    while read -r group package check why; do
        case " $1 " in *" $group "*) ;; *) continue ;; esac
        case " $missing " in *" $package "*) continue ;; esac
        present "$check" && continue
        missing="$missing $package"
        echo "missing: $package ($why)"
    done <<TABLE
$(packages)
TABLE
}

fail() {
    echo "tools/deps.sh: $1" >&2
    echo "tools/deps.sh: install by hand:$missing" >&2
    exit 1
}

install_packages() {
    command -v apt-get >/dev/null 2>&1 || fail "no apt-get here: this is not Debian or Ubuntu"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || fail "installing needs root, and there is no sudo"
        as_root=sudo
    fi
    echo "installing with apt-get: $*"
    $as_root apt-get update || fail "apt-get update failed"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" ||
        fail "apt-get install failed"
}

[ $# -gt 0 ] || set -- all
groups=
for name in "$@"; do
    groups="$groups $(with_prerequisites "$name")"
done

find_missing "$groups"
[ -n "$missing" ] || exit 0
exec 9<"$0" # `make -j` calls this side by side, and apt-get does not wait for another one
flock 9
find_missing "$groups" >/dev/null
[ -n "$missing" ] || exit 0
# Unquoted: a list of package names, none of which has a space.
install_packages $missing
find_missing "$groups"
[ -z "$missing" ] || fail "apt-get succeeded, yet something is still missing"
