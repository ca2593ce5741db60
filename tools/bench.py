#!/usr/bin/env python3
"""Measures what the library costs and how fast it is, beside what one would use instead.

    tools/bench.py [--quick]

Every client does the same work against the same server, build/bench/server, whose answers are canned
so that the client is the limit; what the server itself can do is measured too. The clients:
opensandbox.h (tests/bench/task_osb.c), libcurl with cJSON (tests/bench/task_curl.c), the official
JavaScript SDK (tests/bench/task.mjs), and curl for transfers. They take turns, and of several runs
the least counts: ratios within one run are what to look at. Results go to build/bench.json.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
INTEROP = Path(os.environ.get("INTEROP_DIR", ROOT / "build" / "interop"))
FEW, MANY = 1000, 3000  # events of the two runs whose difference counts
GIGABYTE = 1_000_000_000
LINGER_MS = 1000

OSB, CURL_C, JS, CURL = "opensandbox.h", "libcurl + cJSON", "JavaScript SDK", "curl"
WIDE = "opensandbox.h, 64 KB"  # curl has 64 KB for what it sends, and 100 for what it receives
STREAMS = {20: 1_000_000, 97: 500_000, 3947: 50_000}  # text bytes: events
JS_SHARE = 10  # of the events: it is slower, and its start is taken off


class Bench:
    def __init__(self, port, file, quick):
        self.port, self.file, self.quick = port, file, quick
        self.clients = {OSB: [BUILD / "task_osb"], CURL_C: [BUILD / "task_curl"]}
        if (INTEROP / "node_modules").exists():
            self.clients[JS] = ["node", ROOT / "tests" / "bench" / "task.mjs"]

    def command(self, client, *task):
        return [str(part) for part in [*self.clients[client], self.port, *task]]

    def run(self, client, *task):
        return timed(self.command(client, *task))

    def best(self, runs, tasks):
        """{client: its least of each measure}, the clients taking turns."""
        results = {}
        for _ in range(1 if self.quick else runs):
            for client, task in tasks.items():
                result = self.run(client, *task) if client in self.clients else timed(task)
                known = results.setdefault(client, result)
                for name, value in result.items():
                    known[name] = min(known[name], value)
        return results

    def same(self, *task):
        return {client: task for client in self.clients}


def timed(command):
    """Runs a process: seconds and CPU seconds as the kernel has them, and what it reports."""
    environment = {**os.environ, "INTEROP_DIR": str(INTEROP), "OPENSANDBOX_DISABLE_METRICS": "1"}
    start = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, env=environment)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"make bench: failed: {' '.join(map(str, command))}")
    inside = json.loads(output) if output.startswith(b"{") else {}
    return {
        **inside,
        "process_wall_s": time.monotonic() - start,
        "process_cpu_s": usage.ru_utime + usage.ru_stime,
    }


# ---- the tasks


def quickstart(bench):
    results = bench.best(10, bench.same("quickstart"))
    for client, result in results.items():
        result["syscalls"] = syscalls(bench.command(client, "quickstart"))
        result["instructions"] = (
            None if client == JS else instructions(bench.command(client, "quickstart"))
        )
    return {
        client: {
            "wall_ms": result["process_wall_s"] * 1e3,
            "cpu_ms": result["process_cpu_s"] * 1e3,
            "peak_kb": result["peak_kb"],
            "syscalls": result["syscalls"],
            "instructions": result["instructions"],
            "first_output_ms": result["first_output_s"] * 1e3,
        }
        for client, result in results.items()
    }


def commands(bench):
    count = 1000
    prompt = bench.best(5, bench.same("commands", count, 0))
    one = bench.best(5, bench.same("commands", 1, 0))  # with the start of the process: taken off
    waits = {OSB: count, CURL_C: 3, JS: 3}
    lingering = bench.best(
        1, {client: ("commands", waits[client], LINGER_MS) for client in bench.clients}
    )
    return {
        "count": count,
        "linger_ms": LINGER_MS,
        "clients": {
            client: {
                "us": (prompt[client]["wall_s"] - one[client]["wall_s"]) * 1e6 / (count - 1),
                "cpu_us": (prompt[client]["cpu_s"] - one[client]["cpu_s"]) * 1e6 / (count - 1),
                "lingering_us": lingering[client]["wall_s"] * 1e6 / waits[client],
            }
            for client in bench.clients
        },
    }


def stream(bench, text_bytes, event_bytes):
    events = {
        client: STREAMS[text_bytes] // (JS_SHARE if client == JS else 1) for client in bench.clients
    }
    many = bench.best(
        3, {client: ("stream", text_bytes, events[client]) for client in bench.clients}
    )
    few = bench.best(3, bench.same("stream", text_bytes, 1))

    def rates(client):
        # The start of the process is the same for one event: taken off.
        wall = many[client]["wall_s"] - few[client]["wall_s"]
        cpu = many[client]["cpu_s"] - few[client]["cpu_s"]
        return {
            "events_per_s": events[client] / wall,
            "mb_per_s": events[client] * event_bytes / wall / 1e6,
            "cpu_ns": cpu * 1e9 / events[client],
            "peak_kb": many[client]["peak_kb"],
        }

    return {client: rates(client) for client in bench.clients}


def transfers(bench):
    wide = ["env", "TASK_MEMORY=65536", BUILD / "task_osb", bench.port]
    url = f"http://127.0.0.1:{bench.port}/files"
    down = {
        **bench.same("download", GIGABYTE),
        WIDE: [*wide, "download", GIGABYTE],
        CURL: ["curl", "-s", "-o", "/dev/null", f"{url}/download?path=/{GIGABYTE}"],
    }
    up = {
        **bench.same("upload", GIGABYTE, bench.file),
        WIDE: [*wide, "upload", GIGABYTE, bench.file],
        CURL: [
            "curl",
            "-s",
            "-F",
            "metadata={};type=application/json;filename=metadata",
            "-F",
            f"file=@{bench.file}",
            f"{url}/upload",
        ],
    }

    def rates(results):
        return {
            client: {
                "mb_per_s": GIGABYTE / 1e6 / result["process_wall_s"],
                "cpu_s_per_gb": result["process_cpu_s"],
                "peak_kb": result.get("peak_kb"),
            }
            for client, result in results.items()
        }

    def as_usual(clients):
        return {client: rate for client, rate in clients.items() if client != WIDE}

    def as_wide(clients):
        """Those that have a buffer as large as curl's own."""
        return {OSB: clients[WIDE], CURL: clients[CURL]}

    down, up = rates(bench.best(9, down)), rates(bench.best(9, up))
    return {
        "bytes": GIGABYTE,
        "download": as_usual(down),
        "upload": as_usual(up),
        "wide": {"download": as_wide(down), "upload": as_wide(up)},
    }


def lists(bench):
    results = bench.best(5, bench.same("list"))
    return {
        "sandboxes": 10000,
        "buffer_bytes": 2048,
        "buffer_peak_bytes": results[OSB]["working_bytes"],
        "clients": {
            client: {
                "wall_ms": result["wall_s"] * 1e3,
                "cpu_ms": result["cpu_s"] * 1e3,
                "peak_kb": result["peak_kb"],
            }
            for client, result in results.items()
        },
    }


def growth(bench):
    """Streams at once in one thread, and the straight line through CPU time and memory."""
    events, rows = 2000, []
    for count in (1, 10, 100, 1000):
        result = bench.best(3, {OSB: ("streams", count, events)})[OSB]
        rows.append(
            {
                "streams": count,
                "cpu_ms": result["process_cpu_s"] * 1e3,
                "wall_ms": result["process_wall_s"] * 1e3,
                "peak_kb": result["peak_kb"],
            }
        )

    def slope(name):
        first, last = rows[0], rows[-1]
        return (last[name] - first[name]) / (last["streams"] - first["streams"])

    return {
        "events_per_stream": events,
        "rows": rows,
        "cpu_ms_per_stream": slope("cpu_ms"),
        "kb_per_stream": slope("peak_kb"),
    }


# ---- counting


def syscalls(command):
    with tempfile.NamedTemporaryFile() as counts:
        environment = {
            **os.environ,
            "INTEROP_DIR": str(INTEROP),
            "OPENSANDBOX_DISABLE_METRICS": "1",
        }
        subprocess.run(
            ["strace", "-f", "-c", "-o", counts.name, *command],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        total = re.search(r"\s(\d+)(?:\s+\d+)? total$", Path(counts.name).read_text(), re.MULTILINE)
    return int(total[1])


def instructions(command):
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *map(str, command)],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(re.search(r"Collected : (\d+)", run.stderr)[1])


def instructions_per_event(what, text_bytes):
    counts = [
        instructions([BUILD / "bench", "instructions", what, str(text_bytes), str(events)])
        for events in (FEW, MANY)
    ]
    return (counts[1] - counts[0]) / (MANY - FEW)


def alone(port):
    """The library without sockets, jsmn and memcpy; and what the server can do."""
    output = subprocess.run(
        [BUILD / "bench", port], check=True, capture_output=True, text=True
    ).stdout
    result = json.loads(output)
    for row in result["events"]:
        row["library_instructions"] = instructions_per_event("library", row["text_bytes"])
        row["jsmn_instructions"] = instructions_per_event("jsmn", row["text_bytes"])
        row["time_ratio"] = row["library_ns"] / row["jsmn_ns"]
        row["instruction_ratio"] = row["library_instructions"] / row["jsmn_instructions"]
        row["sockets_events_per_s"] = 1e9 / row["sockets_ns"]
        row["ceiling_events_per_s"] = 1e9 / row["ceiling_ns"]
    result["commands"]["ratio"] = result["commands"]["kept_us"] / result["commands"]["ceiling_us"]
    return result


def measure(options):
    with tempfile.NamedTemporaryFile(dir=BUILD) as file:
        os.truncate(file.name, GIGABYTE)
        subprocess.run(
            ["cat", file.name], check=True, stdout=subprocess.DEVNULL
        )  # into the page cache
        with subprocess.Popen(
            [BUILD / "server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            bench = Bench(server.stdout.readline().strip(), file.name, options.quick)
            result = alone(bench.port)
            result["quickstart"] = quickstart(bench)
            result["sequential"] = commands(bench)
            for row in result["events"]:
                row["clients"] = stream(bench, row["text_bytes"], row["event_bytes"])
            result["transfers"] = transfers(bench)
            result["list"] = lists(bench)
            result["growth"] = growth(bench)
            server.stdin.close()
    return result


# ---- the table


def line(title, values, digits=0):
    """Values of the clients, and in brackets how many times our own they are."""
    ours = values[OSB]
    cells = [f"{title:<44}"]
    for client in (OSB, CURL_C, JS, CURL):
        value = values.get(client)
        ratio = "" if client == OSB or not value or not ours else f" ({value / ours:.2f}x)"
        cells.append(("-" if value is None else f"{value:,.{digits}f}{ratio}").rjust(22))
    print("".join(cells))


def column(clients, name):
    return {client: result.get(name) for client, result in clients.items()}


def print_tables(result):
    print("In brackets: times opensandbox.h's own value.\n")
    print(" " * 44 + "".join(name.rjust(22) for name in (OSB, CURL_C, JS, CURL)))
    for name, title, digits in (
        ("wall_ms", "wall, ms", 1),
        ("cpu_ms", "CPU, ms", 1),
        ("peak_kb", "peak memory, KB", 0),
        ("syscalls", "system calls", 0),
        ("instructions", "instructions", 0),
        ("first_output_ms", "first output after start, ms", 2),
    ):
        line(f"create, run, kill: {title}", column(result["quickstart"], name), digits)
    sequential = result["sequential"]
    line("a command on a kept connection, us", column(sequential["clients"], "us"))
    line("  its CPU, us", column(sequential["clients"], "cpu_us"))
    line(
        f"  server lingers {sequential['linger_ms']} ms: us",
        column(sequential["clients"], "lingering_us"),
    )
    for row in result["events"]:
        line(
            f"events of {row['event_bytes']} bytes: a second",
            column(row["clients"], "events_per_s"),
        )
        line("  MB/s", column(row["clients"], "mb_per_s"))
        line("  CPU ns an event", column(row["clients"], "cpu_ns"))
    for way in ("download", "upload"):
        clients = result["transfers"][way]
        line(f"{way} of 1 GB in 16 KB: MB/s", column(clients, "mb_per_s"))
        line("  CPU s/GB", column(clients, "cpu_s_per_gb"), 2)
        line("  in 64 KB", column(result["transfers"]["wide"][way], "cpu_s_per_gb"), 2)
    line("list of 10,000: CPU, ms", column(result["list"]["clients"], "cpu_ms"), 1)
    line("  peak memory, KB", column(result["list"]["clients"], "peak_kb"))

    print(
        f"\nThe library alone, from a port that plays from memory (buffer {result['memory_bytes']} bytes):"
    )
    for row in result["events"]:
        print(
            f"  event of {row['event_bytes']} bytes: {row['instruction_ratio']:.2f} times the instructions and "
            f"{row['time_ratio']:.2f} times the time of jsmn_parse: {row['library_ns']:,.0f} ns, "
            f"jsmn {row['jsmn_ns']:,.0f} ns, memcpy {row['memcpy_ns']:,.0f} ns"
        )
    print("\nThe server's own ceilings:")
    for row in result["events"]:
        print(f"  {row['ceiling_events_per_s']:,.0f} events/s of {row['event_bytes']} bytes")
    ceilings = result["ceilings"]
    print(
        f"  a command in {result['commands']['ceiling_us']:.0f} us; download {ceilings['download_mb_per_s']:,} MB/s, "
        f"upload {ceilings['upload_mb_per_s']:,} MB/s"
    )
    listed = result["list"]
    print(
        f"\nList of {listed['sandboxes']:,} sandboxes in a buffer of {listed['buffer_bytes']} bytes: "
        f"needed {listed['buffer_peak_bytes']}"
    )
    print("\nStreams at once, one thread:")
    for row in result["growth"]["rows"]:
        print(
            f"  {row['streams']:5,}: CPU {row['cpu_ms']:7.1f} ms, wall {row['wall_ms']:7.1f} ms, peak {row['peak_kb']:6,} KB"
        )
    print(
        f"  slope: {result['growth']['cpu_ms_per_stream']:.3f} ms of CPU for {result['growth']['events_per_stream']:,} "
        f"events, {result['growth']['kb_per_stream']:.1f} KB a stream"
    )


def main():
    parser = argparse.ArgumentParser(description="Measure speed and cost beside other clients.")
    parser.add_argument(
        "--quick", action="store_true", help="one run of each: only to see that it works"
    )
    options = parser.parse_args()
    result = measure(options)
    (ROOT / "build" / "bench.json").write_text(json.dumps(result, indent=1) + "\n")
    print_tables(result)


if __name__ == "__main__":
    main()
