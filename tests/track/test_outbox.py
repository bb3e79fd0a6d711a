from __future__ import annotations

from pathlib import Path

from selector.track.outbox import Attach, Begin, End, Metrics, Outbox, Point
from tests.track.examples import origin, result, run


def point(step: int) -> Point:
    return Point("loss", float(step), step, 0)


def everything(outbox: Outbox) -> list[object]:
    outbox.close()
    return list(iter(outbox.take, None))


def test_values_of_a_run_join_across_other_runs_and_stay_between_its_start_and_end() -> None:
    outbox = Outbox(1000)
    outbox.put(Begin(run=run("a"), origin=origin("s"), milliseconds=0))
    for step in range(3):
        outbox.add("a", [point(step)])
        outbox.add("b", [point(step)])
    outbox.put(End(key="a", result=result(), milliseconds=1))
    outbox.add("a", [point(9)])
    begin, a, b, end, late = everything(outbox)
    assert isinstance(begin, Begin)
    assert isinstance(end, End)
    assert isinstance(a, Metrics)
    assert isinstance(b, Metrics)
    assert isinstance(late, Metrics)
    assert [a.key, b.key, late.key] == ["a", "b", "a"]
    assert [[p.step for p in m.points] for m in (a, b, late)] == [[0, 1, 2], [0, 1, 2], [9]]


def test_beyond_its_bound_it_drops_the_oldest_values_and_nothing_else() -> None:
    outbox = Outbox(10)
    outbox.put(Begin(run=run("a"), origin=origin("s"), milliseconds=0))
    outbox.add("a", [point(step) for step in range(8)])
    outbox.put(End(key="a", result=result(), milliseconds=1))
    outbox.add("b", [point(step) for step in range(9)])
    assert outbox.dropped == 7
    taken = everything(outbox)
    kept = {m.key: [p.step for p in m.points] for m in taken if isinstance(m, Metrics)}
    assert kept == {"a": [7], "b": list(range(9))}
    assert [type(message) for message in taken] == [Begin, Metrics, End, Metrics]


def test_values_that_were_taken_out_make_room() -> None:
    outbox = Outbox(10)
    for _ in range(5):
        outbox.add("a", [point(step) for step in range(10)])
        assert isinstance(outbox.take(), Metrics)
    assert outbox.dropped == 0


def test_a_closed_outbox_takes_nothing_in_and_gives_out_what_waits() -> None:
    outbox = Outbox(10)
    outbox.put(Attach(study="s", paths=(Path("x"),)))
    outbox.close()
    outbox.put(Attach(study="s", paths=(Path("y"),)))
    outbox.add("a", [point(1)])
    assert everything(outbox) == [Attach(study="s", paths=(Path("x"),))]
