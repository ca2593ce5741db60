#!/usr/bin/env python3
"""Sums up what the fault suites left in build/faults/ and writes build/faults.md, a table with one
line for each section of tests/faults/FAULTS.md. Fails if a row of FAULTS.md was not tried, if a
suite tried something that has no row there, or if anything did not survive."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build/faults"
TABLE = ROOT / "build/faults.md"


def documented():
    """The ids of FAULTS.md's rows, by section, in its order."""
    sections, name = {}, None
    for line in (ROOT / "tests/faults/FAULTS.md").read_text().splitlines():
        if line.startswith("## "):
            name = line[3:]
        row = re.match(r"\| ([a-z0-9][a-z0-9-]*) \|", line)
        if row and row[1] != "fault":
            sections.setdefault(name, []).append(row[1])
    return sections


def measured():
    """For each id: tried, survived, bytes compared, bytes lost."""
    sums = {}
    for path in sorted(RESULTS.glob("*.tsv")):
        for line in path.read_text().splitlines():
            fault, *numbers = line.split("\t")
            old = sums.get(fault, [0, 0, 0, 0])
            sums[fault] = [a + int(b) for a, b in zip(old, numbers)]
    return sums


def table(sections, sums):
    lines = ["| faults of | rows | tried | survived | bytes compared | bytes lost |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]
    total = [0] * 5
    for name, faults in sections.items():
        row = [len(faults)] + [sum(n) for n in zip(*(sums.get(f, [0] * 4) for f in faults))]
        total = [a + b for a, b in zip(total, row)]
        lines.append(f"| {name} | " + " | ".join(f"{n:,}" for n in row) + " |")
    lines.append("| **all** | " + " | ".join(f"{n:,}" for n in total) + " |")
    return "\n".join(lines) + "\n"


def main():
    sections, sums = documented(), measured()
    rows = {fault for faults in sections.values() for fault in faults}
    wrong = [f"not tried: {fault}" for fault in rows if sums.get(fault, [0])[0] == 0]
    wrong += [f"not in FAULTS.md: {fault}" for fault in sums if fault not in rows]
    wrong += [f"{fault}: {tried - survived} of {tried} did not survive"
              for fault, (tried, survived, _, _) in sums.items() if survived < tried]
    text = table(sections, sums)
    TABLE.write_text(text)
    print(text, end="")
    for line in sorted(wrong):
        print(f"tests/faults/collect.py: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
