"""Errors of the lifecycle API, and JSON answers in its shape."""

import json

from .httpd import Response

_JSON = ("content-type", "application/json")


class ApiError(Exception):
    """Becomes an answer with `{"code", "message"}`."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status = status
        self.code = code

    def response(self):
        return json_response({"code": self.code, "message": str(self)}, self.status)


def json_response(value, status=200, headers=()):
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(status, body.encode("utf-8", "replace"), [_JSON, *headers])


def without_nulls(fields):
    """The lifecycle API leaves out what is null."""
    return {name: value for name, value in fields.items() if value is not None}
