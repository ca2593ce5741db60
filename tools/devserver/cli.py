"""A local OpenSandbox on loopback, for development and tests.

It speaks the lifecycle API and, for each sandbox, the execd API, so that a client can be tried
without containers. It isolates nothing: a "sandbox" is a scratch directory, and its commands run
on this machine with the rights of whoever started the server. Images are names and nothing more,
the entrypoint is recorded but not run, volumes are checked but not mounted.

Every process and scratch directory goes away with its sandbox, and all of them with the server;
what a killed server left behind is removed when the next one starts.
"""

import argparse
import ipaddress
import os
import signal
import sys
import textwrap
import threading

from .hooks import DESCRIPTIONS
from .lifecycle import Lifecycle
from .sandboxes import Sandboxes, Settings
from .scratch import Scratch, sweep
from .tls import listen, server_context


def main(arguments=None):
    options = _parse(arguments)
    if not options.allow_remote and not _is_loopback(options.host):
        print("devserver: %s is not loopback; --allow-remote would let everybody who reaches it "
              "run commands here" % options.host, file=sys.stderr)
        return 2
    try:
        if options.api_key_file:
            options.api_key = _read_key(options.api_key_file)
    except (OSError, ValueError) as problem:
        print("devserver: --api-key-file %s: %s" % (options.api_key_file, problem), file=sys.stderr)
        return 2
    try:
        tls = server_context(options.tls_cert, options.tls_key) if options.tls_cert else None
    except OSError as problem:
        print("devserver: --tls-cert %s, --tls-key %s: %s" % (options.tls_cert, options.tls_key,
                                                              problem), file=sys.stderr)
        return 2
    log = _log_to_stderr if options.log else lambda line: None
    # First of all, so that an early signal finds somebody who cleans up.
    finished = _watch_for_the_end(options)
    sweep()
    scratch = Scratch()
    try:
        return _run(options, tls, scratch, log, finished)
    except OSError as problem:
        print("devserver: cannot listen on %s:%d: %s" % (options.host, options.port, problem),
              file=sys.stderr)
        return 1
    finally:
        scratch.remove()


def _run(options, tls, scratch, log, finished):
    """Serves until `finished` is set."""
    settings = Settings(
        scratch, host=options.host, tls=tls, execd_tokens=not options.no_execd_token,
        endpoint_prefix=_clean_prefix(options.endpoint_prefix),
        linger_seconds=options.linger_ms / 1000, log=log,
    )
    sandboxes = Sandboxes(settings)
    app = Lifecycle(sandboxes, options.api_key, options.server_proxy, not options.no_pools)
    server = listen(options.host, options.port, app, log, tls)
    _announce(options, settings.scheme, server.port)
    try:
        finished.wait()
    finally:
        server.close()
        sandboxes.end_all()
        if options.ready_file:
            _remove(options.ready_file)
    return 0


def _parse(arguments):
    parser = argparse.ArgumentParser(
        prog="devserver", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__, epilog=_hooks_help(),
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    add("--port", type=int, default=0, help="port of the lifecycle API; 0 chooses one (0)")
    add("--allow-remote", action="store_true", help="permit a --host that is not loopback")
    key = parser.add_mutually_exclusive_group()
    key.add_argument("--api-key", default="", metavar="KEY",
                     help="require KEY in the header OPEN-SANDBOX-API-KEY")
    key.add_argument("--api-key-file", metavar="FILE",
                     help="the same; FILE's only line is KEY, which ps then does not show")
    key.add_argument("--no-api-key", dest="api_key", action="store_const", const="",
                     help="require no key (the default)")
    add("--no-execd-token", action="store_true", help="let execd be used without a token")
    add("--server-proxy", action="store_true",
        help="always hand out endpoints behind the server, as use_server_proxy=true does")
    add("--endpoint-prefix", default="", metavar="PATH",
        help="hand out execd endpoints with this path, as a gateway would")
    add("--no-pools", action="store_true", help="answer 501 to the pools API, as under Docker")
    add("--linger-ms", type=int, default=1000, metavar="N",
        help="how long command streams stay open after their last event (1000, as execd)")
    add("--tls-cert", metavar="FILE", help="speak TLS, with this certificate and its chain (PEM)")
    add("--tls-key", metavar="FILE", help="key of --tls-cert (PEM)")
    add("--ready-file", metavar="FILE", help="write the URL to FILE once listening")
    add("--stdin-lifetime", action="store_true", help="end when standard input ends")
    add("--exit-with-parent", action="store_true", help="end when the parent process ends")
    add("--log", action="store_true", help="log requests to standard error")
    options = parser.parse_args(arguments)
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("--tls-cert and --tls-key go together")
    if not 0 <= options.port < 65536:
        parser.error("there is no port %d" % options.port)
    return options


def _read_key(path):
    with open(path, encoding="ascii") as file:
        key = file.read().strip()
    if not key:
        raise ValueError("no key in it")  # an empty one would let everybody in
    return key


def _hooks_help():
    lines = ["Test hooks, as keys of `extensions` in a create request (times in ms):", ""]
    for key, text in DESCRIPTIONS:
        lines += textwrap.wrap(text, 66, initial_indent="  %-27s " % key,
                               subsequent_indent=" " * 30, break_long_words=False)
    return "\n".join(lines)


def _is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _clean_prefix(prefix):
    return "/" + prefix.strip("/") if prefix.strip("/") else ""


def _log_to_stderr(line):
    print(line, file=sys.stderr, flush=True)


def _announce(options, scheme, port):
    host = "[%s]" % options.host if ":" in options.host else options.host
    url = "%s://%s:%d" % (scheme, host, port)
    print("OpenSandbox dev server: nothing is isolated, commands run as you on this machine.")
    print("Listening on %s" % url, flush=True)
    if options.ready_file:
        # Renamed into place, so that whoever waits for the file finds it complete.
        partial = "%s.%d" % (options.ready_file, os.getpid())
        with open(partial, "w", encoding="utf-8") as file:
            file.write(url + "\n")
        os.replace(partial, options.ready_file)


def _watch_for_the_end(options):
    """An event that is set when the server is to end."""
    finished = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A shell has a job in its background ignore Ctrl-C. Commands in a sandbox shall not inherit that.
        ignored = signal.getsignal(number) == signal.SIG_IGN
        signal.signal(number, lambda *_, ignored=ignored: ignored or finished.set())
    if options.stdin_lifetime:
        _in_background(_wait_for_end_of_stdin, finished)
    if options.exit_with_parent:
        _in_background(_wait_for_end_of_parent, finished)
    return finished


def _in_background(function, finished):
    threading.Thread(target=function, args=(finished,), daemon=True).start()


def _wait_for_end_of_stdin(finished):
    while os.read(sys.stdin.fileno(), 4096):
        pass
    finished.set()


def _wait_for_end_of_parent(finished):
    parent = os.getppid()
    while os.getppid() == parent and not finished.wait(0.25):
        pass
    finished.set()


def _remove(path):
    try:
        os.remove(path)
    except FileNotFoundError:
        pass
