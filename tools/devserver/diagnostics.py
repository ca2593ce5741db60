"""Diagnostics of sandboxes: the older plain texts, and the newer descriptors.

Like the open server this one answers 501 to requests with a `scope`, unless the sandbox was made
with the test hook `devserver.diagnostics`.
"""

import re
from datetime import timedelta

from .errors import ApiError, json_response
from .httpd import text_response
from .lists import query_number
from .times import rfc3339, utc_now
from .validation import Integer

TEXT_PREFIX = "/devserver/diagnostics/"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SECRET = re.compile("SECRET|TOKEN|PASSWORD|KEY")


class Diagnostics:
    def __init__(self, find_sandbox):
        self._find_sandbox = find_sandbox
        self.routes = [
            ("GET", "/sandboxes/{id}/diagnostics/logs", self.logs),
            ("GET", "/sandboxes/{id}/diagnostics/events", self.events),
            ("GET", "/sandboxes/{id}/diagnostics/inspect", self.inspect),
            ("GET", "/sandboxes/{id}/diagnostics/summary", self.summary),
            ("GET", TEXT_PREFIX + "{id}/{kind}", self.text),
        ]

    def logs(self, request):
        tail = query_number(request, "tail", 100, Integer(minimum=1, maximum=10000))
        since = _seconds(request.query("since"))
        return self._answer(request, "logs", lambda sandbox: _logs(sandbox, tail, since))

    def events(self, request):
        limit = query_number(request, "limit", 50, Integer(minimum=1, maximum=500))
        return self._answer(request, "events", lambda sandbox: _events(sandbox, limit))

    def inspect(self, request):
        return _plain(_inspect(self._find_sandbox(request.params["id"])))

    def summary(self, request):
        tail = query_number(request, "tail", 50, Integer(minimum=1, maximum=10000))
        limit = query_number(request, "event_limit", 20, Integer(minimum=1, maximum=500))
        sandbox = self._find_sandbox(request.params["id"])
        sections = (
            ("SANDBOX " + sandbox.id, ""),
            ("INSPECT", _inspect(sandbox)),
            ("EVENTS", _events(sandbox, limit)),
            ("LOGS (last %d lines)" % tail, _logs(sandbox, tail, None)),
        )
        return _plain("\n".join("%s\n%s\n%s" % (t, "-" * 40, body) for t, body in sections))

    def text(self, request):
        """What a descriptor's contentUrl leads to."""
        sandbox = self._find_sandbox(request.params["id"])
        make = {"logs": _logs, "events": _events}.get(request.params["kind"])
        if make is None:
            raise ApiError(404, "GENERAL::UNKNOWN_ERROR", "Not Found")
        return _plain(make(sandbox))

    def _answer(self, request, kind, make):
        scope = request.query("scope")
        if scope is None:
            sandbox = self._find_sandbox(request.params["id"])
            return _plain(make(sandbox), [("deprecation", "true")])
        # The open server does not look at the sandbox before it says no.
        sandbox = self._find_sandbox(request.params["id"], required=False)
        delivery = sandbox.hooks.diagnostics if sandbox else None
        if delivery is None:
            raise ApiError(501, "DIAGNOSTICS_NOT_IMPLEMENTED",
                           "The stable Diagnostics API is not implemented by this OpenSandbox "
                           "server.")
        return json_response(_descriptor(request, sandbox, kind, scope, delivery, make(sandbox)))


def _descriptor(request, sandbox, kind, scope, delivery, text):
    fields = {
        "sandboxId": sandbox.id, "kind": kind, "scope": scope, "delivery": delivery,
        "contentType": "text/plain; charset=utf-8", "truncated": False,
        "contentLength": len(text.encode("utf-8")),
    }
    if delivery == "url":
        host = request.headers.get("Host")
        fields["contentUrl"] = "%s://%s%s%s/%s" % (sandbox.scheme, host, TEXT_PREFIX, sandbox.id,
                                                   kind)
        fields["expiresAt"] = rfc3339(utc_now() + timedelta(hours=1))
    else:
        fields["content"] = text
    return fields


def _plain(text, headers=()):
    return text_response(200, text, headers)


def _logs(sandbox, tail=100, since=None):
    """The commands that ran, for lack of a container with output of its own."""
    lines = [
        "%s %s" % (rfc3339(when), text) for when, text in list(sandbox.log_lines)
        if since is None or (utc_now() - when).total_seconds() <= since
    ]
    return "\n".join(lines[-tail:]) + "\n" if lines else "(no logs)"


def _events(sandbox, limit=50):
    lines = ["%s %s" % (rfc3339(when), text) for when, text in list(sandbox.events)]
    return "\n".join(lines[-limit:]) + "\n"


def _inspect(sandbox):
    env = sandbox.fields["env"] or {}
    rows = [
        ("Container ID", sandbox.id[:12]), ("Status", sandbox.state.lower()),
        ("Running", sandbox.state == "Running"), ("Paused", sandbox.state == "Paused"),
        ("Image", (sandbox.fields["image"] or {}).get("uri", "N/A")),
        ("Started At", rfc3339(sandbox.created_at)),
    ]
    rows += [("Resource " + k, v) for k, v in (sandbox.fields["resourceLimits"] or {}).items()]
    rows += [("Label " + k, v) for k, v in sorted(sandbox.metadata.items())]
    rows += [("Env " + k, "***" if _SECRET.search(k.upper()) else v) for k, v in env.items()]
    return "\n".join("%-16s%s" % (name + ":", value) for name, value in rows) + "\n"


def _seconds(text):
    """`90`, `10m`, `1h`; None when nothing is asked."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)([smhd]?)", text.strip())
    if match is None:
        raise ApiError(400, "SANDBOX::INVALID_PARAMETER", "since '%s' is no duration." % text)
    return int(match.group(1)) * _UNITS[match.group(2) or "s"]
