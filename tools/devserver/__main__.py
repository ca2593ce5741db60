"""Entry point of `python3 tools/devserver`."""

import os
import sys

if not __package__:
    # Run as a directory, Python puts that directory itself on the path, where our modules would
    # shadow standard ones and could not import each other relatively. Its parent belongs there.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from devserver.cli import main  # noqa: E402

sys.exit(main())
