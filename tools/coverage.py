#!/usr/bin/env python3
"""Adds up which lines and branches of opensandbox.h the tests have run.

    tools/coverage.py DIRECTORY [--lines 100] [--branches 95]

DIRECTORY has the .gcda files of all suites, built by gcc --coverage. Every suite includes the header
for itself: a line or branch counts as covered if any of them has run it. Shows a table by section and
what was not covered, marking what tests/coverage-exceptions.txt explains. Fails below the limits.
"""

import argparse
import collections
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "opensandbox.h"
EXCEPTIONS = ROOT / "tests/coverage-exceptions.txt"
SECTION = re.compile(r"/\* ==== (\w+) =+\*/")


def reports(directory):
    """gcov's report of each suite, as JSON."""
    for data in sorted(directory.glob("*.gcda")):
        output = subprocess.run(
            ["gcov", "--json-format", "--stdout", "--branch-probabilities", data],
            capture_output=True, check=True, text=True,
        ).stdout
        yield from (json.loads(line) for line in output.splitlines() if line)


def merge(directory):
    """Executions by line, and of each line's branches by (line, how many it has, which)."""
    lines, branches = collections.Counter(), collections.Counter()
    for report in reports(directory):
        for file in report["files"]:
            if Path(file["file"]).name != HEADER.name:
                continue
            for line in file["lines"]:
                number = line["line_number"]
                lines[number] += line["count"]
                for index, branch in enumerate(line["branches"]):
                    branches[number, len(line["branches"]), index] += branch["count"]
    return lines, branches


def section_of(source):
    """The name of the section that each line of the header stands in."""
    name, names = "manual", [""]
    for text in source:
        match = SECTION.match(text)
        name = match.group(1) if match else name
        names.append(name)
    return names


def exceptions():
    """Code that is known not to be covered: "code   # why", one a line; code is a part of a line."""
    if not EXCEPTIONS.exists():
        return []
    entries = [line.split("   #", 1) for line in EXCEPTIONS.read_text().splitlines()]
    return [parts[0].strip() for parts in entries if len(parts) == 2]


def percent(covered, total):
    return 100.0 * covered / total if total else 100.0


def show_table(lines, branches, sections):
    names = list(dict.fromkeys(sections[number] for number in sorted(lines)))
    print(f"{'section':<16} {'lines':>11} {'':>7} {'branches':>11}")
    for name in names + ["all"]:
        mine = [lines[n] for n in lines if name in ("all", sections[n])]
        ways = [branches[key] for key in branches if name in ("all", sections[key[0]])]
        counts = sum(1 for n in mine if n), len(mine), sum(1 for n in ways if n), len(ways)
        print(f"{name:<16} {counts[0]:>5}/{counts[1]:<5} {percent(*counts[:2]):>6.1f}% "
              f"{counts[2]:>5}/{counts[3]:<5} {percent(*counts[2:]):>6.1f}%")
    return percent(*counts[:2]), percent(*counts[2:])


def show_uncovered(lines, branches, source):
    known = exceptions()
    missed = collections.defaultdict(list)
    for (number, _, index), count in sorted(branches.items()):
        if count == 0 and lines[number]:
            missed[number].append(str(index))
    for number in sorted(lines):
        if lines[number] and number not in missed:
            continue
        text = source[number - 1].strip()
        what = "branch " + ",".join(missed[number]) if lines[number] else "line"
        mark = " (explained)" if any(code in text for code in known) else ""
        print(f"opensandbox.h:{number}: {what} not covered{mark}: {text}")


def main():
    parser = argparse.ArgumentParser(description="Coverage of opensandbox.h.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--lines", type=float, default=100, help="per cent at least")
    parser.add_argument("--branches", type=float, default=95, help="per cent at least")
    options = parser.parse_args()
    source = HEADER.read_text().splitlines()
    lines, branches = merge(options.directory)
    show_uncovered(lines, branches, source)
    covered = show_table(lines, branches, section_of(source))
    if covered[0] < options.lines or covered[1] < options.branches:
        print(f"coverage: below {options.lines:g} % of lines or {options.branches:g} % of branches")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
