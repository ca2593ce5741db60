"""execd's figures on processor and memory; they are the whole machine's, not the sandbox's."""

import os
import time

from . import gojson
from .eventstream import HEADERS, now_ms
from .replies import json_reply

_SAMPLE_SECONDS = 1
_MIB = 1024 * 1024


class Metrics:
    def __init__(self, sandbox):
        self._sandbox = sandbox
        self.routes = [("GET", "/metrics", self.get), ("GET", "/metrics/watch", self.watch)]

    def get(self, request):
        return json_reply(_measure())

    def watch(self, request):
        """A line of JSON about every two seconds, for as long as the client stays."""
        writer = request.stream(200, HEADERS)
        while not self._sandbox.ended:
            time.sleep(1)
            writer.write(gojson.dumps(_measure()) + b"\n")
            if writer.gone or request.connection.peer_has_left():
                break
        request.connection.drop()


def _measure():
    timestamp = now_ms()
    total, used = _memory()
    figures = {
        "cpu_count": os.cpu_count() or 1,
        "cpu_used_pct": _processor_use(_SAMPLE_SECONDS),
        "mem_total_mib": total / _MIB,
        "mem_used_mib": used / _MIB,
    }
    # Go prints 8.0 as 8.
    whole = {name: int(n) if n == int(n) else n for name, n in figures.items()}
    return dict(whole, timestamp=timestamp)


def _processor_use(seconds):
    """Per cent of all processors in use, measured over a while."""
    before = _processor_ticks()
    time.sleep(seconds)
    after = _processor_ticks()
    total, idle = (new - old for new, old in zip(after, before))
    return min(100.0, max(0.0, 100.0 * (total - idle) / total)) if total > 0 else 0.0


def _processor_ticks():
    """(all, idle) ticks since the start of the machine; elsewhere than on Linux a guess."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(field) for field in file.readline().split()[1:9]]
    except OSError:
        now = time.monotonic() * (os.cpu_count() or 1)
        return now, now - time.process_time()
    return sum(ticks), ticks[3] + ticks[4]


def _memory():
    """(total, used) bytes."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = (line.split() for line in file)
            kib = {fields[0].rstrip(":"): int(fields[1]) for fields in lines}
    except OSError:
        page = os.sysconf("SC_PAGE_SIZE")
        total = page * os.sysconf("SC_PHYS_PAGES")
        return total, total // 2
    free = sum(kib.get(name, 0) for name in ("MemFree", "Buffers", "Cached", "SReclaimable"))
    return kib["MemTotal"] * 1024, (kib["MemTotal"] - free) * 1024
