"""execd's bash sessions: each run is a new bash that gets what the last one left behind.

What is handed on is the exported environment and the working directory; functions, aliases and
shell options are not, and nothing is when a script ends with `exit`.
"""

import os
import re
import select
import shutil
import signal
import tempfile
import threading
import time
import uuid

from . import gojson, paths
from .eventstream import EventStream, send_lines
from .httpd import Response
from .replies import error, json_reply

_CREATE = gojson.Struct("CreateSessionRequest", cwd="string")
_RUN = gojson.Struct("RunInSessionRequest", command="string", cwd="string", timeout="int64")

_LONGEST_LINE = 16 * 1024 * 1024
_LONGEST_VALUE = 8 * 1024
_NOT_HANDED_ON = {"PS1", "PS2", "PS3", "PS4", "PROMPT_COMMAND"}
_EXPORT = re.compile(r"declare -x ([A-Za-z_][A-Za-z0-9_]*)(?:=(.*))?")
_GO_STRING = re.compile(r'"(?:[^"\\]|\\["\\])*"')
# execd finds its bookkeeping in the output by these words, so no output may start with them.
_EATEN = (b"__PWD__:", b"__EXIT_CODE__:")
# Runs last in each script, with the state file as %s.
_EPILOGUE = """
__USER_EXIT_CODE__=$?
{ pwd; export -p; } >%s
exit "$__USER_EXIT_CODE__"
"""


class Session:
    def __init__(self, cwd):
        self.id = str(uuid.uuid4())
        self.cwd = cwd
        self.env = {}
        self.process = None


class Sessions:
    """The bash sessions of one sandbox."""

    def __init__(self, sandbox):
        self._sandbox = sandbox
        self._known = {}
        self._lock = threading.Lock()
        self.routes = [
            ("POST", "/session", self.create),
            ("POST", "/session/{id}/run", self.run),
            ("DELETE", "/session/{id}", self.delete),
        ]

    def create(self, request):
        body = request.body.read_all()
        try:
            # No body at all means no wishes.
            cwd = _CREATE.decode(body)["cwd"] if body.strip() else ""
        except gojson.DecodeError as problem:
            return error(400, "INVALID_REQUEST_BODY", "error parsing request. %s" % problem)
        try:
            cwd = self._made(cwd)
        except (paths.ExpandError, OSError) as problem:
            reason = paths.go_error("mkdir", cwd, problem)
            if isinstance(problem, paths.ExpandError):
                reason = "resolve request cwd %s: %s" % (cwd, problem)
            return error(500, "RUNTIME_ERROR", "error creating session. " + reason)
        session = Session(cwd)
        with self._lock:
            self._known[session.id] = session
        return json_reply({"session_id": session.id})

    def run(self, request):
        try:
            fields = _RUN.decode(request.body.read_all())
        except gojson.DecodeError as problem:
            return error(400, "INVALID_REQUEST_BODY", "error parsing request. %s" % problem)
        problem = self._invalid(fields)
        if problem:
            return error(400, "INVALID_REQUEST_BODY", "invalid request. " + problem)
        session = self._known.get(request.params["id"])
        if session is None:
            return error(500, "RUNTIME_ERROR", "error running in session. context not found")
        stream = EventStream(request, self._sandbox.hooks)
        return _Run(self._sandbox, session, fields).stream_to(stream)

    def delete(self, request):
        session_id = request.params["id"]
        if not self.close(session_id):
            return error(404, "CONTEXT_NOT_FOUND", "session %s not found" % session_id)
        return Response(200)

    def close(self, session_id):
        """Forgets the session and kills what runs in it; whether there was one."""
        with self._lock:
            session = self._known.pop(session_id, None)
        if session is None:
            return False
        session.env, session.cwd = {}, ""
        if session.process is not None:
            session.process.signal_group(signal.SIGKILL)
        return True

    def _made(self, cwd):
        """The directory a session starts in; unlike a command's it is created."""
        if not cwd:
            return self._sandbox.home
        env = self._sandbox.processes.env
        path = paths.absolute(paths.expand(cwd, env), env)
        paths.make_dirs(path)
        return path

    def _invalid(self, fields):
        shape = ("Key: 'RunInSessionRequest.%s' Error:Field validation for '%s' failed on the "
                 "'%s' tag")
        problems = []
        if not fields["command"]:
            problems.append(shape % ("Command", "Command", "required"))
        if fields["timeout"] < 0:
            problems.append(shape % ("Timeout", "Timeout", "gte"))
        if problems:
            return "\n".join(problems)
        return paths.working_dir_problem(fields["cwd"], self._sandbox.processes.env)


class _Run:
    """One script in a session."""

    def __init__(self, sandbox, session, fields):
        self._sandbox = sandbox
        self._session = session
        self._timeout = fields["timeout"] / 1000
        env = sandbox.processes.env
        cwd = session.cwd
        if fields["cwd"]:
            cwd = paths.absolute(paths.expand(fields["cwd"], env), env)
        self._script, self._state = self._write_script(fields["command"], cwd)

    def stream_to(self, stream):
        started = time.monotonic()
        stream.init(self._session.id)
        try:
            read_end, process = self._start()
            timed_out = self._follow(stream, read_end, process, started)
            process.done.wait()
            self._session.process = None
            if timed_out:
                reason = "timeout after " + gojson.duration(self._timeout)
                return self._fail(stream, reason)
            self._take_over_state()
        except _LineTooLong:
            return self._fail(stream, "read stdout: bufio.Scanner: token too long")
        except OSError as problem:
            return self._fail(stream, "start bash: %s" % problem)
        finally:
            for path in (self._script, self._state):
                if os.path.exists(path):
                    os.remove(path)
        _report(stream, process.exit, int((time.monotonic() - started) * 1000))
        return stream.end()

    @staticmethod
    def _fail(stream, reason):
        return stream.fail(500, "RUNTIME_ERROR", "error running in session. " + reason)

    def _write_script(self, command, cwd):
        handle, script = tempfile.mkstemp(".sh", "execd_bash_", self._sandbox.temporary)
        state = script + ".state"
        lines = ["cd " + _quoted(cwd)] if cwd else []
        text = "\n".join(lines + [command]) + _EPILOGUE % _quoted(state)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return script, state

    def _start(self):
        read_end, write_end = os.pipe()
        try:
            with open(os.devnull, "rb") as nothing:
                process = self._sandbox.processes.start(
                    ["bash", "--noprofile", "--norc", self._script],
                    executable=shutil.which("bash"), env=self._session.env,
                    stdin=nothing, stdout=write_end, stderr=write_end,
                )
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self._session.process = process
        return read_end, process

    def _follow(self, stream, read_end, process, started):
        """Streams lines until nobody holds the pipe any more; whether time ran out before.

        As in execd only bash itself is killed then: children that hold the pipe keep it open.
        """
        timed_out = killed = False
        rest = b""
        with os.fdopen(read_end, "rb", buffering=0) as pipe:
            while True:
                if not killed:
                    timed_out = bool(self._timeout) and (
                        time.monotonic() - started >= self._timeout)
                    if timed_out or stream.client_left():
                        process.kill()
                        killed = True
                stream.tick()
                if not select.select([pipe], [], [], 0.02)[0]:
                    continue
                data = pipe.read(1 << 20)
                if not data:
                    break
                lines, newline, rest = (rest + data).rpartition(b"\n")
                if len(rest) > _LONGEST_LINE:
                    process.signal_group(signal.SIGKILL)
                    raise _LineTooLong()
                if newline:
                    _send(stream, lines)
        _send(stream, rest)
        return timed_out

    def _take_over_state(self):
        if not os.path.exists(self._state):
            return
        with open(self._state, encoding="utf-8", errors="surrogateescape") as file:
            cwd, *lines = file.read().split("\n")
        self._session.cwd = cwd
        self._session.env = dict(filter(None, map(_exported, lines)))


def _exported(line):
    """Name and value of a line of `export -p`, with execd's limits.

    It reads the value as a Go string and, failing that, only trims the quotes. Hence a value with
    `$` or a backtick comes out with backslashes, and one with newlines not as it was.
    """
    match = _EXPORT.fullmatch(line)
    if match is None:
        return None
    name, value = match.group(1), match.group(2) or ""
    if _GO_STRING.fullmatch(value):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    else:
        value = value.strip('"')
    if name in _NOT_HANDED_ON or len(os.fsencode(value)) > _LONGEST_VALUE:
        return None
    return name, value


class _LineTooLong(Exception):
    """A line that execd could not hold."""


def _send(stream, data):
    """Lines as execd sends them from sessions: no blank ones, and CRLF is an end like LF."""
    lines = (line[:-1] if line.endswith(b"\r") else line for line in data.split(b"\n"))
    kept = [line for line in lines if line and not line.startswith(_EATEN)]
    if kept:
        send_lines(stream, "stdout", b"\n".join(kept))


def _report(stream, exit_, elapsed):
    if exit_.text:
        fields = {
            "ename": "CommandExecError", "evalue": str(exit_.code), "traceback": [exit_.text]
        }
        stream.event("error", error=fields)
    else:
        stream.event("execution_complete", execution_time=elapsed)


def _quoted(text):
    return "'%s'" % text.replace("'", "'\\''")
