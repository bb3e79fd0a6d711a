"""What there is to know, without importing it, of pytorch_optimizer's algorithms.

`algorithms.json` beside this file holds their names and settings with the library's defaults. It is
written by `python -m selector.train.optimizer.settings`, for the version in `VERSION`, and a test
compares it with what is installed. `CAPABILITIES` is ours: what an algorithm needs beyond
parameters and gradients. Both are read when a study is planned, long before PyTorch is imported.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from selector.config.near import near

#: Of pytorch_optimizer: what `algorithms.json` and `CAPABILITIES` were checked against.
VERSION = "4.1.0"
#: Where the settings are.
SETTINGS = Path(__file__).with_name("algorithms.json")
_NEAR = 10.0  # how far from its natural scale a factor on a rate that is found may be


@dataclass(frozen=True, kw_only=True)
class Capability:
    """What an algorithm needs, and what it does not do."""

    closure: bool = False
    """Computes the loss and its gradients again within a step."""
    curvature: bool = False
    """Differentiates the gradients once more (create_graph)."""
    switches: bool = False
    """Trains and is judged at different weights (train() and eval())."""
    natural_rate: float | None = None
    """The algorithm finds its own rate, and `lr` is a factor of this size."""
    rate: str = "lr"
    """The library's name of its learning rate."""
    steps: str = ""
    """A setting that is the number of steps of the run, which is filled in."""
    one_group: bool = False
    """Takes one list of parameters: what gets weight decay cannot be chosen."""
    instead: Mapping[str, Any] = field(default_factory=dict)
    """Our defaults where the library's would ignore `lr` or schedule it once more."""
    no_state: str = ""
    """Why its state cannot be kept, so that longer runs cannot start from it; empty: it can."""
    refused: str = ""
    """Why it cannot train here; empty: it can."""


_PLAIN = Capability()
_WRAPS = "it wraps another optimizer instead of being one"
_MODULE = "it works inside the backward pass of a torch.nn.Module, and models here are functions"
_OBJECTS = "pytorch_optimizer keeps a part of its state in objects of its own"
_FOUND = Capability(natural_rate=1.0)

#: By name; what is not listed needs nothing but parameters and gradients.
CAPABILITIES: Mapping[str, Capability] = {
    "a2grad": Capability(refused="it has no learning rate, so a schedule would have no effect"),
    "adafactor": Capability(instead={"relative_step": False}),
    "adadelta": _FOUND,
    "adahessian": Capability(curvature=True),
    "adalomo": Capability(refused=_MODULE),
    "adamg": _FOUND,
    "adammini": Capability(refused="it reads layers off the names in a torch.nn.Module"),
    "alig": Capability(closure=True, rate="max_lr"),
    "bsam": Capability(refused="it needs the number of training samples, and windows overlap"),
    "conda": Capability(no_state=_OBJECTS),
    "dadaptadagrad": _FOUND,
    "dadaptadam": _FOUND,
    "dadaptadan": _FOUND,
    "dadaptlion": _FOUND,
    "dadaptsgd": _FOUND,
    "demo": Capability(refused="it compresses what processes exchange, and a run is one process"),
    "distributedmuon": Capability(refused="it needs a torch.distributed process group"),
    "lbfgs": Capability(closure=True, one_group=True),
    "lomo": Capability(refused=_MODULE),
    "lorarite": Capability(refused="it trains pairs of LoRA matrices, which no model here has"),
    "magma": Capability(refused=_WRAPS),
    "prodigy": _FOUND,
    "ranger21": Capability(steps="num_iterations", instead={"disable_lr_scheduler": True}),
    "scalableshampoo": Capability(no_state=_OBJECTS),
    "schedulefreeadamw": Capability(switches=True),
    "schedulefreeradam": Capability(switches=True),
    "schedulefreesgd": Capability(switches=True),
    "sophiah": Capability(curvature=True),
    "spam": Capability(no_state=_OBJECTS),
    "spectralsphere": Capability(refused="it takes matrices only, and every model has vectors"),
    "splus": Capability(switches=True),
    **dict.fromkeys(
        (
            *("friendlysam", "gsam", "looksam", "sam", "wsam", "lookahead", "orthograd"),
            *("pcgrad", "safefp16optimizer", "schedulefreewrapper", "trac"),
        ),
        Capability(refused=_WRAPS),
    ),
}


#: Options of `conf/optimizer` with YAML files of their own -> the algorithm they train with.
ALGORITHMS: Mapping[str, str] = {
    "ademamix": "ademamix",
    "lamb": "lamb",
    "mars": "mars",
    "prodigy": "prodigy",
    "schedule_free_adamw": "schedulefreeadamw",  # schedulefree's own classes, alike in all this
    "schedule_free_sgd": "schedulefreesgd",
    "shampoo": "scalableshampoo",
    "soap": "soap",
    "sophia": "sophiah",
}


def capability(algorithm: str) -> Capability:
    """What `algorithm` needs."""
    return CAPABILITIES.get(algorithm, _PLAIN)


@cache
def settings() -> Mapping[str, Mapping[str, Any]]:
    """Algorithm -> its settings with the library's defaults; None: off, or found by it."""
    found: Mapping[str, Mapping[str, Any]] = json.loads(SETTINGS.read_text(encoding="utf-8"))
    return found


def trainable() -> list[str]:
    """The algorithms that can train here, by name."""
    return sorted(name for name in settings() if not capability(name).refused)


def written_as(option: str, options: Iterable[str]) -> str:
    """What to write instead of `optimizer=option`, which is none of the `options`; '': nothing.

    An algorithm is named where it is called so, or nearly, if no option nearly is. Case and signs
    do not count: schedule_free_radam is schedulefreeradam.
    """
    word = re.sub(r"[^a-z0-9]", "", option.lower())
    if why := capability(word).refused:
        return f"{word} cannot train here: {why}"
    if word in settings():
        return f"{word} is an algorithm of `library`: optimizer=library optimizer.algorithm={word}"
    close = [] if near(option, options) else near(word, trainable())
    return f"did you mean optimizer=library optimizer.algorithm={close[0]}?" if close else ""


def completed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an option that names an `algorithm`, all of its `settings` filled in.

    So every one of them is recorded, is part of the fingerprint, and can be compared and tuned.

    Raises:
        ValueError: a line for each mistake.
    """
    name = values["algorithm"]
    known = settings()
    if (why := capability(name).refused) or name not in known:
        raise ValueError(f"algorithm: {_unknown('algorithm', name, known, why)}")
    given = values.get("settings", {})
    if not isinstance(given, Mapping):
        raise ValueError(f"settings: expected a mapping of {name}'s own settings, got {given!r}")
    own = known[name]
    offered = [key for key in own if key not in ("weight_decay", capability(name).steps)]
    mistakes = [*_mistakes(name, values)]
    for key, value in given.items():
        if key in ("lr", "weight_decay"):
            mistakes.append(f"settings.{key}: is given beside the settings, as {key}")
        elif key not in offered:
            mistakes.append(f"settings.{key}: {_unknown('setting', key, offered, of=name)}")
        elif text := _kind_mistake(value, own[key]):
            mistakes.append(f"settings.{key}: {text}")
    if mistakes:
        raise ValueError("\n".join(mistakes))
    defaults = {**own, **capability(name).instead}
    filled = {key: _frozen(given.get(key, defaults[key])) for key in offered}
    return {**values, "settings": filled}


def rate_mistake(algorithm: str, values: Mapping[str, Any]) -> str:
    """Why `lr` is no factor on the rate that `algorithm` finds by itself; '' if it is, or none."""
    lr, natural = values.get("lr"), capability(algorithm).natural_rate
    if not isinstance(lr, int | float) or not natural:
        return ""
    if natural / _NEAR <= lr <= natural * _NEAR:
        return ""
    return (
        f"lr: {algorithm} finds its own rate, and lr is a factor; expected {natural / _NEAR:g} to"
        f" {natural * _NEAR:g}, got {lr}"
    )


def finds_its_rate(option: str, values: Mapping[str, Any]) -> bool:
    """Whether the algorithm of this optimizer estimates its rate, and `lr` is a factor on it."""
    name = str(values.get("algorithm", ALGORITHMS.get(option, "")))
    return capability(name).natural_rate is not None


def works_more(option: str, values: Mapping[str, Any]) -> bool:
    """Whether its steps compute the loss again or its curvature, which no formula counts."""
    own = capability(str(values.get("algorithm", ALGORITHMS.get(option, ""))))
    return own.closure or own.curvature


def not_resumable(option: str, values: Mapping[str, Any]) -> str:
    """Why a run of this optimizer that is cut off begins again; '' if it goes on."""
    name = str(values.get("algorithm", ALGORITHMS.get(option, "")))
    own = capability(name)
    return f"the state of {name} cannot be kept: {own.no_state}" if own.no_state else ""


def branch_mistake(option: str, values: Mapping[str, Any]) -> str:
    """Why a longer run cannot start from a shorter one of this optimizer; '' if it can."""
    name = str(values.get("algorithm", ALGORITHMS.get(option, "")))
    own = capability(name)
    if text := not_resumable(option, values):
        return text
    if own.steps:
        return f"{name} schedules over its own {own.steps}, the length of the run, from the start"
    if values.get("alpha_warmup"):
        return f"the slow momentum of {name} warms up over the length of the run (alpha_warmup)"
    return ""


def _mistakes(name: str, values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the values that all algorithms share."""
    found = [text for text in [rate_mistake(name, values)] if text]
    if values.get("weight_decay") and "weight_decay" not in settings()[name]:
        found.append(f"weight_decay: has no effect in {name}; expected 0")
    if values.get("weight_decay") and capability(name).one_group:
        found.append(f"weight_decay: {name} would apply it to vectors too; expected 0")
    return found


def _unknown(kind: str, given: object, known: Any, why: str = "", of: str = "") -> str:
    if why:
        return f"{given} cannot train here: {why}"
    names = sorted(known)
    close = near(str(given), names, most=3)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    owner = f" of {of}" if of else ""
    if kind == "algorithm":
        trained = len(trainable())
        return (
            f"unknown {kind} {given!r}{hint or ';'} `selector list optimizer` names all {trained}"
        )
    return f"unknown {kind}{owner} {given!r}; known: {', '.join(names) or 'none'}{hint}"


def _kind_mistake(value: Any, default: Any) -> str:
    """Why `value` is not of the kind of the library's default; '' if it is, or that is None."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and not math.isfinite(value):
        return f"expected a finite number, got {value}"
    if default is None or value is None:
        return "" if default is None else f"expected {default!r} or the like, got nothing"
    if isinstance(default, list):
        fits, words = isinstance(value, list | tuple), f"a list like {default}"
        wrong = [item for item in value if _kind_mistake(item, default[0])] if fits else []
        fits = fits and not wrong
    elif isinstance(default, bool):
        fits, words = isinstance(value, bool), "true or false"
    elif isinstance(default, str):
        fits, words = isinstance(value, str), "text"
    elif isinstance(default, int):
        fits, words = number and float(value).is_integer(), "a whole number"
    else:
        fits, words = number, "a number"
    return "" if fits else f"expected {words}, got {value!r}"


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value
