#!/usr/bin/env bash
# Builds every package that can be built here, and with each one compiles and runs a program of its
# own (consumer.c and other.c). The last line is "N passed, N failed".
#
#     tests/packages/run.sh [NAME...]      default: all tests, see the end of this file
#
# Needs build/dist (make dist). Nothing is installed outside build/packages; nothing is downloaded.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=$root/build/packages
sources=(tests/packages/consumer.c tests/packages/other.c)
flags=(-std=gnu99 -Wall -Wextra -Wpedantic -Werror)
version=$(sed -n 's/^#define OSB_VERSION "\(.*\)"/\1/p' opensandbox.h)
release=build/dist/opensandbox-$version.tar.gz

fail() {
    echo "$*" >&2
    return 1
}

# Ran with this version, and came as far as the connect.
runs() { "$1" | grep "^$version OSB_E_CONNECT: GET /health at 127.0.0.1:1: cannot connect"; }

unpack() { # DIRECTORY
    mkdir -p "$1"
    tar -xzf "$release" -C "$1" --strip-components=1
}

# ---- the dist

same_bytes() {
    local one=$work/same/1 two=$work/same/2
    mkdir -p "$one" "$two"
    (umask 022 && TZ=UTC tools/dist.py "$one/opensandbox.h" &&
        tools/packaging/release.py "$one/opensandbox.h" "$one")
    (umask 077 && TZ=Asia/Tokyo LC_ALL=C tools/dist.py "$two/opensandbox.h" &&
        tools/packaging/release.py "$two/opensandbox.h" "$two")
    diff -r "$one" "$two"
}

one_file_header() { # needs no other file, nor jsmn.h: nothing of the system's is found but the compiler's
    mkdir -p "$work/one"
    cp build/dist/opensandbox.h tests/cross/include/string.h "$work/one"
    gcc -std=c99 -ffreestanding -nostdinc -isystem "$(gcc -print-file-name=include)" -I"$work/one" -Wall -Wextra \
        -Wpedantic -Werror -DOPENSANDBOX_IMPLEMENTATION -x c -c "$work/one/opensandbox.h" -o "$work/one/one.o"
}

versions_agree() {
    grep -q "^## $version\b" CHANGELOG.md || fail "CHANGELOG.md has no chapter $version"
    head -1 tools/packaging/debian/changelog | grep -qF "($version-" ||
        fail "the Debian changelog is not about $version"
    local number
    number=$(awk -F. '{ print 10000 * $1 + 100 * $2 + $3 }' <<<"$version")
    grep -qx "#define OSB_VERSION_NUMBER $number" opensandbox.h || fail "OSB_VERSION_NUMBER is not $number"
}

# ---- make install and pkg-config

install_with_make() {
    make --no-print-directory install DESTDIR="$work/stage" PREFIX=/opt/osb
    gcc "${flags[@]}" -I"$work/stage/opt/osb/include/opensandbox" "${sources[@]}" -o "$work/with-make"
    runs "$work/with-make"
}

uninstall_with_make() {
    make --no-print-directory install DESTDIR="$work/gone" PREFIX=/usr
    make --no-print-directory uninstall DESTDIR="$work/gone" PREFIX=/usr
    [ -z "$(find "$work/gone" -type f)" ] || fail "left behind: $(find "$work/gone" -type f)"
}

pkg_config() {
    make --no-print-directory install PREFIX="$work/prefix"
    export PKG_CONFIG_PATH=$work/prefix/share/pkgconfig
    [ "$(pkg-config --modversion opensandbox)" = "$version" ]
    # shellcheck disable=SC2046 # flags
    gcc "${flags[@]}" $(pkg-config --cflags opensandbox) "${sources[@]}" -o "$work/with-pkg-config"
    runs "$work/with-pkg-config"
}

# ---- CMake

# cmake_program NAME LINES: a project that gets the target by these lines.
cmake_program() {
    local directory=$work/$1
    mkdir -p "$directory"
    cp "${sources[@]}" "$directory"
    cat >"$directory/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.18)
project(consumer C)
$2
add_executable(consumer consumer.c other.c)
target_link_libraries(consumer PRIVATE opensandbox::opensandbox)
CMAKE
    cmake -S "$directory" -B "$directory/build" >"$directory/log" 2>&1 &&
        cmake --build "$directory/build" >>"$directory/log" 2>&1 ||
        { cat "$directory/log" >&2 && return 1; }
    runs "$directory/build/consumer"
}

cmake_find_package() {
    make --no-print-directory install PREFIX="$work/prefix"
    export CMAKE_PREFIX_PATH=$work/prefix
    cmake_program cmake-find "find_package(opensandbox $version REQUIRED)"
    ! cmake_program cmake-newer "find_package(opensandbox 99.0 REQUIRED)" 2>/dev/null ||
        fail "version 99.0 was found"
}

cmake_fetch_checkout() {
    cmake_program cmake-checkout "include(FetchContent)
FetchContent_Declare(opensandbox SOURCE_DIR $root SOURCE_SUBDIR tools/packaging/cmake)
FetchContent_MakeAvailable(opensandbox)"
}

cmake_fetch_release() {
    cmake_program cmake-release "include(FetchContent)
FetchContent_Declare(opensandbox URL $root/$release)
FetchContent_MakeAvailable(opensandbox)"
}

cmake_install_release() {
    unpack "$work/release"
    cmake -S "$work/release" -B "$work/release-build" --install-prefix "$work/cmake-prefix" >/dev/null
    cmake --install "$work/release-build" >/dev/null
    diff -r "$work/cmake-prefix/include" "$work/prefix/include"
    export CMAKE_PREFIX_PATH=$work/cmake-prefix
    cmake_program cmake-installed "find_package(opensandbox ${version%.*} REQUIRED)"
}

# ---- Meson

# The wrap's hash is checked against the tarball, which lies where Meson keeps its downloads.
meson_wrap() {
    local directory=$work/meson
    mkdir -p "$directory/subprojects/packagecache"
    cp "${sources[@]}" "$directory"
    cp build/dist/recipes/meson/opensandbox.wrap "$directory/subprojects"
    cp "$release" "$directory/subprojects/packagecache"
    cat >"$directory/meson.build" <<MESON
project('consumer', 'c')
executable('consumer', 'consumer.c', 'other.c', dependencies: dependency('opensandbox', version: '>=$version'))
MESON
    meson setup "$directory/build" "$directory" >"$directory/log" 2>&1 &&
        meson compile -C "$directory/build" >>"$directory/log" 2>&1 ||
        { cat "$directory/log" >&2 && return 1; }
    runs "$directory/build/consumer"
}

# ---- Debian

debian_package() {
    local directory=$work/debian
    local source=$directory/opensandbox-$version
    mkdir -p "$source"
    git ls-files -z | xargs -0 cp --parents -t "$source"
    tar -czf "$directory/opensandbox_$version.orig.tar.gz" -C "$directory" "opensandbox-$version"
    cp -r tools/packaging/debian "$source/debian"
    (cd "$source" && dpkg-buildpackage -us -uc >"$directory/log" 2>&1) ||
        { cat "$directory/log" >&2 && return 1; }
    dpkg-deb -x "$directory"/libopensandbox-dev_*_all.deb "$directory/root"
    # shellcheck disable=SC2046 # flags
    gcc "${flags[@]}" $(PKG_CONFIG_PATH=$directory/root/usr/share/pkgconfig PKG_CONFIG_SYSROOT_DIR=$directory/root \
        pkg-config --cflags opensandbox) "${sources[@]}" -o "$directory/consumer"
    runs "$directory/consumer"
}

# ---- the others: without their tools, as far as it goes

# What Arduino and PlatformIO do with a library: every file in src/ is compiled, src/ is the include path.
embedded_layout() {
    local directory=$work/embedded
    unpack "$directory"
    python3 -m json.tool "$directory/library.json" >/dev/null
    grep -qx "version=$version" "$directory/library.properties"
    ! grep -rn '@[A-Z0-9]*@' "$directory" --include='library.*' --include='*.yml' --include=meson.build ||
        fail "a placeholder was not filled in"
    gcc "${flags[@]}" -I"$directory/src" -DOSB_PACKAGE_PORT='"port/osb_posix.h"' \
        -DPACKAGE_HAS_IMPLEMENTATION "${sources[@]}" "$directory/src/opensandbox.c" -o "$directory/consumer"
    runs "$directory/consumer"
    gcc -std=gnu99 -Wall -Wextra -Werror -I"$directory/src" -c "$directory/src/opensandbox.c" -o "$directory/no-port.o"
}

# ---- all of them

passed=0
failed=0
tests=(versions_agree same_bytes one_file_header install_with_make uninstall_with_make pkg_config
    cmake_find_package cmake_fetch_checkout cmake_fetch_release cmake_install_release meson_wrap
    debian_package embedded_layout)
[ $# -eq 0 ] || tests=("$@")
rm -rf "$work"
mkdir -p "$work"
for name in "${tests[@]}"; do
    # In a shell of its own, so that a failure inside ends the test and nothing else.
    if bash -euo pipefail -c "$(declare -f); $(declare -p root work sources flags version release); $name" \
        >"$work/$name.log" 2>&1; then
        echo "  $name ok"
        passed=$((passed + 1))
    else
        echo "  $name FAILED"
        cat "$work/$name.log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
