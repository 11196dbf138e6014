"""Container entry point: one case from /input to /output. Everything it does is in `deepisles.container`."""

from __future__ import annotations

import sys

from deepisles.container import main

if __name__ == "__main__":
    sys.exit(main())
