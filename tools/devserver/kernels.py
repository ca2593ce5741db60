"""Languages that keep state from one piece of code to the next: a process for each context."""

import json
import os
import select
import shutil
import signal
import sys
import tempfile

_PYTHON_KERNEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python_kernel.py")


class KernelDied(Exception):
    """The process ended while it was running code."""


class PythonKernel:
    """Cells run by `python_kernel.py` under the Python that is found first."""

    def __init__(self, processes, temporary, cwd):
        request_read, self._requests = os.pipe()
        self._events, event_write = os.pipe()
        python = shutil.which("python3") or sys.executable
        ends = (request_read, event_write)
        try:
            self._process = processes.start(
                [python, _PYTHON_KERNEL, *map(str, ends)], cwd=cwd, pass_fds=ends,
            )
        finally:
            for end in ends:
                os.close(end)
        self._rest = b""

    def run(self, code, report, tick):
        """Runs a cell. `report` gets each event, `tick` is called while there is none."""
        os.write(self._requests, json.dumps({"code": code}).encode() + b"\n")
        while True:
            event = self._next_event(tick)
            if "done" in event:
                return
            report(event)

    def interrupt(self):
        os.kill(self._process.pid, signal.SIGINT)

    def kill(self):
        self._process.signal_group(signal.SIGKILL)
        self._process.done.wait(5)

    def close(self):
        for end in (self._requests, self._events):
            os.close(end)

    def _next_event(self, tick):
        while b"\n" not in self._rest:
            data = _read(self._events, tick)
            if not data:
                raise KernelDied()
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)


class BashKernel:
    """One lasting bash. It is interactive, so that an interrupt ends the code and not the bash."""

    def __init__(self, processes, temporary, cwd):
        self._temporary = temporary
        self._output, output_write = os.pipe()
        self._status, status_write = os.pipe()
        commands_read, self._commands = os.pipe()
        ends = (output_write, status_write, commands_read)
        try:
            self._process = processes.start(
                ["bash", "--noprofile", "--norc", "--noediting", "+m", "-i"],
                executable=shutil.which("bash"),
                env={"PS1": "", "PS2": "", "PROMPT_COMMAND": "", "HISTFILE": ""}, cwd=cwd,
                stdin=commands_read, stdout=output_write, stderr=output_write,
                pass_fds=[status_write],
            )
        finally:
            for end in ends:
                os.close(end)
        self._status_number = status_write
        # It complains about the missing terminal when it starts.
        self.run(":", lambda event: None, lambda: None)

    def run(self, code, report, tick):
        handle, script = tempfile.mkstemp(".sh", "execd_cell_", self._temporary)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(code)
        order = ". %s </dev/null\nprintf '%%s\\n' $? >&%d\n" % (script, self._status_number)
        os.write(self._commands, order.encode())
        try:
            self._follow(report, tick)
        finally:
            os.remove(script)

    def interrupt(self):
        self._process.signal_group(signal.SIGINT)

    def kill(self):
        self._process.signal_group(signal.SIGKILL)
        self._process.done.wait(5)

    def close(self):
        for end in (self._output, self._status, self._commands):
            os.close(end)

    def _follow(self, report, tick):
        while not select.select([self._status], [], [], 0)[0]:
            self._pass_on(_read(self._output, tick, self._status), report)
        # All output of the code was written before its status.
        while select.select([self._output], [], [], 0)[0]:
            data = os.read(self._output, 65536)
            if not data:
                break
            self._pass_on(data, report)
        status = os.read(self._status, 64).strip().decode()
        if not status:
            raise KernelDied()
        if status != "0":
            report({"error": {"ename": "", "evalue": status, "traceback": []}})

    @staticmethod
    def _pass_on(data, report):
        if data:
            report({"stream": "stdout", "text": data.decode("utf-8", "replace")})


def _read(descriptor, tick, other=None):
    """Waits for bytes; returns none when `other` is ready instead."""
    watched = [descriptor] if other is None else [descriptor, other]
    while True:
        ready = select.select(watched, [], [], 0.05)[0]
        tick()
        if descriptor in ready:
            return os.read(descriptor, 65536)
        if ready:
            return b""


KERNELS = {"python": PythonKernel, "bash": BashKernel}
