"""The training loop: runs of one shape enter a bank, are stepped, evaluated and reported, and end.

The host looks at a run at fixed steps that follow from its configuration, and about twice a second
to see whether somebody wants it to stop; in between, the device is never waited for. So a run
whose loss or gradient is not finite ends at most half a second, or the steps between two reports,
later; the step recorded is the exact one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import torch

from selector.config.identity import fuse_key
from selector.errors import ConfigError, DataError
from selector.track.run import Ended, Outcome, Reporter, Run
from selector.train import checkpoint, compressed, gradients
from selector.train.bank import Bank
from selector.train.data.corpus import Corpus
from selector.train.data.sample import evaluation_windows
from selector.train.device import facts, find, is_out_of_memory, reset_peak_memory
from selector.train.evaluate import described, judged
from selector.train.feed import Feed
from selector.train.member import Member
from selector.train.peak import peak
from selector.train.resumption import Checkpoints

_LOOK_EVERY = 0.5  # seconds


def train(runs: Sequence[Run], reporter: Reporter, device: str) -> None:
    """Train `runs`, which share one fuse key, side by side; each ends in one `reporter.end`.

    Those that are not banked train one after the other. A run that diverges ends alone. One that
    runs out of memory ends as such where it is the only one; with neighbours, as with every other
    failure, the exception leaves.

    Raises:
        DataError: the prepared data is not there, or too short for the context.
    """
    if len(runs) > 1 and not all(run.config.banked for run in runs):
        for run in runs:
            train([run], reporter, device)
        return
    place = find(device)
    peak(place, runs[0].config.compute.precision)  # its matrices are no part of the run's memory
    started = perf_counter()
    reset_peak_memory(place)
    try:
        Training(runs, reporter, place).run()
    except RuntimeError as error:
        if len(runs) > 1 or not is_out_of_memory(error):
            raise
        reporter.end(
            runs[0].key,
            Ended(
                outcome=Outcome.OUT_OF_MEMORY,
                seconds=perf_counter() - started,
                error=str(error),
                facts=facts(runs[0].config, place, 1),
            ),
        )


class Training:
    """Some runs on their way through a bank."""

    def __init__(self, runs: Sequence[Run], reporter: Reporter, device: torch.device) -> None:
        first = runs[0]
        if first.data_folder is None:
            raise DataError("data_folder: expected the folder of prepared data, got none")
        width = 1 << (len(runs) - 1).bit_length()
        self.reporter, self.started, self.trained = reporter, perf_counter(), 0.0
        self.corpus = Corpus.open(first.config.data, first.data_folder)
        self.peak = peak(device, first.config.compute.precision)
        self.bank = Bank(first.config, width, device)
        if len({fuse_key(run.config, run.tokens) for run in runs}) > 1:
            raise ValueError("runs: expected one fuse key")
        self.feed = Feed(
            self.corpus.part("train"), first.config.batch, width, device, tokens_in_run=first.tokens
        )
        self.members = [self._enter(run, slot) for slot, run in enumerate(runs)]

    def _enter(self, run: Run, slot: int) -> Member:
        """Put a run into its slot: where an earlier attempt left off, or at its beginning."""
        checkpoints = Checkpoints(run)
        alone = self.bank.width == 1  # where the batch grows, all slots must be at one step
        for path, snapshot in checkpoints.found() if alone or not run.config.batch.grows else ():
            member = self._begin(run, slot, checkpoints)
            try:
                for step, share in member.resume(snapshot):
                    self.bank.scale_rates(slot, share, step)
                self.bank.restore(slot, snapshot.state)
            except (ValueError, KeyError) as error:  # another version may have named it otherwise
                checkpoints.set_aside(path, error)
                self.bank.leave(slot)
                continue
            self.feed.enter(slot, run.seed, member.step)
            for step, metrics in member.rows:
                self.reporter.report(run.key, step, metrics)
            member.facts |= {"resumed_after_step": member.step, **checkpoints.facts()}
            return member
        member = self._begin(run, slot, checkpoints)
        self.feed.enter(slot, run.seed)
        if run.branch is not None:
            self._branch(member, run.branch)
        member.facts |= checkpoints.facts()
        return member

    def _begin(self, run: Run, slot: int, checkpoints: Checkpoints) -> Member:
        member = Member(run, slot, self.corpus, checkpoints)
        self.bank.enter(slot, member.config, run.seed, member.steps)
        return member

    def _branch(self, member: Member, folder: Path) -> None:
        """Start from the trunk of the run in `folder`; from the beginning where it is not whole.

        Both come to the same weights, so a lost trunk costs time and not the run.

        Raises:
            ConfigError: it was left by another run than a shorter one of this.
        """
        try:
            snapshot = checkpoint.load_trunk(folder)
        except (FileNotFoundError, ValueError) as error:
            member.facts["not_branched"] = str(error)
            return
        try:
            member.branch(snapshot)
            self.bank.restore(member.slot, snapshot.state)
        except ValueError as error:
            raise ConfigError(f"branch: {folder} does not fit: {error}") from error
        self.feed.enter(member.slot, member.run.seed, member.step)
        below = member.run.folder
        member.facts |= {
            "branched_from": os.path.relpath(folder, below) if below else str(folder),
            "steps_saved": member.step,
            "seconds_saved": snapshot.seconds,
        }

    def run(self) -> None:
        """Train until every run has ended."""
        looked = perf_counter()
        while self.members:
            measured = any(member.due_next for member in self.members)
            self.bank.step(self.feed.next(), measured=measured)
            for member in self.members:
                member.step += 1
            now = perf_counter()
            due = any(member.due or member.keeps for member in self.members)
            if due or now - looked > _LOOK_EVERY:
                losses, norms = self.bank.drain()
                self.trained += perf_counter() - looked
                for member in list(self.members):
                    wrong = member.take(losses[:, member.slot], norms[:, member.slot])
                    self._look_at(member, wrong)
                looked = perf_counter()

    def _look_at(self, member: Member, wrong: str) -> None:
        """Report and keep what is due, end the run where it is over; `wrong`: how it diverged."""
        metrics: dict[str, float] = {}
        if member.due and not wrong:
            capacity = self.peak.flops_per_second / len(self.members)
            metrics |= member.metrics(self.trained, capacity)
            norms = self.bank.group_norms(member.slot)
            metrics |= gradients.described(norms, blocks=member.evaluates)
        if member.keeps and not wrong and member.run.folder is not None:
            state, seconds = self.bank.state(member.slot), perf_counter() - self.started
            checkpoint.save_trunk(member.run.folder, member.snapshot(state, seconds))
        windows = None if wrong else member.windows()
        if windows is not None:
            loss, accuracy = judged(self.bank, member.slot, windows)
            if math.isfinite(loss):
                metrics |= described("validation", loss, accuracy)
                member.stopping.see(member.step, metrics, self.bank.weights(member.slot))
                if (share := member.judged(loss)) != 1.0:
                    self.bank.scale_rates(member.slot, share, member.step)
            else:
                wrong = member.diverged("validation loss", loss)
        if wrong:
            self._end(member, Outcome.DIVERGED, wrong)
            return
        if member.done and (best := member.stopping.result(member.step)):
            self.reporter.report(member.run.key, member.step, metrics)
            self.bank.choose(member.slot, member.stopping.weights)
            metrics = best  # the last values reported are the run's
        if member.done and member.final:
            metrics |= self._finish(member)
        if metrics:
            self.reporter.report(member.run.key, member.step, metrics)
            member.rows.append((member.step, metrics))
        if member.done:
            self._end(member, Outcome.COMPLETE)
        elif self.reporter.should_stop(member.run.key):
            self._leave_checkpoint(member)
            self._end(member, Outcome.STOPPED)
        elif member.checkpoints.due:
            self._leave_checkpoint(member)

    def _leave_checkpoint(self, member: Member) -> None:
        """Leave a state from which the run can go on, where it leaves any."""
        if not member.checkpoints.on:
            return
        try:
            state = self.bank.state(member.slot)
        except ValueError as error:  # a library keeps what cannot be written
            member.checkpoints.give_up(error)
            member.facts["not_resumable"] = str(error)
            return
        member.checkpoints.leave(member.snapshot(state, perf_counter() - self.started))

    def _finish(self, member: Member) -> dict[str, float]:
        """Keep the weights of a run that is judged, compress copies, read the test part once."""
        weights, config = self.bank.weights(member.slot), member.config
        if member.run.folder is not None:
            step = member.stopping.best_step if member.stopping.weights else member.step
            checkpoint.save(member.run.folder, weights, step)
        found = compressed.measured(
            self.bank, member.slot, member.validation_windows, config.compute
        )
        if not config.data.test_share:
            return found
        tokens, part = config.objective.evaluation_tokens, self.corpus.part("test")
        windows = evaluation_windows(part, config.batch.context, tokens)
        loss, accuracy = judged(self.bank, member.slot, windows)
        return found | (described("test", loss, accuracy) if math.isfinite(loss) else {})

    def _end(self, member: Member, outcome: Outcome, error: str = "") -> None:
        bank = self.bank
        member.checkpoints.wait()
        self.members.remove(member)
        bank.leave(member.slot)
        self.feed.leave(member.slot)
        self.reporter.end(
            member.run.key,
            Ended(
                outcome=outcome,
                steps=member.step,
                seconds=member.earlier + perf_counter() - self.started,
                error=error,
                facts={
                    **facts(member.config, bank.device, bank.width, member.tokens),
                    "peak_flops_per_second": round(self.peak.flops_per_second),
                    "peak_flops_source": self.peak.source,
                    **member.stopping.facts(),
                    **member.facts,
                    **member.checkpoints.facts(),
                },
            ),
        )
