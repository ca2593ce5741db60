#!/usr/bin/env python3
"""Compares opensandbox.h with what tests/api/*.json say of OpenSandbox's API, in both directions.

Every operation, parameter and property must stand in the header's tables with a fitting type, and nothing
else may. A comment of its public part must name each operation. A transcript of tests/transcripts must
have sent each operation and decoded its answer, and show each parameter, property and documented status.

What is left out stands in tests/api/exclusions.txt: a gap as it is printed here, or its beginning, then
two spaces, `#` and a reason. An exclusion that stands for no gap is an error. Writes build/api.md, the
table for the README.
"""

import argparse
import collections
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "opensandbox.h"
FACTS = ROOT / "tests/api"
BUILD = ROOT / "build/api"

# What JSON the kinds of members in the header's tables stand for; of an array or map, its elements. A
# scalar is handed out as text, whatever it is.
SCALARS = {
    "STRING": "string", "ARGV": "string", "VIEW": "string", "TEXT": "string", "CUT": "string",
    "COPY": "string", "TYPE": "string", "FLAG": "boolean", "NOT": "boolean", "BOOL": "boolean",
    "U32": "integer", "CURSOR": "integer", "OPT_U32": "integer", "UINT": "integer",
    "U64": "integer", "I64": "integer", "OPT_I32": "integer", "MILLI": "number",
    "COUNT": "integer", "ALWAYS": "integer", "MODE": "integer", "INLINE": "string", "DENY": "string",
    "JSON": "any",
}
OBJECTS = ("GROUP", "POINTER", "OBJECT")
ARRAYS = {"STRINGS": "string", "NUMBERS": "integer", "ARRAY": "scalar", "STRUCTS": "object",
          "LIST": "object"}
MAPS = {"PAIRS": "string", "NULLABLE": "string", "MAP": "string", "KEYED": "object",
        "DICT": "object"}
# What a fact's type may be in the header.
FITS = {"any": {"string", "integer", "number", "boolean", "scalar", "object", "array", "map", "any"},
        "string": {"string", "scalar"}, "boolean": {"boolean"}, "integer": {"integer", "scalar"},
        "number": {"integer", "number"}, "object": {"object"}, "array": {"array"}, "map": {"map"}}
# In a query everything is text, and a map is a query within the query.
FITS_QUERY = FITS | {"string": {"string", "integer", "map"}, "number": {"integer"}}

# What several operations have: their errors, the events of a stream, the messages of a terminal.
SHARED = ("errors", "events", "messages")
MULTIPART = "multipart/form-data"

# Where the operations for files stand once more.
ISOLATED = "/v1/isolated/session/{}"

OP = re.compile(r"static const osb__op (\w+) = (\{[^}]*(?:\{[^}]*\}[^}]*)*\});")
TABLE = re.compile(r"^static const osb__field (\w+)\[\] = \{(.*?)\};$", re.M | re.S)
KINDS = re.compile(r"enum \{([^}]*?)OSB__KIND = ", re.S)
LONGEST_KEY = re.compile(r"#define OSB__LONGEST_KEY (\d+)u")


def merge(old, new):
    """Two shapes, or nests of dictionaries, as one."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: merge(old.get(key), new.get(key)) for key in old | new}
    if isinstance(old, list) and isinstance(new, list):
        return [merge(old[0], new[0])]
    return old if new is None else new


def anonymous(name):
    """An operation's name without the names of the parameters in its path."""
    return re.sub(r"\{\w+\}", "{}", name)


class Operation:
    """What the documents say of one operation."""

    def __init__(self, name):
        self.name = name
        self.service = None
        self.base = ""  # of its path
        self.parameters = self.body = self.answer = self.headers = self.statuses = {}
        self.any_method = name.startswith("* ")  # a way to other servers, no operation of its own
        self.tests = collections.defaultdict(set)  # transcripts, by call
        self.answered = set()  # statuses, in transcripts
        self.shown = {"query": set(), "body": set(), "answer": set()}  # paths, in transcripts

    def pattern(self):
        """What a request of this operation looks like; a proxy or a domain may put a path before."""
        method, path = self.name.split(" ")
        path = re.sub(r"\\\{\w+\\\}", r"[^/?]+", re.escape(path))
        if self.any_method:
            return re.compile(rf"\w+ {path}")
        return re.compile(rf"{method} .*{re.escape(self.base)}{path}(\?|$)")


def read_facts():
    files = {path.stem: json.loads(path.read_text()) for path in sorted(FACTS.glob("*.json"))}
    operations, shared = {}, {name: {} for name in SHARED}
    for stem, facts in files.items():
        for name in SHARED:
            shared[name] = merge(shared[name], facts.get(name))
        for name, node in facts["operations"].items():
            operation = operations.setdefault(anonymous(name), Operation(name))
            operation.service = node.get("service", stem)
            operation.base = node.get("base", files[operation.service].get("base", ""))
            for part in ("parameters", "body", "answer", "headers", "statuses"):
                setattr(operation, part, merge(getattr(operation, part), node.get(part)))
    return list(operations.values()), shared


def check_end(table, members):
    """A walk over a table ends at its last member, whatever is compiled."""
    before, last = members.rsplit("{", 1)
    if "OSB__LAST" in before or "OSB__LAST" not in last or "#" in last:
        sys.exit(f"tools/api.py: {table}: only its last member is OSB__LAST, in no #if")


def read_tables():
    """The header's tables, printed by a program that includes it."""
    text = HEADER.read_text()
    kinds = re.findall(r"\bOSB__(\w+)", re.sub(r"/\*.*?\*/", "", KINDS.search(text)[1], flags=re.S))
    ops = OP.findall(text)
    if len(ops) != len(re.findall(r"\bosb__op \w+(?:\[\w*\])? =", text)):
        sys.exit("tools/api.py: opensandbox.h defines an osb__op in a way that is not understood here")
    tables = TABLE.findall(text)
    for name, members in tables:
        check_end(name, members)
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "api_tables.h").write_text(
        "static const named_op ops[] = {\n"
        + "".join(f'    {{"{name}", {value}}},\n' for name, value in ops)
        + "};\nstatic const named_kind kinds[] = {\n"
        + "".join(f'    {{"{kind}", OSB__{kind}}},\n' for kind in kinds)
        + "};\nstatic const named_table tables[] = {\n"
        + "".join(f'    {{"{name}", {name}}},\n' for name, _ in tables) + "};\n")
    program = BUILD / "dump"
    subprocess.run(["gcc", "-std=c99", "-I.", f"-I{BUILD}", "tests/api/dump.c", "-o", program],
                   cwd=ROOT, check=True)
    return json.loads(subprocess.run([program], check=True, capture_output=True).stdout)


class Types(dict):
    """What stands where: sets of types by path, as items, items[], items[].id or metadata{}."""

    def __init__(self, found):
        super().__init__()
        self.fields = collections.defaultdict(set)  # which members of the header's tables say so
        for path, kind, field in found:
            self.setdefault(path, set()).add(kind)
            self.fields[path].add(field)


def flat_shape(shape, path=""):
    """Yields the path and type of everything in a shape, for Types."""
    if isinstance(shape, list):
        yield path, "array", None
        yield from flat_shape(shape[0], path + "[]")
    elif isinstance(shape, dict) and "*" in shape:
        yield path, "map", None
        yield from flat_shape(shape["*"], path + "{}")
    elif isinstance(shape, dict):
        yield path, "object", None
        for name, member in shape.items():
            yield from flat_shape(member, f"{path}.{name}".lstrip("."))
    else:
        yield path, shape, None


def flat_table(table, path):
    for field in table:
        yield from flat_field(field, f"{path}.{field['name']}".lstrip(".") if field["name"] else path)


def flat_field(field, path=""):
    """The same of a member of the header's tables."""
    kind, sub, me = field["kind"], field.get("sub", []), field.get("id")
    if kind == "EITHER":
        yield path, "string", me
        yield from flat_field({"id": me, "kind": "OBJECT", "sub": sub}, path)
        yield from flat_field({"id": me, "kind": "LIST", "sub": sub}, path)
    elif kind in ARRAYS or kind in MAPS:
        yield path, "array" if kind in ARRAYS else "map", me
        inside = path + ("[]" if kind in ARRAYS else "{}")
        yield inside, (ARRAYS | MAPS)[kind], me
        yield from flat_table(sub, inside)
    elif kind in OBJECTS or sub:
        yield path, "object", me
        yield from flat_table(sub, path)
    elif kind in SCALARS:
        yield path, SCALARS[kind], me
    else:
        sys.exit(f"tools/api.py: OSB__{kind} is new: what JSON does it stand for?")


def parent(path):
    """What a path stands in; None: nothing."""
    cut = re.search(r"(\[\]|\{\}|\.?[^.\[\]{}]+)$", path)
    return path[: cut.start()] if cut else None


def around(path):
    """Yields everything that a path stands in, but for the outermost."""
    while path := parent(path):
        yield path


def within_any(path, facts):
    """Whether the documents leave open what stands there."""
    return any("any" in facts.get(outer, ()) for outer in (path, *around(path)))


def named(paths):
    """Of types by path the members and parameters, without the elements of arrays and maps."""
    return [path for path in paths if path and not path.endswith(("[]", "{}"))]


def compare(where, facts, header, fits=FITS, elsewhere=frozenset()):
    """Yields the gaps between two Types, of nested ones only the outermost. Members of the header's
    tables that some other operation is known to have may be too many."""
    for path, kinds in facts.items():
        if path not in header:
            if parent(path) in header or path == "":
                yield f"{where} {path}".strip() + ": not in the header"
        elif not any(fits[kind] & header[path] for kind in kinds):
            yield f"{where} {path}: {' or '.join(kinds)}, but {' or '.join(header[path])} in the header"
    names = {path.replace("[]", "") for path in facts}  # the header may take one for a list, too
    for path in header:
        if path.replace("[]", "") not in names and not within_any(path, facts):
            if header.fields[path] <= elsewhere:
                continue
            if parent(path) in facts or path == "":
                yield f"{where} {path}".strip() + ": only in the header"


class Tables:
    """What the header has for one operation: all the tables of that name together."""

    def __init__(self, tables, multipart):
        self.data = any(table["data"] for table in tables)
        self.query = self.together(table["query"] for table in tables)
        self.query.pop("metadata{}", None)  # a query within the query: there it is text
        self.body = self.together(table["body"] for table in tables if table["body"])
        self.part = self.together([multipart])
        self.answer = Types(pair for table in tables if table["answer"] is not None
                            for pair in flat_field(table["answer"]))
        self.events = any(table["events"] for table in tables) and not self.answer

    @staticmethod
    def together(bodies):
        """A body is an object, or the value of a member without a name."""
        return Types(pair for body in bodies for pair in (
            flat_field(body[0]) if body and body[0]["name"] == ""
            else flat_field({"kind": "OBJECT", "sub": body})))

    def body_for(self, operation):
        return self.part if MULTIPART in operation.body else self.body


def json_shapes(contents):
    """The shapes of what is JSON in a body or answer, or in a part of a multipart body."""
    parts = contents.get(MULTIPART, {})
    return ([shape for kind, shape in contents.items()
             if kind in ("application/json", "text/event-stream")]
            + [shape for shape in parts.values() if isinstance(shape, dict)])


def json_of(contents):
    return Types(pair for shape in json_shapes(contents) for pair in flat_shape(shape))


def query_of(operation):
    return Types(flat_shape(operation.parameters.get("query", {})))


def is_events(operation):
    return "execution_count" in operation.answer.get("text/event-stream", {})


def headers_of(operation):
    """Names of header lines, of the request and of the answer."""
    return sorted({**operation.parameters.get("header", {}), **operation.headers})


def long_keys(where, types, header):
    """A longer name than the decoder knows of could get lost where the working buffer is full."""
    for path in types:
        name = re.sub(r"\[\]|\{\}", "", path).rpartition(".")[2]
        if len(f'"{name}"') > header.longest_key:
            yield f"{where} {path}: longer than OSB__LONGEST_KEY"


def compare_operation(operation, header):
    """Yields an operation's gaps."""
    name, tables = operation.name, header.tables_of(operation)
    yield from compare(f"{name} query", query_of(operation), tables.query, FITS_QUERY)
    yield from compare(f"{name} body", json_of(operation.body), tables.body_for(operation))
    for line in headers_of(operation):
        if f'"{line.lower()}' not in header.source:
            yield f"{name} header {line}: not in the header"
    for part in operation.body.get(MULTIPART, {}):
        if f'osb__put_part_head(w, "{part}"' not in header.source:
            yield f"{name} part {part}: not in the header"
    yield from long_keys(f"{name} answer", tables.answer, header)
    answer = json_of(operation.answer)
    if is_events(operation) != tables.events:
        yield f"{name} answer: {'' if is_events(operation) else 'not '}a stream of events"
    elif tables.events:
        yield from compare(f"{name} answer", answer, header.events, FITS, header.all_events)
    else:
        yield from compare(f"{name} answer", answer, tables.answer, FITS, header.known)
    plain = [kind for kind, shape in operation.answer.items()
             if isinstance(shape, str) and kind != "application/json"]
    if plain and not tables.data:
        yield f"{name} answer {plain[0]}: not handed out"


def parts_of(operation):
    """Yields where a property of an operation may stand, and the types by path there."""
    yield "query", query_of(operation)
    yield "body", json_of(operation.body)
    yield "answer", json_of(operation.answer)


def compare_tests(operation):
    """Yields what no transcript has of an operation, of nested properties only the outermost."""
    if not operation.tests:
        yield f"{operation.name}: no transcript"
        return
    for part, facts in parts_of(operation):
        paths = operation.shown[part]
        for path in named(facts):
            if path not in paths and not any(outer not in paths for outer in around(path)):
                yield f"{operation.name} {part} {path}: in no transcript"
    for status in sorted(operation.statuses.keys() - operation.answered):
        yield f"{operation.name} status {status}: in no transcript"


def fields_in(node):
    """Yields each member's identity in a part of the dump."""
    if isinstance(node, list):
        for element in node:
            yield from fields_in(element)
    elif isinstance(node, dict):
        yield node.get("id")
        for member in node.values():
            yield from fields_in(member)


def unused_tables(dump):
    """Tables that nothing here has looked at."""
    tables = dump.pop("tables")
    seen = set(fields_in(dump))
    return [name for name, field in tables.items() if field not in seen]


class Header:
    """The header's operations by name, and what all of them share."""

    def __init__(self, dump):
        by_name = collections.defaultdict(list)
        for table in dump["operations"]:
            method, path = anonymous(table["name"]).split(" ")
            for before in ("", ISOLATED) if table["files"] else ("",):
                by_name[f"{method} {before}{path}"].append(table)
        self.operations = {name: Tables(tables, dump["multipart"])
                           for name, tables in by_name.items()}
        self.errors = Types(flat_field(dump["errors"]))
        self.events = Types(flat_field(dump["events"]))
        self.all_events = frozenset().union(*self.events.fields.values())
        self.messages = Types(flat_field(dump["messages"]))
        self.comments = self.operations_in_comments()
        self.unused = unused_tables(dump)
        self.known = frozenset()  # members of answers that some operation is known to have
        self.source = HEADER.read_text().lower()
        self.longest_key = int(LONGEST_KEY.search(HEADER.read_text())[1])

    def operations_in_comments(self):
        """What the comments of the public part name; those for files stand for both."""
        public = HEADER.read_text().partition("#ifdef OPENSANDBOX_IMPLEMENTATION")[0]
        names = {anonymous(f"{method} {path}")
                 for method, path in IN_COMMENT.findall(re.sub(r"\n\s+", " ", public))}
        twice = {name.replace(" ", f" {ISOLATED}", 1) for name in names}
        return names | (twice & self.operations.keys())

    def note(self, operations):
        for operation in operations:
            tables = self.tables_of(operation)
            if tables is not None:
                for path in json_of(operation.answer):
                    self.known |= tables.answer.fields.get(path, set())

    def tables_of(self, operation):
        return self.operations.get(anonymous(operation.name))


def find_gaps(operations, shared, header):
    """Yields what differs between the documents and the header."""
    errors, events, messages = (shared[name] for name in SHARED)
    header.note(operations)
    for operation in operations:
        if header.tables_of(operation) is not None:
            yield from compare_operation(operation, header)
            if anonymous(operation.name) not in header.comments:
                yield f"{operation.name}: in no comment"
        elif not operation.any_method:
            yield f"{operation.name}: not in the header"
        yield from compare_tests(operation)
        if is_events(operation):
            events = merge(events, operation.answer["text/event-stream"])
    known = {anonymous(operation.name) for operation in operations}
    yield from (f"{name}: only in the header" for name in header.operations if name not in known)
    patterns = [re.escape(name).replace(r"\{\}", r"[^/]+") for name in known]  # examples have an id
    yield from (f"{name}: only in a comment" for name in header.comments
                if not any(re.fullmatch(pattern, name) for pattern in patterns))
    yield from compare("errors", Types(flat_shape(errors)), header.errors)
    yield from compare("events", Types(flat_shape(events)), header.events)
    yield from compare("messages", Types(flat_shape(messages)), header.messages)
    for where in ("errors", "events", "messages"):
        yield from long_keys(where, getattr(header, where), header)
    yield from (f"{name}: a table of no operation" for name in header.unused)


REQUEST = re.compile(r"> ((?:GET|PUT|POST|PATCH|DELETE) \S+) HTTP/1\.1$")
STATUS = re.compile(r"< HTTP/1\.[01] (\d\d\d)")
ENDLESS = ("metrics_watch",)  # calls that end well when their handler says so
IN_COMMENT = re.compile(r"\b(GET|PUT|POST|PATCH|DELETE) (?:\{(?:execd|egress)\})?(/[\w/{}.-]*[\w}])")
ESCAPE = re.compile(r"\$(?:(x[0-9a-fA-F]{2})|\(([^*]*)\*(\d+)\)|(.))")


class Exchange:
    """A request of a transcript and what answered it."""

    def __init__(self, call, request):
        self.call = call
        self.request = request
        self.status = 0
        self.texts = {">": [], "<": []}  # the bodies; heads do no harm

    def values(self, direction):
        """What JSON there is in a body, be it in events or in parts."""
        text = "".join(self.texts[direction])
        decoder, at = json.JSONDecoder(), 0
        while match := re.compile(r"[{\[]").search(text, at):
            try:
                value, at = decoder.raw_decode(text, match.start())
                yield value
            except ValueError:
                at = match.end()

    def query(self):
        return dict.fromkeys(part.partition("=")[0] for part in
                             self.request.partition("?")[2].split("&") if part)


def unescape(text):
    """As tests/replay/transcript.h does it."""
    def char(match):
        if match[1]:
            return chr(int(match[1][1:], 16))
        if match[3]:
            return match[2] * int(match[3])
        return {"n": "\n", "r": "\r", "t": "\t"}.get(match[4], match[4])
    return ESCAPE.sub(char, text)


def exchanges(path):
    """Yields each exchange of a transcript, and whether it ended with 2xx, or in a WebSocket, in a call
    that ended well."""
    call, made = None, []
    for line in path.read_text().splitlines():
        if line.startswith("call "):
            call, made = line.removeprefix("call "), []
        elif match := REQUEST.match(line):
            made.append(Exchange(call, match[1]))
        elif (match := STATUS.match(line)) and made:
            made[-1].status = int(match[1])
        elif line[:1] in (">", "<") and made:
            made[-1].texts[line[0]].append(unescape(re.sub("^.[#+]? ?", "", line)))
        elif line.startswith("= OSB_"):
            well = line == "= OSB_OK" or (line == "= OSB_E_CANCELLED" and call in ENDLESS)
            yield from ((one, well and (one.status == 101 or 200 <= one.status < 300)) for one in made)


def shown(value, shape, path=""):
    """Yields the paths of a shape that a JSON value has."""
    yield path
    if isinstance(shape, list) and isinstance(value, list):
        for element in value:
            yield from shown(element, shape[0], path + "[]")
    elif isinstance(shape, dict) and isinstance(value, dict):
        for name, member in value.items():
            if "*" in shape:
                yield from shown(member, shape["*"], path + "{}")
            elif name in shape:
                yield from shown(member, shape[name], f"{path}.{name}".lstrip("."))


def note(operation, exchange):
    """Notes which parameters and properties of an operation an exchange has."""
    query = operation.parameters.get("query", {})
    operation.shown["query"] |= set(shown(exchange.query(), query))
    for part, contents, direction in (("body", operation.body, ">"),
                                      ("answer", operation.answer, "<")):
        for value in exchange.values(direction):
            for shape in json_shapes(contents):
                operation.shown[part] |= set(shown(value, shape))


def operations_like(request, patterns):
    """The operation with the longest path that a request is like, and the ways that it goes."""
    found = [operation for operation, pattern in patterns if pattern.match(request)]
    own = [operation for operation in found if not operation.any_method][:1]
    return own and own + [operation for operation in found if operation.any_method]


def read_transcripts(operations):
    """Notes for each operation which calls sent it in which transcripts, and what they show of it."""
    patterns = [(operation, operation.pattern()) for operation in operations]
    patterns.sort(key=lambda pair: pair[0].name.count("/"), reverse=True)
    for path in sorted((ROOT / "tests/transcripts").glob("*.txt")):
        for exchange, well in exchanges(path):
            if exchange.call == "endpoint_request":
                continue  # the caller's own request, no operation
            found = operations_like(exchange.request, patterns)
            if not found:
                sys.exit(f"{path.name}: no operation is like {exchange.request}")
            for operation in found:
                operation.answered.add(str(exchange.status))
                if well:
                    operation.tests[exchange.call].add(path.name)
                    note(operation, exchange)


class Exclusions:
    """What is left out on purpose: the beginnings of gaps, with reasons."""

    def __init__(self):
        text = (FACTS / "exclusions.txt").read_text().splitlines()
        parts = (line.partition("  #") for line in text if line and not line.startswith("#"))
        self.reasons = {line.strip(): reason.strip() for line, _, reason in parts}
        self.used = set()

    def covers(self, gap):
        """The lines that are the gap, or its beginning up to the end of a name."""
        return [line for line in self.reasons
                if gap.startswith(line) and gap[len(line):len(line) + 1] in ("", *":.[{ ")]

    def have(self, gap):
        lines = self.covers(gap)
        self.used |= set(lines)
        return bool(lines)

    def unused(self):
        return [line for line in self.reasons if line not in self.used]


def count_properties(operation, header, left_out):
    """How many parameters and properties an operation has, in the header, and in transcripts."""
    tables = header.tables_of(operation)
    known = there = tested = 0
    for part, facts in parts_of(operation):
        own = {"query": tables.query, "body": tables.body_for(operation), "answer":
               header.events if is_events(operation) else tables.answer}[part] if tables else {}
        paths = [path for path in named(facts)
                 if not left_out.covers(f"{operation.name} {part} {path}")]
        known += len(paths)
        there += sum(1 for path in paths if path in own)
        tested += sum(1 for path in paths if path in operation.shown[part])
    return known, there, tested


HEADS = ("service", "operations", "in the header", "in transcripts",
         "parameters, properties", "in the header", "in transcripts")


def rows(operations, header, left_out):
    """One row for each service, and one for all."""
    table = collections.defaultdict(lambda: [0] * (len(HEADS) - 1))
    for operation in operations:
        if operation.name in left_out.reasons:
            continue
        in_header = operation.any_method or header.tables_of(operation) is not None
        numbers = (1, in_header, bool(operation.tests),
                   *count_properties(operation, header, left_out))
        for name in (operation.service, "all"):
            table[name] = [a + b for a, b in zip(table[name], numbers)]
    table["all"] = table.pop("all")
    return [[name, *numbers] for name, numbers in table.items()]


def markdown(heads, body):
    lines = [heads, ["---"] * len(heads), *body]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def calls_of(operation):
    """The calls that send an operation, those in the most transcripts first."""
    calls = sorted(operation.tests, key=lambda call: (-len(operation.tests[call]), call))
    return " ".join(f"`osb_{call}`" for call in calls) or "none yet"


def write_table(operations, header, left_out):
    """The README's table."""
    body = [[f"`{operation.name}`", calls_of(operation),
             len(set().union(*operation.tests.values()))]
            for operation in sorted(operations, key=lambda o: (o.service, o.name.split(" ")[::-1]))
            if operation.name not in left_out.reasons]
    (BUILD.parent / "api.md").write_text(
        markdown(HEADS, rows(operations, header, left_out)) + "\n"
        + "<details><summary>Each operation, and the calls that send it</summary>\n\n"
        + markdown(("operation", "calls", "transcripts"), body)
        + "\n</details>\n\nLeft out:\n\n"
        + "".join(f"- `{gap}`: {reason}\n" for gap, reason in left_out.reasons.items()))


def print_table(heads, body):
    lines = [heads, *body]
    widths = [max(len(str(line[column])) for line in lines) for column in range(len(heads))]
    for line in lines:
        print("  ".join(f"{cell:>{width}}" if column else f"{cell:<{width}}"
                        for column, (cell, width) in enumerate(zip(line, widths))))


def check(gaps, left_out):
    """Prints what is wrong; returns the exit status."""
    wrong = [gap for gap in gaps if not left_out.have(gap)]
    wrong += [f"exclusions.txt: no gap is like: {line}" for line in left_out.unused()]
    wrong += [f"exclusions.txt: without a reason: {line}"
              for line, reason in left_out.reasons.items() if not reason]
    print("\n".join(wrong) if wrong else "the header has all of it, and nothing else")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    operations, shared = read_facts()
    read_transcripts(operations)
    header, left_out = Header(read_tables()), Exclusions()
    gaps = list(find_gaps(operations, shared, header))
    write_table(operations, header, left_out)
    print_table(HEADS, rows(operations, header, left_out))
    sys.exit(check(gaps, left_out))


if __name__ == "__main__":
    main()
