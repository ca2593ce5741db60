"""A small threaded HTTP/1.1 server on plain sockets.

One thread accepts, one thread serves each connection. The standard library's `http.server` is not
used because the tests need what it hides: exact header bytes, chunked request bodies, streams that
are cut or stalled at a chosen byte, and connections that are dropped without an answer.
"""

import re
import socket
import struct
import threading
import traceback
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
IDLE_SECONDS = 60
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class BadRequest(Exception):
    """The bytes on the wire are no request that we understand; the connection ends."""

    def __init__(self, message, status=400):
        super().__init__(message)
        self.status = status


class Aborted(Exception):
    """The connection was dropped on purpose; nothing more may be written to it."""


class Headers:
    """Header fields in order; names compare without case."""

    def __init__(self, items=()):
        self.items = list(items)

    def get(self, name, default=None):
        name = name.lower()
        return next((v for k, v in self.items if k.lower() == name), default)

    def has_token(self, name, token):
        """Whether a comma-separated field contains `token`, as in `Connection: close`."""
        name, token = name.lower(), token.lower()
        fields = (v for k, v in self.items if k.lower() == name)
        return any(token == part.strip().lower() for field in fields for part in field.split(","))


class Response:
    """A complete answer. Its body is sent with an exact Content-Length, or as one chunk."""

    def __init__(self, status, body=b"", headers=()):
        self.status = status
        self.body = body
        self.headers = list(headers)
        self.chunked = False


class BodyReader:
    """Reads one request body, sent with Content-Length or in chunks, and never beyond its end."""

    def __init__(self, source, length, chunked, before_read):
        self._source = source
        self._left = 0 if chunked else length
        self._chunked = chunked
        self._done = not chunked and length == 0
        self._before_read = before_read
        self.declared_length = None if chunked else length

    def read(self, size):
        """Up to `size` bytes; `b""` at the end of the body."""
        if self._before_read:
            self._before_read()
            self._before_read = None
        if self._done:
            return b""
        if self._chunked and self._left == 0 and not self._next_chunk():
            return b""
        data = self._source.read(min(size, self._left))
        if not data:
            raise BadRequest("the body ended early")
        self._left -= len(data)
        if self._left == 0:
            if self._chunked:
                self._line()
            else:
                self._done = True
        return data

    def read_all(self, limit=MAX_BODY):
        parts, total = [], 0
        while True:
            data = self.read(1 << 16)
            if not data:
                return b"".join(parts)
            total += len(data)
            if total > limit:
                raise BadRequest("the body is too large", 413)
            parts.append(data)

    def drain(self):
        """Skips what the handler left unread, so that the connection can be used again."""
        while self.read(1 << 16):
            pass

    def _next_chunk(self):
        size = self._line().split(b";")[0].strip()
        try:
            self._left = int(size, 16)
        except ValueError:
            raise BadRequest("bad chunk size") from None
        if self._left == 0:
            while self._line():
                pass
            self._done = True
        return not self._done

    def _line(self):
        line = self._source.readline(MAX_HEAD)
        if not line.endswith(b"\n"):
            raise BadRequest("the body ended early")
        return line.rstrip(b"\r\n")


class Request:
    """One request, with the connection it came on."""

    def __init__(self, connection, method, target, version, headers):
        self.connection = connection
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        raw_path, _, self.query_string = target.partition("?")
        self.path = unquote(raw_path)
        self.body = connection.body_reader(headers)
        self.query_pairs = parse_qsl(self.query_string, keep_blank_values=True)
        self.params = {}
        self.streaming = False
        # Set by a handler (or an error) after which the connection cannot serve another request.
        self.close = headers.has_token("Connection", "close") or version == "HTTP/1.0"

    def query_all(self, name):
        return [value for key, value in self.query_pairs if key == name]

    def query(self, name, default=None):
        values = self.query_all(name)
        return values[0] if values else default

    def send_head(self, status, headers, length):
        """Sends the head of an answer whose body the handler sends by itself."""
        self.streaming = True
        headers = list(headers) + [("Content-Length", str(length))]
        if self.close:
            headers.append(("Connection", "close"))
        self.connection.send(head_bytes(status, headers))

    def stream(self, status, headers):
        """Sends the head of a chunked answer and returns the writer of its body."""
        self.streaming = True
        return ChunkedWriter(self, status, headers)


class ChunkedWriter:
    """The body of a streamed answer. A vanished client is remembered, not raised."""

    def __init__(self, request, status, headers):
        self._connection = request.connection
        self._chunked = request.version != "HTTP/1.0"
        self.gone = False
        request.close = request.close or not self._chunked
        headers = list(headers)
        if request.close:
            headers = [field for field in headers if field[0].lower() != "connection"]
            headers.append(("Connection", "close"))
        if self._chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        self._send(head_bytes(status, headers))

    def write(self, data):
        if data:
            self._send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self):
        if self._chunked:
            self._send(b"0\r\n\r\n")

    def abort(self, reset=False):
        """Ends the connection in the middle of the body."""
        self._connection.drop(reset)
        raise Aborted()

    def _send(self, data):
        if self.gone:
            return
        try:
            self._connection.send(data)
        except OSError:
            self.gone = True


def head_bytes(status, headers):
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    lines = ["HTTP/1.1 %d %s" % (status, reason)]
    # As in Go, a line end in a value becomes a space.
    lines += ["%s: %s" % (k, v.replace("\r", " ").replace("\n", " ")) for k, v in headers]
    if not any(name.lower() == "date" for name, _ in headers):
        lines.append("Date: " + formatdate(usegmt=True))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


class Connection:
    """One accepted socket: a loop of requests until either side has had enough."""

    def __init__(self, sock, app, log):
        self.sock = sock
        self.peer = sock.getpeername()
        self._app = app
        self._log = log
        self._source = sock.makefile("rb", buffering=1 << 16)

    def serve(self):
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._serve_one():
                pass
        except (OSError, Aborted, ValueError):
            pass
        finally:
            self.drop()

    def send(self, data):
        self.sock.sendall(data)

    def read_exactly(self, size):
        """Raw bytes after a handshake; fewer only at the end."""
        return self._source.read(size)

    def recv_some(self, size):
        """Raw bytes after a handshake, when the connection has left HTTP."""
        return self._source.read1(size)

    def drop(self, reset=False):
        """Closes at once; with `reset` the peer sees RST instead of FIN."""
        try:
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                # A plain close would answer bytes still in flight with a reset.
                self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        try:
            self._source.close()
            self.sock.close()
        except (OSError, ValueError):
            pass

    def peer_has_left(self):
        """Whether the client closed its side while we are still answering."""
        try:
            return self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True

    def body_reader(self, headers):
        chunked = headers.has_token("Transfer-Encoding", "chunked")
        lengths = {v for k, v in headers.items if k.lower() == "content-length"} or {"0"}
        length = lengths.pop()
        if lengths or (chunked and headers.get("Content-Length") is not None):
            raise BadRequest("ambiguous body length")
        if not chunked and not (length.isascii() and length.isdigit()):
            raise BadRequest("bad Content-Length")
        expects = headers.has_token("Expect", "100-continue")
        before_read = (lambda: self.send(b"HTTP/1.1 100 Continue\r\n\r\n")) if expects else None
        return BodyReader(self._source, 0 if chunked else int(length), chunked, before_read)

    def _serve_one(self):
        self.sock.settimeout(IDLE_SECONDS)
        try:
            request = self._read_request()
            if request is None:
                return False
            self.sock.settimeout(None)
            response = self._call_app(request)
            if response is not None:
                self._answer(request, response)
            if request.close:
                return False
            request.body.drain()
            return True
        except BadRequest as problem:
            body = (str(problem) + "\n").encode()
            headers = [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")]
            self.send(self._complete(Response(problem.status, body, headers)))
            return False

    def _call_app(self, request):
        try:
            return self._app(request)
        except (Aborted, BadRequest, ConnectionError):
            raise
        except Exception:
            if self.sock.fileno() < 0:
                # Another thread dropped the connection, for instance because the sandbox ended.
                raise Aborted() from None
            # A bug of ours must not look like a network failure.
            traceback.print_exc()
            if request.streaming:
                self.drop()
                raise Aborted() from None
            request.close = True
            return text_response(500, "Internal Server Error")

    def _read_request(self):
        line = self._source.readline(MAX_HEAD)
        while line in (b"\r\n", b"\n"):
            line = self._source.readline(MAX_HEAD)
        if not line:
            return None
        parts = line.decode("latin-1").split()
        if len(parts) != 3 or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
            raise BadRequest("bad request line")
        if _BAD_ESCAPE.search(parts[1].partition("?")[0]):
            raise BadRequest("400 Bad Request")
        headers = self._read_headers(MAX_HEAD - len(line))
        hosts = sum(name.lower() == "host" for name, _ in headers.items)
        if hosts > 1 or (hosts == 0 and parts[2] == "HTTP/1.1"):
            what = "too many Host headers" if hosts else "missing required Host header"
            raise BadRequest("400 Bad Request: " + what)
        return Request(self, *parts, headers)

    def _read_headers(self, room):
        items = []
        while True:
            line = self._source.readline(room)
            room -= len(line)
            if room <= 0:
                raise BadRequest("header fields too large", 431)
            if line in (b"\r\n", b"\n"):
                return Headers(items)
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or name != name.strip():
                raise BadRequest("bad header field")
            items.append((name, value.strip()))

    def _answer(self, request, response):
        if request.close:
            response.headers.append(("Connection", "close"))
        self._log("%s %s -> %d" % (request.method, request.target, response.status))
        if response.chunked:
            writer = request.stream(response.status, response.headers)
            writer.write(response.body)
            writer.end()
        else:
            self.send(self._complete(response))

    @staticmethod
    def _complete(response):
        headers = list(response.headers)
        if response.status not in (204, 304):
            headers.append(("Content-Length", str(len(response.body))))
        return head_bytes(response.status, headers) + response.body


class Server:
    """Listens on one address and serves `app(request) -> Response | None` in threads.

    An app that returns None has answered the request itself, through `request.stream()` or by
    dropping the connection.
    """

    def __init__(self, host, port, app, log=lambda line: None):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._socket.listen(128)
        self._app = app
        self._log = log
        self._lock = threading.Lock()
        self._connections = set()
        self._closed = False
        self.port = self.plain_port = self._socket.getsockname()[1]

    def start(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def close(self):
        """Stops listening and drops every open connection."""
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
        for connection in connections:
            connection.drop()

    def _accept(self):
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            connection = Connection(sock, self._app, self._log)
        except OSError:
            sock.close()
            return
        with self._lock:
            if not self._closed:
                self._connections.add(connection)
        if self._closed:
            connection.drop()
            return
        try:
            connection.serve()
        finally:
            with self._lock:
                self._connections.discard(connection)


def text_response(status, text, headers=()):
    content_type = ("Content-Type", "text/plain; charset=utf-8")
    return Response(status, text.encode("utf-8"), [content_type, *headers])


def html_error_page(status=502):
    """What a gateway in front of the servers answers when it gives up."""
    title = "%d %s" % (status, HTTPStatus(status).phrase)
    page = "<html>\r\n<head><title>%s</title></head>\r\n<body><h1>%s</h1></body>\r\n</html>\r\n"
    return Response(status, (page % (title, title)).encode(), [("Content-Type", "text/html")])
