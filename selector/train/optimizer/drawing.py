"""What libraries draw: from global generators, so these are made a function of run and step."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def drawn_from(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators of PyTorch, NumPy and Python; afterwards they are as before."""
    number = zlib.crc32(f"{seed}/{step}".encode())
    plain, legacy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(number)
            np.random.seed(number)
            random.seed(number)
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(legacy)
