"""Pools of warm sandboxes. Only the numbers are kept: sandboxes here start at once anyway."""

import threading
import uuid

from .errors import ApiError, json_response
from .httpd import Response
from .times import rfc3339, utc_now
from .validation import Integer, MapOf, Model, String, validated_body

_COUNT = Integer(minimum=0)
_CAPACITY = Model({
    "bufferMax": _COUNT, "bufferMin": _COUNT, "poolMax": _COUNT, "poolMin": _COUNT,
})


class _Anything:
    def check(self, value, where, errors):
        return value


_CREATE = Model({
    "name": String(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=253),
    "template": MapOf(_Anything()),
    "capacitySpec": _CAPACITY,
})
_UPDATE = Model({"capacitySpec": _CAPACITY})


class Pool:
    def __init__(self, name, capacity):
        self.name = name
        self.capacity = capacity
        self.created_at = utc_now()
        self.revision = uuid.uuid4().hex[:10]


class Pools:
    """All pools, by name; with `supported` off as under Docker."""

    def __init__(self, sandboxes, supported=True):
        self._sandboxes = sandboxes
        self._supported = supported
        self._lock = threading.Lock()
        self._by_name = {}
        handlers = (
            ("POST", "/pools", self.create), ("GET", "/pools", self.list),
            ("GET", "/pools/{name}", self.get), ("PUT", "/pools/{name}", self.update),
            ("DELETE", "/pools/{name}", self.delete),
        )
        self.routes = [(m, path, self._if_supported(handler)) for m, path, handler in handlers]

    def create(self, request):
        fields = validated_body(request, _CREATE)
        with self._lock:
            if fields["name"] in self._by_name:
                raise ApiError(409, "KUBERNETES::POOL_ALREADY_EXISTS",
                               "Pool '%s' already exists." % fields["name"])
            pool = Pool(fields["name"], fields["capacitySpec"])
            self._by_name[pool.name] = pool
        return json_response(self._describe(pool), 201)

    def list(self, request):
        with self._lock:
            pools = sorted(self._by_name.values(), key=lambda pool: pool.name)
        return json_response({"items": [self._describe(pool) for pool in pools]})

    def get(self, request):
        return json_response(self._describe(self._find(request.params["name"])))

    def update(self, request):
        capacity = validated_body(request, _UPDATE)["capacitySpec"]
        pool = self._find(request.params["name"])
        pool.capacity = capacity
        return json_response(self._describe(pool))

    def delete(self, request):
        pool = self._find(request.params["name"])
        with self._lock:
            self._by_name.pop(pool.name, None)
        return Response(204)

    def check_reference(self, name):
        """Whether a sandbox may be made from this pool."""
        if not self._supported:
            raise ApiError(400, "SANDBOX::UNSUPPORTED_POOL_REF", "poolRef is not supported.")
        pool = self._find(name)
        if self._allocated(pool) >= pool.capacity["poolMax"]:
            raise ApiError(409, "KUBERNETES::POOL_API_ERROR",
                           "Pool '%s' has no room for another sandbox." % name)

    def _if_supported(self, handler):
        def checked(request):
            if not self._supported:
                raise ApiError(501, "KUBERNETES::POOL_NOT_SUPPORTED",
                               "Pool management is only available on Kubernetes.")
            return handler(request)

        return checked

    def _find(self, name):
        pool = self._by_name.get(name)
        if pool is None:
            raise ApiError(404, "KUBERNETES::POOL_NOT_FOUND", "Pool '%s' not found." % name)
        return pool

    def _allocated(self, pool):
        return sum(
            (sandbox.fields["extensions"] or {}).get("poolRef", "").strip() == pool.name
            for sandbox in self._sandboxes.newest_first()
        )

    def _describe(self, pool):
        allocated = self._allocated(pool)
        warm = min(pool.capacity["bufferMax"], max(0, pool.capacity["poolMax"] - allocated))
        return {
            "name": pool.name,
            "capacitySpec": pool.capacity,
            "status": {
                "total": allocated + warm, "allocated": allocated, "available": warm,
                "revision": pool.revision,
            },
            "createdAt": rfc3339(pool.created_at),
        }
