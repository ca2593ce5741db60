"""execd's code contexts. Python and bash run for real; for other languages there is no kernel."""

import threading
import time
import uuid

from . import gojson, paths
from .eventstream import EventStream
from .httpd import Response
from .kernels import KERNELS, KernelDied
from .replies import error, json_reply

_CONTEXT = gojson.Struct("CodeContextRequest", language="string", cwd="string")
_RUN_CONTEXT = gojson.Struct("CodeContext", id="string").embed(
    "CodeContextRequest", language="string", cwd="string"
)
_RUN = gojson.Struct("RunCodeRequest", context=_RUN_CONTEXT, code="string")

# Those that execd knows, whether or not their kernels are installed.
_LANGUAGES = {"bash", "python", "java", "javascript", "typescript", "go"}
_NO_CONTEXTS = {"command", "background-command", "sql"}


class Context:
    def __init__(self, language, kernel):
        self.id = str(uuid.uuid4())
        self.language = language
        self.kernel = kernel
        self.busy = threading.RLock()

    def describe(self):
        return {"id": self.id, "language": self.language}


class Contexts:
    """The code contexts of one sandbox."""

    def __init__(self, sandbox, commands):
        self._sandbox = sandbox
        self._commands = commands
        self._known = {}
        self._defaults = {}
        self._lock = threading.Lock()
        self.routes = [
            ("POST", "/code", self.run),
            ("POST", "/code/context", self.create),
            ("GET", "/code/contexts", self.list),
            ("DELETE", "/code/contexts", self.delete_language),
            ("GET", "/code/contexts/{id}", self.get),
            ("DELETE", "/code/contexts/{id}", self.delete),
        ]

    def create(self, request):
        try:
            fields = _CONTEXT.decode(request.body.read_all())
        except gojson.DecodeError as problem:
            return _bad_body(problem)
        if fields["language"] not in _LANGUAGES:
            # execd tries again and again, for longer than anybody waits.
            while not request.connection.peer_has_left() and not self._sandbox.ended:
                time.sleep(0.05)
            return request.connection.drop()
        try:
            context = self._make(fields["language"], fields["cwd"])
        except (KeyError, paths.ExpandError, OSError) as problem:
            reason = str(problem)
            if isinstance(problem, KeyError):
                reason = "no kernel specs found"
            return error(500, "RUNTIME_ERROR", "error creating code context. " + reason)
        wanted = {"id": context.id, **fields}
        return json_reply({name: value for name, value in wanted.items() if value})

    def get(self, request):
        context = self._known.get(request.params["id"])
        if context is None:
            return _not_found(request.params["id"])
        return json_reply(context.describe())

    def list(self, request):
        language = request.query("language", "")
        if language in _NO_CONTEXTS:
            message = "unsupported language context operation: " + language
            return error(500, "RUNTIME_ERROR", message)
        return json_reply([
            context.describe() for context in self._all()
            if not language or context.language == language
        ])

    def delete(self, request):
        if not self._close(request.params["id"]):
            return _not_found(request.params["id"])
        return Response(200)

    def delete_language(self, request):
        language = request.query("language", "")
        if not language:
            return error(400, "MISSING_QUERY", "missing query parameter 'language'")
        for context in self._all():
            if context.language == language:
                self._close(context.id)
        return Response(200)

    def run(self, request):
        try:
            fields = _RUN.decode(request.body.read_all())
        except gojson.DecodeError as problem:
            return _bad_body(problem)
        if not fields["code"]:
            return error(400, "INVALID_REQUEST_BODY",
                         "invalid request, validation error Key: 'RunCodeRequest.Code' "
                         "Error:Field validation for 'Code' failed on the 'required' tag")
        language = fields["context"]["language"]
        stream = EventStream(request, self._sandbox.hooks)
        if not language:
            # Even with the id of a context: what has no language is a command.
            return self._commands.run_code(stream, fields["code"])
        try:
            context = self._choose(fields["context"]["id"], language)
        except LookupError as problem:
            return _failed(stream, problem.args[0])
        return self._run_in(stream, context, fields["code"])

    def close(self):
        """Ends every kernel."""
        for context in self._all():
            self._close(context.id)

    def interrupt(self, context_id):
        """Whether there is such a context; what runs in it gets an interrupt."""
        context = self._known.get(context_id)
        if context is not None:
            context.kernel.interrupt()
        return context is not None

    def _run_in(self, stream, context, code):
        stream.init(context.id)
        if not context.busy.acquire(blocking=False):
            return _failed(stream, "session is busy")
        events = _Events(stream)
        try:
            if context.id not in self._known:  # closed since it was chosen
                raise KernelDied()
            context.kernel.run(code, events.report, stream.tick)
        except (KernelDied, OSError):
            self._close(context.id)
            return _failed(stream, "the kernel died")
        finally:
            context.busy.release()
        events.complete()
        return stream.end()

    def _choose(self, context_id, language):
        if language == "sql":
            raise LookupError("there is no database")
        if language not in _LANGUAGES:
            raise LookupError("unknown language: " + language)
        if not context_id:
            return self._default(language)
        if context_id not in self._known:
            raise LookupError("context not found")
        return self._known[context_id]

    def _default(self, language):
        """The context of code that names none; it is made when first needed."""
        if language not in KERNELS:
            raise LookupError("no kernel specs found")
        if self._defaults.get(language) not in self._known:
            self._defaults[language] = self._make(language, "").id
        return self._known[self._defaults[language]]

    def _make(self, language, cwd):
        env = self._sandbox.processes.env
        path = paths.absolute(paths.expand(cwd, env), env)
        paths.make_dirs(path)
        kernel = KERNELS[language](self._sandbox.processes, self._sandbox.temporary, path)
        context = Context(language, kernel)
        with self._lock:
            self._known[context.id] = context
        return context

    def _all(self):
        with self._lock:
            return list(self._known.values())

    def _close(self, context_id):
        with self._lock:
            context = self._known.pop(context_id, None)
        if context is not None:
            context.kernel.kill()
            with context.busy:  # who runs code in it has noticed
                context.kernel.close()
        return context is not None


class _Events:
    """What a kernel reports, as events. As upstream's, `execution_complete` does not come last: it
    overtakes the result or the error, so that only the stream's end is the end."""

    def __init__(self, stream):
        self._stream = stream
        self._started = time.monotonic()
        self._completed = False

    def report(self, event):
        if "stream" in event:
            self._stream.event(event["stream"], text=event["text"])
            return
        self.complete()
        if "result" in event:
            results = dict(event["result"])
            if "text/plain" in results:
                results["text"] = results.pop("text/plain")
            self._stream.event("execution_count", execution_count=event["count"])
            self._stream.event("result", results=dict(sorted(results.items())))
        else:
            self._stream.event("status", text="error")
            self._stream.event("error", error=event["error"])

    def complete(self):
        if not self._completed:
            elapsed = int((time.monotonic() - self._started) * 1000)
            self._stream.event("execution_complete", execution_time=elapsed)
        self._completed = True


def _failed(stream, reason):
    return stream.fail(500, "RUNTIME_ERROR", "error running codes " + reason)


def _not_found(context_id):
    return error(404, "CONTEXT_NOT_FOUND", "context %s not found" % context_id)


def _bad_body(problem):
    message = "error parsing request, MAYBE invalid body format. %s" % problem
    return error(400, "INVALID_REQUEST_BODY", message)
