"""A trunk is there, or it is not; removing it leaves the rest of the run."""

from __future__ import annotations

from pathlib import Path

from selector.track.trunk import MANIFEST, forget_trunk, has_trunk, trunk_folder


def test_a_trunk_is_forgotten_and_the_run_stays(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("kept")
    assert not has_trunk(tmp_path)
    forget_trunk(tmp_path)
    trunk = trunk_folder(tmp_path)
    trunk.mkdir()
    (trunk / "state.safetensors").write_bytes(b"x")
    assert not has_trunk(tmp_path), "without its manifest it is not whole"
    (trunk / MANIFEST).write_text("{}")
    assert has_trunk(tmp_path)
    forget_trunk(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"]
