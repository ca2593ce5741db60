#!/usr/bin/env python3
"""Shows that tools/api.py finds what it is for: each case spoils one thing in a copy of the files that
it reads, and names what the check must then say. And that tools/api_facts.py takes the right things out
of documents."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# What is wrong | file | text | what takes its place | lines of the check, none if it must pass
CASES = (
    ("nothing", "opensandbox.h", "", "", ()),
    ("a misspelled property", "opensandbox.h", '{"snapshotId", NULL, OSB__AT(osb_create_options',
     '{"snapshotID", NULL, OSB__AT(osb_create_options',
     ("POST /sandboxes body snapshotId: not in the header",
      "POST /sandboxes body snapshotID: only in the header")),
    ("a property of another type", "opensandbox.h", 'ttl_s), OSB__U32', 'ttl_s), OSB__STRING',
     ("POST /sandboxes body timeout: integer, but string in the header",)),
    ("a misspelled parameter", "opensandbox.h", '{"pageSize", NULL, OSB__AT(osb_sandbox_filter',
     '{"page_size", NULL, OSB__AT(osb_sandbox_filter',
     ("GET /sandboxes query pageSize: not in the header",
      "GET /sandboxes query page_size: only in the header")),
    ("a misspelled operation", "opensandbox.h", '"GET /ping"', '"GET /pong"',
     ("GET /ping: not in the header", "GET /pong: only in the header")),
    ("an operation that a comment calls otherwise", "opensandbox.h", "   GET {execd}/files/search */",
     "   GET {execd}/file/search */",
     ("GET /files/search: in no comment", "GET /file/search: only in a comment")),
    ("an event's member too many", "opensandbox.h", '{"evalue", NULL', '{"value", NULL',
     ("POST /command answer error.evalue: not in the header",
      "events error.value: only in the header")),
    ("a terminal's message that is called otherwise", "opensandbox.h", '{"exit_code", NULL, OSB__AT(osb__pty',
     '{"exitCode", NULL, OSB__AT(osb__pty', ("messages exit_code: not in the header",
                                            "messages exitCode: only in the header")),
    ("a table that nothing uses", "opensandbox.h", "static const osb__field osb__failure_fields[]",
     'static const osb__field osb__odd_fields[] = {{"x", NULL, 0, OSB__VIEW | OSB__LAST, 0}};\n'
     "static const osb__field osb__failure_fields[]", ("osb__odd_fields: a table of no operation",)),
    ("a table without an end", "opensandbox.h", '"traceback", NULL, 0, OSB__ARRAY | OSB__LAST',
     '"traceback", NULL, 0, OSB__ARRAY',
     ("tools/api.py: osb__failure_fields: only its last member is OSB__LAST, in no #if",)),
    ("a member behind a table's end", "opensandbox.h", '"traceback", NULL, 0, OSB__ARRAY | OSB__LAST, 0}',
     '"traceback", NULL, 0, OSB__ARRAY | OSB__LAST, 0},\n{"x", NULL, 0, OSB__VIEW, 0}',
     ("tools/api.py: osb__failure_fields: only its last member is OSB__LAST, in no #if",)),
    ("a longer name than the decoder knows of", "opensandbox.h", "OSB__LONGEST_KEY 24u",
     "OSB__LONGEST_KEY 23u", ("POST /v1/isolated/session answer idle_remaining_seconds: "
                              "longer than OSB__LONGEST_KEY",)),
    ("a property that is new", "tests/api/execd.json", '"exit_code": "integer"',
     '"exit_code": "integer", "signal": "string"',
     ("GET /command/status/{id} answer signal: not in the header",)),
    ("an operation that no transcript shows", "tests/transcripts/14-kill.txt", "= OSB_OK",
     "= OSB_E_IO", ("DELETE /sandboxes/{sandboxId}: no transcript",)),
    ("a property that no transcript shows", "tests/transcripts/02-lifecycle-create-extras.txt",
     '"storageClass"', '"class"',
     ("POST /sandboxes body volumes[].pvc.storageClass: in no transcript",)),
    ("a status that no transcript shows", "tests/transcripts/60-lifecycle-501.txt", "1 501 ", "1 502 ",
     ("GET /sandboxes/{sandboxId}/diagnostics/events status 501: in no transcript",)),
    ("a request that is no operation", "tests/transcripts/15-ping.txt", "GET /ping", "GET /pin",
     ("15-ping.txt: no operation is like GET /pin",)),
    ("an exclusion of nothing", "tests/api/exclusions.txt", "POST /metrics/events", "POST /metrics",
     ("exclusions.txt: no gap is like: POST /metrics",)),
    ("an exclusion without a reason", "tests/api/exclusions.txt", "POST /metrics/events  #",
     "POST /metrics/events\n#", ("exclusions.txt: without a reason: POST /metrics/events",)),
)


def spoil(tree, case):
    _, name, old, new, _ = case
    path = tree / name
    text = path.read_text()
    if old not in text:
        sys.exit(f"tests/api/selftest.py: {name} has no {old!r} any more")
    if name.endswith("14-kill.txt"):
        for other in path.parent.glob("*.txt"):  # only this one is to be looked at
            if "DELETE /v1/sandboxes" in other.read_text():
                other.unlink()
    path.write_text(text.replace(old, new) if old else text + new)


def complaint(case):
    """Runs the check on a spoiled copy; says what it failed to say."""
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        for name in ("tools", "tests/api", "tests/transcripts"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("devserver"))
        shutil.copy(ROOT / "opensandbox.h", tree)
        spoil(tree, case)
        run = subprocess.run([tree / "tools/api.py"], capture_output=True, text=True)
    said = (run.stdout + run.stderr).splitlines()
    if (run.returncode == 0) != (not case[4]):
        return f"exit status {run.returncode}: {said[-1]}"
    return next((f"did not say: {line}" for line in case[4] if line not in said), None)


# Two documents of one service, the older an OpenAPI file, and what becomes of them.
OLDER = {
    "openapi": "3.1.0",
    "servers": [{"url": "http://localhost:80/v1"}],
    "paths": {"/things/{id}": {
        "parameters": [{"$ref": "#/components/parameters/Id"}],
        "post": {
            "operationId": "make",
            "parameters": [{"in": "query", "name": "all", "schema": {"type": ["boolean", "null"]}}],
            "requestBody": {"content": {"application/json": {"schema": {
                "oneOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}]}}}},
            "responses": {"200": {"description": "no", "headers": {"X-A": {"schema": {
                "type": "string"}}}, "content": {"application/json": {"schema": {
                    "type": "array", "items": {"$ref": "#/components/schemas/A"}}}}},
                "404": {"$ref": "#/components/responses/None"}}}}},
    "components": {
        "parameters": {"Id": {"in": "path", "name": "id", "schema": {"type": "string"}}},
        "responses": {"None": {"content": {"application/json": {"schema": {
            "type": "object", "properties": {"code": {"type": "string"}}}}}}},
        "schemas": {
            "A": {"type": "object", "properties": {"a": {"type": "integer", "description": "no"},
                                                   "m": {"type": "object", "additionalProperties": {
                                                       "type": "string"}}}},
            "B": {"type": "object", "properties": {"b": {"anyOf": [{"type": "string"},
                                                                   {"type": "null"}]}}}}}}
NEWER = {
    "operations": {"POST /things/{id}": {
        "parameters": {"query?": {"all?": "boolean", "new?": ["string"]}, "path": {"id": "#parameters/Id"}},
        "requestBody?": {"content": {"application/json": {"a?": "number", "c": {"oneOf": [
            "\"x\"", "null"]}}}},
        "responses": {"200": {"headers": {"[key]": "unknown"}, "content": {
            "application/json": ["#schemas/A"]}}, "500": "#responses/Broken"}}},
    "schemas": {"A": {"z?": {"[key]": "unknown"}}}}
RESULT = {
    "base": "/v1",
    "errors": {"code": "string"},
    "operations": {"POST /things/{id}": {
        "answer": {"application/json": [{"a": "integer", "m": {"*": "string"}, "z": {"*": "any"}}]},
        "body": {"application/json": {"a": "integer", "b": "string", "c": "string",
                                      "m": {"*": "string"}}},
        "headers": {"X-A": "string"},
        "id": "make",
        "parameters": {"path": {"id": "string"}, "query": {"all": "boolean", "new": ["string"]}},
        "statuses": {"200": "answer", "404": "error", "500": "error"}}}}


def facts_complaint():
    """Runs tools/api_facts.py on the two; says what is wrong with the result."""
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        for name, document in (("older", OLDER), ("newer", NEWER)):
            (tree / name).mkdir()
            (tree / name / "my-execd-api.json").write_text(json.dumps(document))
        subprocess.run([ROOT / "tools/api_facts.py", "--out", tree, tree / "older", tree / "newer"],
                       check=True, capture_output=True)
        result = json.loads((tree / "execd.json").read_text())
    return None if result == RESULT else f"tools/api_facts.py made of the documents: {result}"


def main():
    wrong = 0
    if (why := facts_complaint()) is not None:
        wrong += 1
        print(why, file=sys.stderr)
    for case in CASES:
        if (why := complaint(case)) is not None:
            wrong += 1
            print(f"tools/api.py with {case[0]}: {why}", file=sys.stderr)
    print(f"tools/api.py, tools/api_facts.py: {len(CASES) + 1 - wrong} of {len(CASES) + 1} cases found")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
