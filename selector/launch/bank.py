"""The runner of the built-in trainer: runs of one shape, trained as slots of one bank."""

from __future__ import annotations

from collections.abc import Sequence

from selector.launch.runner import Runner
from selector.track.run import Reporter, Run


class BankRunner(Runner):
    """Hands runs to the training loop; PyTorch is imported when the first run arrives."""

    def run(self, runs: Sequence[Run], reporter: Reporter, device: str) -> None:
        """Train `runs`; `device` is a name of PyTorch's, or auto for the best one here."""
        from selector.train.loop import train

        train(runs, reporter, device)
