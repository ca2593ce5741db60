"""The credential vault: credentials, and bindings that say where they may be used.

Nothing is injected anywhere; what is kept is checked as strictly as upstream does, and secrets are
never given back.
"""

import re

from . import gojson
from .gojson import ListOf, OptionalOf, Struct

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ADDRESS = re.compile(r"[0-9.]+|[0-9a-f:]*:[0-9a-f:.]*")
_RESERVED_HEADERS = {
    "host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te",
    "trailer", "proxy-authorization", "proxy-authenticate", "forwarded", "x-forwarded-for",
    "x-forwarded-host", "x-forwarded-proto",
}
_PORTS = {80, 443}
_SURFACES = {"path", "query", "header", "body"}
_MATCH_DEFAULTS = {
    "schemes": ["https"], "ports": [443], "methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
    "paths": ["/*"],
}

_CREDENTIAL = Struct(
    "Credential", name="string",
    source=Struct("InlineCredentialSource", type="string", value="string").strict(),
).strict()
_BINDING = Struct(
    "Binding", name="string",
    match=Struct(
        "Match", schemes=ListOf("string"), ports=ListOf("int"), hosts=ListOf("string"),
        methods=ListOf("string"), paths=ListOf("string"),
    ).strict(),
    auth=Struct(
        "Auth", type="string", credential="string", name="string",
        headers=ListOf(
            Struct("CustomHeaderEntry", name="string", credential="string").strict()),
        substitutions=ListOf(Struct(
            "Substitution", **{"credential": "string", "placeholder": "string",
                               "in": ListOf("string")}).strict()),
    ).strict(),
).strict()
_CREATE = Struct(
    "CreateRequest", credentials=ListOf(_CREDENTIAL), bindings=ListOf(_BINDING)
).strict()


def _mutations(name, item):
    return OptionalOf(Struct(
        name, add=ListOf(item), replace=ListOf(item), delete=ListOf("string")).strict())


_PATCH = Struct(
    "MutationRequest", expectedRevision="*int64",
    credentials=_mutations("CredentialMutationSet", _CREDENTIAL),
    bindings=_mutations("BindingMutationSet", _BINDING),
).strict()


class VaultError(Exception):
    def __init__(self, message, status=400):
        super().__init__(message)
        self.status = status


class Vault:
    def __init__(self, transparent):
        self._transparent = transparent
        self._revision = 0  # 0: there is no vault
        self._credentials = {}
        self._bindings = {}

    def methods(self, path):
        """Method -> handler(body, policy) of a path below `/credential-vault`, or None."""
        if path in ("", "/"):
            return None if path else {
                "GET": self._get, "POST": self._create, "PATCH": self._patch,
                "DELETE": self._delete,
            }
        kind, one, name = path[1:].partition("/")
        if kind not in ("credentials", "bindings"):
            return None
        return {"GET": lambda body, policy: self._part(kind, name.strip() if one else None)}

    def check(self, policy):
        """Whether the bindings there are would still be good under another policy."""
        if self._bindings:
            _check(self._credentials, self._bindings, policy)

    # Handlers

    def _get(self, body, policy):
        self._must_exist()
        return self._describe()

    def _part(self, kind, name):
        self._must_exist()
        items = self._describe()[kind]
        if name is None:
            return {"revision": self._revision, kind: items}
        found = next((item for item in items if item["name"] == name), None)
        if found is None:
            raise VaultError("%s not found" % kind[:-1], 404)
        return found

    def _create(self, body, policy):
        self._must_be_ready()
        fields = _decode("invalid credential vault request", _CREATE, body)
        if self._revision:
            raise VaultError("credential vault already exists", 409)
        credentials, bindings = {}, {}
        for item in fields["credentials"] or []:
            _add(credentials, _credential(item, 1), "credential")
        for item in fields["bindings"] or []:
            _add(bindings, _binding(item), "binding")
        _check(credentials, bindings, policy)
        self._revision, self._credentials, self._bindings = 1, credentials, bindings
        return self._describe()

    def _patch(self, body, policy):
        self._must_be_ready()
        fields = _decode("invalid credential vault mutation request", _PATCH, body)
        self._must_exist()
        expected = fields["expectedRevision"]
        if expected is not None and expected != self._revision:
            message = "expectedRevision %d does not match current revision %d"
            raise VaultError(message % (expected, self._revision), 409)
        revision = self._revision + 1
        credentials, bindings = dict(self._credentials), dict(self._bindings)
        _mutate(credentials, fields["credentials"], lambda i: _credential(i, revision),
                "credential")
        _mutate(bindings, fields["bindings"], _binding, "binding")
        _check(credentials, bindings, policy)
        self._revision, self._credentials, self._bindings = revision, credentials, bindings
        return self._describe()

    def _delete(self, body, policy):
        self._must_be_ready()
        self._must_exist()
        self._revision, self._credentials, self._bindings = 0, {}, {}

    def _must_be_ready(self):
        if not self._transparent:
            raise VaultError("credential vault requires transparent mitmproxy", 412)

    def _must_exist(self):
        if not self._revision:
            raise VaultError("credential vault not found", 404)

    def _describe(self):
        credentials = [
            {"name": each["name"], "sourceType": "inline", "revision": each["revision"]}
            for each in self._credentials.values()
        ]
        bindings = [
            {"name": each["name"], "revision": self._revision, "match": each["match"],
             "auth": _shown_auth(each["auth"])}
            for each in self._bindings.values()
        ]
        return {
            "revision": self._revision,
            "credentials": sorted(credentials, key=lambda each: each["name"]),
            "bindings": sorted(bindings, key=lambda each: each["name"]),
        }


def _decode(what, struct, body):
    try:
        return struct.decode(body)
    except gojson.DecodeError as problem:
        raise VaultError("%s: %s" % (what, problem)) from None


def _shown_auth(auth):
    return {k: auth[k] for k in ("type", "name") if k == "type" or auth["type"] == "apiKey"}


# Single items

def _credential(item, revision):
    name = item["name"].strip()
    if not name:
        raise VaultError("credential name cannot be blank")
    kind = item["source"]["type"].strip() or "inline"
    if kind != "inline":
        raise VaultError('unsupported credential source type "%s"' % kind)
    if not item["source"]["value"]:
        raise VaultError('credential "%s" inline value cannot be empty' % name)
    return {"name": name, "revision": revision}


def _binding(item):
    name = item["name"].strip()
    if not name:
        raise VaultError("binding name cannot be blank")
    try:
        return {"name": name, "match": _match(item["match"]), "auth": _auth(item["auth"])}
    except VaultError as problem:
        raise VaultError('binding "%s": %s' % (name, problem)) from None


def _match(match):
    fields = {name: match[name] or default for name, default in _MATCH_DEFAULTS.items()}
    if not match["hosts"]:
        raise VaultError("match.hosts cannot be empty")
    schemes = [scheme.strip().lower() for scheme in fields["schemes"]]
    methods = [method.strip().upper() for method in fields["methods"]]
    paths = [path.strip() for path in fields["paths"]]
    for broken, message in (
        (set(schemes) - {"https", "http"}, "unsupported scheme"),
        ([port for port in fields["ports"] if not 0 < port < 65536], "invalid port"),
        ("" in methods, "method cannot be blank"),
        ([path for path in paths if not path.startswith("/")], "path pattern must start with /"),
    ):
        if broken:
            raise VaultError(message)
    hosts = [_host(host) for host in match["hosts"]]
    unique = {
        "schemes": schemes, "ports": fields["ports"], "hosts": hosts, "methods": methods,
        "paths": paths,
    }
    return {name: list(dict.fromkeys(values)) for name, values in unique.items()}


def _host(host):
    host = host.strip().rstrip(".").lower()
    name = host[2:] if host.startswith("*.") else host
    labels = name.split(".")
    if (len(labels) < 2 or len(name) > 253 or _ADDRESS.fullmatch(name)
            or not all(_LABEL.fullmatch(label) for label in labels)):
        raise VaultError('credential binding host "%s" must be an FQDN' % host)
    return host


def _auth(auth):
    kind = auth["type"].strip()
    result = {"type": kind, "references": [], "name": ""}
    if kind in ("bearer", "basic", "apiKey"):
        result["references"].append(_reference(kind + " auth", auth["credential"]))
    if kind == "apiKey":
        result["name"] = _header_name(auth["name"])
    elif kind == "customHeaders":
        headers = auth["headers"] or []
        names = [_header_name(header["name"]) for header in headers]
        if not names or len(set(names)) < len(names):
            raise VaultError("customHeaders auth requires headers of different names")
        result["references"] = [
            _reference("customHeaders entry", header["credential"]) for header in headers]
    elif kind not in ("bearer", "basic", "passthrough"):
        raise VaultError('unsupported auth type "%s"' % kind)
    for item in auth["substitutions"] or []:
        if not item["placeholder"] or not item["in"] or set(item["in"]) - _SURFACES:
            raise VaultError("a substitution requires placeholder and in")
        result["references"].append(_reference("substitution", item["credential"]))
    return result


def _reference(what, name):
    if not name.strip():
        raise VaultError(what + " requires credential")
    return name.strip()


def _header_name(name):
    """Go's canonical spelling: X-Api-Key."""
    name = "-".join(part[:1].upper() + part[1:].lower() for part in name.strip().split("-"))
    if not _HEADER_NAME.fullmatch(name):
        raise VaultError('invalid credential header name "%s"' % name)
    if name.lower() in _RESERVED_HEADERS:
        raise VaultError('reserved credential header name "%s"' % name)
    return name


# Sets of items

def _add(items, item, what):
    if item["name"] in items:
        raise VaultError('%s "%s" already exists' % (what, item["name"]))
    items[item["name"]] = item


def _mutate(items, changes, convert, what):
    """Deletes, replaces, then adds; no name may be touched twice."""
    if changes is None:
        return
    touched = set()

    def touch(name):
        if name in touched:
            raise VaultError('%s "%s" mentioned by multiple operations' % (what, name))
        touched.add(name)

    for name in (name.strip() for name in changes["delete"] or []):
        touch(name)
        _must_have(items, name, what)
        del items[name]
    for item in (convert(raw) for raw in changes["replace"] or []):
        touch(item["name"])
        _must_have(items, item["name"], what)
        items[item["name"]] = item
    for item in (convert(raw) for raw in changes["add"] or []):
        touch(item["name"])
        _add(items, item, what)


def _must_have(items, name, what):
    if name not in items:
        raise VaultError('%s "%s" does not exist' % (what, name))


def _check(credentials, bindings, policy):
    if bindings and not policy.rules:
        raise VaultError("credential bindings require explicit networkPolicy.egress allow rules")
    for binding in bindings.values():
        for name in binding["auth"]["references"]:
            if name not in credentials:
                shape = 'binding "%s" references unknown credential "%s"'
                raise VaultError(shape % (binding["name"], name))
        for port in set(binding["match"]["ports"]) - _PORTS:
            shape = 'binding "%s" port %d is not a configured transparent intercept port'
            raise VaultError(shape % (binding["name"], port))
        for host in binding["match"]["hosts"]:
            if not policy.allows_explicitly(host):
                shape = 'binding "%s" host "%s" is not covered by an explicit allow egress rule'
                raise VaultError(shape % (binding["name"], host))
    _check_ambiguity(list(bindings.values()))


def _check_ambiguity(bindings):
    for index, one in enumerate(bindings):
        for other in bindings[index + 1:]:
            if _overlap(one["match"], other["match"]):
                shape = 'bindings "%s" and "%s" can match the same request'
                raise VaultError(shape % (one["name"], other["name"]))


def _overlap(one, other):
    plain = all(set(one[name]) & set(other[name]) for name in ("schemes", "ports", "methods"))
    return plain and _any_pair(_paths_overlap, one["paths"], other["paths"]) and _any_pair(
        _hosts_overlap, one["hosts"], other["hosts"])


def _any_pair(test, ones, others):
    return any(test(one, other) for one in ones for other in others)


def _paths_overlap(one, other):
    """Patterns may end in `*`."""
    first, second = one.rstrip("*"), other.rstrip("*")
    if one.endswith("*") and other.endswith("*"):
        return first.startswith(second) or second.startswith(first)
    if one.endswith("*"):
        return other.startswith(first)
    if other.endswith("*"):
        return one.startswith(second)
    return one == other


def _hosts_overlap(one, other):
    """A wildcard gives way to a name, so only two of a kind can be in each other's way."""
    if one.startswith("*.") and other.startswith("*."):
        return one[1:].endswith(other[1:]) or other[1:].endswith(one[1:])
    return one == other
