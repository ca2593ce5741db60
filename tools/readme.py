#!/usr/bin/env python3
"""Puts measured and generated parts into README.md: what `make size` and `make test` left in
build/, and the quickstart with its output. `--check` only says whether README.md is up to date
with the parts that do not depend on the machine."""

import argparse
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS = ("target", "configuration", "text", "data", "bss", "client_bytes", "sandbox_bytes",
           "max_stack_bytes", "buffer_bytes")


def quickstart():
    """The example as it is, and what it prints against the local server."""
    source = (ROOT / "examples/quickstart.c").read_text()
    output = subprocess.run(["tools/with-devserver.sh", "build/quickstart"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout
    return f"```c\n{source}```\n\nIt prints:\n\n```\n{output}```\n"


def size():
    rows = json.loads((ROOT / "build/size.json").read_text())
    lines = ["| " + " | ".join(c.removesuffix("_bytes") for c in COLUMNS) + " |",
             "|" + " --- |" * len(COLUMNS)]
    lines += ["| " + " | ".join(str(row[c]) for c in COLUMNS) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def failures():
    return (ROOT / "build/failures.md").read_text()


def fill(text, name, part):
    pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.S)
    if not pattern.search(text):
        sys.exit(f"README.md has no place for: {name}")
    return pattern.sub(lambda m: m[1] + part + m[2], text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    readme = ROOT / "README.md"
    text = old = readme.read_text()
    if check:
        source = (ROOT / "examples/quickstart.c").read_text()
        sys.exit(0 if source in text else "README.md shows another quickstart than examples/")
    for name, make in (("quickstart", quickstart), ("size", size), ("failures", failures)):
        text = fill(text, name, make())
    readme.write_text(text)
    print("README.md", "is as it was" if text == old else "has new numbers")


if __name__ == "__main__":
    main()
