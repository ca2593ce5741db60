"""Processes of one sandbox: starting them, waiting for them, stopping all of them.

Every process gets an environment variable that names its sandbox. Children inherit it, so that a
process which left its group (a daemon, a job of a shell) is still found when the sandbox ends.
"""

import errno
import os
import pwd
import shutil
import signal
import subprocess
import threading
import time

MARK = "OPENSANDBOX_DEVSERVER_SANDBOX"
_INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")

def shell():
    return shutil.which("bash") or shutil.which("sh") or "/bin/sh"


def _signal_name(number):
    """Go has the system's words, with a small letter at the start."""
    if number >= signal.SIGRTMIN - 2:
        return "signal %d" % number
    name = signal.strsignal(number)
    return name if name[1].isupper() or name[1] == "/" else name[0].lower() + name[1:]


class Exit:
    """How a process ended, in the words of Go's os/exec."""

    def __init__(self, wait_status):
        if os.WIFSIGNALED(wait_status):
            number = os.WTERMSIG(wait_status)
            self.code = -1
            self.text = "signal: " + _signal_name(number)
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

    def kill_group(self):
        self.signal_group(signal.SIGKILL)

    def kill(self):
        """Kills the leader alone."""
        if not self.done.is_set():
            os.kill(self.pid, signal.SIGKILL)

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

    def __init__(self, mark, home, temporary, env):
        """`mark` names the sandbox and begins with the name of its server."""
        self._mark = mark
        self._lock = threading.Lock()
        self._running = set()
        self._closed = False
        self.home = home
        self.env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self.env.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
        self.env.update(HOME=home, TMPDIR=temporary)
        self.env.update(env)
        self.env[MARK] = mark

    def start(self, argv, env=None, base_env=None, cwd=None, uid=None, gid=None, **streams):
        """Starts `argv` in a new process group; raises OSError when that fails.

        `env` is added to `base_env`, which is the sandbox's own unless given.
        """
        base = {**(self.env if base_env is None else base_env), MARK: self.env[MARK]}
        options = dict(streams, env={**base, **_splittable(env or {})}, cwd=cwd or self.home)
        if uid is not None:
            options.update(_credentials(uid, gid))
        with self._lock:
            if self._closed:
                raise OSError("the sandbox is gone")
            try:
                popen = subprocess.Popen(argv, start_new_session=True, **options)
            except ValueError:
                # A NUL in an argument; the kernel would say it like this.
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None
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
        for pid in marked(self._mark):
            try:
                os.kill(pid, number)
                found += 1
            except OSError:
                pass
        return found


def marked(prefix):
    """Living processes whose mark begins like this, where the system shows them (Linux)."""
    wanted = ("%s=%s" % (MARK, prefix)).encode()
    if not os.path.isdir("/proc/self"):
        return
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/environ" % name, "rb") as environ:
                if any(item.startswith(wanted) for item in environ.read().split(b"\0")):
                    yield int(name)
        except OSError:
            continue


def _splittable(env):
    """Names and values as they come out when joined by `=` and split at the first one again."""
    joined = ("%s=%s" % item for item in env.items())
    if any("\0" in text for text in env.values()) or any("\0" in name for name in env):
        raise OSError("exec: environment variable contains NUL")
    pairs = (text.partition("=") for text in joined)
    return {name: value for name, _, value in pairs if name}


def _credentials(uid, gid):
    """Group defaults as execd takes them: the user's own, or 0 when nobody has that uid."""
    if 2**32 - 1 in (uid, gid):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return {"user": uid, "group": gid or 0, "extra_groups": []}
    group = user.pw_gid if gid is None else gid
    return {
        "user": uid, "group": group, "extra_groups": os.getgrouplist(user.pw_name, user.pw_gid)
    }
