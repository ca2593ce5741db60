#!/usr/bin/env python3
"""Takes each check out of a copy of port/osb_mbedtls.h in turn and shows that a test fails.

    tests/tls/mutants.py [NAME]...     default: all

Prints one line for each; ends with status 1 if a mutant survives or the port itself fails.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "tls-mutants"
PORT = Path("port/osb_mbedtls.h")
LIBRARIES = ["-lmbedtls", "-lmbedx509", "-lmbedcrypto"]
SECONDS = 300  # for a suite
WEAK = "MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP192R1)"

# What is taken out, the suite that must notice, the text in the header, and what takes its place.
MUTANTS = [
    ("chain of trust", "verify", "MBEDTLS_SSL_VERIFY_REQUIRED", "MBEDTLS_SSL_VERIFY_OPTIONAL"),
    ("host name", "verify", "mbedtls_ssl_set_hostname(&tls->ssl, name)",
     "mbedtls_ssl_set_hostname(&tls->ssl, NULL)"),
    ("an address with a point is no name", "verify",
     "if (osb__mbedtls_literal(whole, address) == 0) name = whole;", "name = whole;"),
    ("address", "verify", "if (size > 0 && !osb__mbedtls_has_address(crt, address, size))",
     "if (size > 16)"),
    ("address in the certificate is an address", "verify",
     "name->buf.tag == (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7) && ", ""),
    ("expiry by the port's clock", "verify", "if (now_s != 0 && now_s > until_s)",
     "if (now_s == 1)"),
    ("not yet valid by the port's clock", "verify",
     "if (now_s != 0 && now_s < osb__mbedtls_seconds(&crt->valid_from))", "if (now_s == 1)"),
    ("what the verification found is said", "verify",
     "if (flags != 0xffffffffu) tls->flags = flags;", ";"),
    ("RSA of 2048 bits", "verify", "OSB__MBEDTLS_CURVES, 2048}", "OSB__MBEDTLS_CURVES, 1024}"),
    ("curves of 224 bits", "verify", "OSB__MBEDTLS_CURVES, 2048}",
     "OSB__MBEDTLS_CURVES | %s, 2048}" % WEAK),
    ("SHA-2", "verify", "strong = {OSB__MBEDTLS_SHA2,",
     "strong = {OSB__MBEDTLS_SHA2 | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA1),"),
    ("strength only on demand", "verify", "return weak ? &lax : &strong;", "return &lax;"),
    ("a profile at all", "verify",
     "osb__mbedtls_profile(tls->options.allow_weak_server_cert_key_lengths));",
     "&mbedtls_x509_crt_profile_default);"),
    ("TLS 1.2", "verify",
     "mbedtls_ssl_conf_min_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);",
     ";"),
    ("ciphers", "verify", "    osb__mbedtls_choose_ciphers(conf);\n", "    (void)osb__mbedtls_choose_ciphers;\n"),
    ("curves of the handshake", "verify", "mbedtls_ssl_conf_curves(conf, curves);",
     "(void)curves;"),
    ("hashes of the handshake", "verify", "MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA224, MBEDTLS_MD_NONE",
     "MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA1, MBEDTLS_MD_NONE"),
    ("close_notify", "stream", "if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)",
     "if (code == 0 || code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)"),
    ("pins", "settings", "if (!osb__mbedtls_is_pinned(&tls->base->options, crt))",
     "if (!osb__mbedtls_is_pinned(&tls->base->options, crt) && crt == NULL)"),
    ("a pin's every byte", "settings", "memcmp(options->pins[i], digest, sizeof digest) == 0",
     "memcmp(options->pins[i], digest, 0) == 0"),
    ("SNI and ALPN", "settings",
     "code = mbedtls_ssl_conf_alpn_protocols(conf, (const char **)protocols);",
     "(void)protocols;"),
    ("own certificate", "settings",
     "code = mbedtls_ssl_conf_own_cert(&tls->conf, &tls->certificate, &tls->key);", ";"),
    ("key is the certificate's", "settings",
     'if (code != 0) return osb__mbedtls_fail(tls, code, "key is not the certificate\'s");', ""),
    ("damaged authority", "settings",
     'if (code > 0) return osb__mbedtls_fail(tls, code, "ca: some of its certificates are damaged");',
     "if (code > 0) return 0;"),
    ("small records", "settings", "code = mbedtls_ssl_conf_max_frag_len(&tls->conf, number);",
     "code = number > 4;"),
    ("failing random numbers", "settings",
     "if (inner->ops->random(inner->ctx, data, size) != 0) return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;",
     "inner->ops->random(inner->ctx, data, size);"),
    ("session is kept", "settings",
     "    osb__mbedtls_keep_session(tls);\n    tls->resumed", "    tls->resumed"),
    ("session only if wanted", "settings",
     "if (tls->base->options.no_session_resumption) return;", ""),
    ("session's origin", "settings", "memcmp(origin, tls->session_origin, sizeof origin) != 0", "0"),
    ("session's host", "settings", "osb__mbedtls_absorb(origin, host, strlen(host));", ""),
    ("session's port", "settings", "osb__mbedtls_absorb(origin, number, sizeof number);", ""),
    ("session's pins", "settings",
     "osb__mbedtls_absorb(tls->trust, o->pins, o->pins != NULL ? o->pin_count * 32 : 0);", ""),
    ("session's authorities", "settings", "osb__mbedtls_absorb_chain(tls->trust, &tls->ca);", ""),
    ("session's identity", "settings",
     "osb__mbedtls_absorb_chain(tls->trust, &tls->certificate);", ""),
    ("session's strength", "settings",
     "tls->trust[0] = o->allow_weak_server_cert_key_lengths;", ""),
    ("session of an expired certificate", "settings",
     "osb__mbedtls_now_s(tls) > tls->session_until_s", "0"),
    ("session of an expired chain", "settings", "if (until_s < tls->until_s)",
     "if (depth == 0)"),
    ("session's mark", "settings", "memcmp(from, osb__mbedtls_session_mark, 5) != 0", "0"),
    ("session given back", "wipe",
     "    mbedtls_ssl_session_free(&tls->session);\n    mbedtls_ssl_session_init", "    mbedtls_ssl_session_init"),
    ("connection wiped", "wipe",
     "        mbedtls_ssl_free(&tls->ssl);\n        mbedtls_ssl_init", "        mbedtls_ssl_init"),
    ("struct wiped", "wipe", "mbedtls_platform_zeroize(tls, sizeof *tls);",
     "tls->base = NULL;"),
]


def mutate(text, old, new):
    if text.count(old) != 1:
        sys.exit("mutants.py: %d places in %s, not one: %s" % (text.count(old), PORT, old))
    return text.replace(old, new)


def build(folder, suite):
    """A program of the suite with the port of this folder; None: it does not compile."""
    program = folder / ("test_tls_" + suite)
    libraries = LIBRARIES
    flags = ["-O0"]
    if suite == "wipe":
        flags += ["-fsanitize=address"]
        libraries = ["-Wl,--wrap=free", "-Wl,-Bstatic", *LIBRARIES, "-Wl,-Bdynamic"]
    command = ["gcc", "-std=c99", "-w", *flags, "-I%s" % folder, "-I.",
               "tests/tls/test_tls_%s.c" % suite, "-o", str(program), "-lcmocka", *libraries]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if built.returncode != 0:
        print(built.stderr)
        return None
    return program


def survives(text, suite):
    """Whether the suite passes with this port; None if there is no program."""
    folder = BUILD / "now"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "port").mkdir(parents=True)
    (folder / PORT).write_text(text)
    program = build(folder, suite)
    if program is None:
        return None
    return run(program, folder)


def end(process):
    """Ends the program with the servers that it has started: they hold its output's other end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def run(program, folder):
    """Whether all tests pass; the first that fails, or a long time, ends it."""
    with subprocess.Popen([program], cwd=ROOT, env=dict(os.environ, TMPDIR=str(folder)),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", start_new_session=True) as process:
        deadline = threading.Timer(SECONDS, end, [process])
        deadline.start()
        try:
            for line in process.stdout:
                if "[  FAILED  ]" in line:
                    end(process)
            return process.wait() == 0
        finally:
            deadline.cancel()
            end(process)


def main():
    os.chdir(ROOT)
    text = PORT.read_text()
    wanted = [m for m in MUTANTS if not sys.argv[1:] or m[0] in sys.argv[1:]]
    for name in set(sys.argv[1:]) - {m[0] for m in wanted}:
        sys.exit("mutants.py: there is no '%s'" % name)
    for suite in sorted({suite for _, suite, _, _ in wanted}):
        if not survives(text, suite):
            sys.exit("mutants.py: test_tls_%s fails with the port as it is" % suite)
    alive = 0
    for name, suite, old, new in wanted:
        start = time.monotonic()
        outcome = survives(mutate(text, old, new), suite)
        if outcome is None:
            sys.exit("mutants.py: without '%s' it does not compile" % name)
        verdict = "SURVIVES" if outcome else "noticed"
        print("%-45s %-9s %5.1f s" % (name, verdict, time.monotonic() - start), flush=True)
        alive += outcome
    print("%d checks taken out, %d not noticed" % (len(wanted), alive))
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
