#!/usr/bin/env python3
"""Creates a sandbox, runs a command in it and kills it: with osb, and with the official JavaScript
SDK's quickstart, in turn, against the same server. Prints wall time, CPU time and peak memory, the
median of ROUNDS, and fails unless osb takes 20 times less CPU time and 30 times less memory.

    tools/with-devserver.sh tests/osb/compare.py [ROUNDS]
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MEASURE = str(ROOT / "build/osb-parts/measure")
HELLO = b"Hello Sandbox!\n"
LEAST_CPU, LEAST_MEMORY = 20, 30


def measure(command, env):
    """Wall and CPU seconds, and peak memory in KB."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    script = f'exec "$0" "$@" 3>&{write} {write}>&-'
    done = subprocess.run(["sh", "-c", script, MEASURE, *command], env=env, pass_fds=[write],
                          stdout=subprocess.PIPE)
    os.close(write)
    with os.fdopen(read) as told:
        wall, cpu, memory = map(int, told.read().split())
    if done.returncode != 0 or done.stdout != HELLO:
        sys.exit(f"{command[0]}: exit status {done.returncode}, said {done.stdout!r}")
    return wall / 1e6, cpu / 1e6, memory


def keep(rounds, middle):
    """For the README."""
    rows = [{"name": name, "wall_ms": round(wall * 1000), "cpu_ms": round(cpu * 1000, 1),
             "peak_kb": round(memory)} for name, (wall, cpu, memory) in middle.items()]
    sizes = {name: (ROOT / "build" / name).stat().st_size for name in ("osb", "osb-notls")}
    (ROOT / "build/osb.json").write_text(
        json.dumps({"rounds": rounds, "rows": rows, "sizes": sizes}, indent=1))


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    env = dict(os.environ, INTEROP_DIR=str(ROOT / "build/interop"),
               OPENSANDBOX_DISABLE_METRICS="1")
    contestants = {
        "build/osb": [str(ROOT / "build/osb"), "run", "python:3.12", "--", "echo",
                      "Hello Sandbox!"],
        "build/osb-notls": [str(ROOT / "build/osb-notls"), "run", "python:3.12", "--", "echo",
                            "Hello Sandbox!"],
        "JavaScript SDK": ["node", str(ROOT / "tests/osb/quickstart.mjs")],
    }
    seen = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, command in contestants.items():
            seen[name].append(measure(command, env))
    middle = {name: [statistics.median(column) for column in zip(*results)]
              for name, results in seen.items()}
    print(f"create + run + kill, median of {rounds}")
    print(f"{'':16}{'wall':>10}{'CPU':>12}{'peak memory':>14}")
    for name, (wall, cpu, memory) in middle.items():
        print(f"{name:16}{wall * 1000:7.0f} ms{cpu * 1000:9.1f} ms{memory:11.0f} KB")
    keep(rounds, middle)
    node, ours = middle["JavaScript SDK"], middle["build/osb"]
    cpu, memory = node[1] / max(ours[1], 1e-6), node[2] / ours[2]
    print(f"build/osb: {cpu:.0f} times less CPU time, {memory:.0f} times less memory")
    if cpu < LEAST_CPU or memory < LEAST_MEMORY:
        sys.exit(f"less than {LEAST_CPU} and {LEAST_MEMORY} times")


if __name__ == "__main__":
    main()
