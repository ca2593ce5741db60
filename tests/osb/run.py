#!/usr/bin/env python3
"""Runs osb, the command line, end to end against the dev server, and looks at output and exit codes;
what is interactive through a real terminal.

    tools/with-devserver.sh tests/osb/run.py PROGRAM [TEST]...
"""

import contextlib
import fcntl
import http.server
import json
import os
import pty
import re
import resource
import select
import shlex
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
if not (sys.argv[1:] and os.access(sys.argv[1], os.X_OK) and "OPEN_SANDBOX_DOMAIN" in os.environ):
    sys.exit(__doc__ + "\nPROGRAM is build/osb (make osb) or another build of it.")
PROGRAM = os.path.abspath(sys.argv[1])
MB = 1 << 20


class Result:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout.decode("utf-8", "replace")
        self.err = done.stderr.decode("utf-8", "replace")
        self.bytes = done.stdout

    @property
    def json(self):
        return json.loads(self.out)


class Case(unittest.TestCase):
    """A scratch directory, and a HOME without settings."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="osb-test-")
        self.addCleanup(scratch.cleanup)
        self.dir = Path(scratch.name)
        self.env = dict(os.environ, HOME=str(self.dir / "home"))

    def osb(self, *words, code=0, input=b"", env=None, **more):
        """Runs it; `code` is the exit code that it must have."""
        if isinstance(input, str):
            input = input.encode()
        where = dict({"input": input}, **more) if "stdin" not in more else more
        done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, timeout=100,
                              env=dict(self.env, **(env or {})), cwd=self.dir, **where)
        result = Result(done)
        self.assertEqual(result.code, code, f"{words}\n{result.out}\n{result.err}")
        if code == 0 and "--help" not in words:
            self.assertNotIn("osb:", result.out)
        return result

    def fails(self, code, message, *words, **more):
        """It must fail with one line on stderr, and nothing on stdout."""
        result = self.osb(*words, code=code, **more)
        self.assertRegex(result.err, message)
        self.assertEqual(result.err.count("\n"), 1, result.err)
        self.assertTrue(result.err.startswith("osb: "), result.err)
        self.assertEqual(result.out, "")
        return result

    def file(self, name, content):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content)
        return path


class WithSandbox(Case):
    """One sandbox for all tests of a class; each has a directory of its own in it."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.box = cls.create(*cls.flags)

    @classmethod
    def create(cls, *flags):
        done = subprocess.run([PROGRAM, "sandbox", "create", "python:3.12", "-o", "raw", *flags],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    @classmethod
    def tearDownClass(cls):
        subprocess.run([PROGRAM, "sandbox", "kill", cls.box], capture_output=True)

    def setUp(self):
        super().setUp()
        self.remote = self.osb("command", "run", self.box, "--", "mktemp", "-d").out.strip()
        self.addCleanup(lambda: self.osb("file", "rmdir", self.box, self.remote))

    def inside(self, script):
        return self.osb("command", "run", self.box, "--", "sh", "-c", script).out


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, words, env, program=PROGRAM):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(program, [program, *map(str, words)], env)
        self.seen = ""

    def read_until(self, pattern, seconds=60):
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            if time.monotonic() > deadline:
                raise AssertionError(f"no {pattern!r} in {self.seen!r}")
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:
                    data = b""
                if not data:
                    break
                self.seen += data.decode("utf-8", "replace")
        return re.search(pattern, self.seen)

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """Reads on until it has ended; its exit code."""
        self.read_until(r"(?!)")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Impostor:
    """Answers each connection with the same, None: with silence."""

    def __init__(self, answer):
        self.answer = answer

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.quiet = []
        threading.Thread(target=self.accept, daemon=True).start()
        return "127.0.0.1:%d" % self.listener.getsockname()[1]

    def accept(self):
        while True:
            try:
                s = self.listener.accept()[0]
            except OSError:
                return
            if self.answer is None:
                self.quiet.append(s)
                continue
            with s:
                s.recv(65536)
                s.sendall(self.answer)

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in self.quiet:
            s.close()


class Server:
    """Answers with the text of the first name that a path holds; None: an endpoint, which is itself."""

    def __init__(self, answers):
        answers = answers.items()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                text = next(text for name, text in answers if name in self.path)
                if text is None:
                    text = json.dumps({"endpoint": "127.0.0.1:%d" % self.server.server_port})
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return "http://127.0.0.1:%d" % self.server.server_port

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Listener:
    """Hears one request, and leaves without an answer."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(20)  # what asks for nothing must fail, not hang
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.body = b""
        self.thread = threading.Thread(target=self.hear)
        self.thread.start()
        return self

    def hear(self):
        with self.socket, self.socket.accept()[0] as s, s.makefile("rb") as lines:
            size = 0
            while (line := lines.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    size = int(value)
            self.body = lines.read(size)

    def __exit__(self, *_):
        self.thread.join()


# As root of namespaces of its own: the only name server is one that never answers.
DEAD_NAME_SERVER = """
import fcntl, os, socket, struct, subprocess, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(server, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
server.bind(("127.0.0.1", 53))
os.set_inheritable(server.fileno(), True)
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
os.execv(sys.argv[2], sys.argv[2:])
"""
NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "--net"]


class Relay:
    """Passes connections on to a server, until they are cut; those that come while it is silent get
    no answer."""

    def __init__(self, server):
        self.server = server.rsplit(":", 1)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.sockets = []
        self.count = 0
        self.silent = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            if self.silent:
                self.sockets.append(near)
                continue
            far = socket.create_connection((self.server[0], int(self.server[1])))
            self.count += 1
            self.sockets += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=pair, daemon=True).start()

    @staticmethod
    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self):
        for s in self.sockets:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.count = 0
        self.sockets.clear()

    def close(self):
        self.cut()
        self.listener.close()


# ---- the command line itself ---------------------------------------------------------------------

class Usage(Case):
    def test_wrong_use_is_one_line_and_2(self):
        for message, *words in (
            ("there is no command 'nosuch'", "nosuch"),
            ("there is no command 'sandbox nosuch'", "sandbox", "nosuch"),
            ("there is no --nosuch", "--nosuch"),
            ("sandbox get: there is no --image", "sandbox", "get", "x", "--image", "y"),
            ("there is no -Z", "sandbox", "list", "-Z"),
            ("sandbox get: ID is missing; see osb sandbox get --help", "sandbox", "get"),
            ("file mv: TO is missing", "file", "mv", "a", "b"),
            ("sandbox get: 'b' is too much", "sandbox", "get", "a", "b"),
            ("--output wants FORMAT", "sandbox", "list", "--output"),
            ("-o wants FORMAT", "sandbox", "list", "-o"),
            ("-o xml is not among: table json yaml", "sandbox", "list", "-o", "xml"),
            ("-o table is not among: raw", "file", "cat", "a", "b", "-o", "table"),
            ("--watch takes no value", "sandbox", "metrics", "a", "--watch=1"),
            ("--page x is not a number;", "sandbox", "list", "--page", "x"),
            ("--page 4294967296 is not a number up to 4294967295", "sandbox", "list", "--page",
             "4294967296"),
            ("pages and their sizes begin with 1", "sandbox", "list", "--page", "0"),
            ("--env X is not NAME=VALUE", "run", "-e", "X", "image", "--", "true"),
            ("--timeout 5x is not a time", "sandbox", "renew", "a", "-t", "5x"),
            ("--timeout 1m1h is not a time", "sandbox", "renew", "a", "-t", "1m1h"),
            ("--timeout 1112h is not a time such as 90s, 10m, 1h30m (1111h at most)", "sandbox",
             "renew", "a", "-t", "1112h"),
            ("--timeout 0 is not a time", "sandbox", "renew", "a", "-t", "0"),
            ("--ready-timeout 0 is not a time", "sandbox", "create", "i", "--ready-timeout", "0"),
            ("--timeout 10s: a sandbox lives at least 60s", "sandbox", "create", "i", "-t", "10s"),
            ("--protocol ftp is not http", "--protocol", "ftp", "sandbox", "list"),
            ("run: the command is missing", "run", "image"),
            ("run: the command is missing", "run", "image", "--"),
            ("no image: give --image", "sandbox", "create"),
            ("an image or --snapshot", "sandbox", "create", "i", "--snapshot", "s"),
            ("IMAGE or --image", "sandbox", "create", "i", "--image", "j"),
            ("--image-auth-username and --image-auth-password", "sandbox", "create", "i",
             "--image-auth-username", "me"),
            ("--credential-proxy needs", "sandbox", "create", "i", "--credential-proxy"),
            ("--allow or --network-policy-file", "sandbox", "create", "i", "--allow", "h",
             "--network-policy-file", "f"),
            ("--platform linux is not OS/ARCH", "sandbox", "create", "i", "--platform", "linux"),
            ("--state Asleep is not Pending", "sandbox", "list", "-s", "Asleep"),
            ("--timeout is missing", "sandbox", "renew", "a"),
            ("--port is missing", "sandbox", "endpoint", "a"),
            ("--port is not from 1", "sandbox", "endpoint", "a", "-p", "70000"),
            ("b is not KEY=VALUE", "sandbox", "metadata", "a", "b"),
            ("-o json goes with --background", "command", "run", "a", "-o", "json", "--", "x"),
            ("--gid goes with --uid", "command", "run", "a", "--gid", "1", "--", "x"),
            ("--follow goes with -o raw", "command", "logs", "a", "b", "-f", "-o", "json"),
            ("--mode 999 is not a mode", "file", "chmod", "a", "b", "--mode", "999"),
            ("--mode is missing", "file", "chmod", "a", "b"),
            ("--encoding utf-7 is neither", "file", "cat", "a", "b", "--encoding", "utf-7"),
            ("--content or a file", "file", "write", "a", "b", "c", "-c", "d"),
            ("--pattern is missing", "file", "search", "a", "b"),
            ("--old is missing", "file", "replace", "a", "b"),
            ("--new is missing", "file", "replace", "a", "b", "--old", "x"),
            ("--rule is missing", "egress", "patch", "a"),
            ("--rule permit=x is neither", "egress", "patch", "a", "--rule", "permit=x"),
            ("--target is missing", "egress", "delete", "a"),
            ("--file is missing", "egress", "replace", "a"),
            ("--file is missing", "credential-vault", "create", "a"),
            ("--scope is missing", "diagnostics", "logs", "a"),
            ("--language is missing", "code", "context", "create", "a"),
            ("either CONTEXT or --language", "code", "context", "delete", "a"),
            ("--code or a file", "code", "run", "a", "f", "-c", "1"),
            ("--workspace is missing", "isolated", "create", "a"),
            ("--template-file is missing", "pool", "create", "a"),
            ("ksh is not bash, zsh or fish", "completion", "ksh"),
            ("--domain is empty", "--domain", "", "sandbox", "list"),
            ("--api-key is empty", "--api-key=", "sandbox", "list"),
            ("sandbox get: ID is empty", "sandbox", "get", ""),
            ("sandbox create: IMAGE is empty", "sandbox", "create", ""),
            ("file rm: PATH is empty", "file", "rm", "a", "/x", ""),
            ("sandbox metadata: KEY=VALUE is empty", "sandbox", "metadata", "a", "k=v", ""),
            ("pages and their sizes begin with 1", "snapshot", "list", "--page-size", "0"),
            ("--state what is not Creating, Ready, Failed or Deleting", "snapshot", "list", "-s",
             "what"),
            ("--bind :ro is not FROM[:TO][:ro]", "isolated", "create", "a", "--workspace", "/x",
             "--bind", ":ro"),
            ("--bind /x:/y:r0 is not FROM", "isolated", "create", "a", "--workspace", "/x",
             "--bind", "/x:/y:r0"),
            ("--pool-min is missing", "pool", "update", "p", "--buffer-max", "1", "--buffer-min",
             "1", "--pool-max", "1"),
        ):
            with self.subTest(words):
                self.fails(2, re.escape(message), *words)

    def test_flags_stand_anywhere_and_in_any_form(self):
        for words in (["-o", "json", "sandbox", "list"], ["sandbox", "list", "-ojson"],
                      ["sandbox", "-o", "json", "list"], ["sandbox", "list", "--output=json"],
                      ["sandbox", "list", "-qo", "JSON"]):
            with self.subTest(words):
                if words[0] == "-o":
                    self.fails(2, "there is no -o", *words)
                elif words[1] == "-o":
                    self.fails(2, "sandbox: there is no -o", *words)
                else:
                    self.assertIn("items", self.osb(*words).json)
        self.osb("sandbox", "list", "-" + 1000 * "q", "-" + 1000 * "v")

    def test_help_of_everything(self):
        top = self.osb("--help").out
        self.assertIn("osb run python:3.12", top)
        self.assertEqual(self.osb().out, top)
        for group in re.findall(r"see osb (\S+) --help", top):
            self.assertIn("Commands:", self.osb(group, "--help").out)
        page = self.osb("man").out
        names = re.findall(r"^\.SS osb ([a-z\\ -]+)", page, re.M)
        self.assertGreater(len(names), 75)
        for name in names:
            words = name.replace("\\", "").split(" -- ")[0].split()
            self.assertIn("Usage: osb " + " ".join(words), self.osb(*words, "-h").out)

    def test_help_says_what_is_needed(self):
        self.assertRegex(self.osb("sandbox", "renew", "-h").out, r"--timeout TIME .*; needed\n")
        self.assertNotIn("needed", self.osb("sandbox", "create", "-h").out)

    @unittest.skipUnless(shutil.which("groff"), "no groff")
    def test_manual_is_good_roff(self):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"],
                              input=self.osb("man").bytes, capture_output=True)
        self.assertEqual(done.stderr, b"")

    def test_each_exit_code_of_its_own_is_said_everywhere(self):
        codes = re.findall(r"^    EXIT_\w+ = (\d+)", (ROOT / "tools/osb/osb.h").read_text(), re.M)
        codes.remove("0")
        readme = (ROOT / "README.md").read_text()
        for name, said in (("--help", self.osb("--help").out.split("\nExit code: ")[1]),
                           ("man", self.osb("man").out.split(".SH EXIT STATUS\n")[1]),
                           ("README", readme.split("**Exit codes of osb itself.**")[1])):
            said = said.split(".SH ")[0].split("\n- ")[0]
            self.assertEqual([code for code in codes if not re.search(rf"\b{code}\b", said)], [],
                             name)

    def test_it_needs_nothing_else(self):
        image = Path(PROGRAM).read_bytes()
        if b"libasan" in image:  # the one with sanitizers
            self.skipTest("not static")
        self.assertNotIn(b"ld-linux", image)
        self.assertNotIn(b"ld-musl", image)
        if not PROGRAM.endswith("notls"):
            self.assertLess(len(image), 330 * 1024)

    def test_version(self):
        self.assertRegex(self.osb("--version").out, r"^osb \d+\.\d+\.\d+\n$")

    def test_completion_words(self):
        def offered(*words):
            return [line.split("\t")[0] for line in
                    self.osb("__complete", "--", *words).out.splitlines()]
        self.assertIn("sandbox", offered(""))
        self.assertEqual(offered("sandbox", "cr"), ["create"])
        self.assertEqual(offered("command", "se"), ["session"])
        self.assertIn("--image", offered("sandbox", "create", "--i"))
        self.assertNotIn("--watch", offered("sandbox", "create", "--"))
        self.assertEqual(offered("sandbox", "list", "-o", ""), ["table", "json", "yaml"])
        self.assertEqual(offered("run", "i", "--", "l"), [])

    def completed(self, shell, ask):
        """What a shell that has the script completes."""
        (self.dir / "osb").symlink_to(PROGRAM)
        env = dict(self.env, PATH=f"{self.dir}:{os.environ['PATH']}")
        script = self.osb("completion", shell).out
        done = subprocess.run([shell, "-c", script + ask], capture_output=True, text=True, env=env)
        return done.stdout.split(), done.stderr

    def test_completion_bash(self):
        ask = 'COMP_WORDS=(osb sandbox re); COMP_CWORD=2; _osb; echo "${COMPREPLY[@]}"'
        self.assertEqual(self.completed("bash", ask), (["resume", "renew"], ""))

    @unittest.skipUnless(shutil.which("fish"), "no fish")
    def test_completion_fish(self):
        words, errors = self.completed("fish", "complete -C 'osb command session d'")
        self.assertEqual((words[0], errors), ("delete", ""))

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_completion_zsh(self):
        (self.dir / "osb").symlink_to(PROGRAM)
        self.file("z/_osb", self.osb("completion", "zsh").out)
        self.file("home/.zshrc", f"fpath=({self.dir}/z $fpath)\nautoload -Uz compinit\n"
                                 "compinit -u\nPS1='$ '\n")
        env = dict(self.env, PATH=f"{self.dir}:{os.environ['PATH']}", TERM="dumb", ZDOTDIR=str(
            self.dir / "home"))
        t = Terminal(["-i"], env, program=shutil.which("zsh"))
        t.read_until(r"\$ ")
        t.type("osb credential-v\t")
        t.read_until("osb credential-vault")
        t.type("bi\t")
        t.read_until("binding")
        t.type("\x15exit\n")
        t.end()

# ---- settings ------------------------------------------------------------------------------------

class Settings(Case):
    def path(self):
        return self.dir / "home/.opensandbox/config.toml"

    def shown(self, *words, env=None):
        clean = {name: "" for name in os.environ if name.startswith("OPEN_SANDBOX_")}
        return self.osb("config", "show", "-o", "json", *words, env=dict(clean, **(env or {}))).json

    def test_flag_before_environment_before_file_before_default(self):
        self.assertIsNone(self.shown()["domain"])
        self.osb("config", "init")
        self.osb("config", "set", "connection.domain", "file.example.com")
        self.assertEqual(self.shown()["domain"], "file.example.com")
        env = {"OPEN_SANDBOX_DOMAIN": "env.example.com"}
        self.assertEqual(self.shown(env=env)["domain"], "env.example.com")
        self.assertEqual(self.shown("--domain", "flag", env=env)["domain"], "flag")

    def test_each_setting_from_file_and_environment(self):
        self.osb("config", "init")
        for key, value, shown, want in (
            ("connection.api_key", "secret-key", "api_key", "se******ey"),
            ("connection.protocol", "https", "protocol", "https"),
            ("connection.request_timeout", "7", "request_timeout", 7),
            ("connection.use_server_proxy", "true", "use_server_proxy", True),
            ("defaults.image", 'a"b\\c', "default_image", 'a"b\\c'),
            ("defaults.timeout", "none", "default_timeout", "none"),
        ):
            self.osb("config", "set", key, value)
            self.assertEqual(self.shown()[shown], want)
        env = {"OPEN_SANDBOX_PROTOCOL": "http", "OPEN_SANDBOX_REQUEST_TIMEOUT": "9",
               "OPEN_SANDBOX_USE_SERVER_PROXY": "off", "OPEN_SANDBOX_API_KEY": "abcd"}
        shown = self.shown(env=env)
        self.assertEqual((shown["protocol"], shown["request_timeout"], shown["use_server_proxy"],
                          shown["api_key"]), ("http", 9, False, "****"))
        self.assertTrue(self.shown("--use-server-proxy", env=env)["use_server_proxy"])

    def test_the_file_is_private_and_keeps_what_is_in_it(self):
        self.osb("config", "init")
        self.assertEqual(self.path().stat().st_mode & 0o777, 0o600)
        self.path().write_text("# mine\n[other]\nx = 1\n[connection]\n# domain = \"a\" # note\n")
        self.osb("config", "set", "connection.domain", "b")
        self.osb("config", "set", "output.color", "false")
        self.assertEqual(self.path().read_text(), "# mine\n[other]\nx = 1\n[connection]\n"
                         "domain = \"b\"\n\n[output]\ncolor = false\n")

    def test_others_can_read_what_is_set(self):
        """The official osb and other readers of TOML, for which a number has no zeros before it, and
        a key is a text."""
        self.osb("config", "init")
        for key, value in (("connection.api_key", "0123"), ("connection.domain", "1"),
                           ("connection.request_timeout", "030"), ("defaults.timeout", "0600"),
                           ("defaults.image", "true"), ("output.color", "00")):
            self.osb("config", "set", key, value, code=2 if value == "00" else 0)
        self.osb("config", "set", "output.color", "0")
        lines = [line for line in self.path().read_text().splitlines() if " = " in line[1:]]
        self.assertEqual([line for line in lines if not line.startswith("#")],
                         ['api_key = "0123"', 'domain = "1"', 'request_timeout = "030"',
                          "color = 0", 'image = "true"', 'timeout = "0600"'])
        self.assertEqual(self.shown()["request_timeout"], 30)
        self.assertEqual(self.shown()["default_timeout"], "0600")

    def test_errors_name_file_and_line(self):
        if os.path.isdir("/sys/kernel"):  # nobody makes a directory there
            self.fails(125, "cannot write /sys/x/a.toml: (Permission denied|Operation not permitted|"
                       "Read-only file system)$", "config", "init", "--config", "/sys/x/a.toml")
        self.fails(125, "run osb config init first", "config", "set", "connection.domain", "x")
        self.osb("config", "init")
        self.fails(125, "--force overwrites", "config", "init")
        self.osb("config", "init", "--force")
        self.fails(2, "there is no connection.nosuch", "config", "set", "connection.nosuch", "x")
        self.path().write_text("[connection]\ndomain = \"open\n")
        self.fails(2, r"config.toml:2: the value is empty, or its quotes", "sandbox", "list")
        self.path().write_text("what\n")
        self.fails(2, r"config.toml:1: neither", "sandbox", "list")
        self.fails(2, "there is no .*nosuch.toml", "--config", "nosuch.toml", "sandbox", "list")
        self.path().unlink()
        self.fails(2, "neither true nor false", "sandbox", "list",
                   env={"OPEN_SANDBOX_USE_SERVER_PROXY": "maybe"})
        self.fails(2, "not a number of seconds", "sandbox", "list",
                   env={"OPEN_SANDBOX_REQUEST_TIMEOUT": "soon"})

    def test_a_value_that_does_not_fit_is_refused_and_never_locks_out(self):
        self.osb("config", "init")
        before = self.path().read_text()
        for message, key, value in (
            ("connection.protocol is ftp: neither http nor https", "connection.protocol", "ftp"),
            ("connection.request_timeout is soon: not a number", "connection.request_timeout",
             "soon"),
            ("output.color is maybe: neither true nor false", "output.color", "maybe"),
            ("defaults.timeout is soon: neither a time", "defaults.timeout", "soon"),
            ("connection.api_key holds a control character", "connection.api_key", "a\nb"),
        ):
            self.fails(2, message, "config", "set", key, value)
        self.assertEqual(self.path().read_text(), before)
        self.path().write_text("[connection]\nrequest_timeout = soon\n")
        self.fails(2, "config.toml:2: connection.request_timeout is soon", "sandbox", "list")
        self.fails(2, "config.toml:2: connection.request_timeout is soon", "config", "show")
        self.osb("config", "set", "connection.request_timeout", "5")
        self.assertEqual(self.shown()["request_timeout"], 5)
        self.path().write_text("what\n")
        self.fails(2, "config.toml:1: neither", "config", "set", "connection.domain", "x")
        self.assertEqual(self.path().read_text(), "what\n")
        self.assertEqual(self.osb("config", "init", "--force").err, "")
        self.fails(2, "OPEN_SANDBOX_API_KEY holds a control character", "sandbox", "list",
                   env={"OPEN_SANDBOX_API_KEY": "secret\r"})

    def test_what_is_not_understood_is_said(self):
        self.osb("config", "init")
        self.path().write_text('[connection]\ndomain = "a" b\n')
        self.fails(2, "config.toml:2: the value is empty, or its quotes", "sandbox", "list")
        self.path().write_text('[connection]\ndomain = "a"\n\ndomain = "b"\n')
        self.fails(2, "config.toml:4: connection.domain stands here twice", "sandbox", "list")
        for line in ('[ connection ]', '["connection"]', '[connection]\n"domain" = "a"'):
            self.path().write_text(line + "\n")
            self.fails(2, r"config.toml:\d: a name is written without", "sandbox", "list")
        self.path().write_text('[conection]\ndomain = "a"\n')
        self.assertIn("config.toml:2: osb knows no conection.domain\n", self.osb("config", "show").err)
        self.assertEqual(self.osb("config", "show", "-q").err, "")
        self.path().write_text("[connection]\n\0\n[other]\nx = 1\n")
        for words in (["sandbox", "list"], ["config", "set", "connection.domain", "x"]):
            code = 2 if words[0] == "sandbox" else 125
            self.fails(code, "config.toml: holds a NUL byte", *words)
        self.assertIn("[other]", self.path().read_text())
        self.path().write_text('[connection]\ndomain = ""\n')
        self.assertIsNone(self.shown()["domain"])

    def test_set_changes_the_line_that_counts(self):
        self.osb("config", "init")
        for old, new in (
            ('[connection]\n# domain = "x"\ndomain = "y"\n', '[connection]\n# domain = "x"\n'
             'domain = "b"\n'),
            ('[connection]\n  # domain = 1\nprotocol = "http"', '[connection]\ndomain = "b"\n'
             'protocol = "http"'),
            ('  [connection]\n  protocol = "http"', '  [connection]\n  protocol = "http"\n'
             'domain = "b"\n'),
            ('[connection]\n\n\n[output]\ndomain = 1\n', '[connection]\ndomain = "b"\n\n\n'
             '[output]\ndomain = 1\n'),
            ("", '\n[connection]\ndomain = "b"\n'),
        ):
            self.path().write_text(old)
            self.osb("config", "set", "connection.domain", "b")
            self.assertEqual(self.path().read_text(), new)
            self.assertEqual(self.shown()["domain"], "b")

    def test_a_file_beside_it_stays(self):
        for name in ("c.new", "c.part"):
            self.file(name, "mine")
        (self.dir / "d.new").symlink_to("c.part")
        for name in ("c", "d"):
            self.osb("config", "init", "--config", name)
            self.osb("config", "set", "connection.domain", "x", "--config", name)
        self.assertEqual([(self.dir / n).read_text() for n in ("c.new", "c.part")], ["mine"] * 2)
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()),
                         ["c", "c.new", "c.part", "d", "d.new"])

    def test_what_is_there_and_cannot_be_read_is_not_passed_over(self):
        home = self.dir / "home/.opensandbox"
        home.mkdir(parents=True)
        (home / "config.toml").symlink_to("config.toml")
        self.fails(2, "cannot read .*config.toml: ", "sandbox", "list")

    def test_a_link_stays_a_link(self):
        self.osb("config", "init")
        self.path().rename(self.dir / "mine.toml")
        self.path().symlink_to(self.dir / "mine.toml")
        self.osb("config", "set", "connection.domain", "b")
        self.assertTrue(self.path().is_symlink())
        self.assertIn('domain = "b"', (self.dir / "mine.toml").read_text())
        self.path().unlink()
        self.path().mkdir()
        for words in (["init", "--force"], ["set", "connection.domain", "x"], ["show"]):
            self.fails(2 if words == ["show"] else 125, "config.toml: Is a directory", "config",
                       *words)

    def test_defaults_are_used(self):
        self.osb("config", "init")
        self.osb("config", "set", "defaults.image", "from-settings:1")
        self.osb("config", "set", "defaults.timeout", "none")
        made = self.osb("sandbox", "create", "-o", "json").json
        self.assertEqual((made["image"], made["timeout"]), ("from-settings:1", "manual-cleanup"))
        self.osb("sandbox", "kill", made["id"])


# ---- failures ------------------------------------------------------------------------------------

class Failures(Case):
    def test_each_says_what_to_do(self):
        self.fails(125, "not authorized.*check the API key", "sandbox", "list", "--api-key", "x")
        self.fails(125, "not authorized.*set OPEN_SANDBOX_API_KEY", "sandbox", "list",
                   env={"OPEN_SANDBOX_API_KEY": ""})
        self.fails(125, "cannot connect.*check --domain", "sandbox", "list", "--domain",
                   "127.0.0.1:1")
        self.fails(125, "not found.*see osb sandbox list", "sandbox", "get", "nosuch")
        self.fails(125, "not found.*see osb sandbox list", "file", "cat", "nosuch", "/x")
        if PROGRAM.endswith("notls"):
            self.fails(125, "needs a port with TLS; this osb was built without TLS", "--domain",
                       "https://localhost:1", "sandbox", "list")
        self.fails(2, "too long for a sandbox's id", "file", "cat", "x" * 100, "/x")
        for domain in ("bad host", "http://", "h:99999", "h:x", "ftp://h"):
            self.fails(2, f"no valid address in --domain {domain}", "sandbox", "list", "--domain",
                       domain)

    def test_a_timeout_is_124(self):
        box = self.osb("sandbox", "create", "i", "--skip-health-check", "--extension",
                       "devserver.execd-delay-ms=2500", "-o", "raw").out.strip()
        self.fails(124, "timed out.*--request-timeout", "file", "info", box, "/", "--request-timeout",
                   "1")
        self.osb("sandbox", "kill", box)

    def test_a_server_that_is_none(self):
        for answer, code, message in (
            (None, 124, "timed out: while waiting for the answer"),
            (b"", 125, "closed before the answer.*is this an OpenSandbox server, and the --protocol"),
            (b"SSH-2.0-x\r\n", 125, "not valid HTTP.*is this an OpenSandbox server"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", 125,
             "not the JSON that the API promises.*is this an OpenSandbox server"),
            (b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", 125,
             "redirect refused"),
            (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 125, "refused by the server: HTTP 500"),
        ):
            with self.subTest(answer), Impostor(answer) as address:
                for words in (["sandbox", "list"], ["sandbox", "create", "i"], ["run", "i", "true"],
                              ["file", "cat", "x", "/x"]):
                    self.fails(code, message, "--domain", address, "--protocol", "http",
                               "--request-timeout", "1", *words)

    def test_a_server_cannot_steer_the_terminal(self):
        wild = "\x1b[31m\x7f\x9b31m\t\u2028\ufffe\uffff\u00e9"
        body = json.dumps({"id": "x", "status": {"state": wild}, "metadata": {wild: wild}}).encode()
        with Impostor(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                      % len(body) + body) as server:
            shown = {form: self.osb("sandbox", "get", "x", "-o", form, "--domain", server)
                     for form in ("table", "json", "yaml")}
        for form, done in shown.items():
            controls = "[\0-\x09\x0b-\x1f\x7f-\x9f" + ("]" if form == "table" else "\u2028]")
            self.assertNotRegex(done.out, controls)
            self.assertIn("\u00e9", done.out)
        self.assertEqual(shown["json"].json["metadata"], {wild: wild})
        quoted = r'"\u001b[31m\u007f\u009b31m\u0009\u2028\ufffe\uffff' + "\u00e9\""
        self.assertIn(f"  {quoted}: {quoted}\n", shown["yaml"].out)
        refusal = json.dumps({"code": "X", "message": wild}).encode()
        with Impostor(b"HTTP/1.1 400 No\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                      % len(refusal) + refusal) as server:
            done = self.fails(125, "X: ", "sandbox", "get", "x", "--domain", server)
        self.assertNotRegex(done.err, "[\0-\x09\x0b-\x1f\x7f-\x9f]")

    def test_json_is_json_whatever_a_server_calls_a_port(self):
        for port in ('"x\\" : y"', "true", "1e5", "443", '"0443"', "-1"):
            vault = ('{"revision": 1, "credentials": [], "bindings": [{"name": "b", "match": '
                     '{"hosts": ["h"], "ports": [%s]}}]}' % port)
            with self.subTest(port), Server({"/endpoints/": None, "/credential-vault": vault}) as s:
                for form in ("json", "yaml"):
                    done = self.osb("credential-vault", "get", "id", "-o", form, "--domain", s)
                    if form == "json":
                        ports = done.json["bindings"][0]["match"]["ports"]
                        self.assertEqual(ports, [json.loads(port) if port == "443" else
                                                 str(json.loads(port)) if '"' in port else port])

    def test_a_time_before_1970_is_its_beginning(self):
        for time_ms in (-1, -1000, -86400001, -(1 << 63)):
            metrics = '{"cpu_count": 1, "timestamp": %d}' % time_ms
            with self.subTest(time_ms), Server({"/endpoints/": None, "/metrics": metrics}) as s:
                done = self.osb("sandbox", "metrics", "id", "-o", "raw", "--domain", s)
                self.assertTrue(done.out.startswith("[1970-01-01T00:00:00Z] "), done.out)

    def test_a_time_that_no_date_can_tell_takes_no_time(self):
        for time_ms, shown in (((1 << 63) - 1, "9999-12-31T23:59:59Z"),
                               (253402300799000, "9999-12-31T23:59:59Z"),
                               (253370764800000, "9999-01-01T00:00:00Z")):
            metrics = '{"cpu_count": 1, "timestamp": %d}' % time_ms
            with self.subTest(time_ms), Server({"/endpoints/": None, "/metrics": metrics}) as s:
                began = time.monotonic()
                done = self.osb("sandbox", "metrics", "id", "-o", "raw", "--domain", s)
                self.assertLess(time.monotonic() - began, 1)
                self.assertTrue(done.out.startswith(f"[{shown}] "), done.out)

    def test_results_of_one_type_are_all_there(self):
        events = "\n\n".join(json.dumps(e) for e in (
            {"type": "init", "text": "c"},
            {"type": "result", "results": {"text/html": "", "text/plain": "1"}},
            {"type": "result", "results": {"text/plain": "2"}},
            {"type": "error", "error": {"ename": "E", "evalue": "a\0b", "traceback": []}},
            {"type": "execution_complete", "execution_time": 3})) + "\n\n"
        with Server({"/endpoints/": None, "/code": events}) as s:
            done = self.osb("code", "run", "id", "-c", "x", "-o", "json", "--domain", s, code=1)
        self.assertEqual(done.json["error"]["value"], "a\0b")
        self.assertEqual(done.json["result"], [{"text/html": "", "text/plain": "1"},
                                               {"text/plain": "2"}])

    def test_an_exit_code_of_256_is_no_success(self):
        events = "\n\n".join(json.dumps(e) for e in (
            {"type": "init", "text": "c"},
            {"type": "error", "error": {"ename": "CommandExecError", "evalue": "256",
                                        "traceback": ["exit status 256"]}},
            {"type": "execution_complete", "execution_time": 3})) + "\n\n"
        with Server({"/endpoints/": None, "/command": events}) as s:
            self.osb("command", "run", "id", "--domain", s, "--", "x", code=255)

    def test_completion_offers_no_id_that_a_shell_would_read(self):
        listed = json.dumps({"items": [
            {"id": one, "status": {"state": "Running"}, "image": {"uri": "a\nb\x1b[31m"}}
            for one in ("good-1.x_y", "$(reboot)", "a b", "a\nb", ";x", "-x", "~")]})
        with Server({"/sandboxes": listed}) as s:
            done = self.osb("__complete", "--", "sandbox", "get", "",
                            env={"OPEN_SANDBOX_DOMAIN": s, "OPEN_SANDBOX_PROTOCOL": "http"})
        self.assertEqual(done.out, "good-1.x_y\ta b [31m\n")

    def test_not_ready_and_failed(self):
        self.fails(124, "not ready in time.*--ready-timeout", "sandbox", "create", "i",
                   "--extension", "devserver.never-ready=1", "--ready-timeout", "1s")
        self.fails(125, "no more room", "sandbox", "create", "i",
                   "--extension", "devserver.fail=no more room")

    def test_secrets_do_not_stay_on_the_command_line(self):
        key = os.environ["OPEN_SANDBOX_API_KEY"]
        p = subprocess.Popen([PROGRAM, "--api-key", key, f"--api-key={key}", "run", "i", "--", "sh",
                              "-c", "echo ready; sleep 60"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=self.env)
        p.stdout.readline()
        shown = Path(f"/proc/{p.pid}/cmdline").read_text()
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=60)
        self.assertEqual(p.returncode, 143)
        self.assertIn("--api-key=***", shown)
        self.assertNotIn(key, shown)

    def test_the_dev_server_shows_its_key_to_nobody(self):
        key = os.environ["OPEN_SANDBOX_API_KEY"]
        lines = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                lines.append(path.read_bytes())
            except OSError:  # it has ended
                pass
        self.assertTrue(any(b"devserver" in line for line in lines))
        self.assertFalse(any(key.encode() in line for line in lines))

    def test_verbose_shows_each_request(self):
        done = self.osb("-v", "sandbox", "list")
        self.assertRegex(done.err, r"^osb: GET /sandboxes at \S+: HTTP 200, \d+ ms")
        self.assertNotIn(os.environ["OPEN_SANDBOX_API_KEY"], done.err)

    def test_lost_answer_says_so(self):
        self.fails(125, "it may have had its effect", "sandbox", "create", "i",
                   "--extension", "devserver.create-answer=drop")

    def test_broken_stdout(self):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([PROGRAM, "sandbox", "list"], stdout=write, stderr=subprocess.PIPE,
                              env=self.env)
        os.close(write)
        self.assertEqual((done.returncode, done.stderr), (141, b""))

    OUTPUTS = (["--help"], ["man"], ["--version"], ["config", "show"], ["sandbox", "list"],
               ["completion", "bash"], ["sandbox", "list", "-o", "json"])

    def with_sandbox(self):
        box = self.osb("sandbox", "create", "i", "-o", "raw").out.strip()
        self.addCleanup(lambda: self.osb("sandbox", "kill", box))
        return (["command", "run", box, "--", "echo", "hi"], ["file", "cat", box, "/etc/passwd"],
                ["sandbox", "metrics", box, "-o", "raw"], ["file", "download", box, "/etc/passwd",
                 "-"], ["code", "run", box, "-c", "print(1)"])

    def test_full_disk(self):
        self.assertTrue(Path("/dev/full").is_char_device())
        with open("/dev/full", "wb") as full:
            for words in self.OUTPUTS + self.with_sandbox():
                with self.subTest(words):
                    done = subprocess.run([PROGRAM, *words], stdout=full, stderr=subprocess.PIPE,
                                          env=self.env, timeout=60)
                    self.assertEqual((done.returncode, done.stderr), (
                        125, b"osb: cannot write the output: No space left on device\n"))

    def test_closed_standard_files(self):
        """No socket takes their place."""
        commands = self.with_sandbox()
        for words in self.OUTPUTS + commands:
            with self.subTest(words):
                line = shlex.join([PROGRAM, *words])
                done = subprocess.run(["sh", "-c", f"exec {line} 2>&- <&-"], env=self.env,
                                      stdout=subprocess.PIPE, timeout=60)
                self.assertEqual(done.returncode, 0)
                self.assertNotEqual(done.stdout, b"")
                done = subprocess.run(["sh", "-c", f"exec {line} >&-"], stderr=subprocess.PIPE,
                                      env=self.env, timeout=60)
                self.assertEqual((done.returncode, done.stderr), (
                    125, b"osb: cannot write the output: Bad file descriptor\n"))
        box = commands[0][2]
        done = subprocess.run(["sh", "-c", f"exec '{PROGRAM}' file write {box} /tmp/osb-closed <&-"],
                              env=self.env, capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (125, b""))
        self.assertEqual(done.stderr, b"osb: cannot read: Bad file descriptor\n")


@unittest.skipUnless(os.environ.get("OPEN_SANDBOX_PROTOCOL") == "https", "for a server with TLS")
class Tls(Case):
    def test_trust(self):
        ca = os.environ["SSL_CERT_FILE"]
        nothing = {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""}
        self.osb("server", "health", "--ca-file", ca, env=nothing)
        self.osb("server", "health", env={"SSL_CERT_DIR": str(Path(ca).parent), "SSL_CERT_FILE": ""})
        other = Path(ca).parent / "other-ca.pem"
        self.fails(125, "cannot connect.*unknown authority", "sandbox", "list", "--ca-file", other)
        self.fails(2, "cannot read nosuch.pem: No such file", "sandbox", "list", "--ca-file",
                   "nosuch.pem")
        says = "; it must be a file of certificates, PEM or DER$"
        for words in (["sandbox", "list"], ["server", "health"]):  # of the server it says nothing
            self.fails(125, f"ca_file x: .*{says}", *words, "--ca-file",
                       self.file("x", "no certificate").name)
            self.fails(125, f"ca_file nosuch: .*{says}", *words, env={"SSL_CERT_FILE": "nosuch"})

    def test_what_to_do_about_a_certificate(self):
        for name, advice in (("unknown", "unknown authority; --ca-file FILE says whom to trust"),
                             ("expired", "expired on 2020-01-01; or is this machine's clock wrong?"),
                             ("future", "before 2090-01-02; or is this machine's clock wrong?"),
                             ("wrong-name", "name does not match 127.0.0.1; check --domain")):
            pair = Path(os.environ["SSL_CERT_FILE"]).with_name(name)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.with_suffix(".pem"), pair.with_suffix(".key"))
            with self.subTest(name), socket.create_server(("127.0.0.1", 0)) as server:
                server.settimeout(20)

                def shake_hands():
                    with contextlib.suppress(OSError), server.accept()[0] as s:
                        context.wrap_socket(s, server_side=True).close()

                thread = threading.Thread(target=shake_hands)
                thread.start()
                self.fails(125, advice, "sandbox", "list", "--domain",
                           "127.0.0.1:%d" % server.getsockname()[1])
                thread.join()

    def test_plain_http_to_a_tls_port(self):
        self.fails(125, "closed|HTTP|not valid", "sandbox", "list", "--protocol", "http")


# ---- run -----------------------------------------------------------------------------------------

class Run(Case):
    def count(self):
        return self.osb("sandbox", "list", "-m", "of=run-test", "-o", "json").json["pagination"][
            "total_items"]

    def test_output_exit_code_and_no_sandbox_left(self):
        done = self.osb("run", "python:3.12", "-m", "of=run-test", "-e", "GREETING=hi there", "--",
                        "sh", "-c", "echo $GREETING; echo no >&2; exit 7", code=7)
        self.assertEqual((done.out, done.err), ("hi there\n", "no\n"))
        self.assertEqual(self.count(), 0)

    def test_a_sandbox_lives_as_long_as_its_command(self):
        if not PROGRAM.endswith("asan-notls"):
            self.skipTest("renews each four minutes")
        for limit, renewed in (([], True), (["-t", "30s"], False)):
            done = self.osb("run", "i", "--keep", *limit, "--", "sleep", "3")
            box = re.search(r"is kept: (\S+)", done.err)[1]
            info = self.osb("sandbox", "get", box, "-o", "json").json
            begin, end = (
                datetime.fromisoformat(info[name].replace("Z", "+00:00"))
                for name in ("created_at", "expires_at")
            )
            self.assertEqual((end - begin).total_seconds() > 601, renewed)
            self.osb("sandbox", "kill", box)

    def test_words_reach_the_command_as_they_are(self):
        words = ["a b", "", "$HOME", "it's", "-o", "--", "\"", "\\", "*", "\n"]
        done = self.osb("run", "python:3.12", "--", "python3", "-c",
                        "import sys; print(sys.argv[1:])", *words)
        self.assertEqual(done.out, repr(words) + "\n")
        self.assertEqual(self.osb("run", "i", "echo", "-n", "x").out, "x\n")

    def test_exit_codes(self):
        for code, message, *command in (
            (127, "not found", "nosuch-command"),
            (126, "ermission denied|annot execute|s a directory", "/tmp"),
            (137, "ended by a signal: killed", "sh", "-c", "kill -9 $$"),
        ):
            done = self.osb("run", "i", "--", *command, code=code)
            self.assertRegex(done.err, message)
        self.osb("run", "i", "--", "sh", "-c", "exit 255", code=255)
        begin = time.monotonic()
        self.fails(124, "timed out after 1s", "run", "i", "-t", "1s", "--", "sleep", "30")
        self.assertLess(time.monotonic() - begin, 20)

    def test_keep(self):
        done = self.osb("run", "i", "--keep", "-m", "of=run-test", "--", "true")
        box = re.search(r"the sandbox is kept: (\S+)", done.err).group(1)
        self.assertEqual(self.count(), 1)
        self.osb("sandbox", "kill", box)
        self.assertEqual(self.osb("run", "i", "--keep", "-q", "--", "true").err, "")

    def test_allow_is_a_policy(self):
        done = self.osb("run", "i", "--keep", "--allow", "a.example.com", "--allow", "b.example.com",
                        "--", "true")
        box = re.search(r"kept: (\S+)", done.err).group(1)
        policy = self.osb("egress", "get", box, "-o", "json").json
        self.assertEqual(policy["default_action"], "deny")
        self.assertEqual([rule["target"] for rule in policy["egress"]],
                         ["a.example.com", "b.example.com"])
        self.osb("sandbox", "kill", box)

    def test_workdir(self):
        self.assertEqual(self.osb("run", "i", "-w", "/usr", "--", "pwd").out, "/usr\n")

    def test_much_output_is_whole(self):
        done = self.osb("run", "i", "--", "seq", "200000")
        self.assertEqual(done.out, "".join(f"{n}\n" for n in range(1, 200001)))

    def test_a_reader_that_leaves_ends_it(self):
        command = f"'{PROGRAM}' run i -m of=run-test -- sh -c 'while :; do echo y; done' | head -1"
        done = subprocess.run(["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"],
                              capture_output=True, text=True, env=self.env, timeout=60)
        self.assertEqual(done.stdout, "y\n141\n", done.stderr)
        self.assertEqual(self.count(), 0)

    def test_a_broken_connection_loses_nothing(self):
        for hook in ("stream-cut=3000", "stream-reset=3000"):
            done = self.osb("run", "i", "--extension", f"devserver.{hook}", "--", "sh", "-c",
                            "seq 1000; echo end >&2; exit 3", code=3)
            self.assertEqual(done.out, "".join(f"{n}\n" for n in range(1, 1001)))
            self.assertIn("end\n", done.err)
            self.assertIn("the connection broke; going on", done.err)

    def test_ctrl_c_interrupts_the_command(self):
        t = Terminal(["run", "i", "-m", "of=run-test", "--", "sh", "-c",
                      "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.1; done"],
                     self.env)
        t.read_until("ready")
        t.type("\x03")
        t.read_until("caught")
        self.assertEqual(t.end(), 5)
        self.assertIn("once more to leave", t.seen)
        self.assertEqual(self.count(), 0)

    def test_ctrl_c_leaves_the_dev_server_to_the_end(self):
        t = Terminal([PROGRAM, "run", "i", "--", "sh", "-c",
                      "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.1; done"],
                     self.env, str(ROOT / "tools/with-devserver.sh"))
        t.read_until("ready")
        t.type("\x03")
        self.assertEqual(t.end(), 5)
        self.assertNotIn("left behind", t.seen)

    def test_dev_server_at_another_address(self):
        with tempfile.TemporaryDirectory() as directory:
            url = Path(directory) / "url"
            server = subprocess.Popen([sys.executable, str(ROOT / "tools/devserver"), "--host", "127.0.0.2",
                                       "--ready-file", str(url), "--stdin-lifetime"],
                                      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            while not (url.exists() and url.read_text()):
                self.assertIsNone(server.poll())
                time.sleep(0.05)
            done = self.osb("--domain", url.read_text().strip(), "--use-server-proxy", "run", "i", "--",
                            "echo", "there")
            server.communicate(timeout=60)
        self.assertEqual(done.out, "there\n")

    def test_ctrl_c_of_a_plain_command_is_130(self):
        t = Terminal(["run", "i", "--", "sh", "-c", "echo ready; sleep 60"], self.env)
        t.read_until("ready")
        t.type("\x03")
        self.assertEqual(t.end(), 130)

    def test_signals_that_are_ignored_stay_so(self):
        """As a shell has Ctrl-C ignored for what runs in its background."""
        p = subprocess.Popen(["sh", "-c", 'trap "" INT TERM; exec "$@"', "sh", PROGRAM, "run", "i",
                              "--", "sh", "-c", "echo ready; sleep 2; echo end"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        p.stdout.readline()
        p.send_signal(signal.SIGINT)
        p.send_signal(signal.SIGTERM)
        self.assertEqual((p.communicate(timeout=60), p.returncode), ((b"end\n", b""), 0))

    def test_ctrl_c_twice_leaves(self):
        t = Terminal(["run", "i", "-m", "of=run-test", "--", "sh", "-c",
                      "trap '' TERM INT; echo ready; while :; do sleep 0.1; done"], self.env)
        t.read_until("ready")
        t.type("\x03")
        time.sleep(0.5)
        t.type("\x03")
        self.assertEqual(t.end(), 130)
        self.assertEqual(self.count(), 0)

    def test_ctrl_c_twice_leaves_a_server_that_does_not_answer(self):
        relay = Relay(os.environ["OPEN_SANDBOX_DOMAIN"])
        self.addCleanup(relay.close)
        box = WithSandbox.create()
        self.addCleanup(lambda: self.osb("sandbox", "kill", box))
        t = Terminal(["command", "run", box, "--domain", relay.address, "--use-server-proxy", "--",
                      "sh", "-c", "echo ready; sleep 60"], self.env)
        t.read_until("ready")
        relay.silent = True
        t.type("\x03")
        t.read_until("once more to leave")
        t.type("\x03")
        began = time.monotonic()
        self.assertEqual(t.end(), 130)
        self.assertLess(time.monotonic() - began, 15)

    def test_ctrl_c_twice_leaves_a_reader_that_has_stopped(self):
        p = subprocess.Popen([PROGRAM, "run", "i", "-m", "of=run-test", "--", "yes"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        p.stdout.read(1)
        time.sleep(2)  # until the pipe is full
        p.send_signal(signal.SIGINT)
        time.sleep(0.5)
        p.send_signal(signal.SIGINT)
        began = time.monotonic()
        self.assertEqual(p.wait(timeout=60), 130)
        self.assertLess(time.monotonic() - began, 15)
        self.assertEqual(self.count(), 0)
        self.assertEqual(p.stderr.read(), b"osb: interrupted; once more to leave\n"
                                          b"osb: interrupted\n")

    def test_ctrl_c_while_it_is_created(self):
        t = Terminal(["run", "i", "-m", "of=run-test", "--extension", "devserver.never-ready=1",
                      "--", "true"], self.env)
        time.sleep(1.5)
        t.type("\x03")
        self.assertEqual(t.end(), 130)
        self.assertEqual(self.count(), 0)

    @unittest.skipIf(subprocess.run([*NAMESPACES, "true"], capture_output=True).returncode,
                     "namespaces are not for this user here")
    def test_ctrl_c_while_a_dead_name_server_is_asked(self):
        servers = self.file("resolv.conf", "nameserver 127.0.0.1\n")
        p = subprocess.Popen([*NAMESPACES, "python3", "-c", DEAD_NAME_SERVER, servers, PROGRAM,
                              "--domain", "nowhere.example", "run", "i", "--", "true"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        time.sleep(2)  # a name server has 5 seconds or more
        self.assertIsNone(p.poll())
        p.send_signal(signal.SIGINT)
        began = time.monotonic()
        self.assertEqual(p.communicate(timeout=60), (b"", b"osb: interrupted\n"))
        self.assertEqual(p.returncode, 130)
        self.assertLess(time.monotonic() - began, 1)

    def test_sigterm_cleans_up(self):
        p = subprocess.Popen([PROGRAM, "run", "i", "-m", "of=run-test", "--", "sh", "-c",
                              "echo ready; sleep 60"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=self.env)
        p.stdout.readline()
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=60)
        self.assertEqual(p.returncode, 143)
        self.assertEqual(self.count(), 0)


# ---- sandboxes -----------------------------------------------------------------------------------

class Sandboxes(WithSandbox):
    flags = ("-m", "team=blue", "-e", "X=1", "--resource", "cpu=2", "--entrypoint", "sleep",
             "--entrypoint", "inf", "-t", "20m")

    def test_get_has_the_official_shape(self):
        info = self.osb("sandbox", "get", self.box, "-o", "json").json
        self.assertEqual(list(info), ["id", "status", "entrypoint", "expires_at", "created_at",
                                      "image", "snapshot_id", "platform", "metadata"])
        self.assertEqual(list(info["status"]), ["state", "reason", "message", "last_transition_at"])
        self.assertEqual((info["id"], info["status"]["state"], info["image"]["image"],
                          info["entrypoint"], info["metadata"]),
                         (self.box, "Running", "python:3.12", ["sleep", "inf"], {"team": "blue"}))
        table = self.osb("sandbox", "get", self.box).out
        self.assertRegex(table, r"(?m)^status.state +Running$")
        self.assertRegex(table, r"(?m)^metadata.team +blue$")
        yaml = self.osb("sandbox", "get", self.box, "-o", "yaml").out
        self.assertIn("status:\n  state: Running\n", yaml)
        self.assertIn("metadata:\n  team: blue\n", yaml)

    def test_list_and_filters(self):
        table = self.osb("sandbox", "list", "-m", "team=blue", "-s", "running").out.splitlines()
        self.assertRegex(table[0], r"^ID +STATUS +IMAGE +CREATED AT +EXPIRES AT$")
        self.assertRegex(table[1], rf"^{self.box} +Running +python:3.12 +\S+ +\S+$")
        found = self.osb("sandbox", "list", "-m", "team=blue", "-o", "json").json
        self.assertEqual([item["id"] for item in found["items"]], [self.box])
        self.assertEqual(found["pagination"]["total_items"], 1)
        none = self.osb("sandbox", "list", "-m", "team=none", "-o", "json").json
        self.assertEqual(none["items"], [])
        self.assertEqual(self.osb("sandbox", "list", "-s", "paused", "-m", "team=blue",
                                  "-o", "json").json["items"], [])

    def test_colours_on_a_terminal_that_knows_them(self):
        for more, env, coloured in (([], {}, True), (["--no-color"], {}, False),
                                    ([], {"NO_COLOR": "1"}, False), ([], {"TERM": "dumb"}, False)):
            t = Terminal(["sandbox", "get", self.box, *more],
                         dict(self.env, TERM="vt100", **{"NO_COLOR": ""}) | env)
            self.assertEqual(t.end(), 0)
            self.assertEqual("\x1b[32mRunning\x1b[0m" in t.seen, coloured, env)
            self.assertEqual("\x1b" in t.seen, coloured, env)

    def test_pages(self):
        boxes = [self.create("-m", "of=pages") for _ in range(3)]
        first = self.osb("sandbox", "list", "-m", "of=pages", "--page-size", "2")
        self.assertEqual(len(first.out.splitlines()), 3)
        self.assertIn("this was page 1 of 2: --page 2, or --all", first.err)
        every = self.osb("sandbox", "list", "-m", "of=pages", "--page-size", "2", "--all", "-o",
                         "json").json
        self.assertEqual({item["id"] for item in every["items"]}, set(boxes))
        killed = self.osb("sandbox", "kill", *boxes)
        self.assertEqual(killed.out.count("terminated"), 3)

    def test_kill_goes_on_after_a_failure(self):
        box = self.create()
        done = self.osb("sandbox", "kill", "nosuch", box, "-o", "json", code=125)
        self.assertEqual(done.json, [{"sandbox_id": box, "status": "terminated"}])
        self.assertIn("not found", done.err)

    def test_create_shape(self):
        made = self.osb("sandbox", "create", "-i", "python:3.12", "-o", "json").json
        self.assertEqual((made["image"], made["status"], made["timeout"]),
                         ("python:3.12", "created", "sdk-default"))
        self.osb("sandbox", "kill", made["id"])

    def test_pause_and_resume(self):
        box = self.create("--extension", "devserver.transition-ms=300")
        done = self.osb("sandbox", "pause", box, "--wait", "-o", "json").json
        self.assertEqual(done, {"status": "ok", "message": f"Sandbox paused: {box}"})
        self.assertIn("Paused", self.osb("sandbox", "get", box).out)
        self.assertEqual(self.osb("sandbox", "resume", box).out, f"Sandbox resumed: {box}\n")
        self.assertIn("Running", self.osb("sandbox", "get", box).out)
        self.osb("sandbox", "kill", box)

    def test_renew_endpoint_health(self):
        renewed = self.osb("sandbox", "renew", self.box, "-t", "1h30m", "-o", "json").json
        self.assertEqual(renewed["sandbox_id"], self.box)
        self.assertRegex(renewed["expires_at"], r"^\d{4}-")
        endpoint = self.osb("sandbox", "endpoint", self.box, "-p", "8000", "-o", "json").json
        self.assertEqual(list(endpoint), ["endpoint", "headers"])
        url = self.osb("sandbox", "endpoint", self.box, "-p", "8000", "-o", "raw").out
        self.assertEqual(url, f"http://{endpoint['endpoint']}\n")
        self.assertEqual(self.osb("sandbox", "health", self.box, "-o", "json").json,
                         {"sandbox_id": self.box, "healthy": True})
        self.assertEqual(self.osb("server", "health", "-o", "json").json["healthy"], True)
        self.assertIn('"healthy": false', self.osb("server", "health", "-o", "json", "--domain",
                                                   "127.0.0.1:1", code=1).out)

    def test_signed_endpoint_platform_and_secure_access(self):
        box = self.create("--platform", "linux/amd64", "--secure-access")
        plain = self.osb("sandbox", "endpoint", box, "-p", "80", "-o", "raw").out
        signed = self.osb("sandbox", "endpoint", box, "-p", "80", "--signed", "10m", "-o", "raw").out
        self.assertNotEqual(plain, signed)
        info = self.osb("sandbox", "get", box, "-o", "json").json
        self.assertEqual(info["platform"], {"os": "linux", "arch": "amd64"})
        self.osb("sandbox", "kill", box)

    def test_unhealthy_is_1(self):
        box = self.create()
        self.osb("sandbox", "kill", box)
        done = self.osb("sandbox", "health", box, "-o", "json", code=1)
        self.assertEqual(done.json, {"sandbox_id": box, "healthy": False})
        self.assertIn("not found", done.err)
        box = self.create("--skip-health-check", "--extension", "devserver.execd-answer=503")
        done = self.osb("sandbox", "health", box, "-o", "json", code=1)
        self.assertEqual(done.json["healthy"], False)
        self.assertIn("HTTP 503", done.err)
        self.osb("sandbox", "kill", box)

    def test_metrics(self):
        metrics = self.osb("sandbox", "metrics", self.box, "-o", "json").json
        self.assertEqual(list(metrics), ["cpu_count", "cpu_used_percentage", "memory_total_in_mib",
                                         "memory_used_in_mib", "timestamp"])
        p = subprocess.Popen([PROGRAM, "sandbox", "metrics", self.box, "--watch"],
                             stdout=subprocess.PIPE, env=self.env)
        line = p.stdout.readline().decode()
        self.assertRegex(line, r"^\[20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\] cpu=[\d.]+% cores=[\d.]+ "
                               r"mem=[\d.]+/[\d.]+MiB$")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(timeout=30), 0)
        p.stdout.close()

    def test_metadata(self):
        box = self.create("-m", "a=1", "-m", "b=2")
        self.assertEqual(self.osb("sandbox", "metadata", box, "-o", "json").json,
                         {"a": "1", "b": "2"})
        changed = self.osb("sandbox", "metadata", box, "c=3", "a=x", "--unset", "b", "-o", "json")
        self.assertEqual(changed.json, {"a": "x", "c": "3"})
        self.osb("sandbox", "kill", box)

    def test_how_a_file_may_begin(self):
        for start in ("---\n", "# mine\n---\n", "\n--- # mine\r\n", "---\r\n", "\ufeff---\n"):
            with self.subTest(start):
                policy = self.file("p.yaml", start + "defaultAction: deny\n")
                box = self.create("--network-policy-file", str(policy))
                self.osb("sandbox", "kill", box)
        policy = self.file("p.yaml", "# mine\n---\n\nergess: []\n")
        self.fails(2, "p.yaml:4: a policy has no 'ergess'", "sandbox", "create", "i",
                   "--network-policy-file", policy)

    def test_volumes_and_policy_files(self):
        policy = self.file("p.yaml", "# who may be reached\ndefaultAction: deny\negress:\n"
                           "- {action: allow, target: pypi.org}\n- action: deny\n"
                           "  target: \"*.example.com\"\n")
        volumes = self.file("v.json", json.dumps([{"name": "data", "host": {"path": "/tmp"},
                                                   "mountPath": "/data", "readOnly": True}]))
        box = self.create("--network-policy-file", str(policy), "--volumes-file", str(volumes))
        got = self.osb("egress", "get", box, "-o", "json").json
        self.assertEqual(got["egress"], [{"action": "allow", "target": "pypi.org"},
                                         {"action": "deny", "target": "*.example.com"}])
        self.osb("sandbox", "kill", box)

    def test_bad_files_name_the_line(self):
        for name, content, message in (
            ("p", "{\"defaultAction\": \"maybe\"}", r"p:1: defaultAction is neither"),
            ("p", "defaultAction: deny\nergess: []\n", r"p:2: a policy has no 'ergess', but: "),
            ("p", "egress:\n- action: allow\n", r"p:2: a rule without a target"),
            ("p", "egress: x\n", r"p:1: egress is not a list"),
            ("p", "a: b: c\n", r"p:1: two names on one line"),
            ("p", "{\"a\": 1", r"p:1: expected , or }"),
            ("p", "{\"a\": \"b}", r"p:1: a quote is not closed"),
            ("p", "a: &x 1\n", r"p:1: anchors"),
            ("p", "a: 1\na: 2\n", r"p:2: 'a' stands here twice"),
            ("p", "a:\n\t- b\n", r"p:2: a tab"),
            ("p", "[" * 100, r"p:1: nested too deep"),
            ("p", "a\0b", r"p: holds a NUL"),
            ("p", '"\\', r"p:1: an escape that is none"),
            ("p", "'a\\': x\n", r"p:1: a policy has no 'a\\'"),
            ("p", '{"defaultAction": "deny",\n"egress": "x"}', r"p:2: egress is not a list"),
            ("p", '{"egress":\n[\n5]}', r"p:3: a rule is not a map"),
            ("p", '{"egress": [{"action":\n"allow", "target": "x"\n, "x": 1}]}',
             r"p:3: a rule has no 'x'"),
            ("p", "'a''b': x\n", r"p:1: a policy has no 'a'b'"),
            ("p", '{"": x}', r"p:1: a policy has no '', but"),
            ("p", "{: x}", r"p:1: expected \"name\": here"),
            ("p", "egress:\n- target: |x\n", r"p:2: .*\|"),
            ("p", "egress:\n- target: |2\n    x\n", r"p:2: .*\|"),
            ("p", "egress:\n- target: |+\n    x\n", r"p:2: .*\|"),
            ("p", "defaultAction: maybe\t# mine\n", r"p:1: .* nor deny: maybe$"),
            ("p", "defaultAction: | # mine\n  maybe\n", r"p:1: .* nor deny: maybe"),
        ):
            with self.subTest(content):
                path = self.file(name, content)
                self.fails(2, message, "sandbox", "create", "i", "--network-policy-file", path)
        path = self.file("v", "- name: x\n  mountPath: /x\n")
        self.fails(2, "not exactly one of host", "sandbox", "create", "i", "--volumes-file", path)
        self.fails(2, "cannot read nosuch", "sandbox", "create", "i", "--volumes-file", "nosuch")


class Snapshots(WithSandbox):
    def test_all(self):
        made = self.osb("snapshot", "create", self.box, "--name", "first", "--wait", "-o",
                        "json").json
        self.assertEqual((made["name"], made["sandbox_id"], made["status"]["state"]),
                         ("first", self.box, "Ready"))
        listed = self.osb("snapshot", "list", "--sandbox", self.box, "-s", "ready", "-o", "json")
        self.assertEqual([item["id"] for item in listed.json["items"]], [made["id"]])
        self.assertIn("first", self.osb("snapshot", "get", made["id"]).out)
        box = self.osb("sandbox", "create", "--snapshot", made["id"], "-o", "raw").out.strip()
        self.assertEqual(self.osb("sandbox", "get", box, "-o", "json").json["snapshot_id"],
                         made["id"])
        self.osb("sandbox", "kill", box)
        self.assertIn("deleted", self.osb("snapshot", "delete", made["id"]).out)
        self.fails(125, "not found", "snapshot", "get", made["id"])


# ---- commands ------------------------------------------------------------------------------------

class Commands(WithSandbox):
    def test_foreground(self):
        done = self.osb("command", "run", self.box, "-w", "/usr", "-e", "A=b c", "--", "sh", "-c",
                        "pwd; echo $A; exit 9", code=9)
        self.assertEqual(done.out, "/usr\nb c\n")

    def test_background_status_logs(self):
        started = self.osb("command", "run", self.box, "-d", "-o", "json", "--", "sh", "-c",
                           "echo one; sleep 1; echo two; exit 6").json
        self.assertEqual((started["sandbox_id"], started["mode"]), (self.box, "background"))
        run = started["execution_id"]
        followed = self.osb("command", "logs", self.box, run, "--follow", code=6)
        self.assertEqual(followed.out, "one\ntwo\n")
        status = self.osb("command", "status", self.box, run, "--wait", "-o", "json").json
        self.assertEqual((status["running"], status["exit_code"]), (False, 6))
        logs = self.osb("command", "logs", self.box, run, "-o", "json").json
        self.assertEqual((logs["content"], logs["cursor"]), ("one\ntwo\n", 8))
        self.assertEqual(self.osb("command", "logs", self.box, run, "--cursor", "4").out, "two\n")

    def test_logs_of_any_bytes(self):
        run = self.osb("command", "run", self.box, "-d", "-o", "raw", "--", "printf",
                       r"a\0b\377c\303\274\001").out.strip()
        self.osb("command", "status", self.box, run, "--wait")
        self.assertEqual(self.osb("command", "logs", self.box, run).bytes, b"a\0b\377c\303\274\1")
        self.assertEqual(self.osb("command", "logs", self.box, run, "-o", "json").json["content"],
                         "a\0b\ufffdcü\1")
        self.assertIn(r'content: "a\u0000b', self.osb("command", "logs", self.box, run, "-o",
                                                      "yaml").out)

    def test_interrupt(self):
        run = self.osb("command", "run", self.box, "-d", "-o", "json", "--", "sleep", "60").json[
            "execution_id"]
        self.osb("command", "status", self.box, run)
        self.assertEqual(self.osb("command", "interrupt", self.box, run).out,
                         f"Interrupted: {run}\n")
        self.assertFalse(self.osb("command", "status", self.box, run, "--wait", "-o",
                                  "json").json["running"])

    def test_sessions(self):
        session = self.osb("command", "session", "create", self.box, "-w", "/usr", "-o",
                           "json").json["session_id"]
        run = ("command", "session", "run", self.box, session)
        self.osb(*run, "--", "export COLOR=red; cd /tmp")
        self.assertEqual(self.osb(*run, "--", "echo $COLOR; pwd").out, "red\n/tmp\n")
        self.assertEqual(self.osb(*run, "--", "echo", "$COLOR").out, "$COLOR\n")
        self.osb(*run, "--", "exit 3", code=3)
        self.fails(124, "timed out", *run, "-t", "1s", "--", "sleep 20")
        self.assertEqual(self.osb("command", "session", "delete", self.box, session).out,
                         f"Deleted session: {session}\n")

    def test_isolated(self):
        self.assertTrue(self.osb("isolated", "info", self.box, "-o", "json").json["available"])
        session = self.osb("isolated", "create", self.box, "--workspace", self.remote, "--bind",
                           "/usr:/usr:ro", "--no-share-net", "--idle-timeout", "0", "-o",
                           "raw").out.strip()
        self.assertEqual(self.osb("isolated", "run", self.box, session, "-e", "A=1", "--",
                                  "echo $A; exit 4", code=4).out, "1\n")
        self.assertIn(session, self.osb("isolated", "list", self.box).out)
        self.assertEqual(self.osb("isolated", "get", self.box, session, "-o",
                                  "json").json["workspace"], self.remote)
        self.osb("isolated", "run", self.box, session, "--timeout", "1s", "--", "sleep 9",
                 code=124)
        self.fails(125, "NOT_SUPPORTED", "isolated", "diff", self.box, session)
        self.fails(125, "NOT_SUPPORTED", "isolated", "commit", self.box, session)
        self.osb("isolated", "delete", self.box, session)


class Terminals(WithSandbox):
    def test_shell(self):
        t = Terminal(["shell", self.box], self.env)
        t.type("echo $((6 * 7)); tty\n")
        t.read_until(r"42\r\n/dev/pts/")
        t.type("sleep 60\n")
        time.sleep(0.5)
        t.type("\x03")  # goes to the sandbox, not to osb
        t.type("exit 3\n")
        self.assertEqual(t.end(), 3)

    def test_size_and_its_change(self):
        t = Terminal(["shell", self.box], self.env)
        fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
        t.read_until(r"[$#] ")
        t.type("stty size\n")
        t.read_until(r"33 101")
        fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 90, 0, 0))
        time.sleep(0.5)
        t.type("stty size\nexit\n")
        t.read_until("44 90")
        self.assertEqual(t.end(), 0)

    def test_leave_and_come_back(self):
        t = Terminal(["shell", self.box], self.env)
        t.type("X=kept; echo ~.; echo re''ady\n")
        t.read_until("ready")
        t.type("\n~.")
        self.assertEqual(t.end(), 0)
        attach = re.search(r"to come back: osb (pty attach \S+ (\S+))\r\n", t.seen)
        state = self.osb("pty", "get", self.box, attach.group(2), "-o", "json").json
        self.assertTrue(state["running"])
        t = Terminal(attach.group(1).split(), self.env)
        t.type("echo it is $X\n")
        t.read_until("it is kept")
        u = Terminal([*attach.group(1).split(), "--takeover"], self.env)
        self.assertEqual(t.end(), 125)
        self.assertIn("somebody else has taken", t.seen)
        u.type("exit 4\n")
        self.assertEqual(u.end(), 4)

    def raw_shell(self, line):
        """osb shell that has printed "ready", on a terminal that this process keeps open."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        before = termios.tcgetattr(slave)
        p = subprocess.Popen([PROGRAM, "shell", self.box], stdin=slave, stdout=slave, stderr=slave,
                             env=self.env, cwd=self.dir, start_new_session=True)
        os.write(master, f"echo re''ady; {line}\n".encode())
        seen = b""
        while b"ready" not in seen:
            seen += os.read(master, 4096)
        self.assertNotEqual(termios.tcgetattr(slave), before)
        return p, master, slave, before

    def test_whatever_ends_it_the_terminal_is_as_before(self):
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 130),
                             (signal.SIGQUIT, -signal.SIGQUIT), (signal.SIGUSR1, -signal.SIGUSR1),
                             (signal.SIGALRM, -signal.SIGALRM), (signal.SIGXCPU, -signal.SIGXCPU),
                             (signal.SIGRTMAX, -signal.SIGRTMAX)):
            with self.subTest(number):
                p, _, slave, before = self.raw_shell("")
                p.send_signal(number)
                self.assertEqual(p.wait(timeout=60), code)
                self.assertEqual(termios.tcgetattr(slave), before)

    def test_a_terminal_that_takes_no_more_is_left_as_before(self):
        p, master, slave, before = self.raw_shell("while :; do echo much, much, much; done")
        unread, more = b"", b" "
        while unread != more:  # until it waits in a write
            unread = more
            time.sleep(0.5)
            more = fcntl.ioctl(master, termios.FIONREAD, bytes(4))
        for _ in range(4):
            p.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        self.assertEqual(p.wait(timeout=60), 143)
        self.assertEqual(termios.tcgetattr(slave), before)

    def test_a_hangup_that_is_ignored_stays_so(self):
        p = subprocess.Popen(["nohup", PROGRAM, "command", "run", self.box, "--", "sh", "-c",
                              "echo ready; sleep 2; echo end"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        p.stdout.readline()
        p.send_signal(signal.SIGHUP)
        self.assertEqual((p.communicate(timeout=60)[0], p.returncode), (b"end\n", 0))

    def test_reconnects(self):
        relay = Relay(os.environ["OPEN_SANDBOX_DOMAIN"])
        self.addCleanup(relay.close)
        env = dict(self.env, OPEN_SANDBOX_DOMAIN=relay.address, OPEN_SANDBOX_USE_SERVER_PROXY="1")
        t = Terminal(["shell", self.box], env)
        t.type("echo re''ady\n")
        t.read_until("ready")
        relay.cut()
        deadline = time.monotonic() + 20
        while relay.count == 0 and time.monotonic() < deadline:  # what is typed before is lost
            time.sleep(0.05)
        time.sleep(0.5)
        t.type("echo st''ill here\n")
        t.read_until("still here")
        self.assertGreater(relay.count, 0)  # it came back through here
        t.type("exit 3\n")
        self.assertEqual(t.end(), 3)

    def test_pipes(self):
        done = self.osb("shell", self.box, input="echo out; echo err >&2; (exit 5)\n", code=5)
        self.assertEqual((done.out, done.err), ("out\n", "err\n"))
        done = self.osb("shell", self.box, "cat", input="typed\n")
        self.assertIn("typed", done.out)

    @unittest.skipIf(os.environ["OPEN_SANDBOX_PROTOCOL"] == "https",
                     "with TLS the dev server gives up a connection that it has not read for long")
    def test_input_that_cannot_go_yet_is_waited_for(self):
        """Quietly: not by asking again and again."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(f"yes | head -c 200000000 | '{PROGRAM}' shell {self.box} 'sleep 4'",
                              shell=True, env=self.env, capture_output=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertEqual(done.returncode, 0)
        self.assertLess(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)

    def test_no_time_limit_on_a_terminal(self):
        self.fails(2, "--timeout or --tty, not both", "run", "--tty", "-t", "5s", "i", "--", "true")

    def test_run_on_a_terminal(self):
        t = Terminal(["run", "python:3.12", "--tty", "--", "sh", "-c",
                      "test -t 0 && echo on a terminal; read x; echo got $x; exit 6"], self.env)
        t.read_until("on a terminal")
        t.type("this\n")
        t.read_until("got this")
        self.assertEqual(t.end(), 6)

    def test_pty_commands(self):
        made = self.osb("pty", "create", self.box, "-w", "/usr", "-o", "raw").out.strip()
        self.osb("pty", "attach", self.box, made, input="")  # its end leaves
        t = Terminal(["pty", "attach", self.box, made], self.env)
        t.type("pwd; exit 2\n")
        t.read_until("/usr")
        self.assertEqual(t.end(), 2)
        self.osb("pty", "delete", self.box, made)
        self.fails(125, "not found", "pty", "get", self.box, made)


class Code(WithSandbox):
    def test_run(self):
        self.assertEqual(self.osb("code", "run", self.box, "-c", "print('hi'); 6 * 7").out,
                         "hi\n42\n")
        self.assertEqual(self.osb("code", "run", self.box, input="print(1)").out, "1\n")
        self.assertEqual(self.osb("code", "run", self.box, self.file("a.py", "print(2)")).out,
                         "2\n")

    def test_a_file_that_is_no_text_is_refused(self):
        path = self.file("half.py", b"print(1)\n\0print(2)\n")
        self.fails(125, "half.py: holds a NUL byte", "code", "run", self.box, path)
        self.fails(125, "stdin: holds a NUL byte", "code", "run", self.box, input=b"1\0")
        latin = self.file("latin.py", b"print('\xe9')\n")
        self.fails(125, "latin.py is not UTF-8", "code", "run", self.box, latin)

    def test_from_a_pipe_that_does_not_block(self):
        ours, its = socket.socketpair()
        its.setblocking(False)
        threading.Timer(1, lambda: (ours.sendall(b"print(6 * 7)\n"), ours.close())).start()
        self.assertEqual(self.osb("code", "run", self.box, stdin=its).out, "42\n")
        its.close()

    def test_failure(self):
        done = self.osb("code", "run", self.box, "-c", "1/0", code=1)
        self.assertEqual(done.out, "")
        self.assertIn("Traceback", done.err)
        self.assertIn("osb: ZeroDivisionError: division by zero", done.err)
        told = self.osb("code", "run", self.box, "-c", "print(1); 1/0", "-o", "json", code=1).json
        self.assertEqual((told["stdout"], told["error"]["name"]), ("1\n", "ZeroDivisionError"))
        self.assertTrue(told["error"]["traceback"])

    def test_contexts(self):
        made = self.osb("code", "context", "create", self.box, "-l", "python", "-o", "json").json
        run = ("code", "run", self.box, "--context", made["id"], "-c")
        self.osb(*run, "x = 5")
        self.assertEqual(self.osb(*run, "x + 1").out, "6\n")
        self.assertIn(made["id"], self.osb("code", "context", "list", self.box).out)
        self.assertEqual(self.osb("code", "context", "get", self.box, made["id"], "-o",
                                  "json").json["language"], "python")
        self.osb("code", "context", "delete", self.box, made["id"])
        self.fails(125, "not found", "code", "context", "get", self.box, made["id"])
        self.osb("code", "context", "delete", self.box, "-l", "python")

    def test_interrupt(self):
        made = self.osb("code", "context", "create", self.box, "-l", "python", "-o", "raw").out.strip()
        p = subprocess.Popen([PROGRAM, "code", "run", self.box, "--context", made, "-c",
                              "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.1)"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        p.stdout.readline()
        self.osb("code", "interrupt", self.box, made)
        errors = p.communicate(timeout=60)[1].decode()
        self.assertEqual(p.returncode, 1)
        self.assertIn("osb: KeyboardInterrupt", errors)

    def test_the_connection_of_an_interrupt_is_closed(self):
        code = ("import time\nprint('ready', flush=True)\ntry:\n  time.sleep(60)\nexcept "
                "KeyboardInterrupt:\n  print('goes on', flush=True)\n  time.sleep(2)\n")
        p = subprocess.Popen([PROGRAM, "code", "run", self.box, "-c", code],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.env)
        p.stdout.readline()
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.stdout.readline(), b"goes on\n")
        time.sleep(0.5)
        files = [os.readlink(f) for f in Path(f"/proc/{p.pid}/fd").iterdir()]
        p.communicate(timeout=60)
        self.assertEqual(sum(f.startswith("socket:") for f in files), 1, files)

    def test_ctrl_c_interrupts_the_code(self):
        t = Terminal(["code", "run", self.box, "-c",
                      "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.1)"], self.env)
        t.read_until("ready")
        t.type("\x03")
        self.assertEqual(t.end(), 130)


# ---- files ---------------------------------------------------------------------------------------

class Files(WithSandbox):
    def test_write_and_cat(self):
        path = f"{self.remote}/a/b.txt"
        done = self.osb("file", "write", self.box, path, "-c", "grüße\n", "--mode", "0640")
        self.assertEqual(done.out, f"Written: {path}\n")
        self.assertEqual(self.osb("file", "cat", self.box, path).out, "grüße\n")
        self.assertEqual(self.osb("file", "info", self.box, path, "-o", "json").json[0]["mode"],
                         640)
        blob = os.urandom(3 * MB)
        self.osb("file", "write", self.box, path, "-", input=blob)
        self.assertEqual(self.osb("file", "cat", self.box, path).bytes, blob)
        self.osb("file", "write", self.box, path, self.file("c", "from a file"))
        self.assertEqual(self.osb("file", "cat", self.box, path).out, "from a file")
        self.osb("file", "write", self.box, path, input=b"")
        self.assertEqual(self.osb("file", "cat", self.box, path).bytes, b"")

    def test_a_slow_pipe(self):
        path = f"{self.remote}/slow"
        with subprocess.Popen(["sh", "-c", "echo 1; sleep 1; echo 2"],
                              stdout=subprocess.PIPE) as source:
            self.osb("file", "write", self.box, path, "-", stdin=source.stdout)
        self.assertEqual(self.osb("file", "cat", self.box, path).out, "1\n2\n")

    def test_latin(self):
        path = f"{self.remote}/l"
        self.osb("file", "write", self.box, path, "-c", "aé€", "--encoding", "latin-1", code=125)
        self.osb("file", "write", self.box, path, "-c", "aéb", "--encoding", "latin-1")
        self.assertEqual(self.osb("file", "cat", self.box, path).bytes, b"a\xe9b")
        self.assertEqual(self.osb("file", "cat", self.box, path, "--encoding", "latin-1").out,
                         "aéb")

    def test_tree(self):
        r = self.remote
        self.osb("file", "mkdir", self.box, f"{r}/d/e", f"{r}/f", "--mode", "700")
        self.osb("file", "write", self.box, f"{r}/d/x.py", "-c", "one two one")
        done = self.osb("file", "replace", self.box, f"{r}/d/x.py", "--old", "one", "--new", "1")
        self.assertIn("(2 times)", done.out)
        self.osb("file", "chmod", self.box, f"{r}/d/x.py", "--mode", "600")
        listed = self.osb("file", "ls", self.box, f"{r}/d", "-o", "json").json
        self.assertEqual({(os.path.basename(e["path"]), e["entry_type"]) for e in listed},
                         {("e", "directory"), ("x.py", "file")})
        self.assertEqual(len(self.osb("file", "ls", self.box, r, "-r", "-o", "json").json), 4)
        found = self.osb("file", "search", self.box, r, "-p", "*.py", "-o", "json").json
        self.assertEqual([(e["path"], e["size"], e["mode"]) for e in found],
                         [(f"{r}/d/x.py", 7, 600)])
        self.assertIn("no files found", self.osb("file", "search", self.box, r, "-p", "*.c").err)
        self.osb("file", "mv", self.box, f"{r}/d/x.py", f"{r}/y.py")
        self.assertIn("deleted", self.osb("file", "rm", self.box, f"{r}/y.py").out)
        self.fails(125, "not found", "file", "info", self.box, f"{r}/y.py")
        self.assertIn("removed", self.osb("file", "rmdir", self.box, f"{r}/d").out)

    def test_download_into_a_pipe_or_a_link_leaves_it_one(self):
        remote = f"{self.remote}/f"
        self.osb("file", "write", self.box, remote, "-c", "content")
        pipe = self.dir / "pipe"
        os.mkfifo(pipe)
        reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
        self.osb("file", "download", self.box, remote, pipe)
        self.assertEqual(reader.communicate(timeout=60)[0], b"content")
        self.assertTrue(pipe.is_fifo())
        link = self.dir / "link"
        link.symlink_to("target")
        for _ in range(2):
            self.osb("file", "download", self.box, remote, link)
            self.assertTrue(link.is_symlink())
            self.assertEqual((self.dir / "target").read_text(), "content")

    def test_a_download_takes_no_file_of_anothers(self):
        """Not even one of the same time, which a copy or an archive often gives to all."""
        for name, content in (("x", "new content"), ("x.part", "new"), ("y", "hello")):
            self.osb("file", "write", self.box, f"{self.remote}/{name}", "-c", content)
        self.inside(f"touch -d @1700000000 {self.remote}/*")
        for name in ("x", "y"):  # "x.part" may be listed before or behind "x"
            mine = self.file(f"{name}.part", "mine\n")
            os.utime(mine, (1700000000, 1700000000))
            done = self.osb("file", "download", self.box, f"{self.remote}/{name}", name)
            self.assertEqual(done.err, "")
            self.assertEqual(mine.read_text(), "mine\n")
        self.assertEqual((self.dir / "x").read_text(), "new content")
        self.assertEqual((self.dir / "y").read_text(), "hello")
        self.osb("file", "download", self.box, self.remote, "back", "-r")
        self.assertEqual({p.name: p.read_text() for p in (self.dir / "back").iterdir()},
                         {"x": "new content", "x.part": "new", "y": "hello"})

    def test_a_download_follows_no_link_and_waits_for_no_pipe(self):
        self.osb("file", "write", self.box, f"{self.remote}/x", "-c", "content")
        self.inside(f"touch -d @1700000000 {self.remote}/x")
        part = self.dir / "x.7-1700000000.part"
        mine = self.file("mine", "mine")
        part.symlink_to(mine)
        words = ("file", "download", self.box, f"{self.remote}/x", "x")
        self.fails(125, "cannot write x.7-1700000000.part: ", *words)
        self.assertEqual(mine.read_text(), "mine")
        part.unlink()
        os.mkfifo(part)
        self.fails(125, "cannot write x.7-1700000000.part: ", *words)
        part.unlink()
        part.write_text("longer than the file")
        self.fails(125, "cannot write x.7-1700000000.part: File exists", *words)
        self.assertEqual(part.read_text(), "longer than the file")

    def test_a_download_that_brought_nothing_leaves_nothing(self):
        box = self.create("--extension", "devserver.download-cut=0")
        self.addCleanup(lambda: self.osb("sandbox", "kill", box))
        self.inside(f"echo x >{self.remote}/x; ln -s /nosuch {self.remote}/y")
        self.osb("file", "download", box, f"{self.remote}/x", "x", code=125)
        self.assertEqual([p.name for p in self.dir.iterdir()], [])

    def test_a_long_name(self):
        for name in ("n" * 255, "\u4e2d" * 84):
            self.inside(f"echo content >{self.remote}/{name}")
            self.osb("file", "download", self.box, f"{self.remote}/{name}", f"{self.dir}/")
            self.assertEqual((self.dir / name).read_text(), "content\n")

    def test_a_directory_does_not_fit_where_a_file_is(self):
        self.inside(f"mkdir -p {self.remote}/d/sub {self.remote}/e")
        self.file("f", "x")
        self.file("d/sub", "x")
        self.file("e/x", "x")
        self.fails(125, "cannot make f: File exists", "file", "download", self.box,
                   f"{self.remote}/e", "f", "-r")
        self.fails(125, "cannot make d/sub: File exists", "file", "download", self.box,
                   f"{self.remote}/d", "d", "-r")
        self.osb("file", "write", self.box, f"{self.remote}/e/e", "-c", "x")
        (self.dir / "g/e").mkdir(parents=True)
        self.fails(125, "cannot write g/e: Is a directory", "file", "download", self.box,
                   f"{self.remote}/e", "g", "-r")
        self.assertEqual(list((self.dir / "g").iterdir()), [self.dir / "g/e"])

    def test_a_large_file_does_not_fit_where_a_directory_is(self):
        self.inside(f"mkdir {self.remote}/d")
        for size in (5, 9 * MB):
            local = self.file("f", bytes(size))
            done = self.osb("file", "upload", self.box, local, f"{self.remote}/d", "-q", code=125)
            self.assertRegex(done.err, "directory")
            self.assertEqual(self.inside(f"cd {self.remote} && find . -name '*d*'"), "./d\n")

    def test_a_mode_that_cannot_be_told_is_refused(self):
        for words in (["chmod", self.box, "/x"], ["write", self.box, "/x", "-c", ""],
                      ["upload", self.box, "x", "/x"], ["mkdir", self.box, "/x"]):
            for mode in ("0", "0000", "4755", "1777", "02755"): # execd would drop the first digit
                self.fails(2, f"--mode {mode}: ", "file", *words, "--mode", mode)

    def test_upload_and_download(self):
        local = self.file("in", os.urandom(100000))
        local.chmod(0o750)
        done = self.osb("file", "upload", self.box, local, f"{self.remote}/out")
        self.assertEqual(done.out, f"Uploaded: {local} -> {self.remote}/out\n")
        self.assertEqual(done.err, "")
        self.osb("file", "download", self.box, f"{self.remote}/out", "sub/back")
        back = self.dir / "sub/back"
        self.assertEqual(back.read_bytes(), local.read_bytes())
        self.assertEqual(back.stat().st_mode & 0o777, 0o750)
        self.osb("file", "download", self.box, f"{self.remote}/out", f"{self.dir}/sub/")
        self.assertTrue((self.dir / "sub/out").exists())
        self.assertEqual(self.osb("file", "download", self.box, f"{self.remote}/out", "-").bytes,
                         local.read_bytes())
        self.osb("file", "upload", self.box, local, f"{self.remote}/dir/")
        self.osb("file", "info", self.box, f"{self.remote}/dir/in")

    def test_transfer_failures(self):
        self.fails(125, "cannot read nosuch", "file", "upload", self.box, "nosuch", "/x")
        self.fails(2, "is a directory: say --recursive", "file", "upload", self.box, self.dir, "/x")
        self.fails(2, "is a directory: say --recursive", "file", "download", self.box, self.remote,
                   "x")
        self.fails(125, "not found", "file", "download", self.box, f"{self.remote}/no", "x")
        self.osb("file", "write", self.box, f"{self.remote}/a", "-c", "x")
        self.fails(125, "cannot (write|make)", "file", "download", self.box, f"{self.remote}/a",
                   "/proc/no/x")

    @unittest.skipUnless(os.path.exists("/sys/class/net/lo/mtu"), "wants /proc and /sys")
    def test_files_that_do_not_tell_their_size(self):
        to = f"{self.remote}/x"
        self.fails(125, "/proc/version does not tell its size: osb file write takes it", "file",
                   "upload", self.box, "/proc/version", to)
        self.fails(125, "/sys/class/net/lo/mtu is shorter than it was said to be", "file", "upload",
                   self.box, "/sys/class/net/lo/mtu", to)
        self.assertEqual(self.inside(f"ls {self.remote}"), "")
        self.osb("file", "write", self.box, to, "/proc/version")
        self.assertEqual(self.osb("file", "cat", self.box, to).out,
                         Path("/proc/version").read_text())

    def test_large_upload_goes_on_where_it_ended(self):
        local = self.file("big", os.urandom(40 * MB + 12345))
        p = subprocess.Popen([PROGRAM, "file", "upload", self.box, local, f"{self.remote}/big"],
                             stderr=subprocess.PIPE, env=self.env)
        script = f"stat -c %s {self.remote}/*.part 2>/dev/null || echo 0"
        while p.poll() is None and int(self.inside(script)) < MB:
            pass
        p.kill()
        p.communicate()
        self.assertNotEqual(p.returncode, 0, "it was done before it could be ended")
        done = self.osb("file", "upload", self.box, local, f"{self.remote}/big")
        self.assertRegex(done.err, r"going on from byte [1-9]\d+\n")
        self.assertEqual(self.inside(f"ls {self.remote}").split(), ["big"])
        self.osb("file", "download", self.box, f"{self.remote}/big", "back")
        self.assertEqual((self.dir / "back").read_bytes(), local.read_bytes())

    def test_large_upload_is_verified(self):
        local = self.file("big", os.urandom(9 * MB))
        stamp = int(local.stat().st_mtime)
        part = f"{self.remote}/big.{9 * MB}-{stamp}.part"
        self.osb("file", "write", self.box, part, "-", input=b"x" * MB)
        self.fails(125, "has changed while it was sent", "file", "upload", self.box, local,
                   f"{self.remote}/big", "-q")
        self.osb("file", "upload", self.box, local, f"{self.remote}/big")
        self.assertEqual(self.osb("file", "cat", self.box, f"{self.remote}/big").bytes,
                         local.read_bytes())

    def box_with(self, name, program):
        """A sandbox of its own in which a program is another one."""
        path = self.file(f"bin/{name}", program)
        path.chmod(0o755)
        box = self.create("-e", f"PATH={path.parent}:{os.environ['PATH']}")
        self.addCleanup(lambda: self.osb("sandbox", "kill", box))
        return box

    def test_a_sandbox_that_checks_with_a_long_answer(self):
        box = self.box_with("cksum", "#!/bin/sh\nprintf %0200d 7\n")
        self.fails(125, "has changed while it was sent", "file", "upload", box,
                   self.file("big", bytes(9 * MB)), f"{self.remote}/big", "-q")

    def test_a_sandbox_that_writes_nothing_is_not_asked_for_ever(self):
        box = self.box_with("dd", "#!/bin/sh\n")
        self.fails(125, "is not what was sent: is the sandbox's disk full", "file", "upload", box,
                   self.file("big", bytes(9 * MB)), f"{self.remote}/big", "-q")

    def test_directories(self):
        tree = {"a.txt": b"a", "empty": b"", "sub/b.bin": os.urandom(5000), "sub/deep/c": b"c",
                "sub/with space": b"d", "big": os.urandom(9 * MB)}
        tree.update({f"many/{n}": str(n).encode() for n in range(70)})
        for name, content in tree.items():
            self.file(f"tree/{name}", content)
        (self.dir / "tree/hollow").mkdir()
        (self.dir / "tree/a.txt").chmod(0o600)
        (self.dir / "tree/link").symlink_to("a.txt")
        self.osb("file", "upload", self.box, "tree", f"{self.remote}/t", "-r")
        self.assertEqual(self.inside(f"stat -c %a {self.remote}/t/a.txt"), "600\n")
        self.osb("file", "download", self.box, f"{self.remote}/t", "back", "-r")
        back = {str(p.relative_to(self.dir / "back")): p.read_bytes()
                for p in (self.dir / "back").rglob("*") if p.is_file()}
        self.assertEqual(back, dict(tree, link=b"a"))
        self.assertTrue((self.dir / "back/hollow").is_dir())

    def test_a_file_that_cannot_be_read_holds_up_no_other(self):
        for name in ("a", "secret", "z"):
            self.file(f"tree/{name}", name)
        (self.dir / "tree/secret").chmod(0)
        self.dir.chmod(0o755)
        program = shutil.copy(PROGRAM, self.dir / "osb")
        nobody = {"user": 65534} if os.geteuid() == 0 else {}  # root reads everything
        for words in (["tree", f"{self.remote}/t", "-r"], ["tree/secret", f"{self.remote}/s"]):
            done = subprocess.run([program, "file", "upload", self.box, *words], cwd=self.dir,
                                  env=self.env, capture_output=True, text=True, **nobody)
            self.assertEqual((done.stderr, done.stdout, done.returncode),
                             ("osb: cannot read tree/secret: Permission denied\n", "", 125))
        self.assertEqual(self.inside(f"cd {self.remote} && find . -type f | sort"),
                         "./t/a\n./t/z\n")

    def test_a_directory_that_cannot_be_read_to_its_end_is_a_failure(self):
        ended = subprocess.Popen(["true"])  # and not waited for: /proc tells nothing of its network
        self.addCleanup(ended.wait)
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        net = f"/proc/{ended.pid}/net"
        self.fails(125, f"cannot read {net}: Invalid argument", "file", "upload", self.box, net,
                   f"{self.remote}/t", "-r")

    def test_directories_keep_their_modes(self):
        self.inside(f"cd {self.remote}; mkdir -p t/a/b t/there; echo x >t/a/b/f; chmod 700 t t/there; "
                    "chmod 544 t/a/b; chmod 750 t/a")
        (self.dir / "back/there").mkdir(parents=True, mode=0o755)
        (self.dir / "back/there").chmod(0o711)
        self.osb("file", "download", self.box, f"{self.remote}/t", "new/back", "-r")
        self.osb("file", "download", self.box, f"{self.remote}/t", "back", "-r")
        modes = {name: (self.dir / name).stat().st_mode & 0o777 for name in
                 ("new/back", "new/back/a", "new/back/a/b", "back/a/b", "back/there")}
        self.assertEqual(modes, {"new/back": 0o700, "new/back/a": 0o750, "new/back/a/b": 0o744,
                                 "back/a/b": 0o744, "back/there": 0o711})
        self.assertEqual((self.dir / "new/back/a/b/f").read_text(), "x\n")

    def test_a_name_that_is_not_utf8_is_refused_and_holds_up_no_other(self):
        bad = "caf\udce9"  # as Python has the byte e9
        for name in ("tree/a", f"tree/{bad}", "tree/z", f"tree/{bad}s/x"):
            self.file(name, "x")
        done = self.osb("file", "upload", self.box, "tree", f"{self.remote}/t", "-r", code=125)
        self.assertEqual(done.err.count("its name is not UTF-8"), 2, done.err)
        self.assertIn("cannot upload tree/caf\ufffd: its name is not UTF-8", done.err)
        self.assertEqual(self.inside(f"cd {self.remote} && find . -type f | sort"),
                         "./t/a\n./t/z\n")
        self.fails(125, "its name is not UTF-8", "file", "upload", self.box, f"tree/{bad}",
                   f"{self.remote}/")
        self.osb("file", "upload", self.box, f"tree/{bad}", f"{self.remote}/good")  # a name here only
        self.osb("file", "download", self.box, f"{self.remote}/good", self.dir / bad)
        self.assertEqual((self.dir / bad).read_text(), "x")

    def test_a_name_that_execd_would_expand_is_refused_and_holds_up_no_other(self):
        """"price$1" would become "price", and "A$B.class" hold up all that go with it."""
        fine = ["a", "price", "z", "100$", "$.js", "~", "a$ b"]
        bad = ["price$1", "A$B.class", "x${HOME}y", "$$", "d$e/f", "$HOME"]
        for name in fine + bad:
            self.file(f"tree/{name}", name)
        done = self.osb("file", "upload", self.box, "tree", f"{self.remote}/t", "-r", code=125)
        self.assertEqual(done.err.count("would be read as a variable"), len(bad), done.err)
        self.assertEqual(done.err.count("\n"), len(bad), done.err)
        found = self.inside(f"cd {self.remote}/t && find . ! -name .")
        self.assertEqual(sorted(found.splitlines()), sorted("./" + name for name in fine))
        self.fails(125, "would be read as a variable", "file", "upload", self.box,
                   "tree/price$1", f"{self.remote}/")
        self.osb("file", "upload", self.box, "tree/a", "$HOME/a")  # meant so
        self.assertEqual(self.inside('cat "$HOME/a"; rm "$HOME/a"').strip(), "a")

        shutil.copytree(self.dir / "tree", self.dir / "box")
        command = f"tar c -C box . | '{PROGRAM}' file write {self.box} {self.remote}/w.tar -"
        subprocess.run(["sh", "-c", command], check=True, env=self.env, cwd=self.dir,
                       stdout=subprocess.DEVNULL)
        self.inside(f"mkdir {self.remote}/u && tar x -C {self.remote}/u -f {self.remote}/w.tar")
        done = self.osb("file", "download", self.box, f"{self.remote}/u", "back", "-r", code=125)
        self.assertEqual(done.err.count("would be read as a variable"), len(bad) + 1, done.err)
        self.assertEqual({p.name: p.read_text() for p in (self.dir / "back").iterdir()},
                         {name: name for name in fine})

    def test_words_that_json_cannot_have_are_refused(self):
        bad = "/tmp/caf\udce9"
        for words in (("file", "upload", self.box, self.file("a", "x"), bad),
                      ("file", "write", self.box, bad, "-c", "x"),
                      ("file", "mkdir", self.box, "/tmp/x", bad), ("file", "mv", self.box, "/a", bad),
                      ("command", "run", self.box, "--", "echo", bad),
                      ("command", "run", self.box, "-e", f"A={bad}", "--", "true"),
                      ("command", "run", self.box, "-w", bad, "--", "true"),
                      ("shell", self.box, bad)):
            with self.subTest(words):
                self.fails(2, "not UTF-8, as OpenSandbox wants it", *words)

    def test_what_has_such_a_name_can_be_read_and_deleted(self):
        self.inside(f"cd {self.remote} && printf x >\"$(printf 'caf\\351')\"")
        bad = f"{self.remote}/caf\udce9"
        self.assertEqual(self.osb("file", "cat", self.box, bad).out, "x")
        self.osb("file", "rm", self.box, bad)
        self.assertEqual(self.inside(f"ls {self.remote}"), "")
        content = b"\xff\xe9"
        self.osb("file", "write", self.box, f"{self.remote}/b", "-c", os.fsdecode(content))
        self.assertEqual(self.osb("file", "cat", self.box, f"{self.remote}/b").bytes, content)

    def test_tar_through_a_pipe(self):
        self.file("t/x", b"1" * 1000)
        command = (f"tar c -C t . | '{PROGRAM}' file write {self.box} {self.remote}/w.tar - && "
                   f"'{PROGRAM}' file cat {self.box} {self.remote}/w.tar | tar t")
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True,
                              env=self.env, cwd=self.dir)
        self.assertIn("./x", done.stdout, done.stderr)

    def test_progress_on_a_terminal(self):
        local = self.file("big", os.urandom(9 * MB))
        for words in (["file", "upload", self.box, local, f"{self.remote}/p"],
                      ["file", "download", self.box, f"{self.remote}/p", self.dir / "p"]):
            t = Terminal(words, self.env)
            self.assertEqual(t.end(), 0)
            self.assertRegex(t.seen, r"100%  9.4 MB  \d+(\.\d)? [kMG]?B/s  \d+:\d\d left")
        for more, env in ((["--quiet"], {}), ([], {"TERM": "dumb"})):
            t = Terminal(["file", "upload", self.box, local, f"{self.remote}/q", *more],
                         dict(self.env, **env))
            self.assertEqual(t.end(), 0)
            self.assertNotIn("%", t.seen)
            self.assertNotIn("\x1b", t.seen)

    def test_progress_on_a_narrow_terminal_stays_on_its_line(self):
        local = self.file("n\u00e4me/" + "x" * 150, os.urandom(9 * MB))
        for width, left in ((70, r"x{9,}  100%  9.4 MB .* left"), (20, r"^.{10,19}$")):
            t = Terminal(["file", "upload", self.box, local, f"{self.remote}/{width}"], self.env)
            fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
            self.assertEqual(t.end(), 0)
            shown = [line.split("\x1b")[0] for line in t.seen.split("\r") if "\x1b[K" in line]
            self.assertRegex(shown[-1], left)
            self.assertLess(max(map(len, shown)), width)

    def test_ctrl_c_on_an_upload(self):
        t = Terminal(["file", "write", self.box, f"{self.remote}/x"], self.env)
        t.read_until("reading what you type; Ctrl-D ends it")
        t.type("\x03")
        self.assertEqual(t.end(), 130)
        self.assertIn("osb: interrupted\r\n", t.seen)

    def test_ctrl_c_while_latin_is_typed(self):
        t = Terminal(["file", "write", self.box, f"{self.remote}/x", "--encoding", "latin-1"], self.env)
        time.sleep(1)
        t.type("\x03")
        self.assertIn(t.end(), (130, -signal.SIGINT))
        self.assertNotIn("osb: cannot", t.seen)

    def test_ctrl_c_between_two_files_of_a_download(self):
        self.inside(f"cd {self.remote}; for i in $(seq 100 300); do ln -s x $i; done")
        near, far = os.pipe()
        fcntl.fcntl(far, fcntl.F_SETPIPE_SZ, 4096)
        p = subprocess.Popen([PROGRAM, "file", "download", self.box, self.remote, "all", "-r"],
                             stdout=subprocess.PIPE, stderr=far, env=self.env, cwd=self.dir)
        os.close(far)
        while p.poll() is None and not os.path.exists(self.dir / "all"):
            time.sleep(0.05)
        time.sleep(1)  # a line for each link: nobody reads, so it stands still at one of them
        p.send_signal(signal.SIGINT)
        with open(near) as said:
            self.assertTrue(said.read().endswith("osb: interrupted\n"))
        self.assertEqual((p.communicate()[0], p.returncode), (b"", 130))

    def test_write_from_a_terminal(self):
        t = Terminal(["file", "write", self.box, f"{self.remote}/x"], self.env)
        t.read_until("Ctrl-D ends it")
        t.type("typed\n\x04")
        self.assertEqual(t.end(), 0)
        self.assertEqual(self.osb("file", "cat", self.box, f"{self.remote}/x").out, "typed\n")


class CutDownloads(WithSandbox):
    """The server closes each download after a while."""

    flags = ("--extension", "devserver.download-cut=1000000")

    def setUp(self):
        super().setUp()
        self.content = os.urandom(2500000)
        self.osb("file", "write", self.box, f"{self.remote}/f", "-", input=self.content)

    def test_download_goes_on_in_one_run(self):
        self.osb("file", "download", self.box, f"{self.remote}/f", "f")
        self.assertEqual((self.dir / "f").read_bytes(), self.content)
        self.assertEqual([p.name for p in self.dir.iterdir() if p.name.endswith(".part")], [])

    def test_cat_is_whole(self):
        self.assertEqual(self.osb("file", "cat", self.box, f"{self.remote}/f").bytes, self.content)

    def test_download_goes_on_in_the_next_run(self):
        self.osb("file", "download", self.box, f"{self.remote}/f", "f")
        when = int((self.dir / "f").stat().st_mtime)
        part = self.dir / f"f.{len(self.content)}-{when}.part"
        (self.dir / "f").rename(part)
        part.write_bytes(self.content[:700000])
        os.utime(part, (when, when))
        done = self.osb("file", "download", self.box, f"{self.remote}/f", "f")
        self.assertIn("going on from byte 700000", done.err)
        self.assertEqual((self.dir / "f").read_bytes(), self.content)
        part.write_bytes(b"of a try that was killed: its time is not the file's")
        (self.dir / "f").unlink()
        self.assertNotIn("going on", self.osb("file", "download", self.box, f"{self.remote}/f",
                                              "f").err)
        self.assertEqual((self.dir / "f").read_bytes(), self.content)

    def test_two_downloads_at_once_do_not_mix(self):
        words = [PROGRAM, "file", "download", self.box, f"{self.remote}/f", "f"]
        both = [subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                 env=self.env, cwd=self.dir) for _ in range(2)]
        said = [p.communicate(timeout=100)[1] for p in both]
        codes = [p.returncode for p in both]
        self.assertIn(0, codes, said)
        for code, text in zip(codes, said):
            if code != 0:
                self.assertIn(b"another osb", text)
        self.assertEqual((self.dir / "f").read_bytes(), self.content)
        self.assertEqual([p.name for p in self.dir.iterdir() if p.name.endswith(".part")], [])


# ---- egress, vault, diagnostics, pools -----------------------------------------------------------

class Egress(WithSandbox):
    flags = ("--allow", "api.example.com", "--credential-proxy", "--extension",
             "devserver.private-vault=1")

    def rules(self):
        return [(rule["action"], rule["target"]) for rule in
                self.osb("egress", "get", self.box, "-o", "json").json["egress"]]

    def test_policy(self):
        done = self.osb("egress", "patch", self.box, "--rule", "allow=pypi.org", "--rule",
                        "deny=*.x.example.com", "-o", "json").json
        self.assertEqual(done["patched_rules"][0], {"action": "allow", "target": "pypi.org"})
        self.assertIn(("deny", "*.x.example.com"), self.rules())
        self.osb("egress", "delete", self.box, "--target", "pypi.org", "--target",
                 "*.x.example.com")
        self.assertEqual(self.rules(), [("allow", "api.example.com")])
        other = self.file("p.json", '{"defaultAction": "deny", "egress": [{"action": "allow", '
                                    '"target": "api.example.com"}, {"action": "allow", '
                                    '"target": "b.example.com"}]}')
        self.osb("egress", "replace", self.box, "--file", other)
        self.assertEqual(len(self.rules()), 2)
        self.osb("egress", "delete", self.box, "--target", "b.example.com")
        self.assertTrue(self.osb("egress", "health", self.box, "-o", "json").json["healthy"])

    def test_reset(self):
        box = self.create("--allow", "x.example.com")
        self.osb("egress", "reset", box)
        self.assertEqual(self.osb("egress", "get", box, "-o", "json").json["egress"], [])
        self.osb("sandbox", "kill", box)

    def test_vault(self):
        vault = ("credentials:\n  - name: key\n    source: {type: inline, value: very-secret}\n"
                 "bindings:\n  - name: api\n    match:\n      hosts: [api.example.com]\n"
                 "      methods: [GET]\n    auth:\n      type: apiKey\n      name: X-Key\n"
                 "      credential: key\n")
        done = self.osb("credential-vault", "create", self.box, "--file", "-", "-o", "json",
                        input=vault)
        self.assertNotIn("very-secret", done.out)
        self.assertEqual(done.json["credentials"][0]["source_type"], "inline")
        self.assertEqual(done.json["bindings"][0]["match"]["hosts"], ["api.example.com"])
        self.fails(125, "HTTP 409", "credential-vault", "create", self.box, "--file", "-",
                   input=vault)
        change = {"expectedRevision": done.json["revision"], "credentials": {
            "replace": [{"name": "key", "source": {"type": "inline", "value": "other"}}]}}
        patched = self.osb("credential-vault", "patch", self.box, "--file",
                           self.file("c.json", json.dumps(change)), "-o", "json").json
        self.assertGreater(patched["revision"], done.json["revision"])
        self.fails(125, "HTTP 409", "credential-vault", "patch", self.box, "--file",
                   self.dir / "c.json")
        self.assertIn("key", self.osb("credential-vault", "credential", "list", self.box).out)
        self.assertEqual(self.osb("credential-vault", "credential", "get", self.box, "key", "-o",
                                  "json").json["name"], "key")
        self.assertIn("api.example.com",
                      self.osb("credential-vault", "binding", "list", self.box).out)
        binding = self.osb("credential-vault", "binding", "get", self.box, "api", "-o", "json").json
        self.assertEqual((binding["auth"], binding["match"]["methods"]),
                         ({"type": "apiKey", "name": "X-Key"}, ["GET"]))
        self.assertEqual(self.osb("credential-vault", "get", self.box, "-o",
                                  "json").json["revision"], patched["revision"])
        self.assertIn("deleted", self.osb("credential-vault", "delete", self.box).out)

    def test_bad_vault_files(self):
        for content, message in (
            ("bindings: []", "no credentials"), ("credentials: []", "no bindings"),
            ("credentials: [{name: a}]\nbindings: []", "no text in source.value of the credential a"),
            ("credentials: []\nbindings: [{name: b}]", "no match in the binding b"),
            ("credentials: []\nbindings: [{name: b, match: {hosts: []}}]", "no hosts"),
            ("credentials: []\nbindings: [{name: b, match: {ports: [99999]}}]", "not a port"),
            ("credentials: []\nbindings: []\nsecrets: 1", ":3: a vault has no 'secrets'"),
        ):
            with self.subTest(content):
                self.fails(2, message, "credential-vault", "create", self.box, "--file", "-",
                           input=content)
        self.fails(2, "neither credentials nor bindings", "credential-vault", "patch", self.box,
                   "--file", "-", input="expectedRevision: 1")


class Diagnostics(WithSandbox):
    flags = ("--extension", "devserver.diagnostics=inline")

    def test_all(self):
        told = self.osb("diagnostics", "logs", self.box, "-s", "container", "-o", "json").json
        self.assertEqual((told["sandbox_id"], told["kind"], told["scope"], told["delivery"]),
                         (self.box, "logs", "container", "inline"))
        self.assertEqual(self.osb("diagnostics", "logs", self.box, "-s", "container").out,
                         told["content"])
        self.assertTrue(self.osb("diagnostics", "events", self.box, "-s", "lifecycle").out)
        for report in ("logs", "events"):
            done = self.osb("devops", report, self.box)
            self.assertIn("deprecated", done.err)
        for report in ("inspect", "summary"):
            self.assertTrue(self.osb("devops", report, self.box).out)

    def test_not_implemented(self):
        box = self.create()
        self.fails(125, "HTTP 501", "diagnostics", "logs", box, "-s", "container")
        self.osb("sandbox", "kill", box)


class Pools(Case):
    def test_all(self):
        template = self.file("t.yaml", "spec:\n  containers:\n  - name: a\n    image: python:3.12\n")
        sizes = ("--buffer-max", "3", "--buffer-min", "1", "--pool-max", "5", "--pool-min", "0")
        self.fails(2, "--buffer-max is missing", "pool", "create", "p", "--template-file", template)
        made = self.osb("pool", "create", "warm", "--template-file", template, *sizes, "-o",
                        "json").json
        self.assertEqual((made["name"], made["capacity"]["pool_max"]), ("warm", 5))
        self.assertIn("warm", self.osb("pool", "list").out)
        self.osb("pool", "update", "warm", "--buffer-max", "4", *sizes[2:])
        self.assertEqual(self.osb("pool", "get", "warm", "-o", "json").json["capacity"][
            "buffer_max"], 4)
        self.assertIn("deleted", self.osb("pool", "delete", "warm").out)

    def test_the_template_is_sent_as_it_is(self):
        sizes = ("--buffer-max", "1", "--buffer-min", "0", "--pool-max", "1", "--pool-min", "0")
        for content, sent in (
                (b"a: 0644\nb: 1.\nc: 1e5\nd: -0.5\ne: -\nf: 0\ng: 1.5E-3\nh: 1e\n",
                 {"a": "0644", "b": "1.", "c": 1e5, "d": -0.5, "e": "-", "f": 0, "g": 0.0015,
                  "h": "1e"}),
                (b"a : 1\nlonger  :\n- b : 2\n  'c' : 3\n\"d\":\t4\ne\t:\t5\n",
                 {"a": 1, "longer": [{"b": 2, "c": 3}], "d": 4, "e": 5}),
                (b'{"a": "\\ud83d\\ude00", "b": [1e5, 10]}', {"a": "\U0001f600", "b": [1e5, 10]}),
        ):
            with self.subTest(content), Listener() as server:
                self.osb("--domain", server.address, "pool", "create", "p", "--template-file",
                         self.file("t", content), *sizes, code=125)
                self.assertEqual(json.loads(server.body)["template"], sent)
        for content, message in ((b'{"a": "\\ud83d"}', "t:1: an escape that is none"),
                                 (b'{"a": "\\ude00"}', "t:1: an escape that is none"),
                                 (b"a: caf\xe9\n", "t is not UTF-8")):
            with self.subTest(content):
                self.fails(2, message, "pool", "create", "p", "--template-file",
                           self.file("t", content), *sizes)


if __name__ == "__main__":
    # What nohup, or a shell for a command in the background, has switched off.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    del sys.argv[1]
    unittest.main(verbosity=1)
