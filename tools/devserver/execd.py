"""One sandbox's execd: token check, reverse proxy to other ports, and the routing table."""

import re
from html import escape
from urllib.parse import parse_qsl, quote

from . import egress
from .commands import Commands
from .contexts import Contexts
from .files import Files
from .hooks import unauthorized
from .httpd import Response, text_response
from .isolated import Isolated
from .metrics import Metrics
from .proxy import Unreachable, forward
from .routing import Router
from .sessions import Sessions
from .terminals import Terminals

TOKEN_HEADER = "X-EXECD-ACCESS-TOKEN"
PORT = 44772

# Up to this size Go learns the length of an answer in time; larger ones go out in chunks.
_GO_BUFFER = 2048

_FORWARDED = {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Execd:
    """The request handler of one sandbox's execd.

    `prefix` is a path that the endpoint carries in front of every execd path.
    """

    def __init__(self, sandbox, token, prefix=""):
        self._sandbox = sandbox
        self._token = token
        self._prefix = prefix
        self.commands = Commands(sandbox)
        routes = [("GET", "/ping", lambda request: Response(200))]
        self.sessions = Sessions(sandbox)
        self.contexts = Contexts(sandbox, self.commands)
        files = Files(sandbox)
        self.isolated = Isolated(sandbox, files)
        groups = (
            self.commands, self.sessions, self.contexts, files, self.isolated, Metrics(sandbox),
            Terminals(sandbox),
        )
        self._router = Router(routes + [route for group in groups for route in group.routes])

    def __call__(self, request):
        request.query_pairs = _go_query(request.query_string)
        # A paused container neither reads nor answers.
        self._sandbox.wait_while_paused()
        replaced = self._sandbox.hooks.execd_answer(request)
        if replaced is not None:
            return replaced
        if self._token and request.headers.get(TOKEN_HEADER) != self._token:
            return unauthorized()
        if self._prefix:
            if not (request.path + "/").startswith(self._prefix + "/"):
                return _not_found()
            request.path = request.path[len(self._prefix):] or "/"
        if request.path.startswith("/proxy/"):
            return self._proxy(request)
        return self._route(request)

    def close(self):
        """Lets go of what is not a process or a file."""
        self.contexts.close()
        self.isolated.close()

    def interrupt(self, wanted):
        """Stops what has this id, a context, command or session; what went wrong, or None."""
        if self.contexts.interrupt(wanted):
            return None
        if self.commands.get(wanted):
            return self.commands.stop(wanted)
        return None if self.sessions.close(wanted) else "no such session"

    def _route(self, request):
        handler, found = self._router.find(request.method, request.path)
        if handler is not None:
            request.params = found
            response = handler(request)
            if response is not None:
                response.chunked = len(response.body) > _GO_BUFFER
            return response
        return self._redirect_without_slash(request) or _not_found()

    def _redirect_without_slash(self, request):
        if not request.path.endswith("/") or request.path == "/":
            return None
        path = request.path.rstrip("/")
        if self._router.find(request.method, path)[0] is None:
            return None
        status = 301 if request.method == "GET" else 307
        location = path + ("?" + request.query_string if request.query_string else "")
        if status == 307:
            return Response(status, b"", [("Location", location)])
        link = '<a href="%s">Moved Permanently</a>.\n\n' % escape(location)
        content_type = ("Content-Type", "text/html; charset=utf-8")
        return Response(status, link.encode(), [content_type, ("Location", location)])

    def _proxy(self, request):
        """`/proxy/PORT/PATH` reaches PATH on that loopback port."""
        port, _, path = request.path[len("/proxy/"):].partition("/")
        if not port:
            return _proxy_error(400, "port is required")
        if not port.isdigit() or not 0 < int(port) < 65536:
            return _proxy_error(502, "Bad Gateway")
        own = self._prefix if int(port) == PORT else ""
        target = encode_path(own + "/" + path)
        if request.query_string:
            target += "?" + request.query_string
        extra = [("X-Forwarded-For", _forwarded_for(request)), ("X-Forwarded-Proto", "http")]
        if self._sandbox.hooks.inside and int(port) == egress.PORT:
            extra.append((egress.INSIDE_HEADER, self._sandbox.hooks.inside))
        try:
            return forward(request, self._sandbox.host_port(int(port)), target, _FORWARDED, extra,
                           hide_cuts=True)
        except Unreachable:
            return _proxy_error(502, "Bad Gateway")


def _forwarded_for(request):
    """The first address that was named, or the client's with its port; and the client's again."""
    client = request.connection.peer
    named = request.headers.get("X-Forwarded-For") or request.headers.get("X-Real-IP")
    first = named.split(",")[0] if named else "%s:%d" % client[:2]
    return "%s, %s" % (first, client[0])


def _proxy_error(status, text):
    return text_response(status, text + "\n", [("X-Content-Type-Options", "nosniff")])


def _go_query(text):
    """Go drops a pair with a bad escape or a semicolon; others stay."""
    good = [pair for pair in text.split("&") if ";" not in pair and not _BAD_ESCAPE.search(pair)]
    return parse_qsl("&".join(good), keep_blank_values=True, errors="surrogateescape")


def _not_found():
    return Response(404, b"404 page not found", [("Content-Type", "text/plain")])


def encode_path(path):
    return quote(path, safe="/:@$&+,;=~-._")
