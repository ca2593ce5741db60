"""Paths as execd reads them: `~`, `$NAME` and `${NAME}` are expanded first."""

import os
import re

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")


class ExpandError(Exception):
    """The path names a variable that does not exist."""


def expand(path, env):
    if not path:
        return ""
    names = {braced or plain for braced, plain in _VARIABLE.findall(path)}
    missing = sorted(name for name in names if name not in env)
    if missing:
        raise ExpandError("path references undefined environment variables: " + ",".join(missing))
    path = _VARIABLE.sub(lambda match: env[match.group(1) or match.group(2)], path)
    if path == "~":
        return env["HOME"]
    if path.startswith("~/"):
        return os.path.normpath(os.path.join(env["HOME"], path[2:]))
    return path


def working_dir_problem(cwd, env):
    """Why `cwd` cannot be a working directory, in execd's words, or None."""
    if not cwd:
        return None
    try:
        path = expand(cwd, env)
    except ExpandError as problem:
        return 'cannot resolve working directory "%s": %s' % (cwd, problem)
    path = os.path.join(env["HOME"], path)
    try:
        os.stat(path)
    except FileNotFoundError:
        shape = "working directory does not exist: %s: stat %s: no such file or directory"
        return shape % (cwd, path)
    except OSError as problem:
        reason = problem.strerror.lower()
        return 'cannot access working directory "%s": stat %s: %s' % (cwd, path, reason)
    if not os.path.isdir(path):
        return "working directory path is not a directory: " + cwd
    return None
