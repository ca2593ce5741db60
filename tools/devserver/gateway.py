"""Stands in for the ingress gateway: addresses of secured sandboxes, and signed addresses.

Plain: `/gateway/ID/PORT/PATH` with the secure-access header where the sandbox asks for it.
Signed: `/gateway/ID/PORT/EXP36/SIG/PATH`, good until EXP36 (base36 seconds) and without a header.
"""

import hashlib
import hmac
import re
import secrets
import time
from urllib.parse import quote

from .httpd import text_response
from .proxy import Unreachable, forward

PREFIX = "/gateway/"
SECURE_HEADER = "OpenSandbox-Secure-Access"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_SIGNED = re.compile(r"([0-9a-z]{1,13})/([0-9a-f]{8}[0-9a-z])(?:/(.*))?\Z", re.DOTALL)
_KEY_ID = "0"
# What the ingress's own proxy for WebSocket sends on.
_KEPT = {
    "host", "origin", "cookie", "sec-websocket-protocol", "sec-websocket-key",
    "sec-websocket-version",
}


class Gateway:
    def __init__(self, sandboxes):
        self._sandboxes = sandboxes
        self._key = secrets.token_bytes(32)

    def plain_path(self, sandbox, port):
        return "%s%s/%d" % (PREFIX, sandbox.id, port)

    def signed_path(self, sandbox, port, expires):
        expires36 = _base36(expires)
        signature = self._sign(sandbox.id, str(port), expires36)
        return "%s/%s/%s" % (self.plain_path(sandbox, port), expires36, signature)

    def __call__(self, request):
        sandbox_id, _, rest = request.path[len(PREFIX):].partition("/")
        port, _, path = rest.partition("/")
        sandbox = self._sandboxes.get(sandbox_id)
        if not port.isdigit() or not 0 < int(port) < 65536:
            return _refuse(400, "no sandbox and port in the address")
        if sandbox is None:
            return _refuse(404, "sandbox not found")
        if sandbox.secure_token:
            path = self._admit(request, sandbox, port, path)
            if path is None:
                return _refuse(401, "access denied")
        else:
            # Nobody checks a signature here, but it is no part of the path either.
            path = self._signed_rest(sandbox, port, path, path)
        target = quote("/" + path, safe="/:@!$&'()*+,;=~-._")
        if request.query_string:
            target += "?" + request.query_string
        try:
            return forward(request, sandbox.host_port(int(port)), target, _dropped(request))
        except Unreachable:
            return _refuse(502, "the sandbox does not answer")

    def _admit(self, request, sandbox, port, path):
        """The path behind the credentials, or None when there are no good ones."""
        if request.headers.get(SECURE_HEADER) == sandbox.secure_token:
            return path
        return self._signed_rest(sandbox, port, path, None)

    def _signed_rest(self, sandbox, port, path, otherwise):
        match = _SIGNED.match(path)
        if match is None:
            return otherwise
        expires36, signature, rest = match.groups()
        good = hmac.compare_digest(signature, self._sign(sandbox.id, port, expires36))
        return rest or "" if good and int(expires36, 36) > time.time() else otherwise

    def _sign(self, sandbox_id, port, expires36):
        text = "%s\n%s\n%s\n" % (sandbox_id, port, expires36)
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:8] + _KEY_ID


def _refuse(status, why):
    return text_response(status, "OpenSandbox Ingress: %s\n" % why)


def _base36(number):
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits


def _dropped(request):
    """The names of the headers that do not travel on. The ingress has another proxy for what is
    spelled exactly like this, and that one loses an endpoint's headers."""
    drop = {SECURE_HEADER.lower()}
    spelling = (request.headers.get("Upgrade"), request.headers.get("Connection"))
    if spelling == ("websocket", "Upgrade"):
        drop |= {name.lower() for name, _ in request.headers.items} - _KEPT
    return drop
