"""Identity is content: fingerprints of configurations and runs, and the fuse key of banks.

All three are pure functions of a run's configuration. The encoder refuses whatever has no stable
form, so that two processes, machines or Python versions never disagree about a name.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from selector.config.schema import RunConfig
from selector.config.technique import Technique

#: What does not change what a run computes: labels, and where it runs.
_LABELS = {
    "model": {"name"},
    "batch": {"name"},
    "regularization": {"name"},
    "compute": {"name", "device"},
    "objective": {"metric", "direction", "evaluations", "table"},
    "data": {"name", "paths"},
}
#: Settings of replays alone: they say nothing of other objectives.
_REPLAY = ("fingerprint", "columns", "lookup", "scales", "horizon", "horizon_tokens", "noise")
#: Settings of a model that say where its weights start, and nothing of its program.
_AT_START = ("name", "initialization", "init_std", "residual_init")
_LENGTH = 12  # hex digits: 48 bits, one collision expected in 16 million configurations


def plain(value: Any) -> Any:
    """`value` as mappings, lists and scalars only; a technique's own values stand beside its name.

    Raises:
        TypeError: the value has no stable form.
    """
    if isinstance(value, Technique):
        return {
            "name": value.name,
            "version": value.version,
            "banked": value.banked,
            **plain(value.values),
        }
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str(value)  # a member of a StrEnum is stored as plain text
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise TypeError(f"no stable form for {type(value).__name__}: {value!r}")


def digest(value: Any) -> str:
    """Hash of any plain value; a float that is a whole number equals that integer."""
    text = json.dumps(_canonical(plain(value)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def config_content(config: RunConfig) -> dict[str, Any]:
    """The part of a configuration that its fingerprint covers."""
    content = {
        part: {key: value for key, value in values.items() if key not in _LABELS.get(part, ())}
        for part, values in plain(config).items()
    }
    for part in ("optimizer", "schedule"):
        content[part].pop("banked")
    if config.objective.kind != "replay":
        for key in _REPLAY:
            content["objective"].pop(key)
    else:  # nothing else decides what is looked up; which column is the metric does
        content = {"objective": content["objective"] | {"metric": config.objective.metric}}
    if config.data.fingerprint:  # prepared: the fingerprint covers source, tokens and split
        content["data"] = {"fingerprint": config.data.fingerprint}
    return content


def config_fingerprint(config: RunConfig) -> str:
    """Name of a configuration: everything that changes the result, without seed and length."""
    return digest(config_content(config))


def run_fingerprint(
    config: RunConfig, *, seed: int, stage: str, tokens: int, trunk_for: int = 0
) -> str:
    """Name of a run: the configuration, its seed, why it is made, and its length in tokens.

    A run that warms up as long as one of `trunk_for` tokens is another run.
    """
    content = {"config": config_content(config), "seed": seed, "stage": stage, "tokens": tokens}
    return digest(content | ({"trunk_for": trunk_for} if trunk_for else {}))


def fuse_key(config: RunConfig, tokens: int = 0) -> str:
    """Runs with equal keys have tensors of one shape and can train as slots of one bank.

    `tokens` is the length of the run: it decides the size of each step where that grows.

    Values (rates, decays, dropout rate, clip) differ per slot and are not part of it; whether a
    switch is on changes the program and is.
    """
    objective, regularization, compute = config.objective, config.regularization, config.compute
    batch = {key: value for key, value in plain(config.batch).items() if key != "name"}
    model = {key: value for key, value in plain(config.model).items() if key not in _AT_START}
    return digest(
        {
            "model": model,
            "batch": batch | ({"tokens": tokens} if config.batch.grows else {}),
            "objective": [objective.kind, objective.name, objective.evaluation_tokens],
            "data": config.data.fingerprint or plain(config.data),
            "compute": [compute.device, compute.precision, compute.compile],
            "activation_checkpointing": compute.activation_checkpointing,
            "optimizer": [
                config.optimizer.name,
                config.optimizer.version,
                config.optimizer.values.get("decay_embeddings", True),
            ],
            "switches": [
                regularization.dropout > 0,
                regularization.stochastic_depth > 0,
                regularization.grad_clip_value > 0,
                regularization.label_smoothing > 0,
                regularization.z_loss > 0,
                regularization.l1 > 0,
                regularization.sam > 0,
                regularization.averages,
                regularization.layer_rate_decay < 1,
            ],
        }
    )


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
