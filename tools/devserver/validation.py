"""Validation of JSON values with the error objects that FastAPI (pydantic) servers answer.

A schema is built from the classes below. `check(value, where, errors)` returns the converted
value and appends `{"type", "loc", "msg", "input", ...}` for everything that is wrong.
"""

import json
import re
from datetime import datetime, timezone

from .errors import ApiError
from .httpd import Response


class Invalid(Exception):
    """Carries the list of errors for a 422 answer."""

    def __init__(self, errors):
        super().__init__("invalid request")
        self.errors = errors

    def response(self):
        body = json.dumps({"detail": self.errors}, ensure_ascii=False, separators=(",", ":"))
        return Response(422, body.encode("utf-8", "replace"),
                        [("content-type", "application/json")])


def problem(kind, where, message, value, **context):
    found = {"type": kind, "loc": list(where), "msg": message, "input": value}
    if context:
        found["ctx"] = context
    return found


class String:
    def __init__(self, pattern=None, min_length=0, max_length=None, choices=None):
        self._pattern = pattern
        self._min_length = min_length
        self._max_length = max_length
        self._choices = choices

    def check(self, value, where, errors):
        if self._choices and value not in self._choices:
            expected = " or ".join("'%s'" % choice for choice in self._choices)
            errors.append(problem("literal_error", where, "Input should be " + expected, value,
                                  expected=expected))
        elif not isinstance(value, str):
            errors.append(problem("string_type", where, "Input should be a valid string", value))
        elif len(value) < self._min_length:
            errors.append(_too("short", where, value, self._min_length, "at least"))
        elif self._max_length is not None and len(value) > self._max_length:
            errors.append(_too("long", where, value, self._max_length, "at most"))
        elif self._pattern and not re.search(self._pattern, value):
            message = "String should match pattern '%s'" % self._pattern
            errors.append(problem("string_pattern_mismatch", where, message, value,
                                  pattern=self._pattern))
        return value


def _too(what, where, value, limit, bound):
    message = "String should have %s %d character%s" % (bound, limit, "" if limit == 1 else "s")
    key = "min_length" if what == "short" else "max_length"
    return problem("string_too_" + what, where, message, value, **{key: limit})


class Integer:
    """Accepts what pydantic's lax mode accepts: 60, 60.0 and "60", but neither 60.5 nor true."""

    def __init__(self, minimum=None, maximum=None):
        self._minimum = minimum
        self._maximum = maximum

    def check(self, value, where, errors):
        number = _lax_integer(value, where, errors)
        if number is None:
            return None
        if self._minimum is not None and number < self._minimum:
            message = "Input should be greater than or equal to %d" % self._minimum
            errors.append(problem("greater_than_equal", where, message, value, ge=self._minimum))
        if self._maximum is not None and number > self._maximum:
            message = "Input should be less than or equal to %d" % self._maximum
            errors.append(problem("less_than_equal", where, message, value, le=self._maximum))
        return number


def _lax_integer(value, where, errors):
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if abs(value) >= 2**63:
            message = "Unable to parse input string as an integer, exceeded maximum size"
            errors.append(problem("int_parsing_size", where, message, value))
            return None
        if value.is_integer():
            return int(value)
        message = "Input should be a valid integer, got a number with a fractional part"
        errors.append(problem("int_from_float", where, message, value))
    elif isinstance(value, str):
        if re.fullmatch(r"\s*[+-]?\d+(_\d+)*(\.0*)?\s*", value, re.ASCII):
            return int(value.split(".")[0])
        message = "Input should be a valid integer, unable to parse string as an integer"
        errors.append(problem("int_parsing", where, message, value))
    else:
        errors.append(problem("int_type", where, "Input should be a valid integer", value))
    return None


class Boolean:
    _WORDS = {
        **dict.fromkeys(("true", "t", "1", "yes", "y", "on"), True),
        **dict.fromkeys(("false", "f", "0", "no", "n", "off"), False),
    }

    def check(self, value, where, errors):
        if isinstance(value, bool):
            return value
        if isinstance(value, (int, float)) and value in (0, 1):
            return bool(value)
        if isinstance(value, str) and value.lower() in self._WORDS:
            return self._WORDS[value.lower()]
        if isinstance(value, (str, int)):
            message = "Input should be a valid boolean, unable to interpret input"
            errors.append(problem("bool_parsing", where, message, value))
        else:
            errors.append(problem("bool_type", where, "Input should be a valid boolean", value))
        return None


class DateTime:
    """RFC 3339 with any offset, without one (then UTC), or seconds since the epoch."""

    def check(self, value, where, errors):
        try:
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return _from_epoch(value)
            if isinstance(value, str):
                return _from_text(value)
        except (ValueError, OverflowError, OSError):
            errors.append(_bad_datetime(value, where))
            return None
        errors.append(problem("datetime_type", where, "Input should be a valid datetime", value))
        return None


def _bad_datetime(value, where):
    if not isinstance(value, str):
        reason = "dates after 9999 are not supported as unix timestamps"
        message = "Input should be a valid datetime, " + reason
        return problem("datetime_parsing", where, message, value, error=reason)
    reason = "input is too short" if len(value) < 10 else "invalid character in year"
    message = "Input should be a valid datetime or date, " + reason
    return problem("datetime_from_date_parsing", where, message, value, error=reason)


def _from_epoch(number):
    # Beyond this the number is taken for milliseconds.
    seconds = number / 1000 if abs(number) > 2e10 else number
    return datetime.fromtimestamp(seconds, timezone.utc)


_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt _](\d\d:\d\d)(:\d\d)?(?:[.,](\d{1,9}))?\s*"
    r"([Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)


def _from_text(text):
    text = text.strip()
    if re.fullmatch(r"[+-]?\d+(\.\d+)?", text, re.ASCII):
        return _from_epoch(float(text))
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        text += "T00:00:00"
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(text)
    day, minute, second, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z", "z") else zone[:3] + ":" + zone[-2:]
    micros = (fraction or "0").ljust(6, "0")[:6]
    stamp = "%sT%s%s.%s%s" % (day, minute, second or ":00", micros, zone)
    return datetime.fromisoformat(stamp).astimezone(timezone.utc)


class ListOf:
    def __init__(self, item, min_length=0):
        self._item = item
        self._min_length = min_length

    def check(self, value, where, errors):
        if not isinstance(value, list):
            errors.append(problem("list_type", where, "Input should be a valid list", value))
            return None
        if len(value) < self._min_length:
            message = "List should have at least %d item after validation, not %d"
            errors.append(problem(
                "too_short", where, message % (self._min_length, len(value)), value,
                field_type="List", min_length=self._min_length, actual_length=len(value),
            ))
        return [self._item.check(item, where + (i,), errors) for i, item in enumerate(value)]


class MapOf:
    def __init__(self, item):
        self._item = item

    def check(self, value, where, errors):
        if not isinstance(value, dict):
            errors.append(problem("dict_type", where, "Input should be a valid dictionary", value))
            return None
        return {k: self._item.check(v, where + (k,), errors) for k, v in value.items()}


class Nullable:
    def __init__(self, inner):
        self._inner = inner

    def check(self, value, where, errors):
        return None if value is None else self._inner.check(value, where, errors)


class Model:
    """An object with known fields; unknown ones are ignored.

    `required` maps names to schemas. `optional` maps them to `(schema, default)`, where a default
    of None also lets the field be null. `rule` looks at the whole and returns what is wrong.
    """

    def __init__(self, required=None, optional=None, rule=None):
        self._required = required or {}
        self._optional = optional or {}
        self._rule = rule

    def check(self, value, where, errors):
        if not isinstance(value, dict):
            message = "Input should be a valid dictionary or object to extract fields from"
            errors.append(problem("model_attributes_type", where, message, value))
            return None
        before = len(errors)
        result = {}
        for name, schema in self._required.items():
            if name in value:
                result[name] = schema.check(value[name], where + (name,), errors)
            else:
                errors.append(problem("missing", where + (name,), "Field required", value))
        for name, (schema, default) in self._optional.items():
            schema = Nullable(schema) if default is None else schema
            result[name] = (
                schema.check(value[name], where + (name,), errors) if name in value else default
            )
        if self._rule and len(errors) == before:
            wrong = self._rule(result)
            if wrong:
                errors.append(problem("value_error", where, "Value error, " + wrong, value,
                                      error={}))
        return result


def validated(schema, value, where):
    """The converted value, or Invalid."""
    errors = []
    result = schema.check(value, where, errors)
    if errors:
        raise Invalid(errors)
    return result


def validated_body(request, schema, optional=False):
    """The JSON body of a request against a schema, or Invalid; None when absent and optional."""
    data = request.body.read_all()
    if not data:
        if optional:
            return None
        raise Invalid([problem("missing", ("body",), "Field required", None)])
    content_type = (request.headers.get("Content-Type") or "").split(";")[0]
    if not re.fullmatch(r"application/(json|[\w.-]+\+json)", content_type.strip().lower()):
        # Anything not declared as JSON reaches the schema as a plain string.
        return validated(schema, data.decode("utf-8", "replace"), ("body",))
    try:
        value = json.loads(data)
    except UnicodeDecodeError:
        raise ApiError(400, "GENERAL::UNKNOWN_ERROR",
                       "There was an error parsing the body") from None
    except (ValueError, RecursionError) as wrong:
        position = getattr(wrong, "pos", 0)
        found = problem("json_invalid", ("body", position), "JSON decode error", {},
                        error=getattr(wrong, "msg", "nested too deeply"))
        raise Invalid([found]) from None
    if value is None and optional:
        return None
    return validated(schema, value, ("body",))
