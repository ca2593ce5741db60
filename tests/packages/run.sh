#!/usr/bin/env bash
# Builds every package that can be built here, and with each one compiles and runs a program of its
# own (consumer.c and other.c). The last line is "N passed, N failed".
#
#     tests/packages/run.sh [NAME...]      default: all tests, see the end of this file
#
# Needs build/dist (make dist) and build/packagers; `make packages` makes both. Nothing is installed
# outside build/packages; nothing is downloaded.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=$root/build/packages
tools=$root/build/packagers/bin # what Debian does not have: requirements.txt
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

# What is relative would be found from one directory only, and a shell may leave a ~ as it is.
prefix_is_absolute() {
    local prefix
    for prefix in here '~/.local'; do
        ! make --no-print-directory install DESTDIR="$work/nowhere/" PREFIX="$prefix" || fail "installed in $prefix"
    done
    [ ! -e "$work/nowhere" ] || fail "it has installed something"
}

with_pkg_config() { # PROGRAM; its flags are quoted for a shell
    local cflags
    eval "cflags=($(pkg-config --cflags opensandbox))"
    gcc "${flags[@]}" "${cflags[@]}" "${sources[@]}" -o "$1"
}

pkg_config() {
    make --no-print-directory install PREFIX="$work/prefix"
    export PKG_CONFIG_PATH=$work/prefix/share/pkgconfig
    [ "$(pkg-config --modversion opensandbox)" = "$version" ]
    with_pkg_config "$work/with-pkg-config"
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
FetchContent_Declare(opensandbox SOURCE_DIR \"$root\" SOURCE_SUBDIR tools/packaging/cmake)
FetchContent_MakeAvailable(opensandbox)"
}

cmake_fetch_release() {
    cmake_program cmake-release "include(FetchContent)
FetchContent_Declare(opensandbox URL \"$root/$release\")
FetchContent_MakeAvailable(opensandbox)"
    # What a program fetches is not what it installs, unless it says so.
    local build=$work/cmake-release/build
    cmake --install "$build" --prefix "$work/cmake-release/installed"
    [ -z "$(find "$work/cmake-release/installed" -type f)" ] || fail "installed with the program: opensandbox"
    cmake -DOPENSANDBOX_INSTALL=ON "$build"
    cmake --install "$build" --prefix "$work/cmake-release/installed"
    [ -f "$work/cmake-release/installed/include/opensandbox/opensandbox.h" ]
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
    PKG_CONFIG_PATH=$directory/root/usr/share/pkgconfig PKG_CONFIG_SYSROOT_DIR=$directory/root \
        with_pkg_config "$directory/consumer"
    runs "$directory/consumer"
}

# ---- Conan

# With a folder of its own for what Conan keeps, and a program that finds the package with CMake.
conan_package() {
    local directory=$work/conan
    export CONAN_HOME=$directory/home
    tools/packaging/release.py build/dist/opensandbox.h "$directory" --url "file://$directory"
    "$tools/conan" profile detect
    "$tools/conan" create "$directory/recipes/conan" --version "$version"
    "$tools/conan" install --requires "opensandbox/$version" -g CMakeDeps -s build_type=Release --output-folder "$directory/found"
    export CMAKE_PREFIX_PATH=$directory/found
    cmake_program conan-program "set(CMAKE_BUILD_TYPE Release)
find_package(opensandbox REQUIRED)"
}

# ---- PlatformIO

# The platform is this machine's compiler, under the name `host`: PlatformIO would download the others.
# SCons is where PlatformIO looks for it, for the same reason.
platformio_here() { # DIRECTORY
    local scons=$1/packages/tool-scons platform=$1/platforms/host version
    mkdir -p "$scons" "$platform/builder"
    version=$("$tools/python" -c 'from platformio.dependencies import get_core_dependencies
print(get_core_dependencies()["tool-scons"].lstrip("~"))')
    echo "{\"name\": \"tool-scons\", \"version\": \"$version\"}" >"$scons/package.json"
    echo "{\"type\": \"tool\", \"name\": \"tool-scons\", \"version\": \"$version\",
        \"spec\": {\"owner\": \"platformio\", \"name\": \"tool-scons\"}}" >"$scons/.piopm"
    printf 'import SCons.Script\nSCons.Script.main()\n' >"$scons/scons.py"
    echo '{"name": "host", "title": "host", "version": "1.0.0"}' >"$platform/platform.json"
    printf 'from SCons.Script import *\nDefault(DefaultEnvironment().BuildProgram())\n' >"$platform/builder/main.py"
}

platformio_library() {
    local directory=$work/platformio
    export PLATFORMIO_CORE_DIR=$directory/core PLATFORMIO_SETTING_ENABLE_TELEMETRY=no
    platformio_here "$PLATFORMIO_CORE_DIR"
    mkdir -p "$directory/program/src"
    cp "${sources[@]}" "$directory/program/src"
    cat >"$directory/program/platformio.ini" <<INI
[env:host]
platform = host
lib_deps = file://$root/$release
build_flags = -DPACKAGE_HAS_IMPLEMENTATION '-DOSB_PACKAGE_PORT="port/osb_posix.h"'
INI
    (cd "$directory/program" && "$tools/pio" run)
    runs "$directory/program/.pio/build/host/program"
}

# Its own check of library.json. It asks the network for the list of licences: that field is left out.
platformio_manifest() {
    unpack "$work/platformio-manifest"
    grep -q '"license": "Apache-2.0 AND MIT"' "$work/platformio-manifest/library.json"
    sed -i '/"license"/d' "$work/platformio-manifest/library.json"
    PLATFORMIO_SETTING_ENABLE_TELEMETRY=no "$tools/pio" pkg pack -o "$work/platformio.tar.gz" "$work/platformio-manifest"
}

# ---- Arduino

# Arduino's own builder, for the board of Debian's that has the most memory. DECIMAL_DIG: Debian's core
# is newer than its compiler.
arduino_sketch() {
    local directory=$work/arduino
    mkdir -p "$directory/libraries" "$directory/build"
    unpack "$directory/libraries/opensandbox"
    cp -r tests/packages/ethernet "$directory/libraries/Ethernet"
    arduino-builder -compile -warnings all -hardware /usr/share/arduino-builder -hardware /usr/share/arduino/hardware \
        -tools /usr/bin -libraries "$directory/libraries" -fqbn arduino:avr:mega:cpu=atmega2560 \
        -prefs=compiler.cpp.extra_flags=-DDECIMAL_DIG=__DECIMAL_DIG__ -build-path "$directory/build" \
        "$directory/libraries/opensandbox/examples/arduino/Quickstart/Quickstart.ino" 2>&1 | tee "$directory/log"
    ! grep -E '(opensandbox\.[ch]|Quickstart\.ino):[0-9:]+ warning' "$directory/log" || fail "warnings"
    grep -qa "POST /command" "$directory/build/Quickstart.ino.elf" || fail "no library in the image"
}

arduino_metadata() {
    unpack "$work/arduino-library"
    tests/packages/arduino.py "$work/arduino-library" "$version"
}

# ---- ESP-IDF, Zephyr, vcpkg: their descriptions by their own tools, their scripts in ecosystems.cmake,
# and in systems/ what their headers have in other ways than this machine's.

# compiled_with NAME CMAKE DEFINITION: a program that gets the library by these lines of CMake.
compiled_with() {
    local directory=$work/$1
    mkdir -p "$directory"
    cp "${sources[@]}" tests/packages/ecosystems.cmake "$directory"
    cat >"$directory/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.20)
project(consumer C)
include(ecosystems.cmake)
$2
add_executable(consumer consumer.c other.c)
target_compile_definitions(consumer PRIVATE PACKAGE_HAS_IMPLEMENTATION)
target_link_libraries(consumer PRIVATE $3)
CMAKE
    cmake -S "$directory" -B "$directory/build"
    cmake --build "$directory/build"
    runs "$directory/build/consumer"
}

esp_idf_component() {
    unpack "$work/idf-component"
    "$tools/compote" manifest lint "$work/idf-component" 2>&1 | tee "$work/idf-lint"
    ! grep -iE 'warning|error' "$work/idf-lint" || fail "idf_component.yml"
    "$tools/compote" component pack --name opensandbox --project-dir "$work/idf-component" --dest-dir "$work/idf-packed"
    [ -f "$work/idf-packed/opensandbox_$version.tgz" ]
    compiled_with esp-idf "set(ESP_PLATFORM 1)
add_compile_definitions(ESP_PLATFORM)
include_directories(\"$root/tests/packages/systems/esp-idf\")
add_subdirectory(\"$work/idf-component\" component)" __idf_opensandbox
}

zephyr_module() {
    local module=$work/zephyr-module
    unpack "$module"
    /usr/bin/python3 tests/packages/zephyr.py "$module"
    compiled_with zephyr "set(CONFIG_OPENSANDBOX y)
add_compile_definitions(__ZEPHYR__)
include_directories(\"$root/tests/packages/systems/zephyr\")
set(CONFIG_OPENSANDBOX_POSIX_PORT y)
add_subdirectory(\"$module/zephyr\" module)
get_property(includes GLOBAL PROPERTY zephyr_includes)
include_directories(\${includes})" opensandbox
}

vcpkg_port() {
    local directory=$work/vcpkg
    local port=$directory/release/recipes/vcpkg
    tools/packaging/release.py build/dist/opensandbox.h "$directory/release" --url "file://$directory/release"
    python3 - "$port/vcpkg.json" "$version" <<'PYTHON'
import json, sys
port = json.load(open(sys.argv[1]))
known = {"name", "version", "description", "homepage", "license", "dependencies"}
assert set(port) == known, set(port) ^ known
assert (port["name"], port["version"]) == ("opensandbox", sys.argv[2]), port
assert all(entry == {"name": entry["name"], "host": True} for entry in port["dependencies"]), port
PYTHON
    cmake -DPORT=opensandbox -DVERSION="$version" -DCURRENT_PACKAGES_DIR="$directory/installed" \
        -DBUILD="$directory/build" -DPORTFILE="$port/portfile.cmake" -P tests/packages/ecosystems.cmake
    [ -f "$directory/installed/share/opensandbox/copyright" ] && [ -f "$directory/installed/share/opensandbox/usage" ]
    [ ! -e "$directory/installed/debug" ] && [ ! -e "$directory/installed/share/cmake" ]
    export CMAKE_PREFIX_PATH=$directory/installed
    cmake_program vcpkg-program "find_package(opensandbox CONFIG REQUIRED)"
}

no_placeholders() {
    unpack "$work/placeholders"
    ! grep -rn '@[A-Z0-9]*@' "$work/placeholders" build/dist/recipes --exclude='*.in' ||
        fail "a placeholder was not filled in"
}

# Without a port, as where the program brings its own.
without_a_port() {
    unpack "$work/no-port"
    gcc -std=gnu99 -Wall -Wextra -Werror -I"$work/no-port/src" -c "$work/no-port/src/opensandbox.c" -o "$work/no-port.o"
}

# ---- all of them

passed=0
failed=0
tests=(versions_agree same_bytes one_file_header install_with_make uninstall_with_make
    prefix_is_absolute pkg_config cmake_find_package cmake_fetch_checkout cmake_fetch_release
    cmake_install_release meson_wrap debian_package conan_package platformio_library
    platformio_manifest arduino_sketch arduino_metadata esp_idf_component zephyr_module vcpkg_port
    no_placeholders without_a_port)
[ $# -eq 0 ] || tests=("$@")
rm -rf "$work"
mkdir -p "$work"
for name in "${tests[@]}"; do
    if [ ! -e build/packagers/.made ] && declare -f "$name" | grep -q '"\$tools/'; then
        echo "  $name NOT RUN: its packager could not be installed"
        continue
    fi
    # In a shell of its own, so that a failure inside ends the test and nothing else.
    if bash -euo pipefail -c "$(declare -f); $(declare -p root work tools sources flags version release); $name" \
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
