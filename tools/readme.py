#!/usr/bin/env python3
"""Puts measured and generated parts into README.md and tools/docs/*.md: what `make size`, `make test`,
`make api`, `make coverage`, `make bench`, `make memory`, `make firmware` and `make fuzz` left in build/, and the
quickstart with its output. A part whose measurement is missing stays as it is. `--check` only says
whether the README shows the quickstart as it is in examples/, and the calls that the header has."""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
DOCS = ROOT / "tools" / "docs"
sys.path.insert(0, str(DOCS))
import chart  # noqa: E402
import firmware_chart  # noqa: E402


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def date_of(path):
    return time.strftime("%Y-%m-%d", time.gmtime(path.stat().st_mtime))


def quickstart(_):
    """The example as it is, and what it prints against the local server."""
    source = (ROOT / "examples/quickstart.c").read_text()
    output = subprocess.run(
        ["tools/with-devserver.sh", "build/quickstart"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return f"```c\n{source}```\n\nIt prints:\n\n```\n{output}```\n"


def calls(path):
    """The public functions by the chapters of the header."""
    rows, chapter = [], ""
    text = path.read_text().split("/* ---- private", 1)[0]
    for line in re.finditer(
        r"^/\* ---- (.*?) -*(?:\*/)?$|^OSB_DEF [^;(]*?\b(osb_\w+)\(", text, re.M
    ):
        if line[1]:
            chapter = line[1].strip()
        elif rows and rows[-1][0] == chapter:
            rows[-1][1] += f", `{line[2]}`"
        else:
            rows.append([chapter, f"`{line[2]}`"])
    return table(["chapter of the header", "calls"], rows).replace("_init_checked`", "_init`")


def size(path):
    columns = (
        "target",
        "configuration",
        "text",
        "data",
        "bss",
        "client_bytes",
        "sandbox_bytes",
        "max_stack_bytes",
        "buffer_bytes",
    )
    rows = json.loads(path.read_text())
    return table(
        [name.removesuffix("_bytes") for name in columns],
        [[row[name] for name in columns] for row in rows],
    )


def size_parts(path):
    """Three tables: bytes of text on Cortex-M4 by layer, by what is called, by macro."""
    parts = json.loads(path.read_text())
    heads = {
        "layers": "chapter of the implementation",
        "calls": "calls of this chapter of the public part",
        "macros": "macro",
    }
    says = {
        "layers": "",
        "calls": "\nWhat goes if they are not made, all others being made (what they share stays):\n\n",
        "macros": "\nWhat goes if it is defined, all calls that are left being made:\n\n",
    }
    return "".join(
        says[name]
        + table(
            [heads[name], "bytes"],
            [
                [f"`{title}`" if name == "macros" else title, f"{size:,}"]
                for title, size in parts[name].items()
            ],
        )
        for name in heads
    )


def size_budgets(path):
    """How flash on Cortex-M4 compares with the budgets."""
    rows = json.loads(path.read_text())["budgets"]
    return table(
        ["flash on Cortex-M4", "bytes", "budget", "ratio"],
        [
            [row["what"], f"{row['bytes']:,}", f"{row['budget']:,}", f"{row['bytes'] / row['budget']:.2f}"]
            for row in rows
        ],
    )


def memory_needs(path):
    rows = json.loads(path.read_text())["needs"]
    return table(
        ["call", "transcripts", "usual need", "largest"],
        [[f"`{row['call']}`", row["times"], row["usual"], f"{row['largest']:,}"] for row in rows],
    )


def memory_gains(path):
    rows = json.loads(path.read_text())["gains"]
    return table(
        [
            "buffer",
            "largest piece of a text",
            "event of 150 bytes",
            "event of 4,000 bytes",
            "download",
        ],
        [
            [
                f"{row['buffer']:,}",
                f"{row['largest_piece']:,}",
                f"{row['short_event_ns']:.0f} ns",
                f"{row['long_event_ns']:,.0f} ns",
                f"{row['download_cpu_s_per_gb']:.2f} s/GB",
            ]
            for row in rows
        ],
    )


def firmware(path):
    results = json.loads(path.read_text())
    (DOCS / "firmware.svg").write_text(firmware_chart.svg(results))
    return firmware_chart.tables(results)


def as_it_is(path):
    return path.read_text()


def compared(title, clients, key, digits=0):
    """A row: our own value, and each peer's with how many times ours it is."""
    ours = clients[chart.OURS][key]
    cells = [title, f"{ours:,.{digits}f}"]
    for name in chart.COLOURS:
        value = clients.get(name, {}).get(key)
        cells.append(f"**{value / ours:,.2f}x** ({value:,.{digits}f})" if value else "")
    return cells


def bench(path):
    result = json.loads(path.read_text())
    (DOCS / "bench.svg").write_text(chart.svg(result))
    quick, sequential = result["quickstart"], result["sequential"]
    rows = [
        compared(f"create, run, kill: {title}", quick, key, digits)
        for key, title, digits in (
            ("wall_ms", "ms", 1),
            ("cpu_ms", "CPU ms", 1),
            ("peak_kb", "peak memory, KB", 0),
            ("syscalls", "system calls", 0),
            ("instructions", "instructions", 0),
            ("first_output_ms", "ms to the first output", 2),
        )
    ]
    rows += [
        compared("a command on a kept connection: µs", sequential["clients"], "us"),
        compared("its CPU, µs", sequential["clients"], "cpu_us"),
        compared("when the server lingers 1 s: µs", sequential["clients"], "lingering_us"),
    ]
    for row in result["events"]:
        rows += [
            compared(
                f"events of {row['event_bytes']:,} bytes: a second", row["clients"], "events_per_s"
            ),
            compared("MB/s", row["clients"], "mb_per_s"),
            compared("CPU ns an event", row["clients"], "cpu_ns"),
        ]
    for way in ("download", "upload"):
        rows += [
            compared(f"{way} of 1 GB in 16 KB: MB/s", result["transfers"][way], "mb_per_s"),
            compared("CPU s/GB", result["transfers"][way], "cpu_s_per_gb", 2),
            compared(
                "CPU s/GB in 64 KB, as curl has",
                result["transfers"]["wide"][way],
                "cpu_s_per_gb",
                2,
            ),
        ]
    rows += [
        compared(
            "list of 10,000 sandboxes in 2 KB: CPU ms", result["list"]["clients"], "cpu_ms", 1
        ),
        compared("peak memory, KB", result["list"]["clients"], "peak_kb"),
    ]
    return (
        table(["", chart.OURS, *chart.COLOURS], rows)
        + "\n"
        + bench_alone(result)
        + bench_budgets(result)
        + bench_growth(result)
    )


def bench_alone(result):
    """The library without sockets, beside jsmn and memcpy on the same bytes."""
    rows = [
        [
            f"{row['event_bytes']:,}",
            f"{row['instruction_ratio']:.2f}",
            f"{row['time_ratio']:.2f}",
            f"{row['library_ns']:,.0f}",
            f"{row['jsmn_ns']:,.0f}",
            f"{row['memcpy_ns']:,.0f}",
            f"{row['ceiling_events_per_s']:,.0f}",
        ]
        for row in result["events"]
    ]
    ceilings = result["ceilings"]
    return (
        "From bytes received to the handler, without sockets, against `jsmn_parse` and `memcpy` of the same bytes:\n\n"
        + table(
            [
                "bytes an event",
                "instructions / jsmn's",
                "time / jsmn's",
                "ns",
                "jsmn's ns",
                "memcpy's ns",
                "server's ceiling, events/s",
            ],
            rows,
        )
        + f"\nThe server's ceilings otherwise: a command in {result['commands']['ceiling_us']:.0f} µs, "
        f"{ceilings['download_mb_per_s']:,} MB/s down, {ceilings['upload_mb_per_s']:,} MB/s up. "
        f"The list needed {result['list']['buffer_peak_bytes']} bytes of its buffer.\n\n"
    )


NOISE = 0.06  # by so much more or less than curl's the least of nine transfers was in three runs


def bench_budgets(result):
    """What was asked for, and whether it is so."""

    def verdict(value, most, of):
        return f"{value:.2f} times {of}, {'kept' if value <= most else '**missed**'}"

    def beside_curl(value):
        alike = 1 < value <= 1 + NOISE
        return verdict(value, 1, "its") + (", by no more than these runs differ" if alike else "")

    lines = []
    for row in result["events"]:
        if row["event_bytes"] >= 150:
            lines.append(
                f"- An event of {row['event_bytes']:,} bytes takes at most twice what `jsmn_parse` does: "
                f"{verdict(row['instruction_ratio'], 2, 'the instructions')}; {verdict(row['time_ratio'], 2, 'the time')}.\n"
            )
    for way in ("download", "upload"):
        clients = result["transfers"][way]
        if "curl" in clients:
            ratio, wide = (
                of[chart.OURS]["cpu_s_per_gb"] / of["curl"]["cpu_s_per_gb"]
                for of in (clients, result["transfers"]["wide"][way])
            )
            lines.append(
                f"- The {way}, in 16 KB, takes no more CPU time than `curl`: {beside_curl(ratio)} "
                f"({wide:.2f} times in 64 KB, as `curl` has).\n"
            )
    return "The budgets:\n\n" + "".join(lines) + "\n"


def bench_growth(result):
    growth = result["growth"]
    rows = [
        [
            f"{row['streams']:,}",
            f"{row['cpu_ms']:,.1f}",
            f"{row['cpu_ms'] / row['streams']:.2f}",
            f"{row['peak_kb']:,}",
        ]
        for row in growth["rows"]
    ]
    return (
        f"Streams at once in one thread, {growth['events_per_stream']:,} events of 150 bytes each:\n\n"
        + table(["streams", "CPU ms", "a stream", "peak memory of the process, KB"], rows)
        + f"\nA stream more costs {growth['cpu_ms_per_stream']:.2f} ms of CPU and {growth['kb_per_stream']:.1f} KB.\n"
    )


def fuzz(path):
    rows = [
        [
            target,
            engine,
            run["date"],
            f"{run['executions']:,}",
            f"{run['seconds']:.0f} s",
            f"{run['edges']:,} of {run['edges_total']:,}",
            len(run["findings"]),
        ]
        for engine, runs in json.loads(path.read_text()).items()
        for target, run in runs.items()
    ]
    return table(["target", "engine", "date", "executions", "time", "edges", "findings"], rows)


def coverage(path):
    rows = [
        [
            of,
            f"{n['covered']:,}",
            f"{n['total']:,}",
            f"{n['percent']:.2f} %",
            n["explained"],
            f"{n['without_explained']:.2f} %",
        ]
        for of, n in json.loads(path.read_text()).items()
    ]
    return table(["of opensandbox.h", "covered", "of", "", "explained", "without these"], rows)


def thousand(path):
    result = json.loads(path.read_text())
    rows = [
        [
            f"{row['streams']:,}",
            f"{row['process_kb']:,}",
            f"{row['cpu_us']:.2f}",
            f"{row['ratio']:.3f}",
            f"{row['gap_ms']:.0f}",
            f"{row['flat_out_lines_per_s']:,}",
        ]
        for row in result["rows"]
    ]
    return table(
        [
            "streams",
            "memory of the process, KB",
            "CPU per line, µs",
            "slowest / fastest",
            "longest gap, ms",
            "flat out: lines/s",
        ],
        rows,
    )


def mutants(path):
    result = json.loads(path.read_text())
    rows = [[row["operator"], row["mutants"], row["caught"]] for row in result["operators"]]
    rows.append(["**all**", result["mutants"], f"{result['caught']} ({result['percent']} %)"])
    return (f"{result['mutants']} of {result['in_all']:,}, seed {result['seed']}:\n\n"
            + table(["changed", "mutants", "caught"], rows))


def osb(path):
    result = json.loads(path.read_text())
    rows = [[row["name"], row["wall_ms"], row["cpu_ms"], f"{row['peak_kb']:,}"]
            for row in result["rows"]]
    sizes = result["sizes"]
    return (f"Static, stripped: `build/osb` {sizes['osb']:,} bytes, without TLS (`build/osb-notls`) "
            f"{sizes['osb-notls']:,}.\nCreate, run and kill against the dev server, median of "
            f"{result['rounds']} (`make osb-compare`, {date_of(path)}):\n\n"
            + table(["", "wall, ms", "CPU, ms", "peak memory, KB"], rows))


PARTS = {
    "quickstart": (BUILD / "quickstart", quickstart),
    "calls": (ROOT / "opensandbox.h", calls),
    "size": (BUILD / "size.json", size),
    "size-budgets": (BUILD / "size-parts.json", size_budgets),
    "size-parts": (BUILD / "size-parts.json", size_parts),
    "memory-needs": (BUILD / "memory.json", memory_needs),
    "memory-gains": (BUILD / "memory.json", memory_gains),
    "failures": (BUILD / "failures.md", as_it_is),
    "faults": (BUILD / "faults.md", as_it_is),
    "bench": (BUILD / "bench.json", bench),
    "firmware": (BUILD / "firmware.json", firmware),
    "coverage": (BUILD / "coverage.json", coverage),
    "osb": (BUILD / "osb.json", osb),
    "thousand": (BUILD / "thousand.json", thousand),
    "mutants": (BUILD / "mutants.json", mutants),
    "newcomer": (BUILD / "newcomer.md", as_it_is),
    "fuzz": (BUILD / "fuzz-runs.json", fuzz),
    "api": (BUILD / "api.md", as_it_is),
}


def fill(documents, name, part):
    """Puts a part into the one document that has a place for it."""
    pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.S)
    for path, text in documents.items():
        if pattern.search(text):
            documents[path] = pattern.sub(lambda m: m[1] + part + m[2], text)
            return
    sys.exit(f"no document has a place for: {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART")
    options = parser.parse_args()
    for name in options.parts:
        if name not in PARTS:
            parser.error(f"there is no part {name}, but: {' '.join(PARTS)}")
    documents = {
        path: path.read_text() for path in [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
    }
    if options.check:
        text = documents[ROOT / "README.md"]
        if (ROOT / "examples/quickstart.c").read_text() not in text:
            sys.exit(
                "README.md shows another quickstart than examples/: tools/readme.py quickstart"
            )
        if calls(ROOT / "opensandbox.h") not in text:
            sys.exit("README.md lists other calls than the header has: tools/readme.py calls")
        return
    for name in options.parts:
        path, make = PARTS[name]
        if path.exists():
            fill(documents, name, make(path))
            print(f"{name}: from {path.relative_to(ROOT)}")
        else:
            print(f"{name}: left as it is, there is no {path.relative_to(ROOT)}")
    for path, text in documents.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
