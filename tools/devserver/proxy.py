"""Reverse proxying to a loopback port: HTTP with streamed bodies, and WebSocket as a tunnel."""

import http.client
import socket
import threading

from .httpd import Aborted, head_bytes

_HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade",
}
_BLOCK = 1 << 16


class Unreachable(Exception):
    """Nobody listens on the port."""


def forward(request, port, target, drop=(), extra=(), reply_extra=(), hide_cuts=False):
    """Sends the request on to the sandbox's `port` and streams the answer back.

    `drop` names headers (lower case) that must not travel on; `extra` are added to the request
    and `reply_extra` to the answer. With `hide_cuts` a stream that breaks off is ended as if it
    were complete.
    """
    named = (request.headers.get("Connection") or "").lower().split(",")
    drop = {"connection", "upgrade", *drop, *(name.strip() for name in named)}
    headers = [(k, v) for k, v in request.headers.items if k.lower() not in drop]
    if not any(name.lower() == "host" for name, _ in headers):
        headers.append(("Host", "127.0.0.1:%d" % port))
    headers += extra
    try:
        backend = _connect(request, port)
    except OSError as problem:
        raise Unreachable(str(problem)) from None
    backend.settimeout(None)
    if (request.headers.get("Upgrade") or "").lower() == "websocket":
        headers += [("Connection", "Upgrade"), ("Upgrade", "websocket")]
        _tunnel(request, backend, target, headers)
    else:
        _relay(request, backend, port, target, headers, reply_extra, hide_cuts)


def _connect(request, port):
    """What runs in a sandbox listens on loopback, execd where this server does."""
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=10)
    except ConnectionRefusedError:
        own_address = request.connection.sock.getsockname()[0]
        return socket.create_connection((own_address, port), timeout=10)


def _relay(request, backend, port, target, headers, reply_extra, hide_cuts):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.sock = backend
    try:
        _send_request(request, connection, target, headers)
        answer = connection.getresponse()
        fields = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP]
        fields += reply_extra
        if answer.length is None or answer.chunked:
            _relay_stream(request, answer, fields, hide_cuts)
        else:
            _relay_exact(request, answer, fields)
    except (OSError, http.client.HTTPException):
        # Part of an answer may be out already: all that is left is to end the connection.
        request.connection.drop()
        raise Aborted() from None
    finally:
        connection.close()


def _send_request(request, connection, target, headers):
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    length = request.body.declared_length
    for name, value in headers:
        if name.lower() not in _HOP_BY_HOP | {"content-length", "expect"}:
            connection.putheader(name, value)
    if length is None:
        connection.putheader("Transfer-Encoding", "chunked")
    elif length or request.method in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(length))
    connection.endheaders()
    while True:
        data = request.body.read(_BLOCK)
        if length is None:
            connection.send(b"%x\r\n%b\r\n" % (len(data), data))
        elif data:
            connection.send(data)
        if not data:
            return


def _relay_stream(request, answer, fields, hide_cuts):
    writer = request.stream(answer.status, fields)
    while True:
        try:
            data = answer.read1(_BLOCK)
        except (OSError, http.client.HTTPException):
            if not hide_cuts:
                raise
            data = b""
        if not data:
            break
        writer.write(data)
        if writer.gone:
            raise OSError("the client left")
    writer.end()


def _relay_exact(request, answer, fields):
    request.streaming = True
    if request.close:
        fields = fields + [("Connection", "close")]
    request.connection.send(head_bytes(answer.status, fields))
    left = answer.length
    while left:
        data = answer.read(min(left, _BLOCK))
        if not data:
            raise OSError("the backend ended early")
        request.connection.send(data)
        left -= len(data)


def _tunnel(request, backend, target, headers):
    """Repeats the handshake and then passes bytes both ways until one side ends."""
    lines = ["%s %s HTTP/1.1" % (request.method, target)]
    lines += ["%s: %s" % field for field in headers]
    backend.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    client = request.connection
    back = threading.Thread(target=_copy, args=(backend.recv, client.send, client.drop))
    back.daemon = True
    back.start()
    _copy(client.recv_some, backend.sendall, lambda: _shut(backend))
    back.join()
    backend.close()
    raise Aborted()


def _copy(receive, send, end):
    try:
        while True:
            data = receive(_BLOCK)
            if not data:
                break
            send(data)
    except (OSError, ValueError):
        pass
    end()


def _shut(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
