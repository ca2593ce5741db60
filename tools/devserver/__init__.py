"""A local OpenSandbox for development and tests; see `cli.py` for what it is and is not."""
