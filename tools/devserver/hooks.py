"""Test hooks: extension keys of a create request with which a test provokes trouble.

They are read from `extensions` and echoed like any other key. Times are milliseconds.
"""

import secrets
import threading
import time

from .httpd import Aborted, Response, html_error_page
from .replies import error, json_reply

DESCRIPTIONS = (
    ("devserver.pending-ms", "N: create answers Pending, Running follows after N ms (0)"),
    ("devserver.fail", "TEXT: create answers Pending, after pending-ms (or 200) comes Failed "
                       "with TEXT"),
    ("devserver.never-ready", "1: stays Pending for good"),
    ("devserver.transition-ms", "N: pause and resume take N ms, with Pausing and Resuming"),
    ("devserver.expire-ms", "N: expires N ms after creation, whatever `timeout` says"),
    ("devserver.create-delay-ms", "N: the create answer comes N ms late"),
    ("devserver.create-answer", "drop: made, but the connection is closed without an answer; "
                                "reset: likewise, with RST; html: a gateway's error page and "
                                "nothing made; NNN: an error with that status, nothing made"),
    ("devserver.execd-answer", "401: execd refuses the token; html: a gateway's error page; NNN: "
                               "an error with that status; drop, reset: no answer"),
    ("devserver.execd-answer-count", "K: only the first K requests get devserver.execd-answer"),
    ("devserver.execd-delay-ms", "N: execd answers each request N ms late"),
    ("devserver.execd-down-ms", "N: execd answers 502 with an error page until N ms have passed"),
    ("devserver.snapshot-ms", "N: a snapshot of this sandbox is Creating for N ms (50)"),
    ("devserver.snapshot-fail", "TEXT: a snapshot of this sandbox ends Failed with TEXT"),
    ("devserver.egress-answer", "NNN: port 18080 refuses every change with that status"),
    ("devserver.private-vault", "1: the vault is changed only by way of execd's proxy, else 426"),
    ("devserver.download-cut", "N: downloads are closed after N bytes each"),
    ("devserver.diagnostics", "inline or url: diagnostics with a scope are answered, that way"),
    ("devserver.no-isolation", "1: isolated sessions are not available"),
    ("devserver.stream-cut", "N: event streams are closed after N body bytes"),
    ("devserver.stream-reset", "N: likewise, with RST"),
    ("devserver.stream-stall", "N: event streams fall silent after N body bytes, without a close"),
    ("devserver.ping-ms", "N: time between pings of a stream (3000)"),
    ("devserver.linger-ms", "N: time a command stream stays open after its last event"),
)
_NUMBERS = {
    "pending-ms", "transition-ms", "expire-ms", "create-delay-ms", "execd-answer-count",
    "execd-delay-ms", "execd-down-ms", "stream-cut", "stream-reset", "stream-stall", "ping-ms",
    "linger-ms", "snapshot-ms", "egress-answer", "download-cut",
}
_PREFIX = "devserver."


class BadHook(Exception):
    """A key that does not exist or a value that makes no sense."""


class Hooks:
    """The hooks of one sandbox, with the defaults of those not given."""

    def __init__(self, extensions, linger_seconds):
        values = _read(extensions or {})
        self._lock = threading.Lock()
        self.failure = values.get("fail")
        # A failure must leave the create answer time to say Pending.
        default_pending = 0 if self.failure is None else 200
        self.pending_seconds = values.get("pending-ms", default_pending) / 1000
        self.never_ready = "never-ready" in values
        self.transition_seconds = values.get("transition-ms", 0) / 1000
        self.expire_ms = values.get("expire-ms")
        self.create_delay_seconds = values.get("create-delay-ms", 0) / 1000
        self.create_answer = values.get("create-answer")
        self.ping_seconds = values.get("ping-ms", 3000) / 1000
        self.linger_seconds = values.get("linger-ms", linger_seconds * 1000) / 1000
        self._execd_answer = values.get("execd-answer")
        self._execd_answers_left = values.get("execd-answer-count")
        self._execd_delay_seconds = values.get("execd-delay-ms", 0) / 1000
        self._execd_up_at = time.monotonic() + values.get("execd-down-ms", 0) / 1000
        self.snapshot_seconds = values.get("snapshot-ms", 50) / 1000
        self.snapshot_failure = values.get("snapshot-fail")
        self.egress_status = values.get("egress-answer")
        # What execd's proxy shows to the sidecar, so that others cannot pass for it.
        self.inside = secrets.token_hex(8) if "private-vault" in values else None
        self.download_limit = values.get("download-cut")
        self.diagnostics = values.get("diagnostics")
        self.no_isolation = "no-isolation" in values
        self._stream_end, self.stream_limit = _stream_end(values)

    @property
    def starts_pending(self):
        return bool(self.pending_seconds or self.never_ready)

    def execd_answer(self, request):
        """What execd answers in place of its real answer: a Response, or None for the latter."""
        time.sleep(self._execd_delay_seconds)
        if time.monotonic() < self._execd_up_at:
            return html_error_page()
        if self._execd_answer is None:
            return None
        if self._execd_answers_left is not None:
            with self._lock:
                self._execd_answers_left -= 1
                if self._execd_answers_left < 0:
                    return None
        return answer(self._execd_answer, request)

    def at_stream_limit(self, writer, request):
        if self._stream_end != "stall":
            writer.abort(reset=self._stream_end == "reset")
        while not request.connection.peer_has_left():
            time.sleep(0.05)
        writer.abort()


def answer(kind, request):
    """The answer that a hook names; does not return when the connection is to be dropped."""
    if kind in ("drop", "reset"):
        drop(kind, request)
    if kind == "html":
        return html_error_page()
    if kind == "401":
        return unauthorized()
    retry = [("Retry-After", "1")] if kind in ("429", "503") else []
    response = error(int(kind), "DEVSERVER::HOOK", "This answer was asked for by a test hook.")
    return Response(response.status, response.body, response.headers + retry)


def unauthorized():
    return json_reply(
        {"error": "Unauthorized: invalid or missing header X-EXECD-ACCESS-TOKEN"}, 401
    )


def drop(kind, request):
    request.connection.drop(reset=kind == "reset")
    raise Aborted()


def _read(extensions):
    known = {key for key, _ in DESCRIPTIONS}
    values = {}
    for key, text in extensions.items():
        if not key.startswith(_PREFIX):
            continue
        if key not in known:
            raise BadHook("Unknown test hook '%s'." % key)
        name = key[len(_PREFIX):]
        values[name] = _number(key, text) if name in _NUMBERS else text
    for name in ("create-answer", "execd-answer"):
        kind = values.get(name, "html")
        if kind not in ("drop", "reset", "html") and not (kind.isdigit() and len(kind) == 3):
            raise BadHook("Test hook '%s%s' does not know '%s'." % (_PREFIX, name, kind))
    if values.get("diagnostics", "url") not in ("inline", "url"):
        raise BadHook("Test hook '%sdiagnostics' wants inline or url." % _PREFIX)
    return values


def _number(key, text):
    if not (text.isascii() and text.isdigit()):
        raise BadHook("Test hook '%s' wants a number, not '%s'." % (key, text))
    return int(text)


def _stream_end(values):
    for kind in ("cut", "reset", "stall"):
        if "stream-" + kind in values:
            return kind, values["stream-" + kind]
    return None, None
