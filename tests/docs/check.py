#!/usr/bin/env python3
"""Checks the documents (every .md file of the repository) against the repository:

- links lead to a file, a heading, or to another site (which is not asked);
- paths in `code` exist, unless they begin with build/;
- names osb_... and OSB_... in `code` or in blocks of C are declared in a header;
- blocks of C compile: whole programs as they are, fragments inside a function after preamble.h;
- every `make TARGET` names a target of the Makefile.

The manual on top of opensandbox.h is such a document too: its first example compiles.

    tests/docs/check.py [FILE...]

Before that it checks itself, on a document with one error of each kind.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools" / "docs"))
import reference  # noqa: E402

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^]\n]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:\.ci|examples|port|tests|tools)/[\w./-]*\w")
INDENTED = re.compile(r"(?:^    .*\n|^\n)+", re.MULTILINE)
MAKE = re.compile(r"\bmake ([a-z][\w-]*)(?![\w/-])")  # not make build/FILE
NAME = re.compile(r"\b(?:osb|OSB)_\w*[a-zA-Z0-9]\b(?!\*|\.\.\.)")
GCC = ["gcc", "-std=gnu99", "-I.", "-Wall", "-Wextra", "-Wno-unused", "-Werror", "-fsyntax-only"]
ERROR = """\
# One
[nowhere](missing.md) [no heading](#two) `tools/missing.py` `osb_missing()` `make missing`

```c
int broken(void) { return osb_missing; }
```
"""
ERRORS = 7  # the block has two: a name that does not exist, and so it does not compile


def slug(heading):
    text = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def headings(text):
    plain = BLOCK.sub("", text)
    found = {slug(match) for match in re.findall(r"^#+ (.*)$", plain, re.MULTILINE)}
    return found | set(re.findall(r'<a (?:name|id)="([^"]+)"', plain))


def make_targets():
    text = (ROOT / "Makefile").read_text()
    rules = re.findall(r"^([\w -]+):(?!=)", text, re.MULTILINE)
    return {name for rule in rules for name in rule.split()}


def known_names():
    headers = [ROOT / "opensandbox.h", *sorted(ROOT.glob("port/*.h"))]
    names = {name.split(".")[0] for name in reference.declared_names(headers)}
    for path in [*headers, ROOT / "tools" / "packaging" / "embedded" / "opensandbox.c"]:
        text = path.read_text("utf-8")
        names.update(re.findall(r"(?:define|ifdef|ifndef|defined)[ (]+((?:osb|OSB)_\w+)", text))
        names.update(re.findall(r"\b(?:osb|OSB)__\w+", text))  # CONTRIBUTING.md names some
        names.add(path.stem)
    return names


class Document:
    def __init__(self, path, text, targets, names):
        self.path, self.text, self.targets, self.names = path, text, targets, names
        self.errors, self.checked = [], 0

    def expect(self, good, message):
        self.checked += 1
        if not good:
            self.errors.append(f"{self.path}: {message}")

    def check(self):
        prose = BLOCK.sub("", self.text)
        for target in LINK.findall(prose):
            self.link(target)
        shell = "\n".join(INDENTED.findall(prose)) + "\n".join(
            body
            for language, body in BLOCK.findall(self.text)
            if language in ("sh", "shell", "console")
        )
        code = CODE.findall(prose)
        for target in MAKE.findall(shell) + [name for text in code for name in MAKE.findall(text)]:
            self.expect(target in self.targets, f"there is no `make {target}`")
        for text in code + [shell]:
            for path in PATH.findall(text):
                self.expect("NAME" in path or (ROOT / path).exists(), f"there is no {path}")
        for text in code:
            self.known(text)
        for language, body in BLOCK.findall(self.text):
            if language == "c":
                self.known(body)
                self.compiles(body)
        return self

    def link(self, target):
        if re.match(r"https?://", target):
            return
        name, _, anchor = target.partition("#")
        path = (self.path.parent / name).resolve() if name else self.path
        text = self.text if not name else path.read_text("utf-8") if path.is_file() else ""
        self.expect(not name or path.exists(), f"the link {target} leads to no file")
        if anchor:
            self.expect(anchor in headings(text), f"the link {target} leads to no heading")

    def known(self, text):
        for name in NAME.findall(text):
            if "NAME" in name:
                continue
            prefix = any(known.startswith(name + "_") for known in self.names)
            self.expect(name in self.names or prefix, f"no header declares {name}")

    def compiles(self, body):
        source = body
        if "main(" not in body:
            inside = (
                "static " not in body
                and "#" not in body
                and not re.search(r"^\w.*\)\n\{", body, re.M)
            )
            source = '#include "tests/docs/preamble.h"\n'
            source += (
                f"void fragment(void);\nvoid fragment(void)\n{{\n{body}}}\n" if inside else body
            )
        run = subprocess.run(
            [*GCC, "-x", "c", "-"], input=source, cwd=ROOT, capture_output=True, text=True
        )
        self.expect(run.returncode == 0, "a block of C does not compile:\n" + body + run.stderr)


def documents(arguments):
    if arguments:
        return [Path(name).resolve() for name in arguments]
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split()]


def manual(targets, names):
    """The header's manual: what is indented most is code, the first of it that is no #define C."""
    path = ROOT / "opensandbox.h"
    document = Document(path, "", targets, names)
    text = path.read_text("utf-8").partition("*/")[0]
    block = re.search(r"(?:^ {6}.*\n|^\n)+", text.partition("has it inside.\n")[2], re.MULTILINE)
    document.compiles("void whole(void);\nvoid whole(void)\n{\n" + block[0] + "}\n")
    for name in re.findall(r"[\w./-]+\.h\b|examples/\w+\.c", text):
        there = [ROOT / name, ROOT / "port" / name]
        document.expect(
            name in ("jsmn.h", "build/dist/opensandbox.h") or any(file.exists() for file in there),
            f"there is no {name}",
        )
    return document


def checks_itself(targets, names):
    with tempfile.TemporaryDirectory() as directory:
        wrong = Document(Path(directory) / "wrong.md", ERROR, targets, names).check()
    if len(wrong.errors) != ERRORS:
        sys.exit(
            f"tests/docs/check.py finds {len(wrong.errors)} errors of {ERRORS}:\n"
            + "\n".join(wrong.errors)
        )


def main():
    targets, names = make_targets(), known_names()
    checks_itself(targets, names)
    checked, errors = 0, []
    for path in documents(sys.argv[1:]):
        document = Document(path, path.read_text("utf-8"), targets, names).check()
        checked += document.checked
        errors += document.errors
    if not sys.argv[1:]:
        document = manual(targets, names)
        checked += document.checked
        errors += document.errors
    print("".join(f"{error}\n" for error in errors), end="")
    print(f"documents: {checked} links, paths, names and blocks checked, {len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
