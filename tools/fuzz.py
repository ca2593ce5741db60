#!/usr/bin/env python3
"""Builds the fuzz targets in tests/fuzz, runs each for a while, and shows what came of it.

    tools/fuzz.py [--engine libfuzzer|afl] [--seconds N] [TARGET...]

Corpora grow in build/fuzz/ENGINE; inputs that break something are kept in build/fuzz/findings (turn
them into files in tests/fuzz/regressions). The last run of each target by each engine is kept in
build/fuzz-runs.json, for the README. Fails if anything was found.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests/fuzz"
BUILD = ROOT / "build/fuzz"
FINDINGS = BUILD / "findings"
RUNS = ROOT / "build/fuzz-runs.json"
DICTIONARY = TESTS / "dictionary.txt"
TARGETS = ["text", "json", "events", "http", "client", "calls", "websocket"]
FLAGS = ["-std=c99", "-g", "-O1", "-I."]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
LONGEST = 4096  # bytes of an input


def write_seeds():
    """The seeds, and what has broken something once."""
    seeds = BUILD / "seeds"
    shutil.rmtree(seeds, ignore_errors=True)
    subprocess.run([sys.executable, TESTS / "seeds.py", seeds], check=True)
    for path in (TESTS / "regressions").iterdir():
        shutil.copy(path, seeds / path.name.split("-")[0])
    return seeds


def build(command, target):
    program = BUILD / command[0] / target
    program.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([*command, *FLAGS, f"tests/fuzz/fuzz_{target}.c", "-o", program], cwd=ROOT, check=True)
    return program


def new_findings(target, paths, before):
    """Moves inputs that broke something to one place, under the target's name."""
    FINDINGS.mkdir(parents=True, exist_ok=True)
    kept = []
    for path in paths:
        if path.stat().st_mtime >= before:
            kept.append(FINDINGS / f"{target}-{re.sub(r'[^A-Za-z0-9]+', '-', path.name)}")
            shutil.copy(path, kept[-1])
    return [str(path.relative_to(ROOT)) for path in kept]


class LibFuzzer:
    """clang's own fuzzer."""

    def __init__(self, target, seeds, seconds):
        self.target, self.seconds = target, seconds
        self.program = build(["clang", "-fsanitize=fuzzer", *SANITIZERS], target)
        self.corpus = BUILD / "libfuzzer" / target
        self.corpus.mkdir(parents=True, exist_ok=True)
        self.crashes = BUILD / "libfuzzer" / f"{target}-crashes"
        self.crashes.mkdir(exist_ok=True)
        self.seeds = seeds / target

    def run(self):
        options = [f"-max_total_time={self.seconds}", f"-max_len={LONGEST}", f"-dict={DICTIONARY}"]
        options += ["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]
        options += [f"-artifact_prefix={self.crashes}/"]
        command = [self.program, *options, self.corpus, self.seeds]
        result = subprocess.run(command, capture_output=True, text=True, errors="replace")
        self.log = result.stderr
        if result.returncode != 0:
            print(self.log[-6000:], file=sys.stderr)
        return result.returncode == 0

    def result(self):
        edges = [int(n) for n in re.findall(r"cov: (\d+)", self.log)]
        total = re.search(r"PC tables \((\d+) PCs\)", self.log)
        executions = re.search(r"number_of_executed_units: (\d+)", self.log)
        return {
            "executions": int(executions.group(1)) if executions else 0,
            "edges": edges[-1] if edges else 0,
            "edges_total": int(total.group(1)) if total else 0,
        }

    def found(self):
        return list(self.crashes.iterdir())


class Afl:
    """AFL++, with the driver in files_main.c."""

    def __init__(self, target, seeds, seconds):
        self.target, self.seconds = target, seconds
        command = ["afl-clang-fast", *SANITIZERS, "tests/fuzz/files_main.c"]
        self.program = build(command, target)
        self.output = BUILD / "afl" / target
        self.output.mkdir(parents=True, exist_ok=True)
        self.seeds = seeds / target

    def run(self):
        quiet = {"AFL_NO_UI": "1", "AFL_SKIP_CPUFREQ": "1", "AFL_AUTORESUME": "1"}
        quiet.update(AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES="1", AFL_NO_AFFINITY="1")
        command = ["afl-fuzz", "-V", str(self.seconds), "-t", "2000+", "-G", str(LONGEST)]
        command += ["-x", DICTIONARY, "-i", self.seeds, "-o", self.output, "--", self.program]
        environment = dict(os.environ, **quiet)
        result = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
        if result.returncode != 0:
            print(result.stdout[-3000:], file=sys.stderr)
        return result.returncode == 0

    def result(self):
        path = self.output / "default/fuzzer_stats"
        text = path.read_text() if path.exists() else ""
        stats = dict(re.findall(r"^(\w+) *: (.*)$", text, re.MULTILINE))
        return {
            "executions": int(stats.get("execs_done", 0)),
            "edges": int(stats.get("edges_found", 0)),
            "edges_total": int(stats.get("total_edges", 0)),
        }

    def found(self):
        inputs = [*self.output.glob("default/crashes/id*"), *self.output.glob("default/hangs/id*")]
        return [path for path in inputs if path.is_file()]


def fuzz(engine, target, seeds, seconds):
    fuzzer = engine(target, seeds, seconds)
    before, start = time.time(), time.monotonic()
    good = fuzzer.run()
    elapsed = time.monotonic() - start
    result = {"target": target, "date": time.strftime("%Y-%m-%d", time.gmtime()), "seconds": round(elapsed, 1)}
    result.update(fuzzer.result())
    result["per_second"] = round(result["executions"] / elapsed)
    result["findings"] = new_findings(target, fuzzer.found(), before)
    result["ended_well"] = good
    return result


def keep(engine, results):
    """A run takes the place of the last one of the same target by the same engine."""
    runs = json.loads(RUNS.read_text()) if RUNS.exists() else {}
    runs.setdefault(engine, {}).update({r["target"]: r for r in results})
    RUNS.write_text(json.dumps(runs, indent=2) + "\n")


def show(results):
    print(f"{'target':<8} {'executions':>11} {'per second':>11} {'time':>8} {'edges':>12}  findings")
    for r in results:
        edges = f"{r['edges']}/{r['edges_total']}"
        found = len(r["findings"]) if r["findings"] or r["ended_well"] else "run failed"
        print(f"{r['target']:<8} {r['executions']:>11} {r['per_second']:>11} {r['seconds']:>6.0f} s {edges:>12}  {found}")
        for path in r["findings"]:
            print(f"    {path}")


def main():
    parser = argparse.ArgumentParser(description="Fuzz opensandbox.h.")
    parser.add_argument("--engine", choices=["libfuzzer", "afl"], default="libfuzzer")
    parser.add_argument("--seconds", type=int, default=60, help="for each target; default 60")
    parser.add_argument("targets", nargs="*", default=TARGETS, metavar="TARGET")
    options = parser.parse_args()
    for target in options.targets:
        if target not in TARGETS:
            parser.error(f"there is no target {target}, but: {' '.join(TARGETS)}")
    engine = {"libfuzzer": LibFuzzer, "afl": Afl}[options.engine]
    seeds = write_seeds()
    results = [fuzz(engine, target, seeds, options.seconds) for target in options.targets]
    keep(options.engine, results)
    show(results)
    return 0 if all(r["ended_well"] and not r["findings"] for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
