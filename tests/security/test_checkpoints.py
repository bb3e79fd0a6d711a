"""A checkpoint that was sent to you runs nothing (S4), even where its manifest vouches for it."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from functools import partial
from pathlib import Path

import pytest
import torch

from selector.train import checkpoint


class Exploit:
    """What unpickling it does is touch a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.marker,)


def hostile(kind: str, marker: Path) -> bytes:
    if kind == "pickle":
        return pickle.dumps({"a": Exploit(marker)})
    out = io.BytesIO()
    if kind == "torch":
        torch.save({"a": Exploit(marker)}, out)
    else:
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("../../escape", b"x")
    return out.getvalue()


@pytest.mark.parametrize("kind", ["pickle", "torch", "zip"])
@pytest.mark.parametrize("name", [checkpoint.WEIGHTS, checkpoint.STATE])
def test_a_pickle_with_a_good_manifest_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    marker = tmp_path / "marker"
    pickle.loads(pickle.dumps(Exploit(marker)))
    assert marker.exists()  # the exploit works
    marker.unlink()
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    content = hostile(kind, marker)
    (folder / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    manifest = {"format": 1, "step": 1, "sha256": digest, "bytes": len(content)}
    manifest["manifest"] = checkpoint._digest(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    call = partial(checkpoint.load, tmp_path)
    if name == checkpoint.STATE:
        call = partial(checkpoint.load_snapshot, folder)
    with pytest.raises(ValueError, match="holds no tensors"):
        call()
    assert not marker.exists()
    assert not (tmp_path.parent / "escape").exists()
