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
NEXT, CLOSE, BREAK, PAUSE = b"\xf0", b"\xf1", b"\xf2", b"\xf3"
REPLY, REQUEST = b"\xf8", b"\xf9"


def reply(data):
    return b"".join(
        REPLY + bytes([len(data[at : at + 255])]) + data[at : at + 255]
        for at in range(0, len(data), 255)
    )


def exchange(name):
    return REQUEST + reply(ANSWERS[name])


def client_seed(calls, *script, memory=64, flags=0):
    head = bytes([memory, flags, 0, 0, len(calls) - 1]) + bytes(calls)
    return head + b"".join(script)


CALLS = "sandbox_create command_run lifecycle_list command_logs command_status command_interrupt "
CALLS += "lifecycle_get lifecycle_renew lifecycle_patch_metadata lifecycle_endpoint endpoint_request "
CALLS = (CALLS + "sandbox_connect sandbox_resume sandbox_find lifecycle_create sandbox_kill").split()


# Of fuzz_calls.c.
ALL_CALLS, RETRIES = 40, 16


class Transcript:
    """The server's side of a transcript in tests/transcripts, roughly: seeds need no more."""

    def __init__(self, text):
        self.calls, self.script, self.answers, self.lines = [], [], [], []
        for line in text.splitlines():
            if line.startswith("<"):
                self.lines.append(line[1:] if line.startswith("<#") else line[2:])
            else:
                self.end_answer()
                self.take(line.split())
        self.end_answer()

    def take(self, words):
        word = words[0] if words else ""
        if word == "call" and words[1] in CALLS:
            self.calls.append(CALLS.index(words[1]))
        steps = {"connect": NEXT, "close": CLOSE, "reset": BREAK, "pause": PAUSE + b"\x40"}
        if word in steps and (word != "connect" or self.script):
            self.script.append(steps[word])

    def end_answer(self):
        if self.lines:
            answer = decode(self.lines)
            self.answers.append(answer)
            self.script.append(REQUEST + reply(answer))
            self.lines = []


def transcripts():
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        yield path.stem, Transcript(path.read_text(encoding="utf-8", errors="replace"))


def decode(lines):
    """Head lines end with CR LF; then comes the body, in chunks ("# text") or as it is."""
    blank = lines.index("") if "" in lines else len(lines)
    head = plain("\r\n".join(lines[:blank])) + b"\r\n\r\n"
    rest = lines[blank + 1 :]
    if rest and rest[0].startswith("#"):
        chunks = [plain(line[2:]) for line in rest]
        return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    body = plain("\n".join(rest))
    return head.replace(b": @", b": %d" % len(body)) + body


def plain(text):
    escapes = {"$n": b"\n", "$r": b"\r", "$t": b"\t", "$$": b"$"}
    parts = re.split(r"(\$x[0-9A-Fa-f]{2}|\$.)", text)
    return b"".join(
        bytes([int(part[2:], 16)]) if part.startswith("$x") else escapes.get(part, part.encode())
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
    for name, answer in ANSWERS.items():
        for kind in range(5):
            yield "http", f"{name}-{kind}", bytes([kind, 3, 30]) + answer
        for call in range(len(CALLS)):
            yield "client", f"{name}-{call}", client_seed([call], REQUEST, reply(answer))
    for name, transcript in transcripts():
        for number, answer in enumerate(transcript.answers):
            yield "http", f"{name}-{number}", bytes([number + len(name), 3, 30]) + answer
        if transcript.calls:
            yield "client", name, client_seed(transcript.calls[:4], *transcript.script)
    yield from client_scripts()
    yield from calls_seeds()
    for number, frames in enumerate(TERMINALS):
        for flags in (0, 8, 24, 40):
            yield "websocket", f"{number}-{flags}", bytes([flags, number, 30]) + b"".join(frames)


def calls_seeds():
    """Each call of fuzz_calls.c alone, and with two others behind it; all that the server chooses is 0."""
    for call in range(ALL_CALLS):
        yield "calls", f"{call}", bytes([0, 0, 0, 0, 0, 0, call, 7]) + bytes(24)
        others = bytes([call, 22, (call + 7) % ALL_CALLS, 7, (call + 18) % ALL_CALLS, 7])
        yield "calls", f"{call}-retries", bytes([90, RETRIES, 0, 0, 0, 2]) + others + bytes(60)


def frame(first, payload):
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    return bytes([first]) + length + payload


WS_TEXT, WS_BINARY, WS_CLOSE, WS_PING = 0x81, 0x82, 0x88, 0x89
CONNECTED = frame(WS_TEXT, b'{"type":"connected","session_id":"p","mode":"pty"}')
EXIT = frame(WS_TEXT, b'{"type":"exit","exit_code":3}')
REPLAY = frame(WS_BINARY, b"\x03" + bytes(7) + b"\x08" + b"89ab")
TERMINALS = [
    [CONNECTED, frame(WS_BINARY, b"\x01hello"), frame(WS_BINARY, b"\x02oops"), EXIT, frame(WS_CLOSE, b"\x03\xe8")],
    [CONNECTED, REPLAY, frame(WS_BINARY, b"\x01" + b"x" * 300), frame(WS_PING, b"abc"), EXIT],
    [frame(0x02, b"\x01one"), frame(WS_PING, b""), frame(0x00, b""), frame(0x80, b"two"), frame(0x8A, b"p")],
    [frame(0x01, b'{"type":'), frame(WS_PING, b"p"), frame(0x80, b'"exit","exit_code":0} '), frame(WS_CLOSE, b"")],
    [CONNECTED, frame(WS_CLOSE, b"\x0f\xa1taken over")],
    [CONNECTED, frame(WS_TEXT, b'{"type":"error","error":"e","code":"C"}')],
    [b"\x82\x7f" + bytes(6) + b"\x01\x00" + b"\x01" + b"y" * 255, frame(WS_PING, b"z" * 125)],
]


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
