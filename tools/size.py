#!/usr/bin/env python3
"""Measures what opensandbox.h costs on small targets: flash, RAM and stack, against the budgets.

    tools/size.py [--check] [--functions] [--header FILE]

Each configuration is a program in tests/size, linked with -nostdlib and --gc-sections. Only what
opensandbox.h puts into it is counted: not the program, nor its memcpy, nor libgcc. The stack is the
deepest path of calls from a public function, as the compiler's own call graph has it; the caller's
port and handlers are excluded. Results go to build/size.json too.

Exit status: 1 if a rule is broken (recursion, a frame of variable size, a call of a library
function that the core may not use) or a limit is exceeded, and with --check also if a budget of
flash is.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "size"
PROGRAMS = ROOT / "tests" / "size"
JSMN = Path("/usr/include/jsmn.h")


@dataclass
class Target:
    name: str
    tools: str
    flags: list
    link: list = field(default_factory=list)


@dataclass
class Configuration:
    name: str
    program: str  # in tests/size
    buffer_bytes: int
    defines: list = field(default_factory=list)


ARM = "arm-none-eabi-"
RISCV = "riscv64-unknown-elf-"
TARGETS = [
    Target("cortex-m0plus", ARM, ["-mcpu=cortex-m0plus", "-mthumb"]),
    Target("cortex-m3", ARM, ["-mcpu=cortex-m3", "-mthumb"]),
    Target("cortex-m4", ARM, ["-mcpu=cortex-m4", "-mthumb"]),
    Target("cortex-m33", ARM, ["-mcpu=cortex-m33", "-mthumb"]),
    Target("rv32imc", RISCV, ["-march=rv32imc", "-mabi=ilp32"]),
    # Division is in this chip's ROM, and not in its libgcc.
    Target(
        "xtensa-lx106",
        "xtensa-lx106-elf-",
        ["-mlongcalls"],
        ["-Wl,--unresolved-symbols=ignore-all"],
    ),
]

# `full` is everything, `official` the calls of the official SDKs, `minimal` is create, run and kill.
CONFIGURATIONS = [
    Configuration("full", program="full", buffer_bytes=2048),
    Configuration(
        "official",
        program="full",
        buffer_bytes=2048,
        defines=["OSB_NO_DURABLE", "OSB_NO_EXTRAS", "OSB_NO_POOLS", "OSB_NO_PTY"],
    ),
    Configuration(
        "minimal",
        program="minimal",
        buffer_bytes=1024,
        defines=[
            "OSB_NO_ADMIN",
            "OSB_NO_BACKGROUND",
            "OSB_NO_CREATE_EXTRAS",
            "OSB_NO_ERROR_TEXT",
            "OSB_NO_DURABLE",
            "OSB_NO_EXTRAS",
            "OSB_NO_METRICS",
            "OSB_NO_PTY",
            "OSB_NO_RAW_REQUEST",
            "OSB_NO_SNAPSHOTS",
            "OSB_NO_DIAGNOSTICS",
            "OSB_NO_POOLS",
            "OSB_NO_SESSIONS",
            "OSB_NO_CODE",
            "OSB_NO_FILES",
            "OSB_NO_ISOLATED",
            "OSB_NO_EGRESS",
            "OSB_NO_VAULT",
        ],
    ),
]

# The budgets of flash and stack are for the target that firmware authors compare on.
BUDGET_TARGET = "cortex-m4"
TEXT_BUDGET = {"official": 22528, "minimal": 8192}
OURS_BUDGET = 5120  # what `full` has beyond `official`
# Where the budgets are missed, what must not grow unnoticed: today's text, rounded up.
TEXT_LIMIT = {"full": 53248, "official": 45056, "minimal": 20480}
STACK_BUDGET = 512
BUDGETS = {"data": 0, "bss": 0, "client_bytes": 384, "sandbox_bytes": 640}

COMMON_FLAGS = ["-std=c99", "-Os", "-ffreestanding", "-ffunction-sections", "-fdata-sections"]
COMMON_FLAGS += ["-fno-unwind-tables", "-fno-asynchronous-unwind-tables"]
# Without this flag the compiler turns the loop inside memcpy into a call of memcpy.
LIBC_FLAGS = ["-fno-tree-loop-distribute-patterns"]

# The names of the function pointers that lead to the caller's port and handlers, which the stack
# excludes. They, as any other pointer, also lead to the library's own functions that are assigned
# to their names, or for `hand_out` stand in an operation's description.
OUTSIDE_CALLS = re.compile(
    r"on_\w+|handler|read_body|rewind_body|read_input|check"
    r"|connect|send|recv|close|wait|now_ms|random|unix_time|error"
)

# The source that an upload is to the layers below it; what it calls by the same names is outside.
UPLOAD_CALLERS = {"osb__durable_data", "osb__upload_data", "osb__upload_rewind", "osb__upload_read", "osb__read_data", "osb__logs_data"}

ALLOWED_CALLS = re.compile(
    r"mem(cpy|move|set|cmp)"
    r"|__aeabi_u?(l|i)?(div|divmod|mul|cmp|lsl|lsr|asr)(mod)?"
    r"|__gnu_thumb1_case_\w+"
    r"|__(u?div|u?mod|u?divmod|mul|ashl|ashr|lshr|u?cmp|clz|ctz|popcount|bswap)[sd]i[2-4]?"
    r"|__riscv_(save|restore)_\d+"
)


class Broken(Exception):
    """A rule of the core that the compiled header does not keep."""


def run(*command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        print(result.stderr, end="", file=sys.stderr)
        raise Broken(f"{command[0]} failed")
    return result.stdout


# --- compile and link


def freestanding_flags(target, header):
    """No header of a C library can be found: not even by accident."""
    own_headers = run(target.tools + "gcc", "-print-file-name=include").strip()
    flags = ["-nostdinc", "-isystem", own_headers, "-isystem", str(BUILD / "include")]
    flags += ["-isystem", str(ROOT / "tests" / "cross" / "include")]
    return target.flags + COMMON_FLAGS + flags + [f"-I{header.parent}"]


def build(target, configuration, header):
    """Compiles the library, the program and their C library apart, and links them with a map."""
    directory = BUILD / target.name / configuration.name
    directory.mkdir(parents=True, exist_ok=True)
    flags = freestanding_flags(target, header) + [f"-D{name}" for name in configuration.defines]

    def compile_object(name, *arguments):
        output = directory / f"{name}.o"
        run(target.tools + "gcc", *flags, *map(str, arguments), "-c", "-o", str(output))
        return str(output)

    library = ["-DOPENSANDBOX_IMPLEMENTATION", "-fcallgraph-info=su", "-x", "c", header]
    objects = [
        compile_object("main", PROGRAMS / f"{configuration.program}.c"),
        compile_object("opensandbox", *library),
        compile_object("libc", *LIBC_FLAGS, PROGRAMS / "libc.c"),
    ]
    compile_object("sizes", PROGRAMS / "sizes.c")
    link = ["-nostdlib", "-Wl,--gc-sections", f"-Wl,-Map={directory / 'program.map'}"]
    program = str(directory / "program.elf")
    run(target.tools + "gcc", *target.flags, *target.link, *link, *objects, "-lgcc", "-o", program)
    return directory


# --- flash and RAM, from the linker's map

KINDS = [
    ("text", r"\.(text|literal|rodata|srodata|eh_frame|ARM\.ex(idx|tab))"),
    ("data", r"\.s?data"),
    ("bss", r"\.s?bss|COMMON"),
]
UNCOUNTED = r"\.(comment|debug|note|group|ARM\.attributes|riscv\.attributes|xtensa\.info|xt\.)"
# " .text.osb_run  0x8000  0x380 FILE.o", or the padding after it: " *fill*  0x8380  0x2".
PLACED = re.compile(r"^ (\S+)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)(?: (\S+))?\s*$")


def kind_of(section):
    for kind, pattern in KINDS:
        if re.match(rf"({pattern})(\.|$)", section):
            return kind
    if re.match(UNCOUNTED, section):
        return None
    raise Broken(f"the linker's map has a section of unknown kind: {section}")


def placed_sections(directory):
    """Everything in the program, in order: (section, size, file), or ("*fill*", size, None)."""
    text = (directory / "program.map").read_text()
    text = text.split("Linker script and memory map", 1)[1]
    # A long name stands on a line of its own.
    text = re.sub(r"^( \.\S+)\n\s+", r"\1 ", text, flags=re.MULTILINE)
    matches = filter(None, map(PLACED.match, text.splitlines()))
    rows = [(int(m[2], 16), m[1], int(m[3], 16), m[4]) for m in matches]
    rows = [row for row in rows if row[2] > 0]
    for (address, name, size, source), following in zip(rows, rows[1:] + [(0,)]):
        # A string that is the end of another one takes no room: the next section overlaps it.
        if address <= following[0] < address + size:
            size = following[0] - address
        yield name, size, source


def linked_sections(directory, counts):
    """What the files chosen by `counts` put into the program: (kind, name, size), with padding."""
    sections = []
    kind = None
    for name, size, source in placed_sections(directory):
        if name != "*fill*":
            kind = kind_of(name) if counts(source) else None
        if kind:
            sections.append((kind, name, size))
    return sections


def library_sections(directory):
    library = str(directory / "opensandbox.o")
    return linked_sections(directory, lambda source: source == library)


def libgcc_bytes(directory):
    sections = linked_sections(directory, lambda source: source and "/libgcc.a(" in source)
    return sum(size for _, _, size in sections)


def totals(sections):
    return {
        wanted: sum(size for kind, _, size in sections if kind == wanted)
        for wanted in ("text", "data", "bss")
    }


def symbol_size(target, directory, name):
    for line in run(target.tools + "nm", "-S", str(directory / "sizes.o")).splitlines():
        columns = line.split()
        if columns[-1] == name:
            return int(columns[1], 16)
    raise Broken(f"sizes.o has no symbol {name}")


def undefined_symbols(target, directory):
    lines = run(target.tools + "nm", "-u", str(directory / "opensandbox.o")).splitlines()
    names = sorted(line.split()[-1] for line in lines)
    forbidden = [name for name in names if not ALLOWED_CALLS.fullmatch(name)]
    if forbidden:
        raise Broken(f"the core calls {', '.join(forbidden)}")
    return names


# --- where the bytes go


def chapters(header):
    """[(title, first line, last line, public)] of the header's own chapters."""
    lines = header.read_text("utf-8").split("\n")
    marks = []
    for number, line in enumerate(lines):
        match = re.match(r"/\* (----|====) (.*?) [-=]*(\*/)?$", line)
        if match:
            marks.append((match[2], number, match[1] == "----"))
    ends = [number for _, number, _ in marks[1:]] + [len(lines)]
    return [(title, begin, end, public) for (title, begin, public), end in zip(marks, ends)]


def functions_of(header, wanted_public):
    """{chapter: names defined in it} of the implementation, or declared in it of the public part."""
    lines = header.read_text("utf-8").split("\n")
    found = {}
    for title, begin, end, public in chapters(header):
        text = "\n".join(lines[begin:end])
        if public and wanted_public:
            names = re.findall(r"^OSB_DEF [^;(]*?\b(osb_\w+)\(", text, re.MULTILINE)
        elif not public and not wanted_public:
            names = re.findall(r"^\w[^;\n=]*?\b(osb_\w+)(?=\(|\[| =|;)", text, re.MULTILINE)
        else:
            continue
        if names:
            found[title] = names
    return found


def by_layer(sections, header):
    """{chapter of the implementation: bytes of text}; strings are shared by all."""
    layer_of = {
        name: title for title, names in functions_of(header, False).items() for name in names
    }
    sizes = {title: 0 for title in layer_of.values()}
    sizes["strings"] = sizes["jsmn, tables inside functions, padding"] = 0
    for kind, name, size in sections:
        if kind != "text":
            continue
        part = name.split(".")[2:3]
        if ".str" in name:
            sizes["strings"] += size
        else:
            sizes[
                layer_of.get(part[0] if part else "", "jsmn, tables inside functions, padding")
            ] += size
    return sizes


def link_all(target, directory, names):
    """Text of a program that takes the address of each of these public functions."""
    source = directory / "chosen.c"
    text = "".join(f"extern char {name}[];\n" for name in names)
    text += "void _start(void);\nextern char *volatile const chosen[];\nchar *volatile const chosen[] = {"
    text += "".join(f"{name}, " for name in names) + "0};\n"
    text += "void _start(void) { for (unsigned i = 0; chosen[i] != 0; i++) { } for (;;) { } }\n"
    source.write_text(text)
    program = str(directory / "program")
    objects = [
        str(directory / "chosen.o"),
        str(directory / "opensandbox.o"),
        str(directory / "libc.o"),
    ]
    run(target.tools + "gcc", *target.flags, *COMMON_FLAGS, "-c", str(source), "-o", objects[0])
    run(
        target.tools + "gcc",
        *target.flags,
        "-nostdlib",
        "-Wl,--gc-sections",
        f"-Wl,-Map={program}.map",
        *objects,
        "-lgcc",
        "-o",
        f"{program}.elf",
    )
    return totals(library_sections(directory))["text"]


def build_library(target, header, defines=()):
    """Only the library, and what it needs to be linked."""
    directory = BUILD / target.name / "parts"
    directory.mkdir(parents=True, exist_ok=True)
    flags = freestanding_flags(target, header) + [f"-D{name}" for name in defines]
    library = ["-DOPENSANDBOX_IMPLEMENTATION", "-x", "c", str(header)]
    compiler = [target.tools + "gcc", *flags, "-c", "-o"]
    run(*compiler, str(directory / "opensandbox.o"), *library)
    run(*compiler, str(directory / "libc.o"), *LIBC_FLAGS, str(PROGRAMS / "libc.c"))
    return directory


def by_call(target, header):
    """{chapter of the public part: text that goes when its calls are not made}."""
    directory = build_library(target, header)
    groups = functions_of(header, True)
    public = public_functions(target, directory)
    groups = {title: [name for name in names if name in public] for title, names in groups.items()}
    everything = link_all(target, directory, sorted(public))
    return {
        title: everything - link_all(target, directory, sorted(public - set(names)))
        for title, names in groups.items()
    }


def by_macro(target, header):
    """{OSB_NO_...: text that goes when it is defined}, all other calls being made."""
    tests = "".join(re.findall(r"^#\s*if.*$", header.read_text("utf-8"), re.MULTILINE))
    macros = sorted(set(re.findall(r"\b(OSB_NO_\w+)\b", tests)))
    sizes = {}
    for macro in [None, *macros]:
        directory = build_library(target, header, [macro] if macro else [])
        sizes[macro] = link_all(target, directory, sorted(public_functions(target, directory)))
    return {macro: sizes[None] - sizes[macro] for macro in macros}


def print_parts(parts):
    print(f"\n{BUDGET_TARGET}, where the text is, by chapter of the implementation:")
    for title, size in parts["layers"].items():
        print(f"  {size:6d}  {title}")
    print("what goes if the calls of a chapter of the public part are not made:")
    for title, size in parts["calls"].items():
        print(f"  {size:6d}  {title}")
    print("what goes with a macro:")
    for title, size in parts["macros"].items():
        print(f"  {size:6d}  {title}")


# --- stack, from the compiler's call graph


class CallGraph:
    """The compiler's .ci file: frames, calls, and the places where a function pointer is called."""

    NODE = re.compile(
        r'^node: \{ title: "([^"]+)" label: "[^"]*\\n(\d+) bytes \(([a-z,]+)\)', re.MULTILINE
    )
    EDGE = re.compile(
        r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "([^"]*)")?', re.MULTILINE
    )

    def __init__(self, text, tail_calls):
        self.tail_calls = tail_calls
        self.frames = {}
        self.calls = {}
        self.indirect = set()
        for name, size, kind in self.NODE.findall(text):
            if kind != "static":
                raise Broken(f"the frame of {plain(name)} has no fixed size ({kind})")
            self.frames[name] = int(size)
            self.calls[name] = set()
        for source, destination, place in self.EDGE.findall(text):
            if destination == "__indirect_call":
                self.indirect.add((source, place))
            else:
                self.calls[source].add(destination)

    def resolve(self, source_of, linked):
        """Turns the calls through the library's own pointers into calls; returns the others."""
        outside = set()
        for caller, place in self.indirect:
            source = source_of(place.rsplit(":", 2)[0])
            name = called_name(source, place)
            if OUTSIDE_CALLS.fullmatch(name):
                outside.add(f"{name} in {plain(caller)}")
            assigned = set(re.findall(rf"\b{name} = (\w+)", source))
            if name == "hand_out":
                for operation in re.findall(r"static const osb__op \w+ = \{(.*?)\};", source, re.S):
                    assigned.update(re.findall(r"\bosb__\w+", operation))
            if plain(caller) in UPLOAD_CALLERS:
                continue
            behind = {title for title in self.frames if plain(title) in assigned & linked}
            if not behind and not OUTSIDE_CALLS.fullmatch(name):
                raise Broken(f"{place}: {name}() leads nowhere that tools/size.py knows")
            self.calls[caller].update(behind)
        return sorted(outside)

    def deepest(self, name, path=(), known=None):
        """(bytes, [functions]) of the deepest path from `name`."""
        known = {} if known is None else known
        if name in path:
            cycle = path[path.index(name) :] + (name,)
            raise Broken("recursion: " + " -> ".join(map(plain, cycle)))
        if name not in known:
            frame = self.frames.get(name, 0)
            paths = [(frame, [plain(name)])]
            for callee in self.calls.get(name, ()):
                depth, functions = self.deepest(callee, path + (name,), known)
                kept = 0 if (plain(name), plain(callee)) in self.tail_calls else frame
                paths.append((kept + depth, [plain(name)] + functions))
            known[name] = max(paths)
        return known[name]

    def reached_from(self, names):
        reached = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting.extend(self.calls.get(name, ()))
        return reached


def plain(title):
    """A static function's title has its file's name in front."""
    return title.rsplit(":", 1)[-1]


def tail_calls(target, directory):
    """Pairs (caller, callee) of calls that are jumps, made when the caller's frame is gone.

    Only Arm's relocations tell a jump from a call; elsewhere every frame is taken to stay.
    """
    calls, jumps = set(), set()
    caller = None
    for line in run(target.tools + "objdump", "-r", str(directory / "opensandbox.o")).splitlines():
        if line.startswith("RELOCATION RECORDS FOR [.text."):
            caller = line.split("[.text.")[1].rstrip("]:")
        elif " R_ARM_THM_" in line:
            _, kind, callee = line.split()
            pairs = jumps if kind.startswith("R_ARM_THM_JUMP") else calls
            pairs.add((caller, callee))
    return jumps - calls


def called_name(source, place):
    """The name before the "(" of the call at `place`, which is FILE:LINE:COLUMN."""
    _, line, column = place.rsplit(":", 2)
    text = "\n".join(source.split("\n")[int(line) - 1 :])[int(column) - 1 :]
    match = re.match(r"[^;]*?(\w+)\s*(?:\[[^\]]*\]|\))*\s*\(", text)
    if not match:
        raise Broken(f"{place}: cannot read which pointer is called")
    return match[1]


def linked_functions(sections):
    return {name.removeprefix(".text.") for _, name, _ in sections if name.startswith(".text.")}


def stack(target, directory, linked, public):
    """The deepest path among what is linked, and the calls that leave the library."""
    graph = CallGraph((directory / "opensandbox.ci").read_text(), tail_calls(target, directory))
    outside = graph.resolve(lambda file: Path(file).read_text(), linked)
    roots = [name for name in graph.frames if name in public and name in linked]
    lost = linked & {plain(name) for name in graph.frames} - {
        plain(name) for name in graph.reached_from(roots)
    }
    if lost:
        raise Broken(f"reached by no known call: {', '.join(sorted(lost))}")
    known = {}
    return max(graph.deepest(root, known=known) for root in roots), outside


def public_functions(target, directory):
    lines = run(target.tools + "nm", "-g", "--defined-only", str(directory / "opensandbox.o"))
    return {line.split()[-1] for line in lines.splitlines()}


# --- results


def measure(target, configuration, header):
    directory = build(target, configuration, header)
    sections = library_sections(directory)
    linked = linked_functions(sections)
    public = public_functions(target, directory)
    if configuration.program == "full" and public - linked:
        raise Broken(f"tests/size/full.c does not call {', '.join(sorted(public - linked))}")
    (depth, path), outside = stack(target, directory, linked, public)
    result = {
        "target": target.name,
        "configuration": configuration.name,
        **totals(sections),
        "libgcc": libgcc_bytes(directory),
        "client_bytes": symbol_size(target, directory, "osb_sizeof_client"),
        "sandbox_bytes": symbol_size(target, directory, "osb_sizeof_sandbox"),
        "max_stack_bytes": depth,
        "buffer_bytes": configuration.buffer_bytes,
        "stack_path": path,
        "indirect_calls": outside,
        "undefined": undefined_symbols(target, directory),
    }
    return result, sections


def excess(result):
    """How far each measure is over its limit: {measure: bytes}."""
    budgets = dict(BUDGETS)
    if result["target"] == BUDGET_TARGET:
        budgets["text"] = TEXT_LIMIT[result["configuration"]]
        budgets["max_stack_bytes"] = STACK_BUDGET
    return {name: result[name] - limit for name, limit in budgets.items() if result[name] > limit}


COLUMNS = [
    ("target", "target"),
    ("configuration", "configuration"),
    ("text", "text"),
    ("data", "data"),
    ("bss", "bss"),
    ("client", "client_bytes"),
    ("sandbox", "sandbox_bytes"),
    ("stack", "max_stack_bytes"),
    ("buffer", "buffer_bytes"),
]


def print_table(results):
    widths = [14, 14, 7, 5, 5, 7, 8, 6, 7]
    left = 2

    def row(cells):
        padded = [
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths))
        ]
        return "".join(padded)

    titles = {key: title for title, key in COLUMNS}
    print(row([title for title, _ in COLUMNS]) + "  limit")
    for result in results:
        over = [f"{titles[key]} over by {size}" for key, size in excess(result).items()]
        print(row([str(result[key]) for _, key in COLUMNS]) + "  " + (", ".join(over) or "OK"))


def primary_results(results):
    """Those of the target that the budgets are for, by configuration."""
    return {
        result["configuration"]: result for result in results if result["target"] == BUDGET_TARGET
    }


def text_budgets(results):
    """Each budget of text: {"what", "bytes", "budget"}."""
    text = {name: result["text"] for name, result in primary_results(results).items()}
    rows = [
        ("the calls of the official SDKs", text["official"], TEXT_BUDGET["official"]),
        ("terminals, pools, durable runs, extras", text["full"] - text["official"], OURS_BUDGET),
        ("create, run and kill", text["minimal"], TEXT_BUDGET["minimal"]),
    ]
    return [{"what": what, "bytes": size, "budget": budget} for what, size, budget in rows]


def print_text_budgets(rows):
    print(f"\n{BUDGET_TARGET}, text against its budgets:")
    for row in rows:
        times = row["bytes"] / row["budget"]
        print(f"  {row['bytes']:6d}  {row['what']}: {times:.2f} times the budget of {row['budget']}")


def print_notes(results):
    primary = primary_results(results).values()
    for result in primary:
        print(f"\n{result['target']} {result['configuration']}:")
        print("  deepest stack:", " > ".join(result["stack_path"]))
        print("  calls of the caller's functions:", ", ".join(result["indirect_calls"]) or "none")
        print("  undefined symbols:", ", ".join(result["undefined"]) or "none")
        print(f"  not counted: {result['libgcc']} bytes of libgcc")


def print_functions(sections, count=40):
    print(f"\n{BUDGET_TARGET} full, the largest parts of text:")
    parts = [(size, name) for kind, name, size in sections if kind == "text"]
    for size, name in sorted(parts, reverse=True)[:count]:
        print(f"  {size:6d}  {name.removeprefix('.text.')}")


def arguments():
    parser = argparse.ArgumentParser(description="Measure flash, RAM and stack of opensandbox.h.")
    parser.add_argument("--check", action="store_true", help="fail if a budget of flash is exceeded, too")
    parser.add_argument("--functions", action="store_true", help="list text by function")
    parser.add_argument("--header", type=Path, default=ROOT / "opensandbox.h")
    return parser.parse_args()


def main():
    options = arguments()
    (BUILD / "include").mkdir(parents=True, exist_ok=True)
    shutil.copy(JSMN, BUILD / "include")
    results = []
    listed = []
    for target in TARGETS:
        for configuration in CONFIGURATIONS:
            try:
                result, sections = measure(target, configuration, options.header.resolve())
            except Broken as broken:
                sys.exit(f"make size: {target.name} {configuration.name}: {broken}")
            results.append(result)
            if (target.name, configuration.name) == (BUDGET_TARGET, "full"):
                listed = sections
    target = next(target for target in TARGETS if target.name == BUDGET_TARGET)
    parts = {
        "layers": by_layer(listed, options.header),
        "calls": by_call(target, options.header),
        "macros": by_macro(target, options.header),
        "budgets": text_budgets(results),
    }
    print_table(results)
    print_text_budgets(parts["budgets"])
    print_notes(results)
    print_parts(parts)
    if options.functions:
        print_functions(listed)
    (ROOT / "build" / "size.json").write_text(json.dumps(results, indent=2) + "\n")
    (ROOT / "build" / "size-parts.json").write_text(json.dumps(parts, indent=2) + "\n")
    missed = any(row["bytes"] > row["budget"] for row in parts["budgets"])
    return 1 if any(map(excess, results)) or (options.check and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
