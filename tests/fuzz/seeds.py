#!/usr/bin/env python3
"""Writes the fuzzers' first inputs: tests/fuzz/seeds.py DIRECTORY (one directory in it per target).

Some are made here; the rest are the answers recorded in tests/transcripts, where there are any.
"""

import re
import sys
from pathlib import Path

TRANSCRIPTS = Path(__file__).resolve().parent.parent / "transcripts"

BOX = b'{"id":"7f30","status":{"state":"Running","reason":"R","message":"m\\n"},"metadata":{"k":"v"},'
BOX += b'"image":{"uri":"python:3.12"},"entrypoint":["tail","-f"],"createdAt":"2026-06-15T10:00:00Z"}'
PAGE = b'{"items":[' + BOX + b"," + BOX + b'],"pagination":{"page":1,"pageSize":20,"totalItems":2,'
PAGE += b'"totalPages":1,"hasNextPage":false}}'
ENDPOINT = b'{"endpoint":"exec.example:44772/p","headers":{"OPENSANDBOX-EGRESS-AUTH":"tok"}}'
STATE = b'{"id":"0a1b","content":"echo hi","running":false,"exit_code":3,"error":"signal: killed"}'
NOT_FOUND = b'{"code":"DOCKER::SANDBOX_NOT_FOUND","message":"Sandbox none not found."}'
INVALID = b'{"detail":[{"type":"t","loc":["body","timeout"],"msg":"Input should be greater"}]}'
RUN = (
    b'{"type":"init","text":"0a1b","timestamp":1}\n\n{"type":"ping","text":"pong","timestamp":1}\n\n'
    b'{"type":"stdout","text":"hi \\u00e4 \\ud83d\\ude00","timestamp":2}\n\n'
)
DONE = RUN + b'{"type":"execution_complete","execution_time":1,"timestamp":3}\n\n'
FAILED = RUN + (
    b'{"type":"error","timestamp":3,"error":{"ename":"CommandExecError","evalue":"-1",'
    b'"traceback":["signal: killed"]}}\n\n'
)
SSE = b": hi\nevent: x\n" + b"data: " + DONE.replace(b"\n\n", b"\n\ndata: ")
CODE = RUN + b'{"type":"execution_count","execution_count":1}\n\n{"type":"result","results":{"text":"2"}}\n\n'


def with_length(status, body, headers=b""):
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, headers, len(body), body)


def chunked(body, size=40):
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"


ANSWERS = {
    "box": with_length(b"200 OK", BOX, b"Date: Mon, 15 Jun 2026 10:00:00 GMT\r\n"),
    "page": with_length(b"200 OK", PAGE),
    "endpoint": with_length(b"200 OK", ENDPOINT),
    "state": chunked(STATE),
    "empty": with_length(b"200 OK", b""),
    "gone": b"HTTP/1.1 204 No Content\r\n\r\n",
    "done": chunked(DONE),
    "failed": chunked(FAILED),
    "early": b"HTTP/1.1 100 Continue\r\n\r\n" + with_length(b"413 Large", b"too large\n"),
    "logs": with_length(b"200 OK", b"hi\n", b"EXECD-COMMANDS-TAIL-CURSOR: 3\r\n"),
    "not_found": with_length(b"404 Not Found", NOT_FOUND, b"X-Request-ID: r-1\r\n"),
    "invalid": with_length(b"422 Unprocessable", INVALID),
    "auth": with_length(b"401 Unauthorized", b'{"error":"Unauthorized: token"}'),
    "busy": with_length(b"503 Busy", b"overloaded", b"Retry-After: 3\r\nConnection: close\r\n"),
    "redirect": with_length(b"302 Found", b"", b"Location: http://other.example/\r\n"),
    "until_close": b"HTTP/1.0 200 OK\r\n\r\n" + BOX,
}

# What the port of fuzz_client.c does: see play() there.
NEXT, CLOSE, BREAK, PAUSE, REPLY = b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf8"


def reply(data):
    return b"".join(
        REPLY + bytes([len(data[at : at + 255])]) + data[at : at + 255]
        for at in range(0, len(data), 255)
    )


def exchange(name):
    return b"\xf9" + reply(ANSWERS[name])  # behind the whole request


def client_seed(calls, *script, memory=64, flags=0):
    head = bytes([memory, flags, 0, 0, len(calls) - 1]) + bytes(calls)
    return head + b"".join(script)


def transcript_answers():
    """The server's side of each transcript: lines that begin with "< "."""
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        text = path.read_text(encoding="utf-8", errors="replace")
        answers = re.findall(r"(?:^<[^\n]*\n)+", text, re.MULTILINE)
        for number, answer in enumerate(answers):
            lines = [line[2:] for line in answer.splitlines()]
            yield f"{path.stem}-{number}", decode(lines)


def decode(lines):
    """Head lines end with CR LF; the body is what follows the empty one, in the $ notation."""
    blank = lines.index("") if "" in lines else len(lines)
    body = plain("\n".join(lines[blank + 1 :]))
    head = "\r\n".join(lines[:blank]).encode() + b"\r\n\r\n"
    return head.replace(b": @", b": %d" % len(body)) + body


def plain(text):
    escapes = {"$n": b"\n", "$r": b"\r", "$t": b"\t", "$$": b"$"}
    parts = re.split(r"(\$x[0-9A-Fa-f]{2}|\$.)", text)
    return b"".join(
        bytes([int(part[2:], 16)]) if part.startswith("$x") and len(part) == 4
        else escapes.get(part, part.encode())
        for part in parts
    )


def seeds():
    for kind in range(12):
        samples = [b"12\x00\x00\x00abc\x00'q'\x00\x00", b"\\u00e4\\ud83d\\ude00\\n", b"-12.5e3"]
        samples += [b"Mon, 15 Jun 2026 10:00:00 GMT", b"\x20https://[::1]:8080/v1/"]
        for number, sample in enumerate(samples):
            yield "text", f"{kind}-{number}", bytes([kind]) + sample
    for number, body in enumerate([BOX, PAGE, BOX, ENDPOINT, STATE, STATE, PAGE, INVALID]):
        yield "json", f"{number}", bytes([number, 1, 40]) + body
        yield "json", f"{number}-small", bytes([number, 1, 2]) + body
    for number, body in enumerate([DONE, FAILED, SSE, CODE]):
        for seed in (0, 1, 14):
            yield "events", f"{number}-{seed}", bytes([seed, 30]) + body
    answers = dict(ANSWERS)
    answers.update(transcript_answers())
    for name, answer in answers.items():
        for kind in range(5):
            yield "http", f"{name}-{kind}", bytes([kind, 3, 30]) + answer
        for call in range(16):
            yield "client", f"{name}-{call}", client_seed([call], b"\xf9", reply(answer))
    yield from client_scripts()


def client_scripts():
    ready = [exchange("box"), exchange("endpoint"), NEXT, exchange("empty")]
    yield "client", "create", client_seed([0], *ready)
    yield "client", "create-kill", client_seed([0, 14], *ready, NEXT, exchange("gone"))
    yield "client", "create-fails", client_seed([0], exchange("box"), exchange("auth"), exchange("gone"))
    yield "client", "create-lost", client_seed([0, 13], BREAK, NEXT, exchange("page"))
    yield "client", "run-twice", client_seed([1, 1], exchange("done"), exchange("failed"))
    yield "client", "run-stale", client_seed([1, 1], exchange("done"), CLOSE, NEXT, exchange("done"))
    yield "client", "run-pause", client_seed([1], PAUSE + b"\x02", exchange("done"))
    yield "client", "early", client_seed([0], reply(ANSWERS["early"]))
    yield "client", "list-logs", client_seed([2, 3], exchange("page"), NEXT, exchange("logs"))
    yield "client", "resume", client_seed([12], exchange("empty"), *ready)


def main():
    root = Path(sys.argv[1])
    for target, name, data in seeds():
        directory = root / target
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)


if __name__ == "__main__":
    main()
