#!/usr/bin/env python3
"""Builds the images of examples/firmware, runs each on its emulated board against a local dev
server, prints their transcripts, and measures flash and RAM by part.

    tools/firmware.py [--build] [IMAGE...]

Sources of lwIP and mbedTLS are Debian's (tools/firmware-sources.sh). The guests' traffic stays on
loopback: all that they speak to is the dev server, through QEMU's user network. Results go to
build/firmware.json. Exit status: 1 if an image fails or a budget is exceeded."""

import argparse
import concurrent.futures
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "firmware"
BUILD = ROOT / "build" / "firmware"
LWIP = BUILD / "source" / "lwip" / "src"
MBEDTLS = BUILD / "source" / "mbedtls"

# Where counted: each instruction takes 2^shift ns of the board's time, so that its clock counts
# instructions.
ICOUNT_SHIFT = 5

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
COMMON = ["-std=c99", "-Os", "-g", "-mthumb", "-ffreestanding", "-ffunction-sections",
          "-fdata-sections"]
# The dist directory has opensandbox.h with jsmn inside.
INCLUDES = ["-I", EXAMPLE, "-I", ROOT / "build" / "dist", "-I", ROOT,
            "-isystem", LWIP / "include", "-isystem", MBEDTLS / "include", "-I", BUILD]
LWIP_FILES = [*(f"core/{name}.c" for name in (
    "def dns inet_chksum init ip mem memp netif pbuf tcp tcp_in tcp_out timeouts udp").split()),
    *(f"core/ipv4/{name}.c" for name in "dhcp etharp icmp ip4 ip4_addr".split()),
    "netif/ethernet.c"]
BOARD_FILES = ["startup.c", "semihosting.c", "network.c", "opensandbox.c"]


@dataclass
class Board:
    name: str
    script: str
    driver: str
    flags: list
    nic: str
    clock_hz: int


@dataclass
class Image:
    name: str
    what: str
    board: Board
    program: str
    stack_bytes: int
    tls: list = field(default_factory=list)  # defines; empty: no TLS
    ram_budget: int = 0  # 0: none
    share_budget: int = 0  # of the library's own variables and the whole stack; 0: none
    poll_budget: int = 0  # instructions; 0: none
    counted: bool = False  # whether its clock counts instructions, which is slow


MPS2 = Board("mps2-an386", "mps2_an386.ld", "mps2_an386.c",
             ["-mcpu=cortex-m4", "-mfloat-abi=soft"], "lan9118",
             25_000_000)
LM3S6965 = Board("lm3s6965evb", "lm3s6965evb.ld", "lm3s6965evb.c", ["-mcpu=cortex-m3"],
                 "stellaris", 12_500_000)


def tls_defines(records, arena, *more):
    """What an image with TLS is built with: the largest record and mbedTLS's memory, in bytes."""
    return ["FIRMWARE_TLS", f"TLS_RECORD_BYTES={records}", f"TLS_ARENA_BYTES={arena}",
            'MBEDTLS_CONFIG_FILE="mbedtls_config.h"', *more]


IMAGES = [
    Image("one-http", "Cortex-M3, HTTP", LM3S6965, "one_sandbox.c", stack_bytes=1536,
          ram_budget=20 * 1024, share_budget=6 * 1024),
    Image("one-https", "Cortex-M3, HTTPS, records of 4 KB", LM3S6965, "one_sandbox.c",
          stack_bytes=4096, tls=tls_defines(records=4096, arena=14336), ram_budget=40 * 1024,
          counted=True),
    Image("one-https-1k", "Cortex-M3, HTTPS, records of 1 KB", LM3S6965, "one_sandbox.c",
          stack_bytes=4096, tls=tls_defines(records=1024, arena=8192)),
    Image("one-https-16k", "Cortex-M3, HTTPS, records of 16 KB", LM3S6965, "one_sandbox.c",
          stack_bytes=4096, tls=tls_defines(records=16384, arena=24576), ram_budget=40 * 1024),
    Image("two-https", "Cortex-M4, two sandboxes over HTTPS", MPS2, "two_sandboxes.c",
          stack_bytes=4096, poll_budget=1_000_000, counted=True,
          tls=tls_defines(2048, 20480, "FIRMWARE_RESTARTABLE", "TLS_ECP_WINDOW=4", "CLIENTS=2",
                          "LWIP_DHCP=1")),
]


# ---- certificates --------------------------------------------------------------------------------

SERVER_NAMES = "subjectAltName=IP:10.0.2.2"  # this machine, as QEMU's guests see it


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, cwd=BUILD, stderr=subprocess.DEVNULL)


def make_certificates():
    """An authority and the dev server's certificate, both for a few days, one that nobody knows, and
    ca.h for the images. Those of less than a day ago will do."""
    header = BUILD / "ca.h"
    if header.exists() and time.time() - header.stat().st_mtime < 86400:
        return
    BUILD.mkdir(parents=True, exist_ok=True)
    new_key = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-sha256", "-days", "7"]
    openssl(*new_key, "-subj", "/CN=firmware test authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(*new_key, "-subj", "/CN=local dev server", "-keyout", "server.key", "-out",
            "server.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-addext", SERVER_NAMES,
            "-addext", "basicConstraints=critical,CA:FALSE")
    openssl(*new_key, "-subj", "/CN=local dev server", "-keyout", "stranger.key", "-out",
            "stranger.pem", "-addext", SERVER_NAMES)
    openssl("x509", "-in", "ca.pem", "-outform", "DER", "-out", "ca.der")
    numbers = ", ".join(str(byte) for byte in (BUILD / "ca.der").read_bytes())
    header.write_text(f"static const unsigned char tls_ca[] = {{{numbers}}};\n")


# ---- build ---------------------------------------------------------------------------------------

def sources(image):
    """(source, flags of its own) of everything that an image is made of; gc-sections does the rest.
    Other projects' files have warnings of their own."""
    ours = [*BOARD_FILES, image.board.driver, image.program]
    yield from ((EXAMPLE / name, WARNINGS) for name in ours)
    yield from ((LWIP / name, ["-w"]) for name in LWIP_FILES)
    if image.tls:
        yield EXAMPLE / "tls.c", WARNINGS
        yield from ((path, ["-w"]) for path in sorted((MBEDTLS / "library").glob("*.c")))


def flags_of(image):
    defines = [f"-D{define}" for define in image.tls]
    return [*COMMON, *image.board.flags, *defines, *INCLUDES]


def compile_one(command, source, target, newest_header):
    """Compiles, unless the object is newer than its source, all headers and the command's text."""
    command = [str(word) for word in [*command, "-c", source, "-o", target]]
    note = target.with_suffix(".command")
    text = " ".join(command)
    if target.exists() and note.exists() and note.read_text() == text:
        if target.stat().st_mtime > max(source.stat().st_mtime, newest_header):
            return
    subprocess.run(command, check=True)
    note.write_text(text)


def object_of(image, source):
    """Its directory says which part of the image it belongs to."""
    for part, root in (("lwip", LWIP), ("mbedtls", MBEDTLS), ("ours", EXAMPLE)):
        if source.is_relative_to(root):
            return BUILD / image.name / part / f"{source.stem}.o"
    raise ValueError(source)


def build(image):
    headers = [*EXAMPLE.rglob("*.h"), *(ROOT / "port").glob("*.h"),
               ROOT / "build/dist/opensandbox.h", *BUILD.glob("*.h")]
    newest = max(path.stat().st_mtime for path in headers)
    objects = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = []
        for source, own in sources(image):
            target = object_of(image, source)
            target.parent.mkdir(parents=True, exist_ok=True)
            objects.append(target)
            command = ["arm-none-eabi-gcc", *flags_of(image), *own]
            jobs.append(pool.submit(compile_one, command, source, target, newest))
        for job in jobs:
            job.result()
    link(image, objects)


def link(image, objects):
    """Without a _sbrk, so that nothing that calls malloc can be linked."""
    subprocess.run(
        ["arm-none-eabi-gcc", "-mthumb", *image.board.flags, "-nostartfiles", "--specs=nano.specs",
         "-L", EXAMPLE, "-T", image.board.script, f"-Wl,--defsym=STACK_BYTES={image.stack_bytes}",
         "-Wl,--gc-sections", "-Wl,--fatal-warnings", f"-Wl,-Map={map_of(image)}", *objects,
         "-o", elf_of(image)], check=True)


def elf_of(image):
    return BUILD / f"{image.name}.elf"


def map_of(image):
    return BUILD / f"{image.name}.map"


# ---- sizes by part -------------------------------------------------------------------------------

# What of our own files belongs to the library: its code is in opensandbox.o, its variables are the
# program's. The first pattern that a section and its object match decides.
PARTS = [
    ("TLS", r"", r"/mbedtls/"),
    ("TLS", r"\.\w+\.(osb__?mbedtls|tls_)", r""),
    ("lwIP", r"", r"/lwip/|/network\.o"),
    ("lwIP", r"\.\w+\.osb__?lwip", r""),
    ("library", r"", r"/opensandbox\.o"),
    ("library", r"\.bss\.(memory|client|box|tcp|jobs)$", r""),
    ("C library", r"", r"\.a[:(]|/crt|libgcc|libc_nano"),
    ("application and board", r"", r""),
]
SECTION = re.compile(r"^ (\.[\w.$-]+|COMMON)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S.*)$", re.M)


def part_of(section, file):
    for part, section_pattern, file_pattern in PARTS:
        if re.match(section_pattern, section) and re.search(file_pattern, file):
            return part
    raise ValueError(section)


def sizes(image):
    """Bytes of flash and static RAM of each part, from the linker's map."""
    text = map_of(image).read_text().split("Linker script and memory map", 1)[1]
    flash, ram = {}, {"stack": image.stack_bytes}
    for section, address, size, file in SECTION.findall(text):
        size = int(size, 16)
        if size == 0 or section.startswith(".debug") or section in (".comment", ".ARM.attributes"):
            continue
        part = part_of(section, file)
        in_ram = int(address, 16) >= 0x20000000
        if in_ram:
            ram[part] = ram.get(part, 0) + size
        if not in_ram or section.startswith(".data"):
            flash[part] = flash.get(part, 0) + size
    return flash, ram


def totals(image):
    """The linker's own sums, with what alignment costs."""
    output = subprocess.run(["arm-none-eabi-size", elf_of(image)], check=True, capture_output=True,
                            text=True).stdout
    text, data, bss = (int(word) for word in output.splitlines()[1].split()[:3])
    return text + data, data + bss


# ---- run -----------------------------------------------------------------------------------------

class DevServer:
    """A dev server on loopback with a key of its own, and with TLS if the image wants that."""

    def __init__(self, image, certificate="server"):
        self.directory = tempfile.TemporaryDirectory()
        self.key = secrets.token_hex(16)
        ready = Path(self.directory.name) / "url"
        command = [sys.executable, ROOT / "tools/devserver", "--port", "0", "--api-key", self.key,
                   "--ready-file", ready, "--exit-with-parent"]
        if image.tls:
            command += ["--tls-cert", BUILD / f"{certificate}.pem",
                        "--tls-key", BUILD / f"{certificate}.key"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not (ready.exists() and ready.read_text()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                sys.exit("tools/firmware.py: the dev server does not start")
            time.sleep(0.05)
        self.port = ready.read_text().strip().rstrip("/").rsplit(":", 1)[1]

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()


def qemu_command(image, server):
    scheme = "https://" if image.tls else ""
    counting = ["-icount", f"shift={ICOUNT_SHIFT}"] if image.counted else []
    arguments = f"arg=fw,arg={scheme}10.0.2.2:{server.port},arg={server.key}"
    return ["qemu-system-arm", "-M", image.board.name, "-nographic", "-monitor", "none",
            "-serial", "stdio", "-nic", f"user,model={image.board.nic}",
            "-semihosting-config", f"enable=on,target=native,{arguments}", *counting,
            "-kernel", str(elf_of(image))]


def run(image, certificate="server"):
    """Returns the transcript and QEMU's exit status, which is the image's own."""
    server = DevServer(image, certificate)
    try:
        done = subprocess.run(qemu_command(image, server), stdin=subprocess.DEVNULL, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(errors="replace") + "no end after 120 s\n", -1
    finally:
        server.close()
    noise = "Timer with period zero, disabling\n"  # QEMU, at every start of that board
    return done.stdout.replace("\r", "") + done.stderr.replace(noise, ""), done.returncode


def measured(image, transcript):
    """What an image says it has measured; cycles of its clock as instructions. Times of a clock
    that is this machine's say nothing."""
    found = {}
    for name, value in re.findall(r"^measured (\w+) (\d+)$", transcript, re.M):
        if name.endswith("_cycles") and image.counted:
            nanoseconds = int(value) * 1_000_000_000 // image.board.clock_hz
            found[name.replace("_cycles", "_instructions")] = nanoseconds >> ICOUNT_SHIFT
        elif not name.endswith(("_cycles", "_ms")) or image.counted:
            found[name] = int(value)
    return found


# ---- report --------------------------------------------------------------------------------------

def result_of(image, transcript, seconds):
    flash, ram = sizes(image)
    flash_total, ram_total = totals(image)
    # What alignment costs, and what equal strings save.
    flash["application and board"] += flash_total - sum(flash.values())
    ram["application and board"] += ram_total - sum(ram.values())
    return {"image": image.name, "what": image.what, "board": image.board.name, "flash": flash,
            "ram": ram, "flash_total": flash_total, "ram_total": ram_total,
            "ram_budget": image.ram_budget, "seconds": round(seconds, 2),
            "measured": measured(image, transcript)}


def report(result):
    for kind in ("flash", "ram"):
        parts = ", ".join(f"{part} {size:,}" for part, size in result[kind].items() if size)
        print(f"{kind}: {result[kind + '_total']:,} bytes: {parts}")
    for name, number in result["measured"].items():
        if name.endswith("_instructions"):
            print(f"{name.replace('_', ' ')}: {number:,}")


def problems(image, result, status):
    if status != 0:
        yield f"ended with status {status}"
    stack = result["measured"].get("stack_peak_bytes", 0)
    if stack >= image.stack_bytes:
        yield f"stack overflow: {image.stack_bytes} bytes are all used"
    if image.ram_budget and result["ram_total"] > image.ram_budget:
        yield f"{result['ram_total']:,} bytes of RAM, more than {image.ram_budget:,}"
    share = result["ram"]["library"] + stack
    if image.share_budget and share > image.share_budget:
        yield f"{share:,} bytes are the library's share, more than {image.share_budget:,}"
    instructions = result["measured"].get("poll_instructions", 0)
    if image.poll_budget and not 0 < instructions <= image.poll_budget:
        yield f"{instructions:,} instructions in one poll; {image.poll_budget:,} are allowed"


def build_and_run(image):
    build(image)
    print(f"--- {image.name}: {image.what} ({image.board.name})", flush=True)
    start = time.monotonic()
    transcript, status = run(image)
    print(transcript, end="")
    result = result_of(image, transcript, time.monotonic() - start)
    report(result)
    found = list(problems(image, result, status))
    for problem in found:
        print(f"{image.name}: {problem}", file=sys.stderr)
    return result, not found


def refuses_a_stranger(image):
    """Whether the image ends with an error, and says why, if the server's authority is unknown."""
    transcript, status = run(image, "stranger")
    lines = [line for line in transcript.splitlines() if line.startswith("create: ")]
    print(f"--- {image.name}, the server's authority being unknown:", *lines, sep="\n")
    if status == 1 and lines and "unknown authority" in lines[0]:
        return True
    print(f"{image.name}: let a stranger in, or did not say why", file=sys.stderr)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", action="store_true", help="only build")
    parser.add_argument("images", nargs="*", metavar="IMAGE",
                        help=", ".join(image.name for image in IMAGES))
    options = parser.parse_args()
    known = {image.name: image for image in IMAGES}
    unknown = [name for name in options.images if name not in known]
    if unknown:
        parser.error(f"no image {unknown[0]} (there are: {', '.join(known)})")
    chosen = [known[name] for name in options.images] or IMAGES
    make_certificates()
    if options.build:
        for image in chosen:
            build(image)
        return
    outcomes = [build_and_run(image) for image in chosen]
    good = all(passed for _, passed in outcomes)
    if not options.images:
        good = refuses_a_stranger(known["one-https"]) and good
        results = [result for result, _ in outcomes]
        (ROOT / "build/firmware.json").write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:  # it has said why
        sys.exit(f"tools/firmware.py: {failed.cmd[0]} failed, status {failed.returncode}")
