from __future__ import annotations

from pathlib import Path

from selector.track.outbox import LOOK_SECONDS, Earlier, Entry, Files, Item, Outbox
from tests.track.examples import origin, result, run


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def entry(key: str, *, over: bool = True) -> Entry:
    ending = result() if over else None
    return Entry(study="s", run=run(key), origin=origin("s"), result=ending)


def everything(outbox: Outbox) -> list[Item]:
    outbox.close()
    return list(iter(outbox.take, None))


def test_a_run_waits_once_however_often_it_changes() -> None:
    outbox, a = Outbox(), entry("a", over=False)
    for _ in range(5):
        outbox.put(a)
    a.result = result()
    outbox.put(a)
    outbox.put(entry("b"))
    assert [item.run.key for item in everything(outbox) if isinstance(item, Entry)] == ["a", "b"]


def test_runs_that_are_over_come_first_then_due_ones_then_files() -> None:
    clock = Clock()
    outbox = Outbox(clock)
    files = Files(study="s", paths=(Path("x"),))
    running, over, earlier = entry("a", over=False), entry("b"), Earlier(study="s", entries=())
    for item in (files, running, earlier, over):
        outbox.put(item)
    clock.seconds += LOOK_SECONDS
    assert [outbox.take() for _ in range(4)] == [earlier, over, running, files]


def test_a_run_that_is_not_over_is_given_out_when_it_is_due_and_not_before() -> None:
    clock = Clock()
    outbox, a, b = Outbox(clock), entry("a", over=False), entry("b")
    outbox.put(a)
    outbox.put(b)
    assert outbox.take() is b
    clock.seconds += LOOK_SECONDS
    assert outbox.take() is a
    outbox.put(a)  # it reported more
    outbox.put(b)
    clock.seconds += 0.9 * LOOK_SECONDS
    assert outbox.take() is b
    clock.seconds += 0.2 * LOOK_SECONDS
    assert outbox.take() is a


def test_what_is_put_back_waits_behind_the_others_and_gives_way_to_a_newer_attempt() -> None:
    outbox, a, b, again = Outbox(), entry("a"), entry("b"), entry("a", over=False)
    outbox.put(a)
    outbox.put(b)
    assert outbox.take() is a
    outbox.put_back(a)
    assert outbox.take() is b
    assert outbox.take() is a
    outbox.put(again)
    outbox.put_back(a)
    assert everything(outbox) == [again]


def test_a_closed_outbox_takes_nothing_new_in_and_gives_out_what_waits() -> None:
    outbox, a = Outbox(), entry("a", over=False)
    outbox.put(a)
    outbox.close()
    outbox.put(entry("b"))
    assert outbox.take() is a
    outbox.put_back(a)  # it failed
    assert everything(outbox) == [a]
