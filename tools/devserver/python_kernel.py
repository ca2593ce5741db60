"""Runs Python cells for `kernels.py`, in a process of its own with one lasting namespace.

Requests come as JSON lines on one descriptor (`{"code": ...}`), events go out as JSON lines on
another: `{"stream", "text"}`, `{"result", "count"}`, `{"error"}` and at the end `{"done"}`.
Whatever reaches descriptors 1 and 2, be it of a child process, is output too.
"""

import ast
import base64
import builtins
import json
import os
import signal
import sys
import threading
import time
import traceback

_FLUSH_SECONDS = 0.05
_CELL = "<cell>"


class Events:
    """Writes events; threads may do so at the same time."""

    def __init__(self, descriptor):
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")
        self._lock = threading.Lock()

    def send(self, **event):
        with self._lock:
            self._file.write(json.dumps(event) + "\n")
            self._file.flush()


class Stream:
    """Stands in for sys.stdout or sys.stderr; gathers text for a moment before it is sent."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, name, events):
        self._name = name
        self._events = events
        self._parts = []
        self._lock = threading.Lock()

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not " + type(text).__name__)
        with self._lock:
            self._parts.append(text)
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        with self._lock:
            text, self._parts = "".join(self._parts), []
            if text:
                self._events.send(stream=self._name, text=text)

    def isatty(self):
        return False

    def fileno(self):
        return {"stdout": 1, "stderr": 2}[self._name]


class Kernel:
    def __init__(self, requests, events):
        self._requests = os.fdopen(requests, "r", encoding="utf-8")
        self._events = events
        self._count = 0
        self._namespace = {"__name__": "__main__", "__builtins__": builtins}
        self._streams = [Stream("stdout", events), Stream("stderr", events)]
        sys.stdout, sys.stderr = self._streams
        self._pipes = [_redirect(number, stream) for number, stream in enumerate(self._streams, 1)]
        threading.Thread(target=self._flush_now_and_then, daemon=True).start()

    def serve(self):
        while True:
            try:
                line = self._requests.readline()
            except KeyboardInterrupt:
                continue  # nothing was running
            if not line:
                return
            self._run(json.loads(line)["code"])
            try:
                self._finish()
            except KeyboardInterrupt:
                self._finish()

    def _run(self, code):
        self._count += 1
        try:
            value = self._execute(code)
            if value is not None:
                self._namespace["_"] = value
                self._flush()
                self._events.send(result=_represent(value), count=self._count)
        except BaseException as problem:
            self._flush()
            self._events.send(error=_describe(problem))

    def _execute(self, code):
        """Runs all statements; the value of the last one if it is an expression."""
        tree = ast.parse(code, _CELL)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = ast.Expression(tree.body.pop().value)
        exec(compile(tree, _CELL, "exec"), self._namespace)
        return last and eval(compile(last, _CELL, "eval"), self._namespace)

    def _finish(self):
        for pipe in self._pipes:
            pipe.drain()
        self._flush()
        self._events.send(done=True)

    def _flush(self):
        for stream in self._streams:
            stream.flush()

    def _flush_now_and_then(self):
        while True:
            time.sleep(_FLUSH_SECONDS)
            self._flush()


class _redirect:
    """Sends what is written to a descriptor to a stream."""

    def __init__(self, number, stream):
        self._stream = stream
        self._read_end, write_end = os.pipe()
        self._number = number
        self._drained = threading.Event()
        self._mark = b"\0%d\0" % id(self)
        os.dup2(write_end, number)
        os.close(write_end)
        threading.Thread(target=self._copy, daemon=True).start()

    def drain(self):
        """Waits until everything written so far has reached the stream."""
        self._drained.clear()
        os.write(self._number, self._mark)
        self._drained.wait(1)

    def _copy(self):
        rest = b""
        while True:
            rest += os.read(self._read_end, 65536)
            text, found, after = rest.partition(self._mark)
            rest = after if found else b""
            self._stream.write(text.decode("utf-8", "replace"))
            if found:
                self._drained.set()


def _represent(value):
    """MIME type -> text, as far as the value knows how to show itself."""
    shown = {"text/plain": repr(value)}
    for method, kind in (("_repr_html_", "text/html"), ("_repr_json_", "application/json"),
                         ("_repr_svg_", "image/svg+xml"), ("_repr_markdown_", "text/markdown"),
                         ("_repr_png_", "image/png")):
        try:
            other = getattr(value, method)() if not isinstance(value, type) else None
        except Exception:
            other = None
        if isinstance(other, bytes):
            other = base64.b64encode(other).decode("ascii")
        if other is not None:
            shown[kind] = other
    return shown


def _describe(problem):
    lines = traceback.format_exception(type(problem), problem, problem.__traceback__)
    # The first lines tell about this file, which is no news to the author of the cell.
    shown = [line.rstrip("\n") for line in lines if __file__ not in line]
    return {"ename": type(problem).__name__, "evalue": str(problem), "traceback": shown}


def main():
    requests, events = (int(argument) for argument in sys.argv[1:3])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [""]
    sys.path[0] = ""
    Kernel(requests, Events(events)).serve()


if __name__ == "__main__":
    main()
