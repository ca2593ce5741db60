"""The event streams of execd: bare JSON objects, each followed by an empty line."""

import time

from . import gojson
from .httpd import Response

HEADERS = [
    ("Cache-Control", "no-cache"),
    ("Connection", "keep-alive"),
    ("Content-Type", "text/event-stream"),
    ("X-Accel-Buffering", "no"),
]


def now_ms():
    return time.time_ns() // 1_000_000


class EventStream:
    """One streamed answer. Its head is sent with the first event, so that an early failure can
    still be an ordinary JSON error.

    The thread that runs the command calls `tick()` while it waits, which sends a `ping` when one
    is due. A client that left does not stop the command; its events just go nowhere.
    """

    def __init__(self, request, hooks):
        self._request = request
        self._hooks = hooks
        self._writer = None
        self._sent = 0
        self._next_ping = None

    def init(self, text):
        self.event("init", text=text)
        self._ping()

    def event(self, kind, text="", **fields):
        """Sends one event; empty and zero fields are left out, as `omitempty` does."""
        event = {"type": kind, "text": text}
        event["execution_count"] = fields.pop("execution_count", 0)
        event["execution_time"] = fields.pop("execution_time", 0)
        event["timestamp"] = now_ms()
        event.update(fields)
        self.raw(gojson.dumps({k: v for k, v in event.items() if v}) + b"\n\n")

    def raw(self, data):
        if self._writer is None:
            self._writer = self._request.stream(200, HEADERS)
        limit = self._hooks.stream_limit
        if limit is None or self._sent + len(data) <= limit:
            self._sent += len(data)
            self._writer.write(data)
            return
        self._writer.write(data[: limit - self._sent])
        self._sent = limit
        self._hooks.at_stream_limit(self._writer, self._request)

    def tick(self):
        if self._next_ping is not None and time.monotonic() >= self._next_ping:
            self._ping()

    def client_left(self):
        return self._request.connection.peer_has_left()

    def wait(self, event, seconds):
        """Waits for a threading.Event with pings going on; whether it was set in time."""
        deadline = time.monotonic() + seconds
        while not event.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            event.wait(min(left, 0.05))
            self.tick()
        return True

    def linger(self, seconds):
        """execd keeps a command's stream open for a while after its last event."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.client_left():
            time.sleep(min(0.05, max(0, deadline - time.monotonic())))
            self.tick()

    def fail(self, status, code, message):
        """A failure outside the events: an error answer, or its JSON at the end of the stream."""
        body = gojson.dumps({"code": code, "message": message})
        if self._writer is None:
            content_type = ("Content-Type", "application/json; charset=utf-8")
            return Response(status, body, [content_type])
        self.raw(body)
        return self.end()

    def end(self):
        if self._writer is not None:
            self._writer.end()

    def _ping(self):
        self.event("ping", text="pong")
        self._next_ping = time.monotonic() + self._hooks.ping_seconds


class LineEvents:
    """Cuts raw output into one event per line, as execd's command streams do.

    CR, LF and CRLF end a line, an empty line becomes the text "\\n", and an unfinished last line
    is held back until `finish`. Lines are escaped and joined in bulk: output may be large.
    """

    def __init__(self, stream, kind):
        self._stream = stream
        self._kind = kind
        self._rest = b""
        self._after_cr = False

    def feed(self, data):
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        if not data:
            return
        self._after_cr = data.endswith(b"\r")
        data = self._rest + data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines, newline, self._rest = data.rpartition(b"\n")
        if newline:
            self._send(lines)

    def finish(self):
        if self._rest:
            self._send(self._rest)
            self._rest = b""

    def _send(self, data):
        send_lines(self._stream, self._kind, data)


def send_lines(stream, kind, data):
    """Sends one event for each line of `data`; an empty line becomes the text "\\n"."""
    texts = gojson.escape_lines(data).split("\n")
    if "" in texts:
        texts = [text or "\\n" for text in texts]
    head = '{"type":"%s","text":"' % kind
    tail = '","timestamp":%d}\n\n' % now_ms()
    stream.raw((head + (tail + head).join(texts) + tail).encode("utf-8"))
