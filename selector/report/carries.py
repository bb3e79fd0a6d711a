"""Size and length in sentences: for what the answer was found, and what of it carries over.

Made by rules from the numbers of `at_scale`, as plain text with commands between backticks.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from selector.report.digits import decimals_for, interval, number, operations, setting, size
from selector.study.study import Study

Numbers = Mapping[str, Any]
#: The presets of conf/model that differ in nothing but size, smallest first.
_SIZES = ("pico", "nano", "micro", "mini", "small")
_MOST_REASONS = 2
_PLAYBOOK = (
    "Google's tuning playbook expects of a step from shorter to longer runs that warmup length and"
    " initialization carry over most, then architecture, then optimizer settings, augmentation and"
    " regularization, and the learning-rate schedule least"
)
#: How likely that is for what a study compares; the first prefix that fits counts.
_LIKELY = (
    ("schedule.warmup", "very likely"),
    ("model", "likely"),
    ("optimizer", "possible"),
    ("regularization", "possible"),
    ("data", "possible"),
    ("schedule", "unlikely"),
)


def transfer_sentences(study: Study, transfer: Numbers) -> list[str]:
    """What of a study's answer carries over to other sizes and lengths."""
    if not transfer["measured"]:
        return _unmeasured(study, transfer["found_for"])
    found = []
    for ladder in transfer["ladders"]:
        lead = f"{ladder['name']}: " if ladder["name"] else ""
        sizes, lengths = _span(ladder["parameters"]), _span(ladder["tokens"])
        text = f"Measured at {sizes} parameters and {lengths} tokens a run."
        own = [text, *_pairs(study, ladder, transfer["margin"]), *_rules(ladder)]
        found += [lead + sentence for sentence in own]
    return found + _techniques(study, transfer["techniques"])


def scaling_sentences(study: Study, scaling: Numbers) -> list[str]:
    """The law of each ladder, and the size that it recommends for a compute budget."""
    found = []
    for ladder in scaling["ladders"]:
        lead = f"{ladder['name']}: " if ladder["name"] else ""
        law = ladder["law"]
        if law is None:
            found.append(f"{lead}No law is fitted: {ladder['refused']}.")
        else:
            found.append(f"{lead}{_law(study, law)}")
            found += [lead + _optimum(study, item) for item in ladder["optima"]]
        equal = ladder["equal_compute"]
        if equal["exponent"]:
            found.append(
                f"{lead}At equal compute the best size grows with compute to the power of"
                f" {_with_ends(equal['exponent'])}, over {len(equal['valleys'])} budgets."
            )
        elif equal["budgets"]:
            found.append(f"{lead}Equal compute says nothing by itself: {equal['refused']}.")
    return found


def _unmeasured(study: Study, place: Numbers) -> list[str]:
    found = [
        f"Found for {place['model']} ({size(place['parameters'])} parameters) at"
        f" {size(place['tokens'])} tokens; nothing was measured at another size or length."
    ]
    keys = dict.fromkeys(key for arm in study.arms for key in arm.compared)
    words = [f"{key}: {word}" for key in keys if (word := _likely(key))]
    found.append(f"{_PLAYBOOK}" + (f" ({', '.join(words)})." if words else "."))
    model = str(place["model"])
    if model in _SIZES:
        start = min(_SIZES.index(model), len(_SIZES) - 2)
        sizes = ",".join(_SIZES[start : start + 2])
        command = ["selector", "run", study.name, f"model={sizes}", f"name={study.name}_sizes"]
        command += ["then=[]"] if study.then else []
        found.append(f"To measure it at a second size: `{shlex.join(command)}`.")
    return found


def _likely(key: str) -> str:
    return next((word for start, word in _LIKELY if key.startswith(start)), "")


def _pairs(study: Study, ladder: Numbers, margin: float) -> list[str]:
    """For steps in size, in length and in both: the worst that the smaller one's settings lose."""
    if not ladder["pairs"]:
        reasons = ladder["not_judged"]
        why = "; ".join(reasons[:_MOST_REASONS])
        if len(reasons) > _MOST_REASONS:
            why += f"; likewise {len(reasons) - _MOST_REASONS} more"
        return [f"Whether settings carry over was not judged: {why}."]
    found = []
    for axis in dict.fromkeys(pair["axis"] for pair in ladder["pairs"]):
        own = [pair for pair in ladder["pairs"] if pair["axis"] == axis]
        worst = max(own, key=lambda pair: pair["regret"]["value"])
        regret = worst["regret"]
        if regret["high"] <= margin:
            judged = "they carry over"
        elif regret["low"] > margin:
            judged = "they do not carry over: tune again"
        else:
            judged = "not settled"
        ranks = sorted(pair["rank"]["value"] for pair in own)
        spread = number(ranks[0], 2) + (f" to {number(ranks[-1], 2)}" if len(own) > 1 else "")
        found.append(
            f"Over a step in {axis}, the best settings of {worst['small']} lose"
            f" {_with_ends(regret)} in {study.metric} at {worst['large']}"
            + (", the most of all such steps" if len(own) > 1 else "")
            + f" (up to {margin:.2g} counts as nothing): {judged}. Settings rank alike with a"
            f" correlation of {spread}."
        )
    return found + _moved(ladder["pairs"])


def _moved(pairs: Sequence[Numbers]) -> list[str]:
    """What went elsewhere, over the widest step in which it did."""
    found: dict[str, str] = {}
    for pair in pairs:
        for item in pair["moved"]:
            ratio = item["ratio"]
            if ratio["low"] > 1 or ratio["high"] < 1:
                found[item["key"]] = (
                    f"The best {item['key']} does not carry over: {setting(item['small'])} at"
                    f" {pair['small']}, {setting(item['large'])} at {pair['large']}"
                    f" ({_times(ratio)})."
                )
    return list(found.values())


def _rules(ladder: Numbers) -> list[str]:
    found = []
    for rule in ladder["rules"]:
        if rule["refused"]:
            found.append(f"No {rule['key']} is recommended beyond it: {rule['refused']}.")
            continue
        for item in rule["recommended"]:
            at = f"{size(item['size'])} weights and {size(item['tokens'])} tokens"
            if item["refused"]:
                found.append(f"No {rule['key']} is recommended for {at}: {item['refused']}.")
                continue
            value = item["value"]
            law = item["step_law"]
            found.append(
                f"For {at}: {rule['key']} {setting(value['value'])}"
                f" ({setting(value['low'])} to {setting(value['high'])})"
                + (f"; the Step Law, from other models, would say {setting(law)}" if law else "")
                + "."
            )
    if ladder["batch"] != "tuned":
        found.append(f"No batch size is recommended beyond it: it was {ladder['batch']}.")
    return found


def _techniques(study: Study, items: Sequence[Numbers]) -> list[str]:
    if not items:
        return []
    changed = [item for item in items if not item["kept"]]
    if not changed:
        return [f"The technique that is best at every smaller rung is best at {items[0]['large']}."]
    found = []
    for item in changed:
        regret = item["regret"]
        lost = f" by {_with_ends(regret)} in {study.metric}" if regret else ""
        sure = "" if regret and regret["low"] > 0 else ", which is not settled"
        found.append(
            f"{item['small']} is best at its size and length; at the largest and longest, its"
            f" technique stands behind {item['large']}{lost}{sure}."
        )
    return found


def _law(study: Study, law: Numbers) -> str:
    return (
        f"{study.metric} = {_with_ends(law['floor'])} + {law['size_factor']['value']:.3g} /"
        f" N^{_with_ends(law['size_exponent'])} + {law['token_factor']['value']:.3g} /"
        f" D^{_with_ends(law['token_exponent'])}, with N weights and D tokens; it misses the rungs"
        f" by {law['misfit']:.2g}. The best size grows with compute to the power of"
        f" {_with_ends(law['growth'])}."
    )


def _optimum(study: Study, item: Numbers) -> str:
    if "refused" in item:
        return f"For {operations(item['flops'])} FLOPs no size is recommended: {item['refused']}."
    parts, tokens = item["size"], item["tokens"]
    return (
        f"For {operations(item['flops'])} FLOPs: {size(parts['value'])} weights"
        f" ({size(parts['low'])} to {size(parts['high'])}) on {size(tokens['value'])} tokens"
        f" ({size(tokens['low'])} to {size(tokens['high'])}), where {study.metric} would be"
        f" {_with_ends(item['loss'])}."
    )


def _span(values: Sequence[float]) -> str:
    """One value, or from the smallest to the largest of several."""
    if len(values) == 1:
        return size(values[0])
    return f"{size(values[0])} to {size(values[-1])}"


def _with_ends(item: Numbers) -> str:
    places = decimals_for([(item["value"], item["low"], item["high"])])
    return number(item["value"], places) + interval(item["low"], item["high"], places)


def _times(item: Numbers) -> str:
    return f"× {setting(item['value'])}, {setting(item['low'])} to {setting(item['high'])}"
