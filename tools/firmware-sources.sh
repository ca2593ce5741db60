#!/bin/sh
# Fetches the sources of Debian packages, as their own maintainers patched them, into
# DIRECTORY/PACKAGE. Needs no root, and no deb-src lines on this machine: apt is given lists of its
# own, made from the machine's, so that nothing outside DIRECTORY changes.
#
#     tools/firmware-sources.sh DIRECTORY PACKAGE...
set -eu

if [ $# -lt 2 ]; then
    echo "usage: tools/firmware-sources.sh DIRECTORY PACKAGE..." >&2
    exit 2
fi
mkdir -p "$1"
directory=$(cd "$1" && pwd)
shift
apt=$directory/apt

# Each source list of the machine, with "deb-src" where it says "deb".
copy_source_lists() {
    rm -rf "$apt"
    mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [ -f "$list" ] || continue
        case $list in
        *.sources) change='s/^Types:.*/Types: deb-src/' ;;
        *.list) change='s/^[[:space:]]*deb\(-src\)\{0,1\}[[:space:]]/deb-src /' ;;
        *) continue ;;
        esac
        sed "$change" "$list" >"$apt/parts/$(basename "$list")"
    done
}

apt_get() {
    apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts" \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none "$@"
}

# dpkg-source unpacks into PACKAGE-VERSION: the name without a version is what a build can rely on.
fetch() {
    rm -rf "$directory/$1" "$apt/unpack"
    mkdir "$apt/unpack"
    (cd "$apt/unpack" && apt_get source "$1") || return 1
    mv "$apt/unpack/"*/ "$directory/$1"
}

copy_source_lists
# A third party's list that is out of reach does not matter, as long as the packages are found.
apt_get update >"$apt/update.log" 2>&1 || true
for package in "$@"; do
    if ! fetch "$package" >"$apt/$package.log" 2>&1; then
        cat "$apt/update.log" "$apt/$package.log" >&2
        echo "tools/firmware-sources.sh: no source of the package $package" >&2
        exit 1
    fi
done
