"""One thread for everything numeric: tests share the machine with processes they start."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
