"""The shell of an isolated session: one bash from the session's first run to its end.

As upstream's it reads the code of each run from a pipe, and behind it a line that marks the run's
end. So variables and the working directory stay, `exit` ends the session, and stderr comes as
stdout. A run with variables of its own is a subshell.
"""

import os
import select
import shlex
import shutil
import signal
import threading
import time
import uuid

from .eventstream import send_lines


class Shell:
    def __init__(self, processes, **wishes):
        """`wishes` as for ProcessTable.start; raises OSError."""
        code_read, self._code = os.pipe()
        self._output, output_write = os.pipe()
        self._lock = threading.Lock()
        try:
            self._process = processes.start(
                ["bash", "--noprofile", "--norc"], executable=shutil.which("bash"),
                stdin=code_read, stdout=output_write, stderr=output_write, **wishes,
            )
        except OSError:
            os.close(self._code)
            os.close(self._output)
            raise
        finally:
            os.close(code_read)
            os.close(output_write)

    def dead(self):
        return self._process.done.is_set()

    def close(self):
        """Kills the shell and what runs in it."""
        self._process.kill_group()
        with self._lock:
            self._process.done.wait()
            os.close(self._code)
            os.close(self._output)

    def run(self, stream, code, envs, seconds):
        """Streams the output of `code`; what became of it in upstream's words, "" if all is well.

        `seconds` is how long it may run, 0: as long as it takes.
        """
        with self._lock:
            if self.dead():
                return "session process has exited"
            mark = "__RUN_END_%s" % uuid.uuid4()
            script = _script(code, envs, mark).encode("utf-8", "surrogateescape")
            threading.Thread(target=self._write, args=(script,), daemon=True).start()
            return self._follow(stream, mark.encode(), seconds)

    def _write(self, script):
        try:
            while script:
                script = script[os.write(self._code, script):]
        except OSError:
            pass  # the shell has ended

    def _follow(self, stream, mark, seconds):
        deadline = time.monotonic() + seconds
        stopped = ""
        rest = b""
        while True:
            if not stopped:
                if seconds and time.monotonic() >= deadline:
                    stopped = "context deadline exceeded"
                elif stream.client_left():
                    stopped = "context canceled"
                if stopped:
                    self._process.signal_group(signal.SIGINT)
            ended = self.dead()
            data = b""
            if select.select([self._output], [], [], 0 if ended else 0.02)[0]:
                data = os.read(self._output, 1 << 20)
            elif not ended:
                continue
            lines, _, rest = (rest + data).rpartition(b"\n")
            before, found, after = lines.partition(mark)
            _send(stream, before if found else lines)
            if found:
                # Code that reads its stdin gets the line itself; upstream takes that for 0, too.
                word = after.split()[0]
                code = int(word) if word.isdigit() else 0
                return stopped or ("command exited with code %d" % code if code else "")
            if not data:
                _send(stream, rest)
                return stopped or "session process exited without end marker"


def _script(code, envs, mark):
    code = code if code.endswith("\n") else code + "\n"
    if envs:
        exports = ("export %s=%s\n" % (name, shlex.quote(value)) for name, value in envs.items())
        code = "(\n%s%s)\n" % ("".join(exports), code)
    return "%secho %s $?\n" % (code, mark)


def _send(stream, data):
    """One event for each line; blank ones are not sent."""
    kept = [line for line in data.split(b"\n") if line]
    if kept:
        send_lines(stream, "stdout", b"\n".join(kept))
