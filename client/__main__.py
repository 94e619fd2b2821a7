"""`python -m client`: the command line, not installed."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main(program=f"python -m {__package__}"))
