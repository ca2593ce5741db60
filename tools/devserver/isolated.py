"""Isolated sessions of execd, as far as a server that isolates nothing can have them.

Sessions, runs and files behave as they do upstream with the workspace mode `rw`. The other modes
are recorded; of them only this is kept, that files of a `ro` workspace cannot be changed.
"""

import fnmatch
import threading
import time
import uuid

from . import gojson, paths
from .eventstream import EventStream
from .gojson import ListOf, OptionalOf, Struct
from .httpd import Response
from .isolated_shell import Shell
from .replies import error, json_reply

_BASE = "/v1/isolated"
_SESSION = _BASE + "/session/{session}"
_IDLE_SECONDS = 1800
_HIDDEN_FROM_STRICT = (
    "*_API_KEY", "*_TOKEN", "*_SECRET", "*_PASSWORD", "AWS_*", "ALI_*", "ALIYUN_*", "K8S_*",
    "KUBE_*",
)

_CREATE = Struct(
    "CreateIsolatedSessionRequest", profile="string",
    workspace=Struct("IsolatedWorkspaceSpec", path="string", mode="string"),
    extra_writable=ListOf("string"),
    binds=ListOf(Struct("BindMount", source="string", dest="string", readonly="bool")),
    share_net="*bool",
    env_passthrough=OptionalOf(
        Struct("EnvPassthroughSpec", mode="string", keys=ListOf("string"))),
    uid="*uint32", gid="*uint32", uid_mode="string", idle_timeout_seconds="*int64",
)
_RUN = Struct("IsolatedRunRequest", code="string", envs="map", timeout_seconds="int64")


class Session:
    def __init__(self, fields, shell, on_idle):
        self.id = str(uuid.uuid4())
        self.fields = fields
        self.created_ns = self.last_run_ns = time.time_ns()
        self.shell = shell
        idle = fields["idle_timeout_seconds"]
        self._idle_seconds = _IDLE_SECONDS if idle is None else idle
        self._on_idle = on_idle
        self._timer = None
        self.touch()

    def touch(self):
        """Starts the idle time anew."""
        self.last_run_ns = time.time_ns()
        self.stop_timer()
        if self._idle_seconds:
            self._timer = threading.Timer(self._idle_seconds, self._on_idle, (self.id,))
            self._timer.daemon = True
            self._timer.start()

    def stop_timer(self):
        if self._timer is not None:
            self._timer.cancel()

    def summary(self):
        fields = {
            "session_id": self.id, "status": "dead" if self.shell.dead() else "active",
            "created_at": gojson.rfc3339_nano(self.created_ns),
            "last_run_at": gojson.rfc3339_nano(self.last_run_ns),
        }
        if self._idle_seconds:
            idle = (time.time_ns() - self.last_run_ns) // 10**9
            fields["idle_remaining_seconds"] = max(0, self._idle_seconds - idle)
        return fields

    def state(self):
        """The summary without the id, and the wishes of the create request."""
        wishes = {k: v for k, v in self.fields.items() if v not in (None, "", [])}
        return {**{k: v for k, v in self.summary().items() if k != "session_id"}, **wishes}


class Isolated:
    """The isolated sessions of one sandbox."""

    def __init__(self, sandbox, files):
        self._sandbox = sandbox
        self._known = {}
        self._lock = threading.Lock()
        self.routes = [
            ("GET", _BASE + "/capabilities", self.capabilities),
            ("GET", _BASE + "/sessions", self._available(self.list)),
            ("POST", _BASE + "/session", self._available(self.create)),
            ("GET", _SESSION, self._with_session(self.get)),
            ("DELETE", _SESSION, self._with_session(self.delete)),
            ("POST", _SESSION + "/run", self._with_session(self.run)),
            ("GET", _SESSION + "/diff", self._with_session(self.unsupported)),
            ("POST", _SESSION + "/commit", self._with_session(self.unsupported)),
        ]
        self.routes += [
            (method, _SESSION + path, self._with_session(self._on_files(handler)))
            for method, path, handler in files.routes
        ]

    def capabilities(self, request):
        available = not self._sandbox.hooks.no_isolation
        return json_reply({
            "available": available, "isolator": "none", "version": "0",
            "message": "nothing is isolated here" if available else "refused by a test hook",
            "setpriv_available": False, "userns_available": False,
            "commit_supported": False, "diff_supported": False,
        })

    def create(self, request):
        try:
            fields = _CREATE.decode(request.body.read_all())
        except gojson.DecodeError as problem:
            return _bad_request("error parsing request. %s" % problem)
        problem = _invalid(fields)
        if problem:
            return _bad_request(problem)
        env = self._sandbox.processes.env
        try:
            cwd = paths.absolute(paths.expand(fields["workspace"]["path"], env), env)
            paths.make_dirs(cwd)
        except (paths.ExpandError, OSError) as failed:
            return _bad_request("workspace: " + paths.go_error("mkdir", "", failed))
        try:
            shell = Shell(self._sandbox.processes, base_env=self._environment(fields), cwd=cwd,
                          uid=fields["uid"], gid=fields["gid"])
        except OSError as failed:
            return error(500, "RUNTIME_ERROR", "start bash: %s" % failed)
        session = Session(fields, shell, self._close)
        with self._lock:
            self._known[session.id] = session
        created = {"session_id": session.id, "created_at": gojson.rfc3339_nano(session.created_ns)}
        return json_reply(created, 201)

    def list(self, request):
        with self._lock:
            sessions = list(self._known.values())
        return json_reply({"sessions": [session.summary() for session in sessions]})

    def get(self, request, session):
        return json_reply(session.state())

    def delete(self, request, session):
        self._close(session.id)
        return Response(200)

    def unsupported(self, request, session):
        return error(503, "NOT_SUPPORTED", "there is no layer of changes to work with")

    def run(self, request, session):
        try:
            fields = _RUN.decode(request.body.read_all())
        except gojson.DecodeError as problem:
            return _bad_request("error parsing request. %s" % problem)
        if not fields["code"]:
            return _bad_request("code is required")
        if fields["timeout_seconds"] < 0:
            return _bad_request("timeout_seconds must not be negative")
        session.touch()
        stream = EventStream(request, self._sandbox.hooks)
        problem = session.shell.run(
            stream, fields["code"], fields["envs"], fields["timeout_seconds"])
        session.touch()
        if problem:
            code = problem.removeprefix("command exited with code ")
            name = "RuntimeError" if code == problem else "ExitError"
            failure = {"ename": name, "evalue": code, "traceback": None}
            stream.event("error", problem, error=failure)
        else:
            stream.event("execution_complete")
        return stream.end()

    def close(self):
        """Ends every session."""
        for session_id in list(self._known):
            self._close(session_id)

    def _environment(self, fields):
        """The sandbox's variables without those that the session may not see."""
        env = self._sandbox.processes.env
        spec = fields["env_passthrough"]
        if spec and spec["mode"] == "allow":
            kept = set(spec["keys"] or ()) | {"PATH", "HOME", "TMPDIR"}
            return {name: value for name, value in env.items() if name in kept}
        hidden = tuple(spec["keys"] or ()) if spec else ()
        if fields["profile"] in ("", "strict"):
            hidden += _HIDDEN_FROM_STRICT
        return {
            name: value for name, value in env.items()
            if not any(fnmatch.fnmatchcase(name.upper(), glob.upper()) for glob in hidden)
        }

    def _close(self, session_id):
        with self._lock:
            session = self._known.pop(session_id, None)
        if session is None:
            return
        session.stop_timer()
        session.shell.close()

    def _available(self, handler):
        def checked(request):
            if self._sandbox.hooks.no_isolation:
                return error(503, "NOT_SUPPORTED", "isolation is not available")
            return handler(request)

        return checked

    def _with_session(self, handler):
        def found(request):
            session = self._known.get(request.params["session"])
            if session is None:
                message = "session %s not found" % request.params["session"]
                return error(404, "CONTEXT_NOT_FOUND", message)
            return handler(request, session)

        return self._available(found)

    @staticmethod
    def _on_files(handler):
        def checked(request, session):
            if session.fields["workspace"]["mode"] == "ro" and request.method != "GET":
                return error(403, "NOT_SUPPORTED", "the workspace is read-only")
            return handler(request)

        return checked


def _invalid(fields):
    spec = fields["env_passthrough"] or {"mode": ""}
    choices = (
        ("profile", fields["profile"], ("", "strict", "balanced")),
        ("workspace.mode", fields["workspace"]["mode"], ("", "rw", "overlay", "ro")),
        ("env_passthrough.mode", spec["mode"], ("", "allow", "deny")),
        ("uid_mode", fields["uid_mode"], ("", "setpriv", "userns")),
    )
    for name, value, allowed in choices:
        if value not in allowed:
            return '%s "%s" is not supported' % (name, value)
    if not fields["workspace"]["path"]:
        return "workspace.path is required"
    if fields["gid"] is not None and fields["uid"] is None:
        return "uid is required when gid is provided"
    if (fields["idle_timeout_seconds"] or 0) < 0:
        return "idle_timeout_seconds must not be negative"
    return None


def _bad_request(message):
    return error(400, "INVALID_REQUEST_BODY", message)
