"""Snapshots: a copy of the sandbox's home directory, which a new sandbox can start with."""

import os
import shutil
import threading
import uuid

from .errors import ApiError, json_response, without_nulls
from .httpd import Response
from .lists import page_and_size, paginated
from .times import rfc3339, utc_now
from .validation import Model, String, validated_body

_CREATE = Model(optional={"name": (String(min_length=1), None)})


class Snapshot:
    def __init__(self, sandbox_id, name, directory):
        self.id = str(uuid.uuid4())
        self.sandbox_id = sandbox_id
        self.name = name
        self.directory = os.path.join(directory, self.id)
        self.created_at = utc_now()
        self.set_state("Creating", "snapshot_accepted", "Snapshot creation accepted.")

    def set_state(self, state, reason, message):
        self.state = state
        self._status = {
            "state": state, "reason": reason, "message": message,
            "lastTransitionAt": rfc3339(utc_now()),
        }

    def describe(self):
        return without_nulls({
            "id": self.id, "sandboxId": self.sandbox_id, "name": self.name,
            "status": self._status, "createdAt": rfc3339(self.created_at),
        })


class Snapshots:
    """All snapshots; they outlive their sandboxes, though not the server."""

    def __init__(self, find_sandbox, directory):
        self._find_sandbox = find_sandbox
        self._directory = directory
        self._lock = threading.Lock()
        self._by_id = {}
        self.routes = [
            ("POST", "/sandboxes/{id}/snapshots", self.create),
            ("GET", "/snapshots", self.list),
            ("GET", "/snapshots/{id}", self.get),
            ("DELETE", "/snapshots/{id}", self.delete),
        ]

    def create(self, request):
        fields = validated_body(request, _CREATE, optional=True) or {"name": None}
        sandbox = self._find_sandbox(request.params["id"])
        if sandbox.state != "Running":
            raise ApiError(409, "SNAPSHOT::INVALID_SOURCE_STATE",
                           "Sandbox %s is not running." % sandbox.id)
        snapshot = Snapshot(sandbox.id, fields["name"], self._directory)
        with self._lock:
            self._by_id[snapshot.id] = snapshot
        timer = threading.Timer(sandbox.hooks.snapshot_seconds, self._make, (snapshot, sandbox))
        timer.daemon = True
        timer.start()
        location = ("location", "/v1/snapshots/" + snapshot.id)
        return json_response(snapshot.describe(), 202, [location])

    def list(self, request):
        page, size = page_and_size(request)
        states = request.query_all("state")
        wanted = {"sandbox_id": request.query("sandboxId"), "name": request.query("name")}
        found = [
            snapshot for snapshot in self._newest_first()
            if (not states or snapshot.state in states)
            and all(v is None or getattr(snapshot, k) == v for k, v in wanted.items())
        ]
        return json_response(paginated([each.describe() for each in found], page, size))

    def get(self, request):
        return json_response(self._find(request.params["id"]).describe())

    def delete(self, request):
        snapshot = self._find(request.params["id"])
        if snapshot.state == "Creating":
            raise ApiError(409, "SNAPSHOT::INVALID_STATE",
                           "Snapshot %s is still being created." % snapshot.id)
        with self._lock:
            self._by_id.pop(snapshot.id, None)
        shutil.rmtree(snapshot.directory, ignore_errors=True)
        return Response(204)

    def directory_of(self, snapshot_id):
        """Where a new sandbox finds what it is to start with."""
        snapshot = self._find(snapshot_id)
        if snapshot.state != "Ready":
            raise ApiError(409, "SNAPSHOT::NOT_READY",
                           "Snapshot %s is not ready for restore." % snapshot_id)
        return snapshot.directory

    def _find(self, snapshot_id):
        snapshot = self._by_id.get(snapshot_id)
        if snapshot is None:
            raise ApiError(404, "SNAPSHOT::NOT_FOUND", "Snapshot %s not found" % snapshot_id)
        return snapshot

    def _newest_first(self):
        with self._lock:
            return sorted(self._by_id.values(), key=lambda each: each.created_at, reverse=True)

    @staticmethod
    def _make(snapshot, sandbox):
        failure = sandbox.hooks.snapshot_failure
        try:
            if failure is None:
                copy_tree(sandbox.home, snapshot.directory)
        except OSError as problem:
            failure = str(problem)
        if failure is None:
            snapshot.set_state("Ready", "snapshot_ready", "Snapshot is ready.")
        else:
            snapshot.set_state("Failed", "snapshot_runtime_failed", failure)


def copy_tree(source, target):
    """Copies directories and files; sockets, pipes and what cannot be read stay behind."""
    try:
        shutil.copytree(source, target, symlinks=True, ignore=_unusual, dirs_exist_ok=True)
    except shutil.Error:
        pass


def _unusual(directory, names):
    paths = ((name, os.path.join(directory, name)) for name in names)
    return [name for name, path in paths if not (os.path.isfile(path) or os.path.isdir(path)
                                                 or os.path.islink(path))]
