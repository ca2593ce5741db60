"""Search patterns of execd: `*`, `?`, `[...]`, `{a,b}` and `!(...)` on file names."""

import re


class BadPattern(Exception):
    def __init__(self):
        super().__init__("syntax error in pattern")


def compile_glob(pattern):
    """A regular expression for whole names; without `/` in them `**` is nothing but `*`."""
    regex, position = _translate(pattern, 0, "")
    if position != len(pattern):
        raise BadPattern()
    return re.compile("(?:%s)\\Z" % regex, re.DOTALL)


def _translate(pattern, position, closers):
    out = []
    while position < len(pattern) and pattern[position] not in closers:
        char = pattern[position]
        position += 1
        if char == "*" and pattern.startswith("*/", position):
            # Directories above the name: any number of them, so none will do.
            position += 2
        elif char == "*":
            out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "[":
            text, position = _character_class(pattern, position)
            out.append(text)
        elif char == "{":
            text, position = _alternatives(pattern, position)
            out.append(text)
        elif char == "!":
            # Negates all that follows, not only what is in the parentheses.
            if pattern[position:position + 1] != "(":
                raise BadPattern()
            inside, position = _translate(pattern, position + 1, ")")
            if position >= len(pattern):
                raise BadPattern()
            after, position = _translate(pattern, position + 1, closers)
            out.append("(?!(?:%s%s)\\Z).*" % (inside, after))
        else:
            if char == "\\":
                if position >= len(pattern):
                    raise BadPattern()
                char = pattern[position]
                position += 1
            out.append(re.escape(char))
    return "".join(out), position


def _alternatives(pattern, position):
    choices = []
    while True:
        text, position = _translate(pattern, position, ",}")
        choices.append(text)
        if position >= len(pattern):
            raise BadPattern()
        position += 1
        if pattern[position - 1] == "}":
            return "(?:%s)" % "|".join(choices), position


def _character_class(pattern, position):
    match = re.compile(r"([!^]?)((?:\\.|[^\]\\])+)\]", re.DOTALL).match(pattern, position)
    if match is None:
        raise BadPattern()
    negated, inside = match.groups()
    inside = re.sub(r"(?<!\\)([\[&~|^])", r"\\\1", inside)
    return "[%s%s]" % ("^" if negated else "", inside), match.end()
