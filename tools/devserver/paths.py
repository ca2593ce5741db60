"""Paths as execd reads them: `~`, `$NAME` and `${NAME}` are expanded first."""

import errno
import os
import re

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")
_GO_EXPANSION = re.compile(r"\$(?:\{[^}]*\}|\{|[*#$@!?\-0-9]|[A-Za-z_0-9]+|)")


class ExpandError(Exception):
    """The path names a variable that does not exist."""


def expand(path, env):
    """The path with `~` and variables replaced; it may still be relative."""
    if not path:
        return ""
    names = {braced or plain for braced, plain in _VARIABLE.findall(path)}
    missing = sorted(name for name in names if name not in env)
    if missing:
        raise ExpandError("path references undefined environment variables: " + ",".join(missing))
    path = _GO_EXPANSION.sub(lambda match: _replacement(match, env), path)
    if path == "~":
        return env["HOME"]
    if path.startswith("~/"):
        return os.path.normpath(os.path.join(env["HOME"], path[2:]))
    return path


def _replacement(match, env):
    """Go's os.Expand: special parameters are empty, broken braces vanish, a lone `$` stays."""
    text = match.group()
    if text == "$":
        return text
    return env.get(text.strip("${}"), "")


def absolute(path, env):
    """Relative paths start in the home directory, where execd was started."""
    return os.path.join(env["HOME"], path)


def working_dir_problem(cwd, env):
    """Why `cwd` cannot be a working directory, in execd's words, or None."""
    if not cwd:
        return None
    try:
        path = expand(cwd, env)
    except ExpandError as problem:
        return 'cannot resolve working directory "%s": %s' % (cwd, problem)
    try:
        os.stat(absolute(path, env))
    except FileNotFoundError:
        shape = "working directory does not exist: %s: stat %s: no such file or directory"
        return shape % (cwd, path)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", "invalid argument").lower()
        return 'cannot access working directory "%s": stat %s: %s' % (cwd, path, reason)
    if not os.path.isdir(absolute(path, env)):
        return "working directory path is not a directory: " + cwd
    return None


def make_dirs(path):
    """Like os.makedirs, but failing at the place where Go's MkdirAll fails."""
    try:
        if os.path.isdir(path):
            return
        os.stat(path)
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    except FileNotFoundError:
        pass
    except NotADirectoryError as problem:
        if os.path.lexists(path):
            raise problem
    parent = os.path.dirname(path.rstrip("/"))
    if parent and parent != path:
        make_dirs(parent)
    try:
        os.mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def go_error(operation, path, problem):
    """An OSError as Go's os package words it."""
    if isinstance(problem, ValueError):
        # The only one that path functions raise: a NUL in the path.
        return "%s %s: invalid argument" % (operation, path)
    if not isinstance(problem, OSError) or problem.errno is None:
        return str(problem)
    return "%s %s: %s" % (operation, problem.filename or path, problem.strerror.lower())
