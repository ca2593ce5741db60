#!/usr/bin/env python3
"""Writes a release next to the one-file header: a tarball that each ecosystem takes as it is, and the
recipes that name its hash.

    tools/packaging/release.py HEADER OUTPUT_DIRECTORY [--url URL]

HEADER is opensandbox.h with jsmn inside. URL is where the tarball will be found. In the tarball the
files stand where CMake, Meson, PlatformIO, Arduino, ESP-IDF and Zephyr insist on them; the repository
keeps them in tools/packaging. Same input, same bytes: names sorted, owners and times fixed.
"""

import argparse
import gzip
import hashlib
import io
import re
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tools" / "packaging"

# path in the tarball: path in tools/packaging
METADATA = {
    "CMakeLists.txt": "cmake/CMakeLists.txt",
    "cmake/opensandboxConfig.cmake": "cmake/opensandboxConfig.cmake",
    "cmake/opensandboxConfigVersion.cmake.in": "cmake/opensandboxConfigVersion.cmake.in",
    "meson.build": "meson/meson.build",
    "library.json": "embedded/library.json",
    "library.properties": "embedded/library.properties",
    "idf_component.yml": "embedded/idf_component.yml",
    "src/opensandbox.c": "embedded/opensandbox.c",
    "zephyr/module.yml": "zephyr/module.yml",
    "zephyr/CMakeLists.txt": "zephyr/CMakeLists.txt",
    "zephyr/Kconfig": "zephyr/Kconfig",
}
RECIPES = [
    "meson/opensandbox.wrap.in",
    "vcpkg/portfile.cmake",
    "vcpkg/vcpkg.json",
    "vcpkg/usage",
    "conan/conanfile.py",
    "conan/conandata.yml",
]
# CMake fills this one itself.
AS_IT_IS = {"cmake/opensandboxConfigVersion.cmake.in"}
TIME = 315532800  # 1980-01-01: the first that zip files know too


def fill(text, values):
    return re.sub(r"@([A-Z0-9]+)@", lambda match: values.get(match[1], match[0]), text)


def contents(header, version):
    """{path in the tarball: bytes}"""
    files = {"src/opensandbox.h": header}
    for path in sorted(ROOT.glob("port/*.h")):
        files[f"src/port/{path.name}"] = path.read_bytes()
    for path in sorted(ROOT.glob("examples/**/*")):
        if path.is_file():
            files[str(path.relative_to(ROOT))] = path.read_bytes()
    documents = [
        ROOT / name
        for name in ("LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
    ]
    for path in [*documents, *ROOT.glob("tools/docs/*.md"), *ROOT.glob("tools/docs/*.svg")]:
        files[str(path.relative_to(ROOT))] = path.read_bytes()
    for name, source in METADATA.items():
        text = (HERE / source).read_text("utf-8")
        files[name] = (text if source in AS_IT_IS else fill(text, {"VERSION": version})).encode()
    return files


def tarball(files, top):
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size, entry.mtime, entry.mode = len(files[name]), TIME, 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    packed = io.BytesIO()
    with gzip.GzipFile(
        filename="", mode="wb", fileobj=packed, mtime=TIME, compresslevel=9
    ) as stream:
        stream.write(plain.getvalue())
    return packed.getvalue()


def write_recipes(directory, values):
    for source in RECIPES:
        path = directory / source.removesuffix(".in")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fill((HERE / source).read_text("utf-8"), values), "utf-8")


def main():
    parser = argparse.ArgumentParser(description="Write the tarball of a release and its recipes.")
    parser.add_argument("header", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--url", default="https://downloads.example.com/opensandbox")
    options = parser.parse_args()
    header = options.header.read_bytes()
    version = re.search(rb'^#define OSB_VERSION "(.*)"', header, re.MULTILINE)[1].decode()
    top = f"opensandbox-{version}"
    data = tarball(contents(header, version), top)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{top}.tar.gz"
    path.write_bytes(data)
    hashes = {
        "SHA256": hashlib.sha256(data).hexdigest(),
        "SHA512": hashlib.sha512(data).hexdigest(),
    }
    write_recipes(options.output / "recipes", {"VERSION": version, "URL": options.url, **hashes})
    print(f"wrote {path} ({len(data)} bytes, sha256 {hashes['SHA256']})")


if __name__ == "__main__":
    main()
