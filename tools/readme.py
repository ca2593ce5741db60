#!/usr/bin/env python3
"""Puts measured and generated parts into README.md: what `make size`, `make test`, `make api`,
`make bench` and `make fuzz` left in build/, and the quickstart with its output. A part whose
measurement is missing stays as it is. `--check` only says whether the README shows the quickstart as
it is in examples/."""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def date_of(path):
    return time.strftime("%Y-%m-%d", time.gmtime(path.stat().st_mtime))


def quickstart(_):
    """The example as it is, and what it prints against the local server."""
    source = (ROOT / "examples/quickstart.c").read_text()
    output = subprocess.run(["tools/with-devserver.sh", "build/quickstart"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout
    return f"```c\n{source}```\n\nIt prints:\n\n```\n{output}```\n"


def size(path):
    columns = ("target", "configuration", "text", "data", "bss", "client_bytes", "sandbox_bytes",
               "max_stack_bytes", "buffer_bytes")
    rows = json.loads(path.read_text())
    return table([name.removesuffix("_bytes") for name in columns],
                 [[row[name] for name in columns] for row in rows])


def as_it_is(path):
    return path.read_text()


def bench(path):
    result = json.loads(path.read_text())
    rows = [[row["event_bytes"], f"{row['instruction_ratio']:.2f}", f"{row['time_ratio']:.2f}",
             f"{row['library_ns']:.0f}", f"{row['jsmn_ns']:.0f}",
             f"{row['sockets_events_per_s']:,.0f}"] for row in result["events"]]
    heads = ["bytes an event", "instructions / jsmn's", "time / jsmn's", "ns", "jsmn's ns",
             "events/s over loopback"]
    commands = result["commands"]
    return table(heads, rows) + (
        f"\n{commands['count']:,} commands one after the other on one connection: "
        f"{commands['kept_us']:.0f} µs each ({commands['ratio']:.2f} times a client that only reads); "
        f"against a server that lingers 1 s after the last event: {commands['lingering_us']:.0f} µs.\n")


def fuzz(path):
    rows = [[target, engine, run["date"], f"{run['executions']:,}", f"{run['seconds']:.0f} s",
             f"{run['edges']:,} of {run['edges_total']:,}", len(run["findings"])]
            for engine, runs in json.loads(path.read_text()).items()
            for target, run in runs.items()]
    return table(["target", "engine", "date", "executions", "time", "edges", "findings"], rows)


PARTS = {
    "quickstart": (BUILD / "quickstart", quickstart),
    "size": (BUILD / "size.json", size),
    "failures": (BUILD / "failures.md", as_it_is),
    "faults": (BUILD / "faults.md", as_it_is),
    "bench": (BUILD / "bench.json", bench),
    "fuzz": (BUILD / "fuzz-runs.json", fuzz),
    "api": (BUILD / "api.md", as_it_is),
}


def fill(text, name, part):
    pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.S)
    if not pattern.search(text):
        sys.exit(f"README.md has no place for: {name}")
    return pattern.sub(lambda m: m[1] + part + m[2], text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART")
    options = parser.parse_args()
    readme = ROOT / "README.md"
    text = readme.read_text()
    if options.check:
        shown = (ROOT / "examples/quickstart.c").read_text() in text
        sys.exit(0 if shown else "README.md shows another quickstart than examples/")
    for name in options.parts:
        path, make = PARTS[name]
        if path.exists():
            text = fill(text, name, make(path))
            print(f"{name}: from {path.relative_to(ROOT)}")
        else:
            print(f"{name}: left as it is, there is no {path.relative_to(ROOT)}")
    readme.write_text(text)


if __name__ == "__main__":
    main()
