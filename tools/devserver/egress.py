"""The egress sidecar's API on port 18080: policy and credential vault.

The policy is kept and answered, not enforced: the sandbox's traffic goes where it likes.
"""

import ipaddress

from . import gojson
from .httpd import Response, text_response
from .vault import Vault, VaultError

PORT = 18080
TOKEN_HEADER = "OPENSANDBOX-EGRESS-AUTH"
INSIDE_HEADER = "X-Devserver-Inside"  # see the test hook private-vault
_MOST_RULES = 4096
_LONGEST_BODY = 1 << 20

_RULE = gojson.Struct("EgressRule", action="string", target="string")
_POLICY = gojson.Struct("NetworkPolicy", egress=gojson.ListOf(_RULE), defaultAction="string")


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Policy:
    """Rules in order, and what happens when none matches."""

    def __init__(self, default="", rules=None):
        self.default = default.strip().lower() or "deny"
        self.rules = None if rules is None else [_normalized(rule) for rule in rules]

    @property
    def mode(self):
        if self.rules:
            return "enforcing"
        return {"allow": "allow_all", "deny": "deny_all"}.get(self.default, "enforcing")

    def describe(self):
        return {"egress": self.rules, "defaultAction": self.default}

    def merged_with(self, rules):
        """New rules go first and win; of two for one target the first counts."""
        kept = {}
        for rule in rules + (self.rules or []):
            kept.setdefault(rule["target"].lower(), rule)
        return Policy(self.default, list(kept.values()))

    def without(self, targets):
        dropped = {target.strip().lower() for target in targets}
        rules = [rule for rule in self.rules or [] if rule["target"].lower() not in dropped]
        return Policy(self.default, rules)

    def allows_explicitly(self, host):
        """Whether an allow rule names this host, and no earlier rule denies it."""
        probe = "probe." + host[2:] if host.startswith("*.") else host
        named = any(
            rule["action"] == "allow" and _matches(rule["target"], host)
            for rule in self.rules or []
        )
        first = next((r["action"] for r in self.rules or [] if _matches(r["target"], probe)), None)
        return named and first == "allow"


def _normalized(rule):
    action = rule["action"].strip().lower() or "deny"
    target = rule["target"].strip()
    if action not in ("allow", "deny"):
        raise Refused(400, 'unsupported action "%s"' % action)
    if not target:
        raise Refused(400, "egress target cannot be empty")
    return {"action": action, "target": target}


def _matches(target, host):
    target = target.lower().rstrip(".")
    if _is_address(target):
        return False
    if target.startswith("*."):
        return host == target or (host.endswith(target[1:]) and host != target[2:])
    return host == target


def _is_address(target):
    try:
        ipaddress.ip_network(target, strict=False)
        return True
    except ValueError:
        return False


class Egress:
    """The request handler of one sandbox's port 18080."""

    def __init__(self, sandbox, token, network_policy, transparent):
        self._sandbox = sandbox
        self._token = token
        self._policy = Policy(network_policy["defaultAction"] or "", network_policy["egress"])
        self._vault = Vault(transparent)
        self._policy_methods = {
            "GET": self._get, "POST": self._replace, "PUT": self._replace, "PATCH": self._patch,
            "DELETE": self._delete,
        }

    def __call__(self, request):
        self._sandbox.wait_while_paused()
        try:
            return self._route(request)
        except (Refused, VaultError) as refused:
            return _error(refused.status, str(refused))
        except gojson.DecodeError as problem:
            return _error(400, "invalid request: %s" % problem)

    def _route(self, request):
        path = request.path
        if path == "/healthz":
            return text_response(200, "ok")
        if path != "/policy" and not (path + "/").startswith("/credential-vault/"):
            return _error(404, "404 page not found")
        if path == "/credential-vault/_active":
            raise Refused(403, "forbidden")
        if self._token and request.headers.get(TOKEN_HEADER) != self._token:
            raise Refused(401, "unauthorized")
        if self._sandbox.hooks.egress_status and request.method != "GET":
            raise Refused(self._sandbox.hooks.egress_status, "refused by a test hook")
        if path == "/policy":
            handler = self._policy_methods.get(request.method)
            return handler(request) if handler else _not_allowed(self._policy_methods)
        return self._route_vault(request, path[len("/credential-vault"):])

    def _route_vault(self, request, path):
        methods = self._vault.methods(path)
        if methods is None:
            raise Refused(404, "not found")
        handler = methods.get(request.method)
        if handler is None:
            return _not_allowed(methods)
        inside = self._sandbox.hooks.inside
        if inside and request.method != "GET" and request.headers.get(INSIDE_HEADER) != inside:
            raise Refused(426, "credential vault writes require TLS or loopback transport")
        result = handler(request.body.read_all(), self._policy)
        if result is None:
            return Response(204)
        return _json(result, 201 if request.method == "POST" else 200)

    # Policy

    def _get(self, request):
        return self._report(policy=self._policy.describe())

    def _replace(self, request):
        body = _body(request)
        if not body:
            self._set(Policy())
            return _json({
                "status": "ok", "mode": "deny_all", "reason": "policy reset to default deny-all",
            })
        if body in (b"null", b"{}"):
            self._set(Policy())
        else:
            fields = _decode("invalid policy", _POLICY.decode_whole, body)
            self._set(self._checked("invalid policy", Policy, fields["defaultAction"],
                                    fields["egress"]))
        return self._report()

    def _patch(self, request):
        rules = _items(request, "invalid patch rules", _RULE.decode_list)
        self._set(self._checked("invalid merged policy", self._policy.merged_with, rules))
        return self._report()

    def _delete(self, request):
        targets = _items(request, "invalid delete targets", gojson.decode_strings)
        changed = self._policy.without(targets)
        if len(changed.rules) == len(self._policy.rules or []):
            return self._report(reason="no matching targets found")
        self._set(changed)
        return self._report()

    @staticmethod
    def _checked(what, make, *arguments):
        try:
            return make(*arguments)
        except Refused as refused:
            raise Refused(400, "%s: %s" % (what, refused)) from None

    def _set(self, policy):
        if len(policy.rules or []) > _MOST_RULES:
            raise Refused(413, "too many egress rules (at most %d)" % _MOST_RULES)
        try:
            self._vault.check(policy)
        except VaultError as problem:
            raise Refused(400, "credential vault policy validation: %s" % problem) from None
        self._policy = policy

    def _report(self, **more):
        fields = {"status": "ok", "mode": self._policy.mode, "enforcementMode": "dns"}
        return _json({**fields, **more})


def _body(request):
    """Whatever is beyond the limit is cut off, not refused."""
    return request.body.read_all()[:_LONGEST_BODY].strip()


def _decode(what, decode, body):
    try:
        return decode(body)
    except gojson.DecodeError as problem:
        raise Refused(400, "%s: %s" % (what, problem)) from None


def _items(request, what, decode):
    body = _body(request)
    if not body:
        raise Refused(400, "empty body")
    items = _decode(what, lambda text: gojson.decode_whole(decode, text), body)
    if not items:
        raise Refused(400, what + ": empty array")
    return items


def _json(value, status=200):
    return Response(status, gojson.dumps(value) + b"\n", [("Content-Type", "application/json")])


def _error(status, message):
    return text_response(status, message + "\n", [("X-Content-Type-Options", "nosniff")])


def _not_allowed(methods):
    response = _error(405, "method not allowed")
    response.headers.append(("Allow", ", ".join(methods)))
    return response
