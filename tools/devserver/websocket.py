"""The server's side of WebSocket (RFC 6455), without extensions."""

import base64
import hashlib
import struct
import threading

from .httpd import text_response

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LONGEST_MESSAGE = 16 * 1024 * 1024


class Closed(Exception):
    """The peer said goodbye, vanished, or broke the protocol."""


def refusal(request):
    """The answer to a request that is no good handshake, or None."""
    headers = request.headers
    good = (
        headers.has_token("Connection", "upgrade") and headers.has_token("Upgrade", "websocket")
        and headers.get("Sec-WebSocket-Version") == "13" and headers.get("Sec-WebSocket-Key")
    )
    if good:
        return None
    more = [("Sec-Websocket-Version", "13"), ("X-Content-Type-Options", "nosniff")]
    return text_response(400, "Bad Request\n", more)


class WebSocket:
    """An accepted connection. Any thread may send; one thread receives."""

    def __init__(self, request):
        self._connection = request.connection
        self._lock = threading.RLock()
        request.close = True
        key = request.headers.get("Sec-WebSocket-Key").strip() + _GUID
        accept = base64.b64encode(hashlib.sha1(key.encode("latin-1")).digest()).decode()
        self._connection.send(
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n" % accept).encode())

    def exclusive(self):
        """A lock that keeps other threads from sending."""
        return self._lock

    def send(self, opcode, data):
        """False when the peer is gone."""
        head = bytes([0x80 | opcode])
        if len(data) < 126:
            head += bytes([len(data)])
        elif len(data) < 1 << 16:
            head += struct.pack(">BH", 126, len(data))
        else:
            head += struct.pack(">BQ", 127, len(data))
        try:
            with self._lock:
                self._connection.send(head + data)
            return True
        except OSError:
            return False

    def close(self, code, reason=""):
        self.send(CLOSE, struct.pack(">H", code) + reason.encode("utf-8")[:123])
        self._connection.drop()

    def receive(self, timeout):
        """The next (opcode, data) of a message; pings are answered on the way."""
        self._connection.sock.settimeout(timeout)
        parts, kind = [], None
        while True:
            final, opcode, data = self._frame()
            if opcode == PING:
                self.send(PONG, data)
            elif opcode == CLOSE:
                self.send(CLOSE, data[:2])
                raise Closed()
            elif opcode != PONG:
                kind = kind or opcode
                parts.append(data)
                if sum(map(len, parts)) > _LONGEST_MESSAGE:
                    raise Closed()
                if final:
                    return kind, b"".join(parts)

    def _frame(self):
        first, second = self._read(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack(">H", self._read(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self._read(8))[0]
        # A client has to mask, and no extension was agreed on.
        if not second & 0x80 or first & 0x70 or length > _LONGEST_MESSAGE:
            self.close(1002)
            raise Closed()
        mask = self._read(4)
        data = self._read(length)
        key = (mask * (length // 4 + 1))[:length]
        plain = int.from_bytes(data, "big") ^ int.from_bytes(key, "big")
        return bool(first & 0x80), first & 0x0F, plain.to_bytes(length, "big")

    def _read(self, count):
        data = self._connection.read_exactly(count)
        if len(data) < count:
            raise Closed()
        return data
