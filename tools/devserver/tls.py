"""TLS in front of a server: each connection is decrypted and passed on to a plain one on loopback.

It stands in front because the servers read and write a connection from several threads, peek at
it, and reset it, none of which an SSL socket can do.
"""

import select
import socket
import ssl
import struct
import threading

from .httpd import Server

_BLOCK = 1 << 16
_HANDSHAKE_SECONDS = 20


def server_context(certificate, key):
    """TLS settings from PEM files; an OSError or ssl.SSLError if they are no good."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


class TlsServer:
    """Like Server, but `port` speaks TLS; `plain_port` is the one behind it."""

    def __init__(self, host, port, app, log, context):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._context = context
        self._log = log
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._socket.listen(128)
        self._plain = Server("127.0.0.1", 0, app, log)
        self.port = self._socket.getsockname()[1]
        self.plain_port = self._plain.port

    def start(self):
        self._plain.start()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def close(self):
        """Stops listening and drops every open connection."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
        self._plain.close()

    def _accept(self):
        while True:
            try:
                raw, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        try:
            raw.settimeout(_HANDSHAKE_SECONDS)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secure = self._context.wrap_socket(raw, server_side=True)
        except OSError as problem:
            self._log("TLS: %s" % problem)
            raw.close()
            return
        try:
            plain = socket.create_connection(("127.0.0.1", self.plain_port))
        except OSError:
            secure.close()
            return
        with secure, plain:
            secure.settimeout(None)
            _pass_on(secure, plain)


def _pass_on(secure, plain):
    """Both ways until one side has ended; how it ended is passed on too."""
    while True:
        if secure.pending() == 0:
            ready = select.select([secure, plain], [], [])[0]
        else:
            ready = [secure]
        try:
            if plain in ready:
                data = plain.recv(_BLOCK)
                if not data:
                    secure.settimeout(0)  # says close_notify, and does not wait for the other's
                    secure.unwrap()
                    return
                secure.sendall(data)
        except ConnectionError:
            _reset(secure)
            return
        except OSError:
            return
        try:
            if secure in ready:
                data = secure.recv(_BLOCK)
                if not data:
                    return
                plain.sendall(data)
        except OSError:
            return


def _reset(secure):
    """Without close_notify: the other side must not take this for an end in good order."""
    secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def listen(host, port, app, log, context=None):
    """A started server; with a context it speaks TLS."""
    if context is None:
        return Server(host, port, app, log).start()
    return TlsServer(host, port, app, log, context).start()
