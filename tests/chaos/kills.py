"""Random kills of a real study: `python -m tests.chaos.kills [KILLS] [SEED]`, or `make chaos`.

A study is run once without and once with kill -9 at random moments, in the manner of Ray's restore
test: of the controller, the process that starts workers, a worker, or of all. After each kill of
the controller the same command is given again. What must hold is in `checker.violations`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.chaos.checker import conclusions, living, results, violations
from tests.chaos.place import Place

VICTIMS = ("controller", "forkserver", "worker", "all")
ORPHAN_SECONDS = 1.0
_GAP = 12.0  # seconds between kills on average: twice what a run takes, and restarts


@dataclass
class Campaign:
    """What happened."""

    seed: int
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VICTIMS, 0))
    restarts: int = 0
    orphans: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Results that were there before a kill and not afterwards, or were other ones."""
    again: list[float] = field(default_factory=list)
    """Seconds from a restart to the first new row of metrics."""
    seconds: float = 0.0
    gave_up: list[str] = field(default_factory=list)
    """Last words of commands that ended early by themselves."""
    output: str = ""


def real_study(folder: Path, *overrides: str, workers: int = 1, tracker: str = "none") -> Place:
    """The shipped quickstart: the real trainer on the smallest model."""
    folder.mkdir(parents=True)
    given = (f"launcher.workers={workers}", f"tracker={tracker}", "name=killed", *overrides)
    return Place(folder=folder, command=("run", "quickstart", *given), name="killed")


def uninterrupted(place: Place, seconds: float) -> float:
    """Run it from start to end; returns how long it took."""
    before = time.monotonic()
    code, output = place.run(seconds=seconds)
    if code not in (0, 1) or not place.recommendation.exists():
        raise AssertionError(f"exit code {code}:\n{output}")
    return time.monotonic() - before


def kill_at_random(place: Place, kills: int, *, seed: int, gap: float, seconds: float) -> Campaign:
    """Kill it `kills` times, on average every `gap` seconds, and let it go on until it is done."""
    dice, campaign, begin = random.Random(seed), Campaign(seed=seed), time.monotonic()
    process, started, rows = place.start(), time.monotonic(), ""
    waits = False  # the first start is no restart
    when = started + dice.uniform(0, 2 * gap)
    while True:
        now = time.monotonic()
        if now - begin > seconds:
            raise AssertionError(f"not done after {seconds:g} s:\n{place.output()}")
        if waits and _rows(place) != rows:
            campaign.again.append(now - started)
            waits = False
        dead = process.poll() is not None
        if dead and _done(place):
            break
        if dead:  # such as: the process that starts workers died before it was ready
            campaign.gave_up.append(place.output().strip().rpartition("\n")[2])
        elif sum(campaign.kills.values()) < kills and now >= when:
            stored = _stored(place)
            dead = _kill(place, dice.choice(VICTIMS), campaign)
            when = time.monotonic() + dice.uniform(0, 2 * gap)
            if dead:
                process.wait(10)
                _after(place, stored, campaign)
        if dead:
            campaign.restarts += 1
            rows, waits = _rows(place), True
            process, started = place.start(), time.monotonic()
        time.sleep(0.02)
    campaign.seconds, campaign.output = time.monotonic() - begin, place.output()
    return campaign


def _done(place: Place) -> bool:
    """Whether it is at its end; a run that was killed three times is lost, and tried again."""
    if not place.recommendation.exists():
        return False
    lost = any(item["outcome"] == "lost" for item in results(place.study).values())
    return not lost and json.loads(place.recommendation.read_text())["state"] == "complete"


def _kill(place: Place, victim: str, campaign: Campaign) -> bool:
    """Kill; returns whether the controller is dead."""
    found = place.below()
    names = ("controller", "forkserver", "worker") if victim == "all" else (victim,)
    victims = [process for name in names for process in found[name]]
    if not victims:  # it has not started one yet
        return False
    for process in victims:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    campaign.kills[victim] += 1
    return "controller" in names


def _after(place: Place, stored: dict[str, bytes], campaign: Campaign) -> None:
    """Whatever was there is there; whatever ran is gone."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while (alive := living(place.mark)) and time.monotonic() < deadline:
        time.sleep(0.01)
    campaign.orphans += [command for _, command in alive]
    now = _stored(place)
    campaign.lost += [name for name, content in stored.items() if now.get(name) != content]


def _stored(place: Place) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in place.study.glob("trials/*/runs/*/result.json")
    }


def _rows(place: Place) -> str:
    """Which row of metrics was written last: it changes only where something trains."""
    newest = (0, "")
    for path in place.study.glob("trials/*/runs/*/metrics.jsonl"):
        with suppress(OSError):
            newest = max(newest, (path.stat().st_mtime_ns, str(path)))
    return str(newest)


def main(kills: int, seed: int) -> int:
    """The long form: returns 0 where everything held, and prints the figures.

    Both studies run at the same time, each with one worker: a core each, and the same neighbours.
    """
    top = Path(tempfile.mkdtemp(prefix="selector-chaos-"))
    budget = (
        *(f"budget.trials={max(3, kills // 2)}", "budget.replicates=2", "budget.tokens=200000"),
        *("budget.most_replicates=2", "budget.extensions=0", "launcher.checkpoint_seconds=1"),
    )
    plain, hurt = real_study(top / "plain", *budget), real_study(top / "hurt", *budget)
    try:
        with ThreadPoolExecutor(1) as beside:
            undisturbed = beside.submit(uninterrupted, plain, 5400)
            campaign = kill_at_random(hurt, kills, seed=seed, gap=_GAP, seconds=5400)
            whole = undisturbed.result()
        runs = len(results(plain.study))
        broken = violations(hurt.study)
        same = conclusions(hurt.recommendation) == conclusions(plain.recommendation)
        again = sorted(campaign.again) or [float("nan")]
        figures = {
            **{key: value for key, value in asdict(campaign).items() if key != "output"},
            "runs": runs,
            "uninterrupted_seconds": whole,
            "times": campaign.seconds / whole,
            "broken": broken,
            "same_results": results(hurt.study) == results(plain.study),
            "same_recommendation": same,
        }
        print(json.dumps(figures, indent=1))  # noqa: T201
        rows = {
            "kills -9": f"{sum(campaign.kills.values())} ({campaign.kills})",
            "runs of the study": runs,
            "runs lost": len(campaign.lost),
            "rules broken (counted twice, half-written, numbers)": len(broken),
            "orphans after 1 s": len(campaign.orphans),
            "same results and recommendation": figures["same_results"] and same,
            "time, against uninterrupted": f"{figures['times']:.2f}x of {whole:.0f} s",
            "training again after a restart": f"median {statistics.median(again):.1f} s,"
            f" at most {again[-1]:.1f} s ({len(campaign.again)} restarts)",
        }
        print("\n| | |\n|---|---|")  # noqa: T201
        for name, value in rows.items():
            print(f"| {name} | {value} |")  # noqa: T201
        held = not (broken or campaign.lost or campaign.orphans) and figures["same_results"]
        return 0 if held and same and figures["times"] <= 1.5 else 1
    finally:
        plain.close()
        hurt.close()
        shutil.rmtree(top)


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    raise SystemExit(main(*(given + [100, random.randrange(1000)][len(given) :])))
