"""execd's files and directories."""

import email.utils
import grp
import itertools
import os
import pwd
import re
import shutil
import stat
from urllib.parse import quote

from . import gojson, multipart, paths
from .globs import BadPattern, compile_glob
from .httpd import Response, text_response
from .replies import error, json_reply

_PERMISSION = gojson.Struct("Permission", owner="string", group="string", mode="int")
_RENAME = gojson.Struct("RenameFileItem", src="string", dest="string")
_REPLACE = gojson.Struct("ReplaceFileContentItem", old="string", new="string")
_METADATA = gojson.Struct("FileMetadata", path="string").embed(
    "Permission", owner="string", group="string", mode="int"
)
_BLOCK = 1 << 18


class Failure(Exception):
    """A failed step, with the text of Go's error and whether it means "does not exist"."""

    def __init__(self, text, missing=False):
        super().__init__(text)
        self.missing = missing


def _failure(operation, path, problem, prefix=""):
    missing = isinstance(problem, FileNotFoundError)
    return Failure(prefix + paths.go_error(operation, path, problem), missing)


class Files:
    """The file system as one sandbox sees it."""

    def __init__(self, sandbox):
        self._sandbox = sandbox
        self.routes = [
            ("GET", "/files/info", self.info),
            ("DELETE", "/files", self.remove),
            ("POST", "/files/permissions", self.permissions),
            ("POST", "/files/mv", self.rename),
            ("GET", "/files/search", self.search),
            ("POST", "/files/replace", self.replace),
            ("POST", "/files/upload", self.upload),
            ("GET", "/files/download", self.download),
            ("GET", "/directories/list", self.list_directory),
            ("POST", "/directories", self.make_directories),
            ("DELETE", "/directories", self.remove_directories),
        ]

    # Handlers

    def info(self, request):
        found = {}
        for path in request.query_all("path"):
            try:
                found[path] = self._describe(path)
            except Failure as failed:
                return _file_error(failed)
        return json_reply(dict(sorted(found.items())))

    def remove(self, request):
        for path in request.query_all("path"):
            try:
                self._remove_file(path)
            except Failure as failed:
                return _runtime_error("error removing file %s. %s" % (path, failed))
        return Response(200)

    def permissions(self, request):
        items, refused = _decode(request, _PERMISSION, dict)
        if refused:
            return refused
        for path, item in items.items():
            try:
                self._set_permission(self._absolute(path), item)
            except Failure as failed:
                message = "error changing permissions for %s. %s" % (path, failed)
                return _runtime_error(message)
        return Response(200)

    def rename(self, request):
        items, refused = _decode(request, _RENAME, list)
        if refused:
            return refused
        for item in items:
            try:
                self._rename(item["src"], item["dest"])
            except Failure as failed:
                return _file_error(failed)
        return Response(200)

    def search(self, request):
        asked = request.query("path", "")
        if not asked:
            return error(400, "MISSING_QUERY", "missing query parameter 'path'")
        pattern = request.query("pattern", "") or "**"
        try:
            root = self._absolute(asked, "error converting path  to absolute. ")
        except Failure as failed:
            return _runtime_error(str(failed))
        try:
            os.stat(root)
        except (OSError, ValueError) as problem:
            return _file_error(_failure("stat", root, problem))
        try:
            found = [_describe_file(path) for path in _matching(root, pattern)]
        except BadPattern as bad:
            message = "error searching files. invalid pattern %s: %s" % (pattern, bad)
            return _runtime_error(message)
        except Failure as failed:
            return _runtime_error("error searching files. %s" % failed)
        return json_reply(found)

    def replace(self, request):
        items, refused = _decode(request, _REPLACE, dict)
        if refused:
            return refused
        counts = {}
        for path, item in items.items():
            try:
                counts[path] = {"replacedCount": self._replace(path, item)}
            except Failure as failed:
                return _file_error(failed)
            except ValueError as invalid:
                return error(400, "INVALID_REQUEST_BODY", str(invalid))
        if request.query("verbose") == "true":
            return json_reply(dict(sorted(counts.items())))
        return Response(200)

    def upload(self, request):
        try:
            parts = multipart.read_files(
                request.body, request.headers.get("Content-Type") or "", self._sandbox.temporary
            )
        except multipart.BadForm:
            return error(400, "INVALID_FILE", "multipart form is empty")
        try:
            metadata = [part for part in parts if part.name == "metadata"]
            files = [part for part in parts if part.name == "file"]
            return self._upload_all(metadata, files)
        finally:
            for part in parts:
                part.file.close()

    def download(self, request):
        asked = request.query("path", "")
        if not asked:
            return error(400, "MISSING_QUERY", "missing query parameter 'path'")
        try:
            path = self._expand(asked, "error resolving file path: %s. " % asked)
        except Failure as failed:
            return _runtime_error(str(failed))
        lines = (request.query("offset", ""), request.query("limit", ""))
        if any(lines) and request.headers.get("Range"):
            message = ("line-based reading (offset/limit) and byte range (Range header) "
                       "are mutually exclusive")
            return error(400, "INVALID_REQUEST_BODY", message)
        if not path:  # a variable without a value, such as $1, and nothing else
            return error(404, "FILE_NOT_FOUND",
                         "file not found. open : no such file or directory")
        try:
            descriptor = os.open(paths.absolute(path, self._env), os.O_RDONLY)
        except (OSError, ValueError) as problem:
            return _file_error(_failure("open", path, problem))
        if any(lines):
            return _send_lines(descriptor, *lines)
        try:
            os.lseek(descriptor, 0, os.SEEK_END)
        except OSError:  # files of /proc; where they end is what Go wants to know
            os.close(descriptor)
            return text_response(500, "seeker can't seek\n")
        limit = self._sandbox.hooks.download_limit
        return _Download(request, descriptor, os.path.basename(path), limit).send()

    def list_directory(self, request):
        asked = request.query("path", "")
        if not asked:
            return error(400, "MISSING_QUERY", "missing query parameter 'path'")
        depth = request.query("depth", "") or "1"
        if not re.fullmatch(r"\+?[0-9]{1,18}", depth):
            return error(400, "INVALID_REQUEST_BODY",
                         "invalid query parameter 'depth': " + depth)
        try:
            root = self._absolute(asked, "error converting path  to absolute. ")
        except Failure as failed:
            return _runtime_error(str(failed))
        try:
            mode = os.lstat(root).st_mode
        except (OSError, ValueError) as problem:
            return _file_error(_failure("lstat", root, problem))
        if stat.S_ISLNK(mode):
            message = "path is a symbolic link, refusing to traverse: " + root
            return error(400, "INVALID_REQUEST_BODY", message)
        if not stat.S_ISDIR(mode):
            return error(400, "INVALID_REQUEST_BODY", "path is not a directory: " + root)
        try:
            return json_reply(list(_entries(root, int(depth))))
        except Failure as failed:
            return _runtime_error("error listing directory %s. %s" % (root, failed))

    def make_directories(self, request):
        items, refused = _decode(request, _PERMISSION, dict)
        if refused:
            return refused
        for path, item in items.items():
            try:
                absolute = self._absolute(path)
                existed = os.path.exists(absolute)
                _make_dirs(absolute)
                if not existed:
                    self._set_permission(absolute, item)
            except Failure as failed:
                return _file_error(failed)
        return Response(200)

    def remove_directories(self, request):
        for path in request.query_all("path"):
            try:
                resolved = self._expand(path)
            except Failure as failed:
                return _runtime_error("error resolving directory %s. %s" % (path, failed))
            try:
                _remove_all(resolved, paths.absolute(resolved, self._env))
            except Failure as failed:
                return _runtime_error("error removing directory %s. %s" % (path, failed))
        return Response(200)

    # Steps

    @property
    def _env(self):
        return self._sandbox.processes.env

    def _expand(self, path, prefix=""):
        try:
            return paths.expand(path, self._env)
        except paths.ExpandError as problem:
            raise Failure(prefix + str(problem)) from None

    def _absolute(self, path, prefix=""):
        return os.path.normpath(paths.absolute(self._expand(path, prefix), self._env))

    def _describe(self, asked):
        absolute = self._absolute(asked, "invalid path %s: " % asked)
        try:
            return _describe_file(absolute)
        except Failure as failed:
            shape = "file not found: %s: %s" if failed.missing else "error accessing file %s: %s"
            raise Failure(shape % (asked, failed), failed.missing) from None

    def _remove_file(self, asked):
        path = self._absolute(asked, "invalid path: ")
        try:
            is_directory = os.path.isdir(path)
            os.stat(path)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as problem:
            raise _failure("stat", path, problem) from None
        if is_directory:
            raise Failure("path is a directory: " + asked)
        try:
            os.remove(path)
        except OSError as problem:
            raise _failure("remove", path, problem, "failed to remove file: ") from None

    def _set_permission(self, path, item):
        if item["mode"]:
            digits = str(item["mode"])
            what = ("invalid syntax" if not re.fullmatch("[0-7]+", digits)
                    else "value out of range" if int(digits, 8) >= 2**32 else None)
            if what:
                raise Failure('strconv.ParseUint: parsing "%s": %s' % (digits, what))
            try:
                os.chmod(path, int(digits, 8) & 0o777)
            except OSError as problem:
                raise _failure("chmod", path, problem) from None
        _set_owner(path, item["owner"], item["group"])

    def _rename(self, source, target):
        source_path = self._absolute(source, "invalid source path: ")
        target_path = self._absolute(target, "invalid destination path: ")
        try:
            os.stat(source_path)
        except FileNotFoundError as problem:
            prefix = "source path not found: %s: " % source
            raise _failure("stat", source_path, problem, prefix) from None
        except OSError:
            pass
        _make_dirs(os.path.dirname(target_path), "failed to create destination directory: ")
        if os.path.exists(target_path):
            raise Failure("destination path already exists: " + target)
        try:
            os.rename(source_path, target_path)
        except OSError as problem:
            problem.filename = "%s %s" % (source_path, target_path)
            raise _failure("rename", source_path, problem, "failed to rename file: ") from None

    def _replace(self, asked, item):
        path = self._absolute(asked)
        try:
            os.stat(path)
        except (OSError, ValueError) as problem:
            raise _failure("stat", path, problem) from None
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError as problem:
            operation = "read" if isinstance(problem, IsADirectoryError) else "open"
            raise _failure(operation, path, problem) from None
        if not item["old"]:
            raise ValueError("old content must not be empty")
        old, new = (item[name].encode("utf-8") for name in ("old", "new"))
        try:
            with open(path, "wb") as file:
                file.write(content.replace(old, new))
        except OSError as problem:
            raise _failure("open", path, problem) from None
        return content.count(old)

    def _upload_all(self, metadata, files):
        if not metadata:
            return error(400, "INVALID_FILE_METADATA", "metadata file is missing")
        if not files:
            return error(400, "INVALID_FILE_CONTENT", "file is missing")
        if len(metadata) != len(files):
            counts = (len(metadata), len(files))
            return error(400, "INVALID_FILE", "metadata and file count mismatch: %d vs %d" % counts)
        for description, part in zip(metadata, files):
            refused = self._upload_one(description.file.read(), part)
            if refused:
                return refused
        return Response(200)

    def _upload_one(self, description, part):
        try:
            item = _METADATA.decode_whole(description)
        except gojson.DecodeError as problem:
            message = "invalid metadata format. %s" % problem
            return error(400, "INVALID_FILE_METADATA", message)
        if not item["path"]:
            return error(400, "INVALID_FILE_METADATA", "metadata path is empty")
        try:
            path = self._expand(item["path"], "error resolving target path %s. " % item["path"])
            directory = os.path.dirname(path) or "."
            absolute = paths.absolute(path, self._env)
            _make_dirs(os.path.dirname(absolute),
                       "error creating target directory %s. " % directory)
            _write_file(part.file, absolute, path)
        except Failure as failed:
            return _runtime_error(str(failed))
        try:
            self._set_permission(absolute, item)
        except Failure as failed:
            return _runtime_error("error chmoding file %s. %s" % (path, failed))
        return None


def _decode(request, struct, container):
    """The body as a dict or list of `struct`, or the answer that refuses it."""
    decode = struct.decode_map if container is dict else struct.decode_list
    try:
        return decode(request.body.read_all()), None
    except gojson.DecodeError as problem:
        message = "error parsing request, MAYBE invalid body format. %s" % problem
        return None, error(400, "INVALID_REQUEST_BODY", message)


def _runtime_error(message):
    return error(500, "RUNTIME_ERROR", message)


def _file_error(failed):
    if failed.missing:
        return error(404, "FILE_NOT_FOUND", "file not found. %s" % failed)
    return _runtime_error("error accessing file: %s" % failed)


def _describe_file(path):
    try:
        status = os.lstat(path)
    except (OSError, ValueError) as problem:
        raise _failure("lstat", path, problem) from None
    return {
        "path": path,
        "type": _file_type(status.st_mode),
        "size": status.st_size,
        "modified_at": gojson.rfc3339_nano(status.st_mtime_ns),
        "created_at": gojson.rfc3339_nano(status.st_ctime_ns),
        "owner": _name(pwd.getpwuid, status.st_uid, 0),
        "group": _name(grp.getgrgid, status.st_gid, 0),
        # The octal digits, read as a decimal number.
        "mode": int("%o" % (status.st_mode & 0o777)),
    }


def _file_type(mode):
    kinds = ((stat.S_ISLNK, "symlink"), (stat.S_ISDIR, "directory"), (stat.S_ISREG, "file"))
    return next((name for test, name in kinds if test(mode)), "other")


def _name(look_up, number, field):
    try:
        return look_up(number)[field]
    except KeyError:
        return str(number)


def _set_owner(path, owner, group):
    if not owner and not group:
        return
    uid = gid = -1
    try:
        if owner:
            uid = pwd.getpwnam(owner).pw_uid
    except KeyError:
        shape = "failed to lookup user %s: user: unknown user %s"
        raise Failure(shape % (owner, owner)) from None
    try:
        if group:
            gid = grp.getgrnam(group).gr_gid
    except KeyError:
        shape = "failed to lookup group %s: group: unknown group %s"
        raise Failure(shape % (group, group)) from None
    try:
        os.chown(path, uid, gid)
    except OSError as problem:
        prefix = "failed to set owner/group for %s: " % path
        raise _failure("chown", path, problem, prefix) from None


def _make_dirs(path, prefix=""):
    try:
        paths.make_dirs(path)
    except (OSError, ValueError) as problem:
        raise _failure("mkdir", path, problem, prefix) from None


def _remove_all(path, absolute):
    """A missing directory is no failure, and no path at all means none."""
    if not path:
        return
    if path.endswith("/.") or path == ".":
        raise Failure("RemoveAll %s: invalid argument" % path)
    try:
        if stat.S_ISDIR(os.lstat(absolute).st_mode):
            shutil.rmtree(absolute)
        else:
            os.remove(absolute)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as problem:
        raise _failure("unlinkat", path, problem) from None


def _write_file(source, path, shown):
    try:
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o777)
    except (OSError, ValueError) as problem:
        problem.filename = shown
        prefix = "error opening destination file %s. " % shown
        raise _failure("open", shown, problem, prefix) from None
    with os.fdopen(target, "wb") as file:
        shutil.copyfileobj(source, file, _BLOCK)


def _matching(root, pattern):
    """Files below `root`, or `root` itself, whose name matches; in the order of their paths."""
    regex = compile_glob(pattern)
    for path in _walk(root):
        if regex.match(os.path.basename(path)):
            yield path


def _walk(path):
    if os.path.islink(path) or not os.path.isdir(path):
        yield path
        return
    try:
        names = sorted(os.listdir(path), key=os.fsencode)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise _failure("open", path, problem, "error accessing path %s: " % path) from None
    for name in names:
        yield from _walk(os.path.join(path, name))


def _entries(directory, depth):
    if not depth:
        return
    try:
        names = sorted(os.listdir(directory), key=os.fsencode)
    except OSError as problem:
        raise _failure("open", directory, problem) from None
    for name in names:
        entry = _describe_file(os.path.join(directory, name))
        yield entry
        if entry["type"] == "directory":
            yield from _entries(entry["path"], depth - 1)


# Downloads

def _send_lines(descriptor, offset, limit):
    """Lines `offset` to `offset + limit - 1`, counted from 1, joined by newlines."""
    for name, text in (("offset", offset), ("limit", limit)):
        if text and not (re.fullmatch(r"\+?[0-9]{1,18}", text) and int(text) > 0):
            os.close(descriptor)
            message = "invalid query parameter '%s': %s" % (name, text)
            return error(400, "INVALID_REQUEST_BODY", message)
    first = int(offset or 1)
    last = first + int(limit) - 1 if limit else None
    kept = []
    if _is_directory(descriptor):
        os.close(descriptor)
    else:
        with os.fdopen(descriptor, "rb") as file:
            kept = [line.rstrip(b"\r\n") for line in itertools.islice(file, first - 1, last)]
    content_type = ("Content-Type", "text/plain; charset=utf-8")
    return Response(200, b"\n".join(kept), [content_type])


class _Download:
    """Sends a file, or the part of it that a Range header asks for."""

    def __init__(self, request, descriptor, name, limit):
        self._request = request
        self._descriptor = descriptor
        self._limit = limit  # None: no test hook cuts it short
        self._status = os.fstat(descriptor)
        self._size = self._status.st_size
        self._disposition = ("Content-Disposition", _disposition(name))
        self._binary = ("Content-Type", "application/octet-stream")

    def send(self):
        try:
            return self._send_range() if self._request.headers.get("Range") else self._send_all()
        finally:
            os.close(self._descriptor)

    def _send_range(self):
        try:
            ranges = _ranges(self._request.headers.get("Range"))
        except ValueError:
            # The file's length is promised already, and an answer of another length follows.
            return self._send_cut_short(416, b'{"code":"UNKNOWN"}')
        for first, last in ranges:
            start, length = _within(first, last, self._size)
            if start < self._size:
                return self._send_part(start, length, [])
        # The standard handler of Go takes over here, which sees two cases in another way.
        for first, last in ranges:
            if first is None:
                return self._send_part(*_within(first, last, self._size), self._dates())
        if not ranges or self._size == 0:
            return self._send_all()
        headers = [
            self._disposition,
            ("Content-Range", "bytes */%d" % self._size),
            ("X-Content-Type-Options", "nosniff"),
        ]
        return text_response(416, "invalid range: failed to overlap\n", headers)

    def _send_all(self):
        status = self._precondition()
        if status == 304:
            return Response(304, b"", [self._disposition, self._dates()[1]])
        if status:
            return self._send_cut_short(status, b"", self._dates()[1:])
        headers = [self._disposition, self._binary, *self._dates()]
        if _is_directory(self._descriptor):
            # The largest size there is gets promised, and then there is nothing to send.
            self._request.send_head(200, headers, 2**63 - 1)
            return self._request.connection.drop()
        self._request.send_head(200, headers, self._size)
        return self._copy(0, self._size)

    def _send_part(self, start, length, more):
        end = start + length - 1
        content_range = ("Content-Range", "bytes %d-%d/%d" % (start, end, self._size))
        headers = [self._disposition, self._binary, content_range, *more]
        self._request.send_head(206, headers, length)
        return self._copy(start, length)

    def _send_cut_short(self, status, body, more=()):
        self._request.send_head(status, [self._disposition, self._binary, *more], self._size)
        if len(body) <= self._size:
            self._request.connection.send(body)
        if self._size:
            self._request.connection.drop()

    def _dates(self):
        modified = email.utils.formatdate(int(self._status.st_mtime), usegmt=True)
        return [("Accept-Ranges", "bytes"), ("Last-Modified", modified)]

    def _precondition(self):
        """304 or 412 when a conditional header says so; there are no entity tags to match."""
        get = self._request.headers.get
        if get("If-Match"):
            if get("If-Match").strip() != "*":
                return 412
        elif self._modified_after(get("If-Unmodified-Since")):
            return 412
        if get("If-None-Match"):
            return 304 if get("If-None-Match").strip() == "*" else None
        return 304 if self._modified_after(get("If-Modified-Since")) is False else None

    def _modified_after(self, date):
        """None when there is no date to compare with."""
        try:
            limit = email.utils.parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError, AttributeError):
            return None
        return int(self._status.st_mtime) > limit

    def _copy(self, start, length):
        os.lseek(self._descriptor, start, os.SEEK_SET)
        left = length if self._limit is None else self._limit
        while length:
            data = os.read(self._descriptor, min(length, left, _BLOCK))
            if not data:
                # It shrank meanwhile; the length is promised, so the connection has to end.
                return self._request.connection.drop()
            self._request.connection.send(data)
            length -= len(data)
            left -= len(data)
        return None


def _is_directory(descriptor):
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def _disposition(name):
    if name.isascii():
        return 'attachment; filename="%s"' % name
    encoded = quote(os.fsencode(name), safe="$&+:=@")
    return "attachment; filename=\"%s\"; filename*=UTF-8''%s" % (encoded, encoded)


def _ranges(header):
    """[(first, last)] of a Range header as integers; None where nothing is written."""
    if not header.startswith("bytes="):
        raise ValueError("invalid range")
    found = []
    for item in filter(str.strip, header[len("bytes="):].split(",")):
        match = re.fullmatch(r"\s*([0-9]*)\s*-\s*([0-9]*)\s*", item)
        numbers = [int(text) if text else None for text in match.groups()] if match else [None] * 2
        first, last = numbers
        if numbers == [None, None] or any(n is not None and n >= 2**63 for n in numbers):
            raise ValueError("invalid range")
        if first is not None and last is not None and last < first:
            raise ValueError("invalid range")
        found.append((first, last))
    return found


def _within(first, last, size):
    """Start and length of a range in a file of `size` bytes."""
    if first is None:
        start = size - min(last, size)
        return start, size - start
    end = size if last is None else min(last + 1, size)
    return first, end - first
