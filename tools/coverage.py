#!/usr/bin/env python3
"""Adds up which lines and branches of opensandbox.h the tests have run.

    tools/coverage.py DIRECTORY

DIRECTORY has the .gcda files of all suites, built by gcc --coverage. Every suite includes the header
for itself: a line or branch counts as covered if any of them has run it. A line may have fewer branches
where a macro leaves something out: those where it has the most count. Shows what was not covered and a
table by section; the figures also go to build/coverage.json, for the README.

tests/coverage-exceptions.txt explains what no test can reach. One entry stands for one line that is
never run, its branches included, or for one branch that is never taken; see there. Fails if a line or
a branch is neither covered nor explained, and if an exception is stale: if there is no such code, or
if it is covered.
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
FIGURES = ROOT / "build/coverage.json"
SECTION = re.compile(r"/\* ==== (\w+) =+\*/")

Exempt = collections.namedtuple("Exempt", "where function text why")


class Coverage:
    """Of all suites together: executions by line, and of each line's branches by (line, how many it
    has, which); the function that each line is in."""

    def __init__(self):
        self.lines, self.branches = collections.Counter(), collections.Counter()
        self.functions = {}

    def add(self, file):
        for function in file["functions"]:
            for number in range(function["start_line"], function["end_line"] + 1):
                self.functions[number] = function["name"]
        for line in file["lines"]:
            number = line["line_number"]
            self.lines[number] += line["count"]
            for index, branch in enumerate(line["branches"]):
                self.branches[number, len(line["branches"]), index] += branch["count"]

    def most_branches(self):
        """Forgets the branches of lines that have more of them elsewhere."""
        most = collections.Counter()
        for number, count, _ in self.branches:
            most[number] = max(most[number], count)
        for key in [key for key in self.branches if key[1] < most[key[0]]]:
            del self.branches[key]

    def missed(self):
        """What is not covered: by line, the keys of its branches; of a line that is never run, all."""
        missed = {number: [] for number, count in self.lines.items() if count == 0}
        for key, count in self.branches.items():
            if count == 0:
                missed.setdefault(key[0], []).append(key)
        return missed


def reports(directory):
    """gcov's report of each suite, as JSON."""
    for data in sorted(directory.glob("*.gcda")):
        output = subprocess.run(
            ["gcov", "--json-format", "--stdout", "--branch-probabilities", data],
            capture_output=True, check=True, text=True,
        ).stdout
        yield from (json.loads(line) for line in output.splitlines() if line)


def measure(directory):
    coverage = Coverage()
    for report in reports(directory):
        for file in report["files"]:
            if Path(file["file"]).name == HEADER.name:
                coverage.add(file)
    coverage.most_branches()
    return coverage


def sections(source):
    """The name of the section that each line of the header stands in."""
    name, names = "manual", [""]
    for text in source:
        match = SECTION.match(text)
        name = match.group(1) if match else name
        names.append(name)
    return names


def exceptions():
    """The file's entries: "function: the line's text   # why"."""
    entries = []
    for number, line in enumerate(EXCEPTIONS.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\w+): (.*\S) +# (.*\S)", line)
        if match is None:
            sys.exit(f"{EXCEPTIONS.relative_to(ROOT)}:{number}: not of the form \"function: text   # why\"")
        entries.append(Exempt(number, *match.groups()))
    return entries


def explain(coverage, source, entries):
    """The lines and the branches' keys that exceptions explain, and what is wrong with exceptions."""
    missed = coverage.missed()
    lines, branches, stale = set(), set(), []
    for entry in entries:
        here = [n for n, function in coverage.functions.items()
                if function == entry.function and source[n - 1].strip() == entry.text]
        unrun = [n for n in here if n in missed and coverage.lines[n] == 0 and n not in lines]
        untaken = [key for n in here if coverage.lines[n] for key in missed.get(n, []) if key not in branches]
        if unrun:
            lines.add(unrun[0])
            branches.update(missed[unrun[0]])
        elif untaken:
            branches.add(untaken[0])
        else:
            what = "is covered, or explained already" if here else "does not exist"
            stale.append(f"{EXCEPTIONS.relative_to(ROOT)}:{entry.where}: stale, {what}: "
                         f"{entry.function}: {entry.text}")
    return lines, branches, stale


def percent(covered, total):
    return 100.0 * covered / total if total else 100.0


def count(covered, total, explained):
    return {"covered": covered, "total": total, "explained": explained,
            "percent": percent(covered, total), "without_explained": percent(covered, total - explained)}


def figures(coverage, explained, of):
    """Of some lines: how many there are, are covered, are explained; of their branches too."""
    lines = [n for n in coverage.lines if of(n)]
    ways = [key for key in coverage.branches if of(key[0])]
    return {
        "lines": count(sum(coverage.lines[n] > 0 for n in lines), len(lines),
                       sum(n in explained[0] for n in lines)),
        "branches": count(sum(coverage.branches[key] > 0 for key in ways), len(ways),
                          sum(key in explained[1] for key in ways)),
    }


def unexplained(coverage, explained, source):
    """What is neither covered nor explained, a text for each line."""
    texts = []
    for number, keys in sorted(coverage.missed().items()):
        keys = [key for key in keys if key not in explained[1]]
        text = source[number - 1].strip()
        where = f"opensandbox.h:{number}: {coverage.functions.get(number, '?')}"
        if coverage.lines[number] == 0 and number not in explained[0]:
            texts.append(f"{where}: line not covered: {text}")
        elif keys:
            which = ",".join(str(key[2]) for key in sorted(keys))
            texts.append(f"{where}: branch {which} not covered: {text}")
    return texts


SAMPLE = """\
covered();
if (a_branch_is_missing)
missing();
"""


def checks_itself():
    """Looks at a sample with one line and one branch that are missing, with exceptions of all kinds."""
    source = SAMPLE.splitlines()
    coverage = Coverage()
    coverage.add({
        "functions": [{"name": "f", "start_line": 1, "end_line": 3}],
        "lines": [{"line_number": 1, "count": 1, "branches": []},
                  {"line_number": 2, "count": 1, "branches": [{"count": 1}, {"count": 0}]},
                  {"line_number": 3, "count": 0, "branches": []}],
    })
    both = [Exempt(n, "f", source[n - 1], "why") for n in (2, 3)]
    for entries, missing, too_much in (
        ([], 2, 0), (both[:1], 1, 0), (both[1:], 1, 0), (both, 0, 0), (both + both, 0, 2),
        ([Exempt(1, "f", "covered();", "why"), Exempt(2, "f", "nowhere();", "why")], 2, 2),
    ):
        *explained, stale = explain(coverage, source, entries)
        if (len(unexplained(coverage, explained, source)), len(stale)) != (missing, too_much):
            sys.exit(f"coverage.py does not judge its own sample well: {entries}")


def show_table(rows):
    print(f"{'section':<12} {'lines':>11} {'':>7} {'explained':>9} {'rest':>7}   "
          f"{'branches':>11} {'':>7} {'explained':>9} {'rest':>7}")
    for name, row in rows.items():
        cells = [f"{c['covered']:>5}/{c['total']:<5} {c['percent']:>6.1f}% {c['explained']:>9} "
                 f"{c['without_explained']:>6.1f}%" for c in row.values()]
        print(f"{name:<12} {cells[0]}   {cells[1]}")


def main():
    parser = argparse.ArgumentParser(description="Coverage of opensandbox.h.")
    parser.add_argument("directory", type=Path)
    options = parser.parse_args()
    checks_itself()
    source = HEADER.read_text().splitlines()
    coverage = measure(options.directory)
    if not coverage.lines:
        sys.exit(f"coverage.py: {options.directory} has no .gcda file of a suite that has run")
    *explained, stale = explain(coverage, source, exceptions())
    section = sections(source)
    rows = {name: figures(coverage, explained, lambda n, name=name: section[n] == name)
            for name in dict.fromkeys(section[n] for n in sorted(coverage.lines))}
    rows["all"] = figures(coverage, explained, lambda n: True)
    show_table(rows)
    FIGURES.write_text(json.dumps(rows["all"], indent=2) + "\n")
    failures = unexplained(coverage, explained, source) + stale
    print("".join(f"{line}\n" for line in failures), end="")
    if failures:
        print(f"coverage: {len(failures)} failures: cover the line or branch, or explain it in "
              f"{EXCEPTIONS.relative_to(ROOT)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
