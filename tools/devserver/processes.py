"""Processes of one sandbox: starting them, waiting for them, stopping all of them.

Every process gets an environment variable that names its sandbox. Children inherit it, so that a
process which left its group (a daemon, a job of a shell) is still found when the sandbox ends.
"""

import os
import pwd
import shutil
import signal
import subprocess
import threading
import time

MARK = "OPENSANDBOX_DEVSERVER_SANDBOX"
_INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")

# What Go calls the signals; execd shows these words to the client.
_SIGNAL_NAMES = {
    signal.SIGHUP: "hangup", signal.SIGINT: "interrupt", signal.SIGQUIT: "quit",
    signal.SIGILL: "illegal instruction", signal.SIGTRAP: "trace/breakpoint trap",
    signal.SIGABRT: "aborted", signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception", signal.SIGKILL: "killed",
    signal.SIGUSR1: "user defined signal 1", signal.SIGSEGV: "segmentation fault",
    signal.SIGUSR2: "user defined signal 2", signal.SIGPIPE: "broken pipe",
    signal.SIGALRM: "alarm clock", signal.SIGTERM: "terminated",
}


def shell():
    return shutil.which("bash") or shutil.which("sh") or "/bin/sh"


class Exit:
    """How a process ended, in the words of Go's os/exec."""

    def __init__(self, wait_status):
        if os.WIFSIGNALED(wait_status):
            number = os.WTERMSIG(wait_status)
            self.code = -1
            self.text = "signal: " + _SIGNAL_NAMES.get(number, "signal %d" % number)
            if os.WCOREDUMP(wait_status):
                self.text += " (core dumped)"
        else:
            self.code = os.WEXITSTATUS(wait_status)
            self.text = "exit status %d" % self.code if self.code else ""


class Process:
    """A started process, leader of its own group; a thread reaps it."""

    def __init__(self, popen, on_exit):
        self.pid = popen.pid
        self.popen = popen
        self.exit = None
        self.done = threading.Event()
        self._on_exit = on_exit
        threading.Thread(target=self._wait, daemon=True).start()

    def signal_group(self, number):
        """False when no process of the group is left."""
        if self.done.is_set() and number:
            return False
        return signal_group(self.pid, number)

    def _wait(self):
        _, status = os.waitpid(self.pid, 0)
        self.exit = Exit(status)
        # Popen must not wait again for a number that may belong to another process by now.
        self.popen.returncode = self.exit.code
        self._on_exit(self)
        self.done.set()


def signal_group(group, number):
    try:
        os.killpg(group, number)
        return True
    except ProcessLookupError:
        return False
    except PermissionError:
        return True


class ProcessTable:
    """All processes of one sandbox."""

    def __init__(self, sandbox_id, home, temporary, env):
        self._mark = ("%s=%s" % (MARK, sandbox_id)).encode()
        self._lock = threading.Lock()
        self._running = set()
        self._closed = False
        self.home = home
        self.env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self.env.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
        self.env.update(HOME=home, TMPDIR=temporary)
        self.env.update(env)
        self.env[MARK] = sandbox_id

    def start(self, argv, env=None, cwd=None, uid=None, gid=None, **streams):
        """Starts `argv` in a new process group; raises OSError when that fails."""
        options = dict(streams, env={**self.env, **(env or {})}, cwd=cwd or self.home)
        if uid is not None:
            options.update(_credentials(uid, gid))
        with self._lock:
            if self._closed:
                raise OSError("the sandbox is gone")
            popen = subprocess.Popen(argv, start_new_session=True, **options)
            process = Process(popen, self._forget)
            self._running.add(process)
        return process

    def stop(self):
        self._signal_all(signal.SIGSTOP)

    def resume(self):
        self._signal_all(signal.SIGCONT)

    def kill_all(self):
        with self._lock:
            self._closed = True
        # A process may fork while we look at the list, hence more than one round.
        for _ in range(20):
            if not self._signal_all(signal.SIGKILL):
                return
            time.sleep(0.01)

    def _forget(self, process):
        with self._lock:
            self._running.discard(process)

    def _signal_all(self, number):
        with self._lock:
            groups = [process.pid for process in self._running]
        found = 0
        for group in groups:
            found += signal_group(group, number)
        for pid in self._marked():
            try:
                os.kill(pid, number)
                found += 1
            except OSError:
                pass
        return found

    def _marked(self):
        """Living processes that carry our mark, where the system shows them (Linux)."""
        if not os.path.isdir("/proc/self"):
            return
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open("/proc/%s/environ" % name, "rb") as environ:
                    if self._mark in environ.read().split(b"\0"):
                        yield int(name)
            except OSError:
                continue


def _credentials(uid, gid):
    """Group defaults as execd takes them: the user's own, or 0 when nobody has that uid."""
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return {"user": uid, "group": gid or 0, "extra_groups": []}
    group = user.pw_gid if gid is None else gid
    return {
        "user": uid, "group": group, "extra_groups": os.getgrouplist(user.pw_name, user.pw_gid)
    }
