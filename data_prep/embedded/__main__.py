"""Makes the embedded benchmark: `python -m data_prep.embedded`."""

import sys

from data_prep.embedded.make import main

if __name__ == "__main__":
    sys.exit(main())
