"""execd's PTY sessions: a bash behind a WebSocket, with a terminal or with pipes."""

import fcntl
import os
import shutil
import signal
import struct
import termios
import threading
import time
import uuid

from . import gojson, paths, websocket
from .httpd import Response
from .replies import error, json_reply

_CREATE = gojson.Struct("CreatePTYSessionRequest", cwd="string", command="string")
_FRAME = gojson.Struct(
    "ClientFrame", type="string", data="string", cols="int", rows="int", signal="string"
)
_STDIN, _STDOUT, _STDERR, _REPLAY = b"\0", b"\1", b"\2", b"\3"
_REPLAY_BYTES = 1 << 20
_BLOCK = 32 * 1024
_PING_SECONDS = 30
_SILENCE_SECONDS = 60
_TAKEOVER_SECONDS = 5
_TAKEN_OVER = 4001
_SIGNALS = ("SIGINT", "SIGTERM", "SIGKILL", "SIGQUIT", "SIGHUP")
# The first terminal that a session leader opens becomes its controlling terminal.
_ON_TERMINAL = 'exec "$@" <"$0" >"$0" 2>&1'


class Terminal:
    """One session: its process, the output to replay, and the client that is connected."""

    def __init__(self, sandbox, cwd, command):
        self.id = str(uuid.uuid4())
        self._sandbox = sandbox
        self._cwd = cwd
        self._argv = ["bash", "--norc", "--noprofile"] + (["-c", command] if command else [])
        self._lock = threading.Lock()
        self._output = bytearray()
        self._total = 0
        self._client = None
        self._evict = None
        self.seat = threading.Lock()
        self.process = None
        self.mode = None
        self._stdin_lock = threading.Lock()
        self._stdin = None
        self._readers = []

    @property
    def running(self):
        return self.process is not None and not self.process.done.is_set()

    def status(self):
        return {"session_id": self.id, "running": self.running, "output_offset": self._total}

    # Process

    def start(self, mode):
        self.mode = mode
        start = self._start_with_terminal if mode == "pty" else self._start_with_pipes
        sources, held = start()
        self._readers = [
            threading.Thread(target=self._pass_on, args=source, daemon=True) for source in sources
        ]
        for reader in self._readers:
            reader.start()
        threading.Thread(target=self._clean_up, args=(self.process, held), daemon=True).start()

    def write(self, data):
        with self._stdin_lock:
            if self._stdin is None:
                raise OSError("the process has ended")
            os.write(self._stdin, data)

    def resize(self, columns, rows):
        if self.mode != "pty":
            return
        size = struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0)
        with self._stdin_lock:
            if self._stdin is not None:
                fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, size)

    def signal(self, name):
        if name in _SIGNALS and self.running:
            self.process.signal_group(getattr(signal, name))

    def drain(self):
        """Lets the last output arrive; children that keep the pipe open are not waited for."""
        deadline = time.monotonic() + 0.5
        for reader in self._readers:
            reader.join(max(0, deadline - time.monotonic()))

    def _start_with_terminal(self):
        master, slave = os.openpty()
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        argv = ["sh", "-c", _ON_TERMINAL, os.ttyname(slave), *self._argv]
        try:
            self.process = self._sandbox.processes.start(argv, cwd=self._cwd)
        except OSError:
            os.close(master)
            os.close(slave)
            raise
        # A descriptor of its own, so that each end is closed by the one thread that uses it.
        self._stdin = os.dup(master)
        # Until the process has opened the terminal, somebody must hold it open.
        return [(master, _STDOUT)], [slave]

    def _start_with_pipes(self):
        stdin, self._stdin = os.pipe()
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        try:
            self.process = self._sandbox.processes.start(
                self._argv, executable=shutil.which("bash"), cwd=self._cwd, stdin=stdin,
                stdout=out_end, stderr=err_end,
            )
        finally:
            for end in (stdin, out_end, err_end):
                os.close(end)
        return [(out, _STDOUT), (err, _STDERR)], []

    def _pass_on(self, descriptor, prefix):
        while True:
            try:
                data = os.read(descriptor, _BLOCK)
            except OSError:
                # A terminal ends with an error instead of an end of file.
                data = b""
            if not data:
                break
            with self._lock:
                self._output += data
                del self._output[:-_REPLAY_BYTES]
                self._total += len(data)
                client = self._client
            if client is not None:
                client.send(websocket.BINARY, prefix + data)
        self.process.done.wait()
        os.close(descriptor)

    def _clean_up(self, process, held):
        process.done.wait()
        for descriptor in held:
            os.close(descriptor)
        with self._stdin_lock:
            os.close(self._stdin)
            self._stdin = None

    # Clients

    def take_seat(self, take_over):
        """Only one client at a time; a new one may push the old one out."""
        deadline = time.monotonic() + _TAKEOVER_SECONDS
        while not self.seat.acquire(blocking=False):
            if not take_over or time.monotonic() > deadline:
                return False
            evict = self._evict
            if evict:
                evict()
            time.sleep(0.01)
        return True

    def leave_seat(self):
        with self._lock:
            self._client = self._evict = None
        self.seat.release()

    def attach(self, client, since):
        """Sends what the client missed; from then on it gets what comes."""
        with client.exclusive():
            with self._lock:
                offset = max(since, self._total - len(self._output))
                missed = bytes(self._output[offset - self._total:]) if offset < self._total else b""
                self._client = client
                self._evict = lambda: client.close(_TAKEN_OVER, "TAKEN_OVER")
            if missed:
                frame = _REPLAY + struct.pack(">q", offset) + missed
                client.send(websocket.BINARY, frame)
            send_json(client, type="connected", session_id=self.id, mode=self.mode)


def send_json(client, **fields):
    client.send(websocket.TEXT, gojson.dumps(fields) + b"\n")


class Terminals:
    """The PTY sessions of one sandbox."""

    def __init__(self, sandbox):
        self._sandbox = sandbox
        self._known = {}
        self.routes = [
            ("POST", "/pty", self.create),
            ("GET", "/pty/{id}", self.get),
            ("DELETE", "/pty/{id}", self.delete),
            ("GET", "/pty/{id}/ws", self.connect),
        ]

    def create(self, request):
        body = request.body.read_all()
        try:
            fields = _CREATE.decode(body) if body.strip() else {"cwd": "", "command": ""}
        except gojson.DecodeError as problem:
            return error(400, "INVALID_REQUEST_BODY", "error parsing request: %s" % problem)
        env = self._sandbox.processes.env
        try:
            cwd = paths.absolute(paths.expand(fields["cwd"], env), env)
            paths.make_dirs(cwd)
        except (paths.ExpandError, OSError) as problem:
            doing = "resolving" if isinstance(problem, paths.ExpandError) else "creating"
            reason = paths.go_error("mkdir", "", problem)
            return self._half_failed("error %s PTY session work directory: %s" % (doing, reason))
        terminal = Terminal(self._sandbox, cwd, fields["command"])
        self._known[terminal.id] = terminal
        return json_reply({"session_id": terminal.id}, 201)

    def get(self, request):
        terminal = self._known.get(request.params["id"])
        if terminal is None:
            return _not_found(request)
        return json_reply(terminal.status())

    def delete(self, request):
        terminal = self._known.pop(request.params["id"], None)
        if terminal is None:
            return _not_found(request)
        if terminal.running:
            terminal.process.signal_group(signal.SIGKILL)
        return Response(200)

    def connect(self, request):
        terminal = self._known.get(request.params["id"])
        if terminal is None:
            return _not_found(request)
        refused = websocket.refusal(request)
        seated = terminal.take_seat(take_over=False)
        if not seated and (refused or request.query("takeover") != "1"):
            message = "another client is already connected to pty session " + terminal.id
            return error(409, "ALREADY_CONNECTED", message)
        if refused:
            terminal.leave_seat()
            return refused
        client = websocket.WebSocket(request)
        if not seated and not terminal.take_seat(take_over=True):
            send_json(client, type="error", code="ALREADY_CONNECTED", error="takeover timed out")
            return request.connection.drop()
        try:
            _converse(terminal, client, request)
        finally:
            terminal.leave_seat()
            request.connection.drop()
        return None

    @staticmethod
    def _half_failed(reason):
        """execd answers twice here: the error, and a session that does not exist."""
        failed = error(500, "RUNTIME_ERROR", "error creating pty session: " + reason)
        failed.body += gojson.dumps({"session_id": str(uuid.uuid4())})
        return failed


def _not_found(request):
    return error(404, "CONTEXT_NOT_FOUND", "pty session %s not found" % request.params["id"])


def _converse(terminal, client, request):
    """Everything between the handshake and the end of the connection."""
    if not terminal.running:
        try:
            terminal.start("pipe" if request.query("pty") == "0" else "pty")
        except OSError as problem:
            send_json(client, type="error", error=str(problem), code="START_FAILED")
            return
    since = request.query("since", "")
    terminal.attach(client, int(since) if since.isascii() and since.isdigit() else 0)
    over = threading.Event()
    for function in (_report_exit, _ping):
        threading.Thread(target=function, args=(terminal, client, over), daemon=True).start()
    try:
        while True:
            _handle(terminal, client, *client.receive(_SILENCE_SECONDS))
    except (websocket.Closed, OSError, ValueError):
        over.set()


def _report_exit(terminal, client, over):
    process = terminal.process
    while not process.done.wait(0.05):
        if over.is_set():
            return
    terminal.drain()
    send_json(client, type="exit", exit_code=process.exit.code)
    client.close(1000, "process exited")


def _ping(terminal, client, over):
    while not over.wait(_PING_SECONDS):
        client.send(websocket.PING, b"")


def _handle(terminal, client, kind, data):
    if kind == websocket.BINARY:
        if data[:1] == _STDIN:
            terminal.write(data[1:])
        return
    try:
        frame = _FRAME.decode_whole(data)
    except gojson.DecodeError:
        return
    if frame["type"] == "stdin":
        terminal.write(frame["data"].encode("utf-8"))
    elif frame["type"] == "signal":
        terminal.signal(frame["signal"])
    elif frame["type"] == "resize":
        if frame["cols"] > 0 and frame["rows"] > 0:
            terminal.resize(frame["cols"], frame["rows"])
    elif frame["type"] == "ping":
        send_json(client, type="pong")
    else:
        send_json(client, type="error", error='unknown frame type "%s"' % frame["type"],
                  code="INVALID_FRAME")
