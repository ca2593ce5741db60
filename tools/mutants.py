#!/usr/bin/env python3
"""Breaks opensandbox.h in small ways, one at a time, and looks whether the tests notice.

    tools/mutants.py [--count N] [--seed N] [--jobs N] [--at-least PERCENT] [--file HEADER SUITE...]
    tools/mutants.py --among LIST [--jobs N] [--verbose]

A mutant is the implementation with one comparison flipped, && and || exchanged, a constant one off,
a sign or a truth value turned round, a negation or a statement left out. It is caught if a suite
fails, crashes, or uses far more time than it should; the first suite that fails ends its run. What
does not compile, or compiles to the very code of the original, is no mutant, and the next one is
taken. Suites are compiled by tcc, which takes milliseconds; what survives them meets the same ones
with gcc's sanitizers, and then the faults. The draw is by a seed, so that every run is the same.

Survivors are looked up in tests/mutants/explained.txt. Results go to build/mutants.json. With a LIST
in the format of that file these are judged, and those named that the header has no place for.
"""

import argparse
import concurrent.futures
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / f"build/mutants/{os.getpid()}"  # several may run at a time
EXPLAINED = ROOT / "tests/mutants/explained.txt"

# The quickest and most telling first; what else there is of unit tests comes behind them.
SUITES = [f"tests/unit/{name}.c" for name in (
    "connection", "errors", "outputs", "events", "security", "ready", "waiting", "rows", "extras",
    "durable", "files", "lists", "text", "source", "decode", "pty", "encode", "pieces")]
REPLAY = ["tests/replay/replay.c"]
SLOW = [f"tests/faults/test_faults_{name}.c" for name in ("port", "broken", "http", "json")]
# Not about the library's own code, or the same code again.
LEFT_OUT = re.compile(r"unit/(jsmn_|port_)")

PLAIN = ["tcc", "-w", "-std=c99"]
SANITIZED = ["gcc", "-w", "-std=c99", "-O1", "-fsanitize=address,undefined",
             "-fno-sanitize-recover=all"]

# ---- finding places to break ------------------------------------------------------------------

TOKEN = re.compile(r"""
    (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<directive>^[ \t]*\#(?:\\\n|[^\n])*)
  | (?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
  | (?P<number>0[xX][0-9a-fA-F]+[uUlL]*|[0-9]+[uUlL]*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<operator>->|\+\+|--|<<=|>>=|<<|>>|[<>=!]=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:;,.(){}\[\]])
""", re.X | re.S | re.M)

EXCHANGE = {
    "comparison": {"<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"],
                   "==": ["!="], "!=": ["=="]},
    "and, or": {"&&": ["||"], "||": ["&&"]},
    "sign": {"+": ["-"], "-": ["+"], "+=": ["-="], "-=": ["+="], "++": ["--"], "--": ["++"]},
    "bits": {"<<": [">>"], ">>": ["<<"], "&": ["|"], "|": ["&"], "|=": ["="]},
    "truth": {"true": ["false"], "false": ["true"]},
}
OPERATOR_OF = {token: (name, to) for name, table in EXCHANGE.items() for token, to in table.items()}
ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
SIMPLE_DEFINE = re.compile(r"#\s*define\s+\w+\s+\(?(0[xX][0-9a-fA-F]+|[0-9]+)([uUlL]*)\)?\s*(?:/\*.*)?$", re.S)


class Token:
    def __init__(self, match):
        self.kind = match.lastgroup
        self.text = match[0]
        self.start = match.start()
        self.end = match.end()


class Mutant:
    """One way to break the header: the bytes [start, end) become `to`."""

    def __init__(self, source, start, end, to, operator, function):
        self.start, self.end, self.to, self.operator, self.function = start, end, to, operator, function
        self.line = source.count("\n", 0, start) + 1
        first = source.rfind("\n", 0, start) + 1
        last = source.find("\n", end)
        self.before = " ".join(source[first:last].split())
        self.after = " ".join((source[first:start] + to + source[end:last]).split())

    def apply(self, source):
        # A dropped statement keeps its lines.
        lines = source.count("\n", self.start, self.end)
        return source[:self.start] + self.to + "\n" * lines + source[self.end:]

    @property
    def key(self):
        return f"{self.function}: {self.before} -> {self.after}"


def tokens_of(source, begin):
    return [Token(match) for match in TOKEN.finditer(source, begin) if match.lastgroup != "comment"]


def one_off(text):
    """The numbers beside a number."""
    digits = re.match(r"0[xX][0-9a-fA-F]+|[0-9]+", text)[0]
    value, suffix = int(digits, 0), text[len(digits):]
    write = hex if digits[:2].lower() == "0x" else str
    return [write(other) + suffix for other in (value + 1, value - 1) if other >= 0]


class Finder:
    """Walks over the implementation and notes each mutant."""

    def __init__(self, source, begin):
        self.source = source
        self.tokens = tokens_of(source, begin)
        self.mutants = []
        self.function = ""

    def add(self, start, end, to, operator):
        self.mutants.append(Mutant(self.source, start, end, to, operator, self.function))

    def find(self):
        depth = parens = 0
        inside = ""  # what the outermost braces are: a function, an initialiser, a type
        for i, token in enumerate(self.tokens):
            if token.kind == "directive":
                self.directive(token)
                continue
            if token.text in "([":
                parens += 1
            elif token.text in ")]":
                parens -= 1
            elif token.text == "{" and self.text_at(i - 1) == '"C"':
                continue  # extern "C" closes at the file's end
            elif token.text == "{":
                if depth == 0:
                    inside = self.block(i)
                depth += 1
            elif token.text == "}":
                depth -= 1
            elif depth > 0 and inside == "function":
                self.in_function(i, token, parens)
            elif depth > 0 and inside == "initialiser" and token.kind == "number" and token.text != "0":
                self.number(i, token)  # a 0 in a table means that nobody reads it
        return self.mutants

    def text_at(self, i):
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def block(self, i):
        before = self.text_at(i - 1)
        if before == "=":
            self.function = self.declared(i)
            return "initialiser"
        if before != ")":
            return "type"
        depth = 0
        for at in range(i - 1, -1, -1):
            depth += {")": 1, "(": -1}.get(self.text_at(at), 0)
            if depth == 0:
                self.function = self.text_at(at - 1)
                break
        return "function"

    def declared(self, i):
        """The name before "[...] = {" or "= {"."""
        at = i - 2
        while self.text_at(at) == "]":
            while self.text_at(at) != "[":
                at -= 1
            at -= 1
        return self.text_at(at)

    def directive(self, token):
        match = SIMPLE_DEFINE.match(token.text.strip())
        if not match:
            return
        self.function = token.text.split()[1 if token.text.strip().startswith("#define") else 2]
        start = token.start + token.text.index(match[1], token.text.index(self.function) + len(self.function))
        for other in one_off(match[1]):
            self.add(start, start + len(match[1]), other, "constant")

    def is_binary(self, i):
        before = self.tokens[i - 1]
        return before.kind in ("number", "word") and before.text != "return" or before.text in (")", "]")

    def is_cast(self, i):
        """Whether the token at i follows a cast: "(size_t)-1", "(void)&x"."""
        if self.text_at(i - 1) != ")":
            return False
        at = i - 2
        while self.tokens[at].text != "(":
            if self.tokens[at].kind != "word" and self.tokens[at].text != "*":
                return False
            at -= 1
        words = [self.text_at(n) for n in range(at + 1, i - 1)]
        return self.tokens[at - 1].kind != "word" and words != [] and \
            (words[-1] == "*" or re.search(r"(_t|char|int|unsigned|long|void)$", words[-1]) is not None)

    def in_function(self, i, token, parens):
        if token.kind == "number":
            self.number(i, token)
        elif token.text in OPERATOR_OF:
            operator, others = OPERATOR_OF[token.text]
            unary_too = token.text in ("+", "-", "&")
            if not unary_too or (self.is_binary(i) and not self.is_cast(i)):
                for other in others:
                    self.add(token.start, token.end, other, operator)
        elif token.text == "!":
            self.add(token.start, token.end, "", "negation")
        if parens == 0:
            self.statement(i)

    def number(self, i, token):
        others = one_off(token.text)
        if self.text_at(i - 1) == "[" and self.is_declaration(i):
            others = others[1:]  # a larger array is no error
        for other in others:
            self.add(token.start, token.end, other, "constant")

    def is_declaration(self, i):
        at = i
        while self.text_at(at - 1) not in (";", "{", "}", ")", ""):
            at -= 1
        return self.tokens[at].kind == "word" and \
            (self.tokens[at + 1].kind == "word" or self.text_at(at + 1) == "*")

    def statement(self, i):
        """Leaves out a statement that begins at i, if it is one that can be."""
        before, first, second = self.text_at(i - 1), self.tokens[i], self.text_at(i + 1)
        if before not in (";", "{", "}", ")", "else", "do", ":"):
            return
        guard = first.text in ("return", "break", "continue")
        if guard and before != ")":
            return
        if not guard and not (first.kind == "word" and (second in ("(", "->", ".", "[", "++", "--") or
                                                        second in ASSIGNMENTS)) \
                and first.text not in ("++", "--"):
            return
        if first.text in ("if", "for", "while", "switch", "case", "default", "else", "do", "sizeof"):
            return
        end = next(at for at in range(i, len(self.tokens)) if self.text_at(at) == ";")
        self.add(first.start, self.tokens[end].start, "", "statement")


def find_mutants(source):
    begin = source.index("#ifdef OPENSANDBOX_IMPLEMENTATION")
    mutants, seen = [], set()
    for mutant in Finder(source, begin).find():
        if (mutant.start, mutant.to) not in seen:
            seen.add((mutant.start, mutant.to))
            mutants.append(mutant)
    return mutants


# ---- running the tests ------------------------------------------------------------------------


class Slot:
    """A directory in which one mutant at a time is built and run."""

    def __init__(self, name, header):
        self.path = WORK / name
        self.header = header
        shutil.rmtree(self.path, ignore_errors=True)
        (self.path / header).parent.mkdir(parents=True)
        (self.path / "tests").symlink_to(ROOT / "tests")  # they read their transcripts from there

    def write(self, source):
        (self.path / self.header).write_text(source)

    def build(self, suite, compiler):
        program = self.path / Path(suite).stem
        command = [*compiler, f"-I{self.path}", f"-I{ROOT}", str(ROOT / suite), "-o", str(program),
                   "-lcmocka"]
        return program if subprocess.run(command, capture_output=True).returncode == 0 else None

    def code(self):
        """The optimised machine code of the implementation; None: it does not compile."""
        out = self.path / "code.o"
        command = ["gcc", "-w", "-std=c99", "-O2", f"-I{self.path}", f"-I{ROOT}",
                   "-D_POSIX_C_SOURCE=200809L", "-DOPENSANDBOX_IMPLEMENTATION", "-x", "c", "-c",
                   str(self.path / self.header), "-o", str(out)]
        return out.read_bytes() if subprocess.run(command, capture_output=True).returncode == 0 else None


def run(program, directory, cpu_s):
    """True: it passed. A mutant that turns in circles is stopped by its CPU time, whatever else the
    machine does; one that waits for ever by the clock. Also returns the CPU time."""

    def limits():
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))

    process = subprocess.Popen([str(program)], cwd=directory, preexec_fn=limits, start_new_session=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    timer = threading.Timer(20 * cpu_s, process.kill)
    timer.start()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    timer.cancel()
    return process.returncode == 0, used.ru_utime + used.ru_stime


class Trial:
    """The suites, and how long each takes on the original."""

    def __init__(self, source, header, suites):
        self.source, self.header, self.suites = source, header, suites
        self.slots = threading.local()
        self.original = Slot("original", header)
        self.original.write(source)
        self.code = self.original.code()
        self.limits = {}
        self.lock = threading.Lock()

    def slot(self):
        if not hasattr(self.slots, "mine"):
            self.slots.mine = Slot(str(threading.get_ident()), self.header)
        return self.slots.mine

    def limit(self, suite, compiler):
        """The CPU time that a mutant may take: thrice the original's."""
        with self.lock:
            if (suite, compiler[0]) not in self.limits:
                self.limits[suite, compiler[0]] = self.measure(suite, compiler)
            return self.limits[suite, compiler[0]]

    def measure(self, suite, compiler):
        program = self.original.build(suite, compiler)
        if program is None:
            raise SystemExit(f"tools/mutants.py: {compiler[0]} cannot compile {suite}")
        passed, cpu_s = run(program, self.original.path, 600)
        if not passed:
            raise SystemExit(f"tools/mutants.py: {suite} fails on the header as it is")
        return int(3 * cpu_s) + 2

    def caught_by(self, slot, compiler, suites):
        """The first suite that fails; "compiler" if none can be built; None if all pass."""
        for suite in suites:
            program = slot.build(suite, compiler)
            if program is None:
                return "compiler"
            limit = self.limit(suite, compiler)
            # Sockets on a busy machine: once may be chance.
            if not any(run(program, slot.path, limit)[0] for _ in range(2 if suite in SLOW else 1)):
                return suite
        return None

    def judge(self, mutant):
        """"compiler" and "same code": no mutant. Else the suite that caught it, or None."""
        slot = self.slot()
        slot.write(mutant.apply(self.source))
        quick = [suite for suite in self.suites if suite not in SLOW]
        by = self.caught_by(slot, PLAIN, quick)
        if by is not None:
            return by
        code = slot.code()
        if code is None or code == self.code:
            return "compiler" if code is None else "same code"
        return self.caught_by(slot, SANITIZED, quick) or \
            self.caught_by(slot, PLAIN, [suite for suite in self.suites if suite in SLOW])


# ---- the report -------------------------------------------------------------------------------


def explanations(path=EXPLAINED):
    """Lines "function: before -> after", each followed by indented lines that say why."""
    found, key = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("    ") and key:
            found[key] = (found[key] + " " + line.strip()).strip()
        elif line and not line.startswith("#"):
            key = line.strip()
            found[key] = ""
    return found


def listed(mutants, path):
    """Those whose descriptions the file has; two of one line may share theirs."""
    keys = explanations(path)
    for key in sorted(set(keys) - {mutant.key for mutant in mutants}):
        print(f"no such mutant: {key}")
    return [mutant for mutant in mutants if mutant.key in keys]


def draw(trial, mutants, options):
    """Judges mutants in their drawn order until `count` of them have counted."""
    results, lock, queue = [], threading.Lock(), iter(mutants)
    start = time.monotonic()

    def counted():
        return sum(by not in ("compiler", "same code") for _, by in results)

    def work():
        while True:
            with lock:
                if counted() >= options.count or time.monotonic() - start > options.seconds:
                    return
                mutant = next(queue, None)
            if mutant is None:
                return
            by = trial.judge(mutant)
            with lock:
                if counted() >= options.count:
                    return
                results.append((mutant, by))
                if by is None:
                    print(f"survived: {options.file}:{mutant.line}: {mutant.key}", flush=True)
                elif options.verbose:
                    print(f"{mutant.operator}: {by}: {mutant.key}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for worker in [pool.submit(work) for _ in range(options.jobs)]:
            worker.result()
    return results


def report(results, options, total, seconds):
    known = explanations()
    real = [(mutant, by) for mutant, by in results if by not in ("compiler", "same code")]
    survivors = [mutant for mutant, by in real if by is None]
    rows = []
    for operator in sorted({mutant.operator for mutant, _ in real}):
        mine = [by for mutant, by in real if mutant.operator == operator]
        rows.append({"operator": operator, "mutants": len(mine),
                     "caught": sum(by is not None for by in mine)})
        print(f"  {operator:<11} {rows[-1]['caught']:5d} of {len(mine)}")
    percent = 100 * (len(real) - len(survivors)) / max(len(real), 1)
    unexplained = [mutant for mutant in survivors if not known.get(mutant.key)]
    for mutant in unexplained:
        print(f"not explained: {mutant.key}")
    print(f"{len(real) - len(survivors)} of {len(real)} mutants caught ({percent:.1f} %), "
          f"{len(survivors)} survived, {len(unexplained)} of them not explained; "
          f"{len(results) - len(real)} drawn that were none; {total} in all; seed {options.seed}; "
          f"{seconds:.0f} s")
    if options.among or options.only or options.suites:
        return 0 if real and percent >= options.at_least else 1  # no draw: not a result to publish
    (ROOT / "build/mutants.json").write_text(json.dumps({
        "file": options.file, "seed": options.seed, "mutants": len(real),
        "caught": len(real) - len(survivors), "percent": round(percent, 1), "operators": rows,
        "in_all": total, "seconds": round(seconds),
        "survivors": [{"line": mutant.line, "mutant": mutant.key, "why": known.get(mutant.key, "")}
                      for mutant in survivors]}, indent=1) + "\n")
    return 0 if real and percent >= options.at_least else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10**9, help="how many; default: all there are")
    parser.add_argument("--seconds", type=float, default=10**9, help="begin no more after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--at-least", type=float, default=95, metavar="PERCENT")
    parser.add_argument("--file", default="opensandbox.h", help="the header to break")
    parser.add_argument("--only", default="", help="mutants whose description has this text")
    parser.add_argument("--among", type=Path, metavar="LIST", help="the mutants that a file lists")
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    parser.add_argument("--verbose", action="store_true", help="tell what caught each")
    parser.add_argument("suites", nargs="*", help="default: unit tests, transcripts, faults")
    options = parser.parse_args()
    for name in [options.file, *options.suites]:
        if not (ROOT / name).is_file():
            parser.error(f"there is no {name}")
    os.nice(10)
    source = (ROOT / options.file).read_text()
    mutants = [mutant for mutant in find_mutants(source) if options.only in mutant.key]
    if options.among:
        mutants = listed(mutants, options.among)
    total = len(mutants)
    random.Random(options.seed).shuffle(mutants)
    if options.list:
        for mutant in sorted(mutants, key=lambda m: m.start):
            print(f"{mutant.line}: {mutant.operator}: {mutant.key}")
        return 0
    more = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/unit/*.c"))
    more = [suite for suite in more if suite not in SUITES and not LEFT_OUT.search(suite)]
    suites = options.suites or SUITES + more + REPLAY + SLOW
    start = time.monotonic()
    try:
        results = draw(Trial(source, options.file, suites), mutants, options)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
    return report(results, options, total, time.monotonic() - start)


if __name__ == "__main__":
    sys.exit(main())
