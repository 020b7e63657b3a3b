"""``python -m dicomveil``."""

import sys

from dicomveil.cli import main

if __name__ == "__main__":
    sys.exit(main())
