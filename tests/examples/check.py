#!/usr/bin/env python3
"""Runs the examples and compares what they print with tests/examples/NAME.txt.

    tests/examples/check.py PROGRAM...

In the expected text `*` stands for anything in a line and a line of `...` for any lines. An example
without such a text only has to end well. The server is the one that the environment names.
"""

import re
import socket
import subprocess
import sys
from pathlib import Path

EXPECTED = Path(__file__).resolve().parent


def pattern_of(text):
    lines = []
    for line in text.splitlines():
        anything = "[^\n]*".join(map(re.escape, line.split("*")))
        lines.append("(?:[^\n]*\n)*?" if line == "..." else anything + "\n")
    return re.compile("".join(lines))


def arguments(program):
    """The local server's sandboxes have this machine's ports, of which 8000 is often taken."""
    if program.name != "port_forwarding":
        return []
    with socket.create_server(("", 0)) as one:
        return [str(one.getsockname()[1])]


def complaint(program):
    """What is wrong with an example's run, or None."""
    try:
        run = subprocess.run([program.resolve(), *arguments(program)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=120, check=False)
    except subprocess.TimeoutExpired as late:
        return "no end after 120 s:\n%s" % (late.output or b"").decode("utf-8", "replace")
    output = run.stdout.decode("utf-8", "replace")
    if run.returncode:
        return "exit status %d:\n%s" % (run.returncode, output)
    expected = EXPECTED / (program.name + ".txt")
    if expected.exists() and not pattern_of(expected.read_text()).fullmatch(output):
        return "it printed\n%sinstead of\n%s" % (output, expected.read_text())
    return None


def main():
    programs = [Path(argument) for argument in sys.argv[1:]]
    missing = {path.stem for path in EXPECTED.glob("*.txt")} - {path.name for path in programs}
    complaints = {"no program for " + name: "" for name in sorted(missing)}
    complaints.update((path.name, found) for path in programs if (found := complaint(path)))
    for name, found in complaints.items():
        print("tests/examples/check.py: %s: %s" % (name, found), file=sys.stderr)
    print("%d examples, %d not as expected" % (len(programs), len(complaints)))
    return 1 if complaints or not programs else 0


if __name__ == "__main__":
    sys.exit(main())
