"""Reads a multipart/form-data body as it arrives; files go to temporary files."""

import re
import tempfile

_HEADER = re.compile(rb"([^:\r\n]+):[ \t]*([^\r\n]*)")
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]*)')
_BLOCK = 1 << 18
_LONGEST_HEAD = 16 * 1024
_MOST_PADDING = 64


class BadForm(Exception):
    """The body is no multipart form."""


class Part:
    """One file of the form: its field name, file name and content."""

    def __init__(self, name, filename, directory):
        self.name = name
        self.filename = filename
        self.file = tempfile.TemporaryFile(dir=directory)


def parameters(value):
    """`a/b; x=1; y="2"` -> {"x": "1", "y": "2"}, names in small letters."""
    found = {}
    for name, text in _PARAMETER.findall(value):
        if text.startswith('"'):
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        found[name.lower()] = text
    return found


def read_files(body, content_type, directory):
    """The parts that have a file name, in order; those without are ordinary fields and skipped."""
    boundary = parameters(content_type).get("boundary", "")
    if not content_type.lower().startswith("multipart/form-data") or not boundary:
        raise BadForm()
    return _FormReader(body, boundary.encode("latin-1"), directory).read()


class _FormReader:
    def __init__(self, body, boundary, directory):
        self._body = body
        # A boundary counts only with its line end, or with the `--` that ends the form.
        delimiter = b"\r\n--" + boundary
        self._delimiter = re.compile(re.escape(delimiter) + rb"(?:(--)|[ \t]*\r?\n)")
        self._keep = len(delimiter) + _MOST_PADDING
        self._directory = directory
        self._ended = False
        # As if a line had ended before the first boundary, which then looks like the others.
        self._buffer = b"\r\n"

    def read(self):
        parts = []
        self._copy_to_delimiter(lambda data: None)
        while not self._ended:
            part = self._part(self._head())
            self._copy_to_delimiter(part.file.write if part else lambda data: None)
            if part:
                part.file.seek(0)
                parts.append(part)
        return parts

    def _part(self, head):
        fields = parameters(head.get("content-disposition", ""))
        filename = fields.get("filename", "").rpartition("/")[2]
        if not fields.get("name") or not filename:
            return None
        return Part(fields["name"], filename, self._directory)

    def _head(self):
        head = {}
        while True:
            line = self._line()
            if not line:
                return head
            match = _HEADER.fullmatch(line)
            if match is None:
                raise BadForm()
            name, value = match.groups()
            head[name.decode("latin-1").lower()] = value.decode("utf-8", "surrogateescape")

    def _line(self):
        while b"\n" not in self._buffer:
            if len(self._buffer) > _LONGEST_HEAD or not self._fill():
                raise BadForm()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def _copy_to_delimiter(self, write):
        """Passes on the content up to the next delimiter and drops the delimiter.

        A delimiter may be split between two reads, so what may be its start is kept back.
        """
        while True:
            found = self._delimiter.search(self._buffer)
            if found:
                write(self._buffer[:found.start()])
                self._buffer = self._buffer[found.end():]
                self._ended = found.group(1) is not None
                return
            if len(self._buffer) > self._keep:
                write(self._buffer[:-self._keep])
                self._buffer = self._buffer[-self._keep:]
            if not self._fill():
                raise BadForm()

    def _fill(self):
        data = self._body.read(_BLOCK)
        self._buffer += data
        return bool(data)
