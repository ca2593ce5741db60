"""execd's shell commands: run, follow, interrupt, status and logs."""

import os
import signal
import threading
import time
import uuid

from . import gojson, paths
from .eventstream import EventStream, LineEvents
from .httpd import Response
from .processes import shell, signal_group
from .replies import error, json_reply

_RUN_COMMAND = gojson.Struct(
    "RunCommandRequest", command="string", cwd="string", background="bool", timeout="int64",
    uid="*uint32", gid="*uint32", envs="map",
)
_BLOCK = 1 << 20


class Command:
    """What is remembered of a command, during its life and after."""

    def __init__(self, text, background):
        self.id = uuid.uuid4().hex
        self.text = text
        self.background = background
        self.started_ns = time.time_ns()
        self.finished_ns = None
        self.process = None
        self.exit_code = None
        self.error = ""

    def finish(self, exit_code, message):
        if not self.running:
            return
        self.exit_code = exit_code
        self.error = message
        self.finished_ns = time.time_ns()

    @property
    def running(self):
        return self.finished_ns is None

    def status(self):
        fields = {"id": self.id, "content": self.text, "running": self.running}
        if self.exit_code is not None:
            fields["exit_code"] = self.exit_code
        if self.error:
            fields["error"] = self.error
        fields["started_at"] = gojson.rfc3339_nano(self.started_ns)
        if self.finished_ns:
            fields["finished_at"] = gojson.rfc3339_nano(self.finished_ns)
        return fields


class Commands:
    """The commands of one sandbox. Output goes to files in its temporary directory."""

    def __init__(self, sandbox):
        self._sandbox = sandbox
        self._known = {}
        self.routes = [
            ("POST", "/command", self.run),
            ("DELETE", "/command", self.interrupt),
            ("DELETE", "/code", self.interrupt),
            ("GET", "/command/status/{id}", self.get_status),
            ("GET", "/command/{id}/logs", self.get_logs),
        ]

    def run(self, request):
        try:
            fields = _RUN_COMMAND.decode(request.body.read_all())
        except gojson.DecodeError as problem:
            message = "error parsing request, MAYBE invalid body format. %s" % problem
            return error(400, "INVALID_REQUEST_BODY", message)
        problem = self._invalid(fields)
        if problem:
            return error(400, "INVALID_REQUEST_BODY",
                         "invalid request, validation error " + problem)
        stream = EventStream(request, self._sandbox.hooks)
        command = Command(fields["command"], fields["background"])
        run = self._run_background if command.background else self._run_foreground
        return run(stream, command, fields)

    def run_code(self, stream, text):
        """Runs text for another API: a command in all but the time its stream stays open."""
        fields = {**_RUN_COMMAND.convert({}, "", ""), "command": text}
        return self._run_foreground(stream, Command(text, False), fields, linger=False)

    def get(self, command_id):
        return self._known.get(command_id)

    def get_status(self, request):
        command = self._known.get(request.params["id"])
        if command is None:
            return error(404, "INVALID_REQUEST_BODY", "command not found: " + request.params["id"])
        return json_reply(command.status())

    def get_logs(self, request):
        command_id = request.params["id"]
        command = self._known.get(command_id)
        if command is None:
            return error(400, "INVALID_REQUEST_BODY", "command not found: " + command_id)
        if not command.background:
            message = "command %s is not running in background" % command_id
            return error(400, "INVALID_REQUEST_BODY", message)
        cursor = _int64(request.query("cursor", ""), 0)
        path = self._output_path(command, "output")
        try:
            with open(path, "rb", buffering=0) as output:
                output.seek(cursor)
                data = output.read()
        except OSError as problem:
            message = "error seek file: seek %s: %s" % (path, problem.strerror.lower())
            return error(400, "INVALID_REQUEST_BODY", message)
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Execd-Commands-Tail-Cursor", str(cursor + len(data))),
        ]
        return Response(200, data, headers)

    def interrupt(self, request):
        """Also answers for code contexts and sessions, which share the identifiers' space."""
        wanted = request.query("id", "")
        if not wanted:
            return error(400, "MISSING_QUERY", "missing query parameter 'id'")
        problem = self._sandbox.interrupt(wanted)
        if problem:
            message = "error interruptting code context. " + problem
            return error(500, "RUNTIME_ERROR", message)
        return Response(200)

    def stop(self, command_id):
        """SIGTERM, three seconds of patience, SIGKILL; what went wrong, or None."""
        command = self._known[command_id]
        if not command.running or command.process is None:
            return "command session %s is not running" % command_id
        group = command.process.pid
        if signal_group(group, signal.SIGTERM):
            deadline = time.monotonic() + 3
            while time.monotonic() < deadline:
                if not signal_group(group, 0):
                    return None
                time.sleep(0.05)
            signal_group(group, signal.SIGKILL)
        return None

    def _invalid(self, fields):
        problems = []
        if not fields["command"]:
            problems.append(_tag_error("Command", "required"))
        if fields["timeout"] < 0:
            problems.append(_tag_error("TimeoutMs", "gte"))
        if problems:
            return "\n".join(problems)
        if fields["gid"] is not None and fields["uid"] is None:
            return "uid is required when gid is provided"
        return paths.working_dir_problem(fields["cwd"], self._sandbox.processes.env)

    def _run_foreground(self, stream, command, fields, linger=True):
        with open(self._output_path(command, "stdout"), "wb+") as stdout, open(
            self._output_path(command, "stderr"), "wb+"
        ) as stderr:
            try:
                process = self._start(command, fields, stdout=stdout, stderr=stderr)
            except paths.ExpandError as problem:
                message = "error running commands resolve request cwd %s: %s"
                return stream.fail(500, "RUNTIME_ERROR", message % (fields["cwd"], problem))
            except OSError as problem:
                stream.init(command.id)
                message = _start_error(problem)
                _send_error(stream, message, message)
                return self._end(stream, linger)
        self._known[command.id] = command
        stream.init(command.id)
        self._follow(stream, command, process)
        # Not left to the thread that supervises it: the client may ask for the status at once.
        command.finish(process.exit.code, process.exit.text)
        if process.exit.text:
            _send_error(stream, str(process.exit.code), process.exit.text)
        else:
            elapsed = (time.time_ns() - command.started_ns) // 1_000_000
            stream.event("execution_complete", execution_time=elapsed)
        return self._end(stream, linger)

    def _run_background(self, stream, command, fields):
        stream.init(command.id)
        try:
            with open(self._output_path(command, "output"), "wb+") as output:
                self._start(command, fields, stdout=output, stderr=output)
        except paths.ExpandError as problem:
            return stream.fail(500, "RUNTIME_ERROR",
                               "error running commands resolve cwd: %s" % problem)
        except OSError as problem:
            message = _start_error(problem)
            command.finish(255, message)
            self._known[command.id] = command
            return stream.fail(500, "RUNTIME_ERROR",
                               "error running commands failed to start commands: " + message)
        self._known[command.id] = command
        elapsed = (time.time_ns() - command.started_ns) // 1_000_000
        stream.event("execution_complete", execution_time=elapsed)
        return self._end(stream)

    def _end(self, stream, linger=True):
        if linger:
            stream.linger(self._sandbox.hooks.linger_seconds)
        return stream.end()

    def _start(self, command, fields, **streams):
        envs = fields["envs"] or {}
        table = self._sandbox.processes
        cwd = paths.absolute(paths.expand(fields["cwd"], {**table.env, **envs}), table.env)
        with open(os.devnull, "rb") as nothing:
            process = table.start(
                [os.path.basename(shell()), "-c", command.text], executable=shell(), env=envs,
                cwd=cwd, uid=fields["uid"], gid=fields["gid"],
                stdin=nothing, **streams,
            )
        self._sandbox.log(command.text)
        command.process = process
        threading.Thread(
            target=self._supervise, args=(command, fields["timeout"] / 1000), daemon=True
        ).start()
        return process

    @staticmethod
    def _supervise(command, timeout):
        """Kills the group when time is up, and keeps the books when the command has ended."""
        process = command.process
        if not process.done.wait(timeout or None):
            signal_group(process.pid, signal.SIGKILL)
            process.done.wait()
        command.finish(process.exit.code, process.exit.text)

    def _follow(self, stream, command, process):
        """Streams the output files until the shell has ended and both are read to their end."""
        with open(self._output_path(command, "stdout"), "rb", buffering=0) as stdout, open(
            self._output_path(command, "stderr"), "rb", buffering=0
        ) as stderr:
            tails = [
                (stdout, LineEvents(stream, "stdout")), (stderr, LineEvents(stream, "stderr")),
            ]
            pause = 0.002
            while True:
                ended = process.done.is_set()
                grew = False
                for file, lines in tails:
                    data = file.read(_BLOCK)
                    if data:
                        lines.feed(data)
                        grew = True
                stream.tick()
                if grew:
                    pause = 0.002
                elif ended:
                    break
                else:
                    process.done.wait(pause)
                    pause = min(pause * 2, 0.05)
            for _, lines in tails:
                lines.finish()

    def _output_path(self, command, suffix):
        return os.path.join(self._sandbox.temporary, "%s.%s" % (command.id, suffix))


def _send_error(stream, value, trace):
    error_fields = {"ename": "CommandExecError", "evalue": value, "traceback": [trace]}
    stream.event("error", error=error_fields)


def _start_error(problem):
    if problem.errno is None:
        return str(problem)
    return "fork/exec %s: %s" % (shell(), problem.strerror.lower())


def _tag_error(field, tag):
    shape = "Key: 'RunCommandRequest.%s' Error:Field validation for '%s' failed on the '%s' tag"
    return shape % (field, field, tag)


def _int64(text, default):
    """A cursor that is no number counts as absent."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()) or abs(int(text)) >= 2**63:
        return default
    return int(text)
