"""JSON and timestamps as Go's standard library reads and writes them, which is how execd does."""

import json
import re
from datetime import datetime, timezone

# Go escapes these for the sake of HTML; the surrogates stand for bytes that were no UTF-8.
_GO_ESCAPES = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
# Everything that needs an escape inside a string, except the newline (see `escape_lines`).
_LINE_ESCAPES = re.compile('[\x00-\x09\x0b-\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(match):
    char = match.group()
    if char >= "\ud800" and char <= "\udfff":
        return "\\ufffd"
    return _SHORT.get(char) or "\\u%04x" % ord(char)


def dumps(value):
    """Compact JSON with Go's escapes; the order of keys is kept."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _GO_ESCAPES.sub(_escape, text).encode("utf-8")


def escape_lines(data):
    """Raw bytes as the inside of JSON strings, with newlines left for the caller to split on."""
    return _LINE_ESCAPES.sub(_escape, data.decode("utf-8", "surrogateescape"))


def rfc3339_nano(seconds_ns):
    """A time in ns since the epoch as Go prints it: local offset, no trailing zeros."""
    seconds, nanos = divmod(seconds_ns, 10**9)
    local = datetime.fromtimestamp(seconds, timezone.utc).astimezone()
    fraction = (".%09d" % nanos).rstrip("0") if nanos else ""
    offset = local.strftime("%z")
    zone = "Z" if offset in ("", "+0000") else offset[:3] + ":" + offset[3:]
    return local.strftime("%Y-%m-%dT%H:%M:%S") + fraction + zone


class DecodeError(Exception):
    """The text of the error that Go would give."""


class FloatLiteral(str):
    """A number with a fraction or exponent, as it was written."""


_SYNTAX = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Expecting ':' delimiter": "after object key",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}


def _refuse_constant(name):
    raise DecodeError("invalid character '%s' looking for beginning of value" % name[0])


_DECODER = json.JSONDecoder(
    parse_float=FloatLiteral, parse_constant=_refuse_constant, strict=True
)


def loads(body):
    """The first JSON value of `body`; as in Go, what follows it is not looked at."""
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise DecodeError("EOF")
    try:
        return _DECODER.raw_decode(text)[0]
    except json.JSONDecodeError as problem:
        raise DecodeError(_go_message(text, problem)) from None
    except RecursionError:
        raise DecodeError("exceeded max depth") from None


def _go_message(text, problem):
    position = problem.pos
    if problem.msg.startswith("Unterminated string"):
        return "unexpected EOF"
    if problem.msg.startswith("Invalid \\escape"):
        position += 1
    while position < len(text) and text[position] in " \t\r\n" and "control" not in problem.msg:
        position += 1
    if position >= len(text):
        return "unexpected EOF"
    wanted = next((go for py, go in _SYNTAX.items() if problem.msg.startswith(py)), None)
    if wanted is None:
        inside_object = _innermost_bracket(text[:position]) == "{"
        wanted = "after object key:value pair" if inside_object else "after array element"
    return "invalid character %s %s" % (_quote_char(text[position]), wanted)


def _innermost_bracket(text):
    stack = []
    for token in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text):
        if token in "[{":
            stack.append(token)
        elif token in "]}" and stack:
            stack.pop()
    return stack[-1] if stack else ""


def _quote_char(char):
    if char == "'":
        return "'\\''"
    if char == '"':
        return "'\"'"
    return "'%s'" % json.dumps(char, ensure_ascii=False)[1:-1]


_KINDS = {str: "string", bool: "bool", int: "number", FloatLiteral: "number", list: "array",
          dict: "object"}
_INTEGERS = {
    "int": (-(2**63), 2**63 - 1), "int64": (-(2**63), 2**63 - 1), "uint32": (0, 2**32 - 1),
}
_ZERO = {"string": "", "bool": False, "int": 0, "int64": 0, "uint32": 0}


class Struct:
    """A Go struct to decode into: field name -> Go type.

    Types are the keys of `_INTEGERS`, "string", "bool", "map" (string to string), "[]string",
    "any", another Struct, or one of these with `*` in front for a field that may be absent (None).
    """

    def __init__(self, name, **fields):
        self.name = name
        self.fields = fields

    def decode(self, body):
        return self.convert(loads(body), self.name, "")

    def convert(self, value, owner, path):
        result = {name: _zero(kind) for name, kind in self.fields.items()}
        if value is None:
            return result
        if not isinstance(value, dict):
            where = "Go value" if not path else "Go struct field %s.%s" % (owner, path)
            raise DecodeError("json: cannot unmarshal %s into %s of type model.%s"
                              % (_kind(value), where, self.name))
        # Go matches keys without regard to case when there is no exact match.
        known = {name.lower(): name for name in self.fields}
        problem = None
        for key, item in value.items():
            name = known.get(key.lower())
            if name is None or item is None:
                continue
            try:
                inner = path + "." + name if path else name
                result[name] = _convert(item, self.fields[name], owner, inner)
            except DecodeError as error:
                problem = problem or error
        if problem:
            raise problem
        return result


def _zero(kind):
    if isinstance(kind, Struct):
        return kind.convert(None, kind.name, "")
    return _ZERO.get(kind) if not kind.startswith("*") else None


def _kind(value):
    return _KINDS[type(value)]


def _mismatch(value, owner, path, go_type):
    shown = _kind(value)
    if shown == "number" and go_type in _INTEGERS:
        shown = "number %s" % value
    return DecodeError("json: cannot unmarshal %s into Go struct field %s.%s of type %s"
                       % (shown, owner, path, go_type))


def _convert(value, kind, owner, path):
    if isinstance(kind, Struct):
        return kind.convert(value, owner, path)
    kind = kind.lstrip("*")
    if kind == "any":
        return value
    if kind == "map":
        return _convert_map(value, owner, path)
    if kind == "[]string":
        return _convert_list(value, owner, path)
    if kind in _INTEGERS:
        low, high = _INTEGERS[kind]
        if type(value) is int and low <= value <= high:
            return value
    elif type(value) is {"string": str, "bool": bool}[kind]:
        return value
    raise _mismatch(value, owner, path, kind)


def _convert_map(value, owner, path):
    if not isinstance(value, dict):
        raise _mismatch(value, owner, path, "map[string]string")
    return {k: "" if v is None else _convert(v, "string", owner, path) for k, v in value.items()}


def _convert_list(value, owner, path):
    if not isinstance(value, list):
        raise _mismatch(value, owner, path, "[]string")
    return ["" if v is None else _convert(v, "string", owner, path) for v in value]
