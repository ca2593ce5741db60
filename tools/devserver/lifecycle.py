"""The lifecycle API: sandboxes and how to reach them."""

import time
import uuid
from urllib.parse import parse_qsl, quote

from . import gateway
from .create_request import CREATE_REQUEST, check_labels, check_semantics, is_reserved
from .diagnostics import Diagnostics
from .egress import PORT as EGRESS_PORT
from .egress import TOKEN_HEADER as EGRESS_TOKEN_HEADER
from .errors import ApiError, json_response, without_nulls
from .execd import PORT as EXECD_PORT
from .execd import TOKEN_HEADER
from .hooks import BadHook, Hooks, answer, drop
from .httpd import Response
from .lists import page_and_size, paginated, query_number
from .pools import Pools
from .proxy import Unreachable, forward
from .routing import Router
from .snapshots import Snapshots
from .times import rfc3339, utc_now
from .validation import (
    Boolean, DateTime, Integer, Invalid, MapOf, Model, Nullable, String, validated,
    validated_body,
)

API_KEY_HEADER = "OPEN-SANDBOX-API-KEY"
_OPEN_PATHS = ("/health", "/docs", "/redoc", "/openapi.json")
# Never passed on to a sandbox by the server proxy.
_NOT_PROXIED = {"host", "authorization", "cookie", API_KEY_HEADER.lower()}
_PROXIED_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")

_RENEW = Model({"expiresAt": DateTime()})
_METADATA_PATCH = MapOf(Nullable(String()))
_METRICS_EVENT = Model(
    {"eventType": String(choices=("sandbox.create",)), "success": Boolean()},
    {"sandboxId": (String(), None), "image": (String(), None)},
)


class Lifecycle:
    """The request handler of the main port."""

    def __init__(self, sandboxes, api_key="", always_proxy=False, pools=True):
        self.sandboxes = sandboxes
        self._api_key = api_key
        self._always_proxy = always_proxy
        self._gateway = gateway.Gateway(sandboxes)
        directory = sandboxes.settings.scratch.make("snapshots")
        self._snapshots = Snapshots(self._lookup, directory)
        routes = [
            ("POST", "/sandboxes", self.create),
            ("GET", "/sandboxes", self.list),
            ("GET", "/sandboxes/{id}", self.get),
            ("DELETE", "/sandboxes/{id}", self.delete),
            ("POST", "/sandboxes/{id}/pause", self.pause),
            ("POST", "/sandboxes/{id}/resume", self.resume),
            ("POST", "/sandboxes/{id}/renew-expiration", self.renew),
            ("PATCH", "/sandboxes/{id}/metadata", self.patch_metadata),
            ("GET", "/sandboxes/{id}/endpoints/{port}", self.endpoint),
            ("POST", "/metrics/events", self.metrics_event),
        ]
        self._pools = Pools(sandboxes, pools)
        diagnostics = Diagnostics(self._lookup)
        self._router = Router(
            routes + self._snapshots.routes + self._pools.routes + diagnostics.routes)

    def __call__(self, request):
        if request.path.startswith(gateway.PREFIX):
            return self._gateway(request)
        response = self._answer(request)
        if response is not None:
            response.headers.append(("x-request-id", _request_id(request)))
        return response

    # Sandboxes

    def create(self, request):
        fields = validated_body(request, CREATE_REQUEST)
        check_semantics(fields)
        hooks = self._hooks(fields)
        if hooks.create_answer not in (None, "drop", "reset"):
            return answer(hooks.create_answer, request)
        pool = (fields["extensions"] or {}).get("poolRef", "").strip()
        if pool:
            self._pools.check_reference(pool)
        contents = None
        if fields["snapshotId"]:
            contents = self._snapshots.directory_of(fields["snapshotId"])
        sandbox = self.sandboxes.create(fields, hooks, contents)
        time.sleep(hooks.create_delay_seconds)
        if hooks.create_answer:
            drop(hooks.create_answer, request)
        body = _describe(sandbox)
        body.pop("image", None)
        body.pop("snapshotId", None)
        if sandbox.state == "Running":
            body["status"]["message"] = "Sandbox container started successfully."
        return json_response(body, 202)

    def list(self, request):
        page, size = page_and_size(request)
        states = {state.lower() for state in request.query_all("state")}
        wanted = _metadata_filter(request.query("metadata"))
        found = [
            sandbox for sandbox in self.sandboxes.newest_first()
            if (not states or sandbox.state.lower() in states)
            and all(sandbox.metadata.get(k) == v for k, v in wanted.items())
        ]
        return json_response(paginated([_describe(each) for each in found], page, size))

    def get(self, request):
        return json_response(_describe(self._find(request)))

    def delete(self, request):
        self._find(request).end()
        return Response(204)

    def pause(self, request):
        sandbox = self._find(request)
        if sandbox.state == "Paused":
            raise ApiError(500, "DOCKER::SANDBOX_PAUSE_FAILED",
                           "Failed to pause sandbox container: it is already paused.")
        if sandbox.state != "Running":
            raise ApiError(409, "DOCKER::SANDBOX_NOT_RUNNING",
                           "Sandbox is not in a running state.")
        sandbox.pause()
        return Response(202)

    def resume(self, request):
        sandbox = self._find(request)
        if sandbox.state != "Paused":
            raise ApiError(409, "DOCKER::SANDBOX_NOT_PAUSED", "Sandbox is not in a paused state.")
        sandbox.resume()
        return Response(202)

    def renew(self, request):
        expires_at = validated_body(request, _RENEW)["expiresAt"]
        sandbox = self._find(request)
        if expires_at <= utc_now():
            raise ApiError(400, "DOCKER::INVALID_EXPIRATION",
                           "New expiration time must be in the future.")
        if sandbox.manual_cleanup:
            raise ApiError(409, "DOCKER::INVALID_EXPIRATION",
                           "Sandbox %s does not have automatic expiration enabled." % sandbox.id)
        sandbox.renew(expires_at)
        return json_response({"expiresAt": rfc3339(expires_at)})

    def patch_metadata(self, request):
        patch = validated_body(request, _METADATA_PATCH)
        sandbox = self._find(request)
        for key in patch:
            if is_reserved(key):
                raise ApiError(400, "INVALID_METADATA_LABEL",
                               "Metadata key '%s' is reserved (opensandbox.io/ prefix)." % key)
        check_labels({k: v for k, v in patch.items() if v is not None})
        merged = {**sandbox.metadata, **patch}
        sandbox.metadata = {k: v for k, v in merged.items() if v is not None}
        return json_response(_describe(sandbox))

    # Reaching a sandbox

    def endpoint(self, request):
        port = validated(Integer(), request.params["port"], ("path", "port"))
        use_proxy = _query_flag(request, "use_server_proxy")
        expires = query_number(request, "expires", None, Integer())
        if use_proxy and expires is not None:
            raise ApiError(400, "SANDBOX::INVALID_PARAMETER",
                           "use_server_proxy cannot be combined with expires.")
        if not 0 < port < 65536:
            raise ApiError(400, "DOCKER::INVALID_PORT", "Port must be between 1 and 65535.")
        if expires is not None:
            _check_expires(expires)
        sandbox = self._find(request)
        if sandbox.state in ("Pending", "Failed", "Terminated"):
            raise ApiError(404, "KUBERNETES::POD_IP_NOT_AVAILABLE",
                           "Sandbox %s has no address yet." % sandbox.id)
        host = request.headers.get("Host") or "127.0.0.1"
        headers = endpoint_headers(sandbox, port)
        if expires is not None:
            address = host + self._gateway.signed_path(sandbox, port, expires)
        elif use_proxy or self._always_proxy:
            address = "%s/sandboxes/%s/proxy/%d" % (host, sandbox.id, port)
        elif sandbox.secure_token:
            address = host + self._gateway.plain_path(sandbox, port)
            headers[gateway.SECURE_HEADER] = sandbox.secure_token
        else:
            address = self._direct_address(sandbox, port)
            if port != EXECD_PORT and sandbox.execd_token:
                headers[TOKEN_HEADER] = sandbox.execd_token
        body = {"endpoint": address}
        if headers:
            body["headers"] = headers
        return json_response(body)

    def _direct_address(self, sandbox, port):
        settings = self.sandboxes.settings
        address = "%s:%d%s" % (
            settings.host, sandbox.public_port(EXECD_PORT), settings.endpoint_prefix
        )
        return address if port == EXECD_PORT else "%s/proxy/%d" % (address, port)

    def _server_proxy(self, request, parts):
        """`/sandboxes/ID/proxy/PORT/PATH`, which needs no API key."""
        if request.method not in _PROXIED_METHODS:
            return _method_not_allowed(["GET"])
        sandbox = self._lookup(parts[1])
        port = validated(Integer(), parts[3], ("path", "port"))
        if not 0 < port < 65536:
            raise ApiError(400, "DOCKER::INVALID_PORT", "Port must be between 1 and 65535.")
        path = "/" + "/".join(parts[4:])
        if port == EXECD_PORT:
            path = self.sandboxes.settings.endpoint_prefix + path
        target = quote(path, safe="/:@!$&'()*+,;=~-._")
        if request.query_string:
            target += "?" + request.query_string
        try:
            return forward(request, sandbox.host_port(port), target, _NOT_PROXIED,
                           _forwarded(request), [("x-request-id", _request_id(request))])
        except Unreachable as reason:
            message = "Could not connect to the backend sandbox endpoint='127.0.0.1:%d': %s"
            raise ApiError(502, "GENERAL::UNKNOWN_ERROR", message % (port, reason)) from None

    def metrics_event(self, request):
        """The SDKs' telemetry: taken and forgotten."""
        validated_body(request, _METRICS_EVENT)
        return Response(204)

    # Dispatch

    def _answer(self, request):
        try:
            return self._dispatch(request)
        except Invalid as invalid:
            return invalid.response()
        except ApiError as error:
            return error.response()

    def _dispatch(self, request):
        path = request.path
        if path == "/health" and request.method == "GET":
            return json_response({"status": "healthy"})
        if path.startswith("/v1/"):
            path = path[len("/v1"):]
        parts = path.split("/")[1:]
        if len(parts) >= 4 and (parts[0], parts[2]) == ("sandboxes", "proxy"):
            if parts[3].isdigit() and ".." not in path:
                return self._server_proxy(request, parts)
        self._authenticate(request)
        handler, found = self._router.find(request.method, path)
        if handler is not None:
            request.params = found
            return handler(request)
        if found:
            return _method_not_allowed(found)
        return self._redirect_without_slash(request, path) or not_found()

    def _authenticate(self, request):
        if not self._api_key or request.path.startswith(_OPEN_PATHS):
            return
        given = request.headers.get(API_KEY_HEADER)
        if not given:
            raise ApiError(401, "MISSING_API_KEY", "Authentication credentials are missing. "
                           "Provide API key via %s header." % API_KEY_HEADER)
        if given != self._api_key:
            raise ApiError(401, "INVALID_API_KEY", "Authentication credentials are invalid. "
                           "Check your API key and try again.")

    def _redirect_without_slash(self, request, path):
        handler, found = self._router.find(request.method, path.rstrip("/"))
        if not path.endswith("/") or (handler is None and not found):
            return None
        query = "?" + request.query_string if request.query_string else ""
        location = "%s://%s%s%s" % (
            self.sandboxes.settings.scheme, request.headers.get("Host", ""),
            quote(request.path.rstrip("/")), query
        )
        return Response(307, b"", [("location", location)])

    def _hooks(self, fields):
        try:
            return Hooks(fields["extensions"], self.sandboxes.settings.linger_seconds)
        except BadHook as bad:
            raise ApiError(400, "SANDBOX::INVALID_PARAMETER", str(bad)) from None

    def _find(self, request):
        return self._lookup(request.params["id"])

    def _lookup(self, sandbox_id, required=True):
        sandbox = self.sandboxes.get(sandbox_id)
        if sandbox is None and required:
            raise ApiError(404, "DOCKER::SANDBOX_NOT_FOUND", "Sandbox %s not found." % sandbox_id)
        return sandbox


def endpoint_headers(sandbox, port):
    """What a client must send along to this port, whichever way it goes there."""
    if port == EXECD_PORT and sandbox.execd_token:
        return {TOKEN_HEADER: sandbox.execd_token}
    if port == EGRESS_PORT and sandbox.egress_token:
        return {EGRESS_TOKEN_HEADER: sandbox.egress_token}
    return {}


def not_found():
    return json_response({"detail": "Not Found"}, 404)


def _request_id(request):
    """The caller's, or a new one."""
    return (request.headers.get("X-Request-ID") or "").strip() or uuid.uuid4().hex


def _method_not_allowed(allowed):
    return json_response({"detail": "Method Not Allowed"}, 405, [("allow", allowed[0])])


def _describe(sandbox):
    fields = sandbox.fields
    status = sandbox.status()
    status["lastTransitionAt"] = rfc3339(status["lastTransitionAt"])
    image = None if fields["snapshotId"] else fields["image"]
    return without_nulls({
        "id": sandbox.id,
        "image": {"uri": image["uri"]} if image else None,
        "snapshotId": fields["snapshotId"],
        "platform": fields["platform"],
        "status": status,
        "metadata": sandbox.metadata or None,
        "extensions": fields["extensions"],
        "entrypoint": fields["entrypoint"],
        "expiresAt": rfc3339(sandbox.expires_at) if sandbox.expires_at else None,
        "createdAt": rfc3339(sandbox.created_at),
    })


def _query_flag(request, name):
    text = request.query(name)
    return False if text is None else validated(Boolean(), text, ("query", name))


def _metadata_filter(text):
    if not text:
        return {}
    try:
        return dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True))
    except ValueError as wrong:
        raise ApiError(400, "INVALID_METADATA_FORMAT",
                       "Invalid metadata format: %s" % wrong) from None


def _check_expires(expires):
    wrong = (
        "must be a non-negative Unix timestamp" if expires < 0
        else "must be greater than the current time" if expires <= time.time()
        else "exceeds the maximum of uint64" if expires >= 2**64 else None
    )
    if wrong:
        raise ApiError(400, "SANDBOX::INVALID_PARAMETER", "expires %s." % wrong)


def _forwarded(request):
    fields = [
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", request.headers.get("Host") or ""),
        ("X-Forwarded-For", request.connection.peer[0]),
    ]
    return [(name, value) for name, value in fields if request.headers.get(name) is None]
