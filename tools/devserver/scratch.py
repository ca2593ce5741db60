"""Scratch directories, and the removal of what a killed server left behind.

Each server has one directory and holds a lock in it for as long as it lives. The next server that
starts finds directories whose lock is free: it kills the processes that belong to them (they are
marked, see `processes.py`) and removes them.
"""

import fcntl
import os
import shutil
import signal
import tempfile

from .processes import marked

_PREFIX = "opensandbox-devserver-"


class Scratch:
    def __init__(self):
        # It gets its name when it is locked, so that nobody takes it for a leftover before.
        unnamed = tempfile.mkdtemp(prefix="new-" + _PREFIX)
        self._lock = _try_lock(unnamed)
        self.name = os.path.basename(unnamed)[len("new-"):]
        self.path = os.path.join(os.path.dirname(unnamed), self.name)
        os.rename(unnamed, self.path)
        # Commands may run under another uid; the random name keeps others out well enough here.
        os.chmod(self.path, 0o755)

    def make(self, name):
        path = os.path.join(self.path, name)
        os.mkdir(path)
        return path

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def sweep():
    """Removes what servers left behind that could not clean up themselves."""
    for entry in os.scandir(tempfile.gettempdir()):
        if not entry.name.startswith(_PREFIX) or not os.path.exists(_lock_path(entry.path)):
            continue
        try:
            lock = _try_lock(entry.path)
        except OSError:
            continue  # in use, or somebody else's
        for pid in marked(entry.name + "/"):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(entry.path, ignore_errors=True)
        os.close(lock)


def _lock_path(directory):
    return os.path.join(directory, "lock")


def _try_lock(directory):
    lock = os.open(_lock_path(directory), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock
