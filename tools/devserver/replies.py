"""Answers in the shapes of execd (Go, gin)."""

from . import gojson
from .httpd import Response

_JSON = ("Content-Type", "application/json; charset=utf-8")


def json_reply(value, status=200):
    return Response(status, gojson.dumps(value), [_JSON])


def error(status, code, message=""):
    fields = {"code": code, "message": message}
    return json_reply({k: v for k, v in fields.items() if v}, status)
