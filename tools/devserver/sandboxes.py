"""The sandboxes and their states."""

import collections
import os
import secrets
import shutil
import threading
import uuid
from datetime import timedelta

from . import egress
from .execd import PORT as EXECD_PORT
from .execd import Execd
from .processes import ProcessTable
from .snapshots import copy_tree
from .times import utc_now
from .tls import listen

_STATUS = {
    "Pending": ("CONTAINER_STARTING", "Sandbox container is starting."),
    "Running": ("CONTAINER_RUNNING", "Sandbox container is running."),
    "Pausing": ("CONTAINER_PAUSING", "Sandbox container is being paused."),
    "Paused": ("CONTAINER_PAUSED", "Sandbox container is paused."),
    "Resuming": ("CONTAINER_RESUMING", "Sandbox container is being resumed."),
    "Failed": ("CONTAINER_EXITED_ERROR", "Sandbox container exited with code 1."),
}


class Settings:
    """What the command line decides for every sandbox."""

    def __init__(self, scratch, host="127.0.0.1", execd_tokens=True, endpoint_prefix="",
                 linger_seconds=1.0, log=lambda line: None, tls=None):
        self.scratch = scratch
        self.host = host
        self.execd_tokens = execd_tokens
        self.endpoint_prefix = endpoint_prefix
        self.linger_seconds = linger_seconds
        self.log = log
        self.tls = tls  # an SSLContext: every port speaks TLS

    @property
    def scheme(self):
        return "http" if self.tls is None else "https"


class Sandbox:
    """One sandbox: a scratch directory, the processes in it, and an execd on a port of its own."""

    def __init__(self, fields, hooks, settings, on_end, contents=None):
        self.id = str(uuid.uuid4())
        self.scheme = settings.scheme
        self.fields = fields
        self.hooks = hooks
        self.metadata = dict(fields.get("metadata") or {})
        self.created_at = utc_now()
        self.expires_at = self._first_expiry()
        self.secure_token = secrets.token_urlsafe(24) if fields.get("secureAccess") else ""
        self.execd_token = secrets.token_urlsafe(24) if settings.execd_tokens else ""
        self._on_end = on_end
        self._lock = threading.RLock()
        self._timers = {}
        self._awake = threading.Event()
        self._awake.set()
        self.ended = False
        self.state = None
        # (time, text), for the diagnostics.
        self.events = collections.deque(maxlen=1000)
        self.log_lines = collections.deque(maxlen=10000)
        self._set_state("Pending" if hooks.starts_pending else "Running")
        self._make_home(settings.scratch)
        if contents:
            copy_tree(contents, self.home)
        env = {k: v for k, v in (fields.get("env") or {}).items() if v is not None}
        mark = "%s/%s" % (settings.scratch.name, self.id)
        self.processes = ProcessTable(mark, self.home, self.temporary, env)
        self.execd = Execd(self, self.execd_token, settings.endpoint_prefix)
        self.egress_token = secrets.token_urlsafe(24) if fields["networkPolicy"] else ""
        self._servers = {
            port: listen(settings.host, 0, app, settings.log, settings.tls)
            for port, app in self._apps().items()
        }
        self._schedule_beginnings()

    @property
    def manual_cleanup(self):
        return self.fields.get("timeout") is None

    def status(self):
        return {
            "state": self.state, "reason": self.reason, "message": self.message,
            "lastTransitionAt": self.changed_at,
        }

    def log(self, text):
        self.log_lines.append((utc_now(), "ran: " + text))

    def host_port(self, port):
        """The loopback port at which the sandbox's `port` is really served, without TLS."""
        server = self._servers.get(port)
        return server.plain_port if server else port

    def public_port(self, port):
        """The port for clients, which speaks TLS if the server does."""
        server = self._servers.get(port)
        return server.port if server else port

    def interrupt(self, wanted):
        return self.execd.interrupt(wanted)

    def wait_while_paused(self):
        self._awake.wait()

    def pause(self):
        self._transit("Pausing", "Paused", self._freeze)

    def resume(self):
        self._transit("Resuming", "Running", self._thaw)

    def renew(self, expires_at):
        with self._lock:
            self.expires_at = expires_at
            self._schedule("expiry", (expires_at - utc_now()).total_seconds(), self.end)

    def end(self):
        """Kills everything, closes the ports and removes the scratch directory."""
        with self._lock:
            if self.ended:
                return
            self.ended = True
            for timer in self._timers.values():
                timer.cancel()
        self._on_end(self)
        for server in self._servers.values():
            server.close()
        self.processes.kill_all()
        self._awake.set()
        self.execd.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _apps(self):
        """Port -> request handler. There is an egress sidecar only where there is a policy."""
        apps = {EXECD_PORT: self.execd}
        if self.egress_token:
            transparent = bool((self.fields["credentialProxy"] or {}).get("enabled"))
            apps[egress.PORT] = egress.Egress(
                self, self.egress_token, self.fields["networkPolicy"], transparent)
        return apps

    def _first_expiry(self):
        if self.hooks.expire_ms is not None:
            return self.created_at + timedelta(milliseconds=self.hooks.expire_ms)
        timeout = self.fields.get("timeout")
        return None if timeout is None else self.created_at + timedelta(seconds=timeout)

    def _make_home(self, scratch):
        self._scratch = scratch.make(self.id)
        self.home = os.path.join(self._scratch, "home")
        self.temporary = os.path.join(self._scratch, "tmp")
        for path in (self.home, self.temporary):
            os.mkdir(path)
            os.chmod(path, 0o1777)

    def _schedule_beginnings(self):
        with self._lock:
            if self.expires_at is not None:
                self.renew(self.expires_at)
            if self.hooks.failure is not None:
                self._schedule("state", self.hooks.pending_seconds, self._fail)
            elif self.hooks.pending_seconds and not self.hooks.never_ready:
                self._schedule("state", self.hooks.pending_seconds, self._set_state, "Running")

    def _schedule(self, name, seconds, function, *args):
        if name in self._timers:
            self._timers[name].cancel()
        # Some centuries are the most that a timer takes.
        delay = min(max(0, seconds), threading.TIMEOUT_MAX)
        timer = threading.Timer(delay, function, args)
        timer.daemon = True
        self._timers[name] = timer
        timer.start()

    def _set_state(self, state, message=None):
        with self._lock:
            self.state = state
            self.reason, standard = _STATUS[state]
            self.message = message or standard
            self.changed_at = utc_now()
            self.events.append((self.changed_at, "%s: %s" % (state, self.message)))

    def _fail(self):
        self._set_state("Failed", self.hooks.failure)

    def _transit(self, meanwhile, target, work):
        """Changes state at once, or after a while when the hook asks for it."""
        if not self.hooks.transition_seconds:
            work()
            self._set_state(target)
            return

        def finish():
            work()
            self._set_state(target)

        self._set_state(meanwhile)
        with self._lock:
            self._schedule("state", self.hooks.transition_seconds, finish)

    def _freeze(self):
        self._awake.clear()
        self.processes.stop()

    def _thaw(self):
        self.processes.resume()
        self._awake.set()


class Sandboxes:
    """All sandboxes, by id."""

    def __init__(self, settings):
        self.settings = settings
        self._lock = threading.Lock()
        self._by_id = {}
        self._closed = False

    def create(self, fields, hooks, contents=None):
        """`contents` is a directory to start with."""
        sandbox = Sandbox(fields, hooks, self.settings, self._forget, contents)
        with self._lock:
            self._by_id[sandbox.id] = sandbox
            too_late = self._closed
        if too_late:
            sandbox.end()
        return sandbox

    def get(self, sandbox_id):
        with self._lock:
            return self._by_id.get(sandbox_id)

    def newest_first(self):
        with self._lock:
            return sorted(self._by_id.values(), key=lambda each: each.created_at, reverse=True)

    def end_all(self):
        with self._lock:
            self._closed = True
        for sandbox in self.newest_first():
            sandbox.end()

    def _forget(self, sandbox):
        with self._lock:
            self._by_id.pop(sandbox.id, None)
