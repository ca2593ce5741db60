#!/usr/bin/env python3
"""Writes opensandbox.h with jsmn.h inside, so that a firmware author drops in one file.

    tools/dist.py OUTPUT [--header opensandbox.h] [--jsmn /usr/include/jsmn.h]

The line `#include <jsmn.h>` is replaced by that file, licence included. opensandbox.h makes jsmn's
names private around that line already. Same input, same bytes.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(
    r"^[ \t]*#[ \t]*include[ \t]*(?:<jsmn\.h>|OSB_JSMN_HEADER)[ \t]*(?:/\*.*\*/[ \t]*)?\n",
    re.MULTILINE,
)

# As a system header jsmn.h is not warned about; inside our file it would be.
BEFORE = """\
/* ---- jsmn.h, unchanged ----------------------------------------------------------------------- */
#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
"""
AFTER = """\
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
/* ---- end of jsmn.h --------------------------------------------------------------------------- */
"""


def inlined(header, jsmn):
    if len(INCLUDE.findall(header)) != 1:
        sys.exit("make dist: opensandbox.h must have one line `#include <jsmn.h>`")
    body = BEFORE + jsmn.rstrip("\n") + "\n" + AFTER
    return INCLUDE.sub(lambda _: body, header)


def arguments():
    parser = argparse.ArgumentParser(description="Write opensandbox.h with jsmn.h inside.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--header", type=Path, default=ROOT / "opensandbox.h")
    parser.add_argument("--jsmn", type=Path, default=Path("/usr/include/jsmn.h"))
    return parser.parse_args()


def main():
    options = arguments()
    text = inlined(options.header.read_text("utf-8"), options.jsmn.read_text("utf-8"))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, "utf-8")
    print(f"wrote {options.output} ({len(text.encode())} bytes)")


if __name__ == "__main__":
    main()
