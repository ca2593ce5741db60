#!/usr/bin/env python3
"""Measures how large a working buffer must be, and what a larger one gives.

The need of each call is osb_buffer_peak() after it, in every transcript of tests/transcripts in
which the call ends well. What a larger buffer gives is measured against build/bench/server. Writes
build/memory.json and prints both tables."""

import json
import os
import re
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
SIZES = [1024, 2048, 4096, 8192, 16384, 65536]
EVENTS, GIGABYTE = 300_000, 1_000_000_000


def needs():
    """[{call, times, usual, largest}]: bytes, of the calls that end well."""
    run = subprocess.run(
        [BUILD / "test" / "asan" / "replay"],
        cwd=ROOT,
        check=True,
        text=True,
        capture_output=True,
        env={**os.environ, "REPLAY_PEAKS": "1"},
    )
    peaks = {}
    for call, size in re.findall(r"^peak (\w+) (\d+)$", run.stderr, re.MULTILINE):
        peaks.setdefault(call, []).append(int(size))
    return [
        {
            "call": f"osb_{call}",
            "times": len(sizes),
            "usual": int(statistics.median(sizes)),
            "largest": max(sizes),
        }
        for call, sizes in sorted(peaks.items())
    ]


def task(port, size, *arguments):
    command = [str(part) for part in [BUILD / "bench" / "task_osb", port, *arguments]]
    runs = [
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "TASK_MEMORY": str(size)},
        ).stdout
        for _ in range(3)
    ]
    return min((json.loads(run) for run in runs), key=lambda run: run["cpu_s"])


def gains():
    """[{buffer, ...}]: by the size of the buffer, the largest piece of a text of 3,947 bytes, and the CPU
    of events and of a download."""
    rows = []
    with subprocess.Popen(
        [BUILD / "bench" / "server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        port = server.stdout.readline().strip()
        for size in SIZES:
            short = task(port, size, "stream", 97, EVENTS)
            long = task(port, size, "stream", 3947, EVENTS // 20)
            download = task(port, size, "download", GIGABYTE)
            rows.append(
                {
                    "buffer": size,
                    "largest_piece": long["largest_piece"],
                    "short_event_ns": short["cpu_s"] * 1e9 / EVENTS,
                    "long_event_ns": long["cpu_s"] * 1e9 / (EVENTS // 20),
                    "download_cpu_s_per_gb": download["cpu_s"],
                }
            )
        server.stdin.close()
    return rows


def main():
    result = {"needs": needs(), "gains": gains()}
    (BUILD / "memory.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"{'call':<36}{'transcripts':>12}{'usual':>8}{'largest':>9}   bytes of the buffer")
    for row in result["needs"]:
        print(f"{row['call']:<36}{row['times']:>12}{row['usual']:>8}{row['largest']:>9}")
    print(
        f"\n{'buffer':>8}{'largest piece':>16}{'event of 150 bytes':>22}{'of 4,000 bytes':>18}{'download':>16}   CPU"
    )
    for row in result["gains"]:
        print(
            f"{row['buffer']:>8}{row['largest_piece']:>16}{row['short_event_ns']:>19.0f} ns{row['long_event_ns']:>15.0f} ns"
            f"{row['download_cpu_s_per_gb']:>11.2f} s/GB"
        )


if __name__ == "__main__":
    main()
