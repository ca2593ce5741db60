#!/usr/bin/env python3
"""Checks an unpacked Arduino library against the library specification, by the rules by which
Arduino's library list takes libraries.

    tests/packages/arduino.py DIRECTORY VERSION
"""

import re
import sys
from pathlib import Path

REQUIRED = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url"}
OPTIONAL = {"architectures", "depends", "dot_a_linkage", "includes", "precompiled", "ldflags"}
CATEGORIES = [
    "Display",
    "Communication",
    "Signal Input/Output",
    "Sensors",
    "Device Control",
    "Timing",
    "Data Storage",
    "Data Processing",
    "Other",
]
MISSPELT = r"extra|example|docs?ument|sources?|utilities|libs?"


def properties(path):
    lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    pairs = [line.partition("=")[::2] for line in lines if not line.startswith("#")]
    assert len(pairs) == len(dict(pairs)), "a property stands there twice"
    return dict(pairs)


def problems(library, version):
    """[(whether it is good, what is wrong if not)]"""
    of = properties(library / "library.properties")
    sketches = sorted((library / "examples").rglob("*.ino"))
    files = [path for path in library.rglob("*") if path.is_file() or path.is_symlink()]
    return [
        (not REQUIRED - set(of), f"properties are missing: {REQUIRED - set(of)}"),
        (not set(of) - REQUIRED - OPTIONAL, f"unknown properties: {set(of) - REQUIRED - OPTIONAL}"),
        (all(of.values()), "a property is empty"),
        (re.fullmatch(r"[A-Za-z][\w.-]{0,15}", of["name"]), "name: 16 plain characters at most"),
        ("arduino" not in (of["name"] + of["maintainer"]).lower(), "that name is Arduino's"),
        ("library" not in of["name"].lower(), "name: that it is a library is known"),
        (of["version"] == version, f"version is not {version}"),
        (of["category"] in CATEGORIES, f"there is no category {of['category']}"),
        (re.match(r"https://\S+$", of["url"]), "url is none"),
        (not of["paragraph"].startswith(of["sentence"]), "paragraph repeats sentence"),
        (of["dot_a_linkage"] in ("true", "false"), "dot_a_linkage is true or false"),
        (
            all((library / "src" / name).is_file() for name in of["includes"].split(",")),
            "includes names a header that is not in src",
        ),
        ((library / "LICENSE").is_file() and (library / "README.md").is_file(), "no LICENSE, README"),
        (sketches, "no example is a sketch"),
        (all(path.stem == path.parent.name for path in sketches), "a sketch's folder has its name"),
        (
            not [path for path in library.iterdir() if re.fullmatch(MISSPELT, path.name)],
            "a folder's name that Arduino does not know",
        ),
        (not [path for path in library.glob("*") if path.suffix in (".c", ".h")], "code beside src"),
        (
            not [path for path in files if path.is_symlink() or path.suffix in (".exe", ".o", ".a")],
            "links or binaries",
        ),
        (not (library / ".development").exists(), ".development is there"),
    ]


def main():
    library, version = Path(sys.argv[1]), sys.argv[2]
    wrong = [message for good, message in problems(library, version) if not good]
    print("".join(f"library.properties, layout: {message}\n" for message in wrong), end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
