#!/usr/bin/env python3
"""Measures what the library costs and how fast it is: runs build/bench/bench against the canned
server build/bench/server, counts instructions with callgrind, writes build/bench.json, and prints
a table. Times are the least of twenty runs; ratios are what to look at, since both sides of one ran in the
same minute on the same machine."""

import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "build/bench/bench"
FEW, MANY = 1000, 3000  # events of the two runs whose difference counts


def measure():
    with subprocess.Popen([ROOT / "build/bench/server"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as server:
        port = server.stdout.readline().strip()
        output = subprocess.run([BENCH, port], check=True, capture_output=True, text=True).stdout
        server.stdin.close()
    return json.loads(output)


def instructions(what, text_bytes, events):
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", BENCH,
                          "instructions", what, str(text_bytes), str(events)],
                         check=True, capture_output=True, text=True)
    return int(re.search(r"Collected : (\d+)", run.stderr)[1])


def instructions_per_event(what, text_bytes):
    counts = [instructions(what, text_bytes, events) for events in (FEW, MANY)]
    return (counts[1] - counts[0]) / (MANY - FEW)


def add_ratios(result):
    for row in result["events"]:
        row["library_instructions"] = instructions_per_event("library", row["text_bytes"])
        row["jsmn_instructions"] = instructions_per_event("jsmn", row["text_bytes"])
        row["time_ratio"] = row["library_ns"] / row["jsmn_ns"]
        row["instruction_ratio"] = row["library_instructions"] / row["jsmn_instructions"]
        row["sockets_events_per_s"] = 1e9 / row["sockets_ns"]
        row["ceiling_events_per_s"] = 1e9 / row["ceiling_ns"]
    commands = result["commands"]
    commands["ratio"] = commands["kept_us"] / commands["ceiling_us"]


def print_events(rows):
    columns = ("event", "time ratio", "instr. ratio", "library ns", "jsmn ns", "library instr.",
               "jsmn instr.", "events/s", "server's ceiling")
    print("".join(f"{column:>17}" for column in columns))
    for row in rows:
        cells = (f"{row['event_bytes']} bytes", f"{row['time_ratio']:.2f}",
                 f"{row['instruction_ratio']:.2f}", f"{row['library_ns']:,.0f}",
                 f"{row['jsmn_ns']:,.0f}", f"{row['library_instructions']:,.0f}",
                 f"{row['jsmn_instructions']:,.0f}", f"{row['sockets_events_per_s']:,.0f}",
                 f"{row['ceiling_events_per_s']:,.0f}")
        print("".join(f"{cell:>17}" for cell in cells))


def print_commands(commands):
    print(f"\n{commands['count']:,} commands one after the other, each a stream of three events:")
    print(f"  {commands['ratio']:.2f} times a client that only reads: {commands['kept_us']:.1f} us "
          f"a command on one connection, ceiling {commands['ceiling_us']:.1f} us")
    print(f"  {commands['lingering_us']:.1f} us against a server that lingers 1 s after the last event")


def main():
    result = measure()
    add_ratios(result)
    (ROOT / "build/bench.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"Ratios: library to jsmn_parse alone on the same bytes; buffer {result['memory_bytes']} bytes. "
          "Without sockets, but for the last two columns.")
    print_events(result["events"])
    print_commands(result["commands"])


if __name__ == "__main__":
    main()
