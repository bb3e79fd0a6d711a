"""What all tests share: one thread for everything numeric, and shipped files composed once."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests share the machine with what they start

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def compositions_of_shipped_files() -> Iterator[None]:
    """Hydra takes a tenth of a second to compose a study, and no test changes shipped ones."""
    from selector.config.compose import Composer, Composition

    plain = Composer._compose
    found: dict[tuple[Path, Path, tuple[tuple[str, str], ...]], Composition] = {}

    def once(self: Composer, choices: Mapping[str, str]) -> Composition:
        if not self.file.resolve().is_relative_to(_ROOT):
            return plain(self, choices)
        key = (self.file, self.conf, tuple(sorted(choices.items())))
        if key not in found:
            found[key] = plain(self, choices)
        return found[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Composer, "_compose", once)
        yield


@pytest.fixture(autouse=True)
def modules_of_users() -> Iterator[None]:
    """What one test imported from a folder of its own is not what the next one finds."""
    folders, names = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = folders
    for name in sys.modules.keys() - names:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).is_relative_to(tempfile.gettempdir()):
            del sys.modules[name]
