#!/usr/bin/env python3
"""Runs cmocka programs and sums up their results; the last line is "N passed, N failed".

    tools/run-tests.py [--time-limit SECONDS] [--jobs N] PROGRAM...

A program in a directory named `valgrind` runs under valgrind, any other as it is. A program whose
name starts with `test_e2e` runs against a dev server of its own (tools/with-devserver.sh), with TLS
if the name ends with `_https`. A crash,
a time-out, an error found by valgrind or a result that is missing counts as one more failure.
"""

import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

WITH_DEVSERVER = str(Path(__file__).resolve().parent / "with-devserver.sh")
VALGRIND = ["valgrind", "--quiet", "--leak-check=full", "--error-exitcode=99"]
PLAN = re.compile(r"^1\.\.(\d+)", re.MULTILINE)
# A skipped test stands as "not ok 3 # SKIP name" in cmocka's output: neither passed nor failed.
RESULT = re.compile(r"^(ok|not ok) \d+ (?:- |# (SKIP))", re.MULTILINE)


class Outcome:
    """What one program's run came to."""

    def __init__(self, program, output, status, seconds, time_limit):
        results = RESULT.findall(output)
        planned = sum(int(number) for number in PLAN.findall(output))
        self.program = program
        self.output = output
        self.seconds = seconds
        self.passed = results.count(("ok", ""))
        self.failed = results.count(("not ok", ""))
        self.skipped = len(results) - self.passed - self.failed
        self.complaint = self._complaint(status, planned, len(results), time_limit)
        if self.complaint:
            self.failed += 1

    def _complaint(self, status, planned, seen, time_limit):
        """The reason for a failure that no test of the program has reported itself."""
        if status is None:
            return f"stopped after {time_limit} s"
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        if seen == 0:
            return "reported no test at all"
        if seen != planned:
            return f"announced {planned} tests, reported {seen}"
        # cmocka's own status is the number of failed tests.
        if status != 0 and self.failed == 0:
            return f"exit status {status} although no test failed"
        if status == 0 and self.failed:
            return "exit status 0 although a test failed"
        return None


def command_for(program):
    command = [str(program.resolve())]
    if program.parent.name == "valgrind":
        command = VALGRIND + command
    if program.name.startswith("test_e2e"):
        tls = ["--tls", "build/tls"] if program.name.endswith("_https") else []
        command = [WITH_DEVSERVER, *tls] + command
    return command


def stop(process):
    """Ends the program with everything that it has started; a dev server may stop by itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            return process.communicate(timeout=5)[0]
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            break
    return process.communicate()[0]


running = set()


def leave(number, _):
    """Each program has a session of its own: the terminal's Ctrl-C does not reach it."""
    for process in list(running):
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    os._exit(128 + number)


def run(program, time_limit):
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    start = time.monotonic()
    process = subprocess.Popen(
        command_for(program),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    running.add(process)
    try:
        output = process.communicate(timeout=time_limit)[0]
        status = process.returncode
    except subprocess.TimeoutExpired:
        output = stop(process)
        status = None
    running.discard(process)
    text = output.decode("utf-8", "replace")
    return Outcome(program, text, status, time.monotonic() - start, time_limit)


def report(outcome):
    name = f"{outcome.program.parent.name}/{outcome.program.name}"
    counts = f"{outcome.passed:5d} passed {outcome.failed:4d} failed"
    skipped = f" {outcome.skipped:4d} skipped" if outcome.skipped else ""
    print(f"{name:<40} {counts} {outcome.seconds:6.1f} s{skipped}")
    if outcome.failed:
        print("".join(f"    {line}\n" for line in outcome.output.splitlines()), end="")
        if outcome.complaint:
            print(f"    {name}: {outcome.complaint}")
    sys.stdout.flush()


def arguments():
    parser = argparse.ArgumentParser(description="Run cmocka programs and sum up their results.")
    parser.add_argument("--time-limit", type=float, default=240, help="seconds for each program")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1),
                        help="programs at a time; many only wait for a server")
    parser.add_argument("programs", nargs="+", type=Path, metavar="PROGRAM")
    options = parser.parse_args()
    for program in options.programs:
        if not program.is_file():
            parser.error(f"there is no {program}")
    return options


def main():
    options = arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = pool.map(lambda program: run(program, options.time_limit), options.programs)
        for outcome in runs:
            report(outcome)
            passed += outcome.passed
            failed += outcome.failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
