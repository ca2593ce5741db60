"""A routing table: `(method, pattern, handler)` with `{name}` for one path segment."""

import re


class Router:
    """Finds the handler of a method and path.

    Patterns are matched in the order given, so a literal segment goes before a named one.
    """

    def __init__(self, table):
        self._routes = [(method, _compile(pattern), handler) for method, pattern, handler in table]

    def find(self, method, path):
        """`(handler, params)`, or `(None, methods that this path does have)`."""
        allowed = []
        for route_method, pattern, handler in self._routes:
            match = pattern.match(path)
            if match is None:
                continue
            if route_method == method:
                return handler, match.groupdict()
            allowed.append(route_method)
        return None, allowed


def _compile(pattern):
    parts = re.split(r"\{(\w+)\}", pattern)
    regex = "".join(
        "(?P<%s>[^/]+)" % part if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    return re.compile(regex + r"\Z")
