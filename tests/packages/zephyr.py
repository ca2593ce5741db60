#!/usr/bin/env python3
"""Checks a Zephyr module: module.yml names what is there, and its Kconfig means what it should.

    tests/packages/zephyr.py DIRECTORY
"""

import os
import sys
import tempfile
from pathlib import Path

import kconfiglib
import yaml

TREE = """\
config NET_SOCKETS
\tbool "sockets"
source "{module}"
"""


def value_of_port(module, settings):
    """Whether the POSIX port is compiled in if these symbols are set."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "Kconfig"
        path.write_text(TREE.format(module=module))
        os.environ["KCONFIG_STRICT"] = "y"
        tree = kconfiglib.Kconfig(str(path), warn_to_stderr=False)
        for name in settings:
            tree.syms[name].set_value("y")
        assert not tree.warnings, tree.warnings
        return tree.syms["OPENSANDBOX_POSIX_PORT"].str_value


def main():
    module = Path(sys.argv[1]).resolve()
    described = yaml.safe_load((module / "zephyr" / "module.yml").read_text())
    build = described.pop("build")
    assert described == {"name": "opensandbox"}, described
    assert set(build) == {"cmake", "kconfig"}, build
    assert (module / build["cmake"] / "CMakeLists.txt").is_file(), build
    kconfig = module / build["kconfig"]
    assert value_of_port(kconfig, []) == "n"
    assert value_of_port(kconfig, ["OPENSANDBOX"]) == "n"
    assert value_of_port(kconfig, ["OPENSANDBOX", "NET_SOCKETS"]) == "y"


if __name__ == "__main__":
    main()
