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


# Halves of a pair that stand alone after \\u escapes.
_SURROGATES = re.compile("[\ud800-\udfff]")


def duration(seconds):
    """A time span as Go prints it: 1s, 1.5s, 300ms, 1m30s, 2h0m0s."""
    if seconds < 1:
        return "%gms" % round(seconds * 1000, 3) if seconds else "0s"
    minutes, seconds = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = "%gs" % round(seconds, 3)
    if minutes or hours:
        text = "%dm%s" % (minutes, text)
    return "%dh%s" % (hours, text) if hours else text


class DecodeError(Exception):
    """The text of the error that Go would give."""


class FloatLiteral(str):
    """A number with a fraction or exponent, as it was written."""


def _refuse_constant(name):
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_float=FloatLiteral, parse_constant=_refuse_constant)


def loads(body):
    """The first JSON value of `body`; as in Go, what follows it is not looked at."""
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    try:
        return _DECODER.raw_decode(text)[0]
    except ValueError:
        raise DecodeError(_SyntaxCheck(body).problem()) from None
    except RecursionError:
        raise DecodeError("exceeded max depth") from None


class _SyntaxCheck:
    """Reads bytes until they are no JSON any more, to say so in Go's words."""

    def __init__(self, data):
        self._data = data
        self._next = 0

    def problem(self):
        if not self._data.strip(b" \t\r\n"):
            return "EOF"
        try:
            self._value()
        except DecodeError as found:
            return str(found)
        return "invalid JSON"

    def _char(self):
        if self._next >= len(self._data):
            raise DecodeError("unexpected EOF")
        return chr(self._data[self._next])

    def _skip_space(self):
        while self._char() in " \t\r\n":
            self._next += 1
        return self._char()

    def _expect(self, allowed, where):
        char = self._char()
        if char not in allowed:
            raise DecodeError("invalid character %s %s" % (_quote_char(char), where))
        self._next += 1
        return char

    def _value(self):
        start = self._skip_space()
        if start in "{[":
            self._next += 1
            (self._object if start == "{" else self._array)()
        elif start == '"':
            self._string()
        elif start in "-0123456789":
            self._number()
        else:
            self._expect("tfn", "looking for beginning of value")
            word = {"t": "true", "f": "false", "n": "null"}[start]
            for char in word[1:]:
                self._expect(char, "in literal %s (expecting '%s')" % (word, char))

    def _object(self):
        if self._skip_space() == "}":
            self._next += 1
            return
        while True:
            if self._skip_space() != '"':
                self._expect("", "looking for beginning of object key string")
            self._string()
            self._skip_space()
            self._expect(":", "after object key")
            self._value()
            self._skip_space()
            if self._expect(",}", "after object key:value pair") == "}":
                return

    def _array(self):
        if self._skip_space() == "]":
            self._next += 1
            return
        while True:
            self._value()
            self._skip_space()
            if self._expect(",]", "after array element") == "]":
                return

    def _string(self):
        self._next += 1
        while True:
            char = self._char()
            if char < " ":
                self._expect("", "in string literal")
            self._next += 1
            if char == '"':
                return
            if char == "\\" and self._expect('bfnrt\\/"u', "in string escape code") == "u":
                for _ in range(4):
                    self._expect("0123456789abcdefABCDEF",
                                 "in \\u hexadecimal character escape")

    def _number(self):
        digits = "0123456789"
        if self._char() == "-":
            self._next += 1
        if self._expect(digits, "in numeric literal") != "0":
            self._skip_digits()
        if self._at("."):
            self._expect(digits, "after decimal point in numeric literal")
            self._skip_digits()
        if self._at("eE"):
            self._at("+-")
            self._expect(digits, "in exponent of numeric literal")
            self._skip_digits()

    def _skip_digits(self):
        while self._at("0123456789"):
            pass

    def _at(self, chars):
        found = self._next < len(self._data) and chr(self._data[self._next]) in chars
        self._next += found
        return found


def _quote_char(char):
    if char == "'":
        return "'\\''"
    if char == "\\" or char < " " or "\x7f" <= char <= "\xa0":
        short = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char)
        form = "\\x%02x" if char < "\x80" else "\\u%04x"
        return "'%s'" % (short or form % ord(char))
    return "'%s'" % char


_KINDS = {
    type(None): "null", str: "string", bool: "bool", int: "number", FloatLiteral: "number",
    list: "array", dict: "object",
}
_INTEGERS = {
    "int": (-(2**63), 2**63 - 1), "int64": (-(2**63), 2**63 - 1), "uint32": (0, 2**32 - 1),
}
_ZERO = {"string": "", "bool": False, "int": 0, "int64": 0, "uint32": 0}


class ListOf:
    """A slice of one of the types that a Struct's field may have."""

    def __init__(self, item):
        self.item = item


class OptionalOf:
    """A pointer to a Struct; None when absent."""

    def __init__(self, item):
        self.item = item


class Struct:
    """A Go struct to decode into: field name -> Go type.

    Types are the keys of `_INTEGERS`, "string", "bool", "map" (string to string),
    another Struct, a ListOf or OptionalOf, or one of the names with `*` in front for a field that
    may be absent (None).
    """

    def __init__(self, name, /, **fields):
        self.name = name
        self.fields = fields
        self._outer = {}
        self._strict = False

    def strict(self):
        """Unknown fields become errors."""
        self._strict = True
        return self

    def embed(self, outer, /, **fields):
        """Fields of an embedded struct, which Go names with that struct's name in errors."""
        self.fields.update(fields)
        self._outer.update((name, outer + ".") for name in fields)
        return self

    def decode(self, body):
        return self.convert(loads(body), self.name, "")

    def decode_whole(self, body):
        """Like `decode`, but nothing may follow the value."""
        return decode_whole(self.decode, body)

    def decode_map(self, body):
        """A map from strings to this struct."""
        value = loads(body)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise DecodeError("json: cannot unmarshal %s into Go value of type "
                              "map[string]model.%s" % (_kind(value), self.name))
        return {
            _SURROGATES.sub("\ufffd", key): self.convert(item, self.name, "")
            for key, item in value.items()
        }

    def decode_list(self, body):
        """A list of this struct."""
        value = loads(body)
        if value is None:
            return []
        if not isinstance(value, list):
            raise DecodeError("json: cannot unmarshal %s into Go value of type "
                              "[]model.%s" % (_kind(value), self.name))
        return [self.convert(item, self.name, "") for item in value]

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
            if name is None and self._strict:
                raise DecodeError('json: unknown field "%s"' % key)
            if name is None or item is None:
                continue
            try:
                shown = self._outer.get(name, "") + name
                inner = path + "." + shown if path else shown
                result[name] = _convert(item, self.fields[name], owner, inner)
            except DecodeError as error:
                problem = problem or error
        if problem:
            raise problem
        return result


def _zero(kind):
    if isinstance(kind, Struct):
        return kind.convert(None, kind.name, "")
    if not isinstance(kind, str):
        return None
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
    if isinstance(kind, OptionalOf):
        return kind.item.convert(value, owner, path)
    if isinstance(kind, ListOf):
        return _convert_list(value, kind.item, owner, path)
    kind = kind.lstrip("*")
    if kind == "map":
        return _convert_map(value, owner, path)
    if kind in _INTEGERS:
        low, high = _INTEGERS[kind]
        if type(value) is int and low <= value <= high:
            return value
    elif kind == "string" and type(value) is str:
        return _SURROGATES.sub("\ufffd", value)
    elif kind == "bool" and type(value) is bool:
        return value
    raise _mismatch(value, owner, path, kind)


def _convert_map(value, owner, path):
    if not isinstance(value, dict):
        raise _mismatch(value, owner, path, "map[string]string")
    return {
        _SURROGATES.sub("\ufffd", k): "" if v is None else _convert(v, "string", owner, path)
        for k, v in value.items()
    }


def _convert_list(value, item, owner, path):
    if not isinstance(value, list):
        shown = item if isinstance(item, str) else "model." + item.name
        raise _mismatch(value, owner, path, "[]" + shown)
    return [_zero(item) if v is None else _convert(v, item, owner, path) for v in value]


def decode_whole(decode, body):
    """What `decode` makes of the body; but nothing may follow the value."""
    text = body.decode("utf-8", "replace").strip(" \t\r\n")
    try:
        rest = text[_DECODER.raw_decode(text)[1]:].lstrip(" \t\r\n")
    except (ValueError, RecursionError):
        rest = ""
    if rest:
        raise DecodeError(
            "invalid character %s after top-level value" % _quote_char(rest[0]))
    try:
        return decode(body)
    except DecodeError as problem:
        # Here the end of the text is known to be the end, and Go says so differently.
        if str(problem) in ("EOF", "unexpected EOF"):
            raise DecodeError("unexpected end of JSON input") from None
        raise


def decode_strings(body):
    """A list of strings."""
    value = loads(body)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DecodeError(
            "json: cannot unmarshal %s into Go value of type []string" % _kind(value))
    for item in value:
        if item is not None and not isinstance(item, str):
            raise DecodeError(
                "json: cannot unmarshal %s into Go value of type string" % _kind(item))
    return [item or "" for item in value]
