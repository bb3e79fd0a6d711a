"""What the literature says of each study in studies/known/: sources stand in the study files.

D-numbers are those in the names of the studies. Of claims about a direction alone the bound is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from benchmarks.known.claims import Claim

#: Sized for two CPU cores; the aim is a quarter of an hour each.
CPU = (
    *("d19_clipping", "d03_adamw_against_sgd", "d10_rate_and_width", "d11_warmup_and_rates"),
    "d12_schedules",
)

CONSTANT, SHORT, LINEAR = "constant", "warmup_stable_decay", "linear_to_zero"
COSINE, FLOOR = "cosine, floor=0.0", "cosine, floor=0.1"


def _lead(better: str, worse: str, low: float, high: float, text: str) -> Claim:
    """By how much one arm's loss is lower than another's."""
    return Claim(text=text, quantity="value", weights={worse: 1, better: -1}, low=low, high=high)


def _equal(arm: str, rival: str, margin: float, *, paired: bool = False) -> Claim:
    return Claim(
        text=f"{arm} and {rival} are equal",
        quantity="value",
        weights={arm: 1, rival: -1},
        low=-margin,
        high=margin,
        paired=paired,
    )


def _of(quantity: str, arm: str, low: float, high: float, text: str) -> Claim:
    return Claim(text=text, quantity=quantity, weights={arm: 1}, low=low, high=high)


def _more(quantity: str, arm: str, rival: str, low: float, high: float, text: str) -> Claim:
    """By how much a quantity is larger in one arm than in another."""
    weights = {arm: 1.0, rival: -1.0}
    return Claim(text=text, quantity=quantity, weights=weights, low=low, high=high)


def _grows(first: str, second: str, text: str) -> Claim:
    """By how much sgd - adamw is larger at the second number of sequences than at the first."""
    weights = {
        f"{optimizer}, micro_batch={size}": sign * way
        for optimizer, sign in (("sgd", 1.0), ("adamw", -1.0))
        for size, way in ((second, 1.0), (first, -1.0))
    }
    return Claim(text=text, quantity="value", weights=weights, low=0, high=inf)


_TOKENS = ("tokens=8388608", "tokens=67108864")

_NARROW_AND_WIDE = {
    name: tuple(f"parametrization={name}, width={width}" for width in (64, 512))
    for name in ("standard", "mup")
}

EXPECTED: Mapping[str, tuple[Claim, ...]] = {
    "nanogpt_shakespeare": (
        _of("value", "adamw, lr=0.001", 1.84, 1.93, "nanoGPT's recipe for a CPU reaches 1.88"),
    ),
    "d02_nanogpt_gpu": (
        _of("best evaluation", "baseline", 1.45, 1.49, "its recipe for a GPU reaches 1.47"),
        _of("value", "baseline", 1.5, inf, "and overfits afterwards"),
    ),
    "d03_adamw_against_sgd": (
        _lead("adamw", "sgd", 0, inf, "AdamW beats SGD"),
        _lead("adamw", "sgd", 0.3, inf, "by .3 nats and more"),
    ),
    "d04_batch_and_optimizer": (
        _grows("1", "4", "SGD's gap grows from 1 to 4 sequences"),
        _grows("4", "16", "SGD's gap grows from 4 to 16 sequences"),
        _lead(
            "adamw, micro_batch=1", "sgd, micro_batch=1", 0, 0.3, "the gap at 1 sequence is small"
        ),
    ),
    "d05_scalar_optimizers": tuple(
        _equal(rival, "adamw", 0.03) for rival in ("nadamw", "lion", "adafactor")
    ),
    "d06_matrix_optimizers": (
        _lead("muon", "adamw", 0, inf, "Muon beats AdamW"),
        _lead("muon", "adamw", 0.03, 0.1, "by .04 to .07 nats"),
        _lead("soap", "adamw", 0, inf, "SOAP beats AdamW"),
        _lead("soap", "adamw", 0.03, 0.1, "by .04 to .07 nats"),
    ),
    "d07_muon_and_tokens": (
        Claim(
            text="Muon's lead shrinks with tokens",
            quantity="value",
            weights={
                f"{_TOKENS[0]}, adamw": 1,
                f"{_TOKENS[0]}, muon": -1,
                f"{_TOKENS[1]}, adamw": -1,
                f"{_TOKENS[1]}, muon": 1,
            },
            low=0,
            high=inf,
        ),
    ),
    "d08_undertuned_baseline": (
        _lead("adamw", "adamw, lr=0.0006", 0, inf, "tuning beats a borrowed rate"),
        _lead("lion", "adamw, lr=0.0006", 0, inf, "Lion beats the borrowed rate"),
        _equal("lion", "adamw", 0.03),
    ),
    "d09_rate_curve": (
        _of("cost of half the rate", "baseline", 0, 0.03, "half of the best rate costs little"),
        _of("cost of twice the rate", "baseline", 0, inf, "twice the best rate costs something"),
    ),
    "d10_rate_and_width": (
        _more("best rate", *_NARROW_AND_WIDE["standard"], 3, 6, "standard: 2 to 4 a doubling"),
        _more("best rate", *_NARROW_AND_WIDE["mup"], -1, 1, "mup: the best rate stays put"),
        _more("value", *_NARROW_AND_WIDE["mup"], 0, inf, "mup: the wider model is better"),
        _lead(
            _NARROW_AND_WIDE["mup"][1],
            _NARROW_AND_WIDE["standard"][1],
            0,
            inf,
            "mup beats standard at the largest width",
        ),
    ),
    "d11_warmup_and_rates": (
        _more("width", "warmup=0.05", "warmup=0.0", 0, inf, "5 % trains at more rates than 0"),
        _more("width", "warmup=0.1", "warmup=0.0", 0, inf, "10 % trains at more rates than 0"),
        _more("width", "warmup=0.1", "warmup=0.0", 1, inf, "by one octave and more"),
        _more("width", "warmup=0.1", "warmup=0.01", 0, inf, "10 % at more than 1 %"),
    ),
    "d12_schedules": (
        *(
            _lead(arm, CONSTANT, 0.05, 0.16, f"{arm} beats constant by .05 to .15")
            for arm in (SHORT, FLOOR, COSINE, LINEAR)
        ),
        _lead(COSINE, FLOOR, 0, inf, "decay to zero beats a floor of a tenth"),
        _lead(COSINE, FLOOR, 0.01, 0.05, "by about .03"),
        _equal(SHORT, COSINE, 0.015),
        _lead(LINEAR, SHORT, -0.01, inf, "a straight line is not worse than a short decay"),
        _more("best rate", SHORT, CONSTANT, 0, inf, "a short decay has a higher best rate"),
        _more("best rate", LINEAR, SHORT, 0, inf, "a long decay has a higher one yet"),
        _more("best rate", LINEAR, CONSTANT, 1, 3, "4 times (2 octaves) from constant to linear"),
        _of("half-way rank", LINEAR, 0.5, 1, "half way ranks trials of one schedule (.78)"),
        _of("half-way rank of all", LINEAR, -1, 0.5, "not of unlike schedules (.2 to .35)"),
    ),
    "d17_batch_and_tokens": (
        Claim(
            text="large batches lose less in long runs",
            quantity="value",
            weights={
                "tokens=4194304, micro_batch=64": 1,
                "tokens=4194304, micro_batch=8": -1,
                "tokens=33554432, micro_batch=64": -1,
                "tokens=33554432, micro_batch=8": 1,
            },
            low=0,
            high=inf,
        ),
    ),
    "d17_rate_and_size": (
        _more("best rate", "nano", "micro", 0, inf, "a larger model has a lower best rate"),
        _more("best rate", "nano", "mini", 1.3, 3.9, "by 2.6 octaves for 13 times the weights"),
    ),
    "d18_weight_decay": (
        *(
            _lead(f"{optimizer}, weight_decay=0.1", f"{optimizer}, weight_decay=0.0", *rest)
            for optimizer, low, high in (("adamw", 0.01, 0.06), ("muon", 0.04, 0.09))
            for rest in (
                (0, inf, f"weight decay helps {optimizer}"),
                (low, high, "by about as much as in the source"),
            )
        ),
    ),
    "d19_clipping": (
        *(
            _equal(arm, rival, 0.01)
            for arm, rival in (
                ("grad_clip=0.0", "grad_clip=1.0"),
                ("grad_clip=2.0", "grad_clip=1.0"),
                ("grad_clip=0.0", "grad_clip=2.0"),
            )
        ),
        _of("spread of seeds", "grad_clip=1.0", 0.005, 0.02, "seeds scatter by .005 to .02 (D23)"),
    ),
    "d20_z_loss": (_equal("z_loss=0.0001", "z_loss=0.0", 0.01),),
    "d21_dropout_and_passes": (
        _lead(
            "epochs=30.0, dropout=0.2",
            "epochs=30.0, dropout=0.0",
            0,
            inf,
            "dropout helps over 30 passes",
        ),
        _lead("epochs=30.0, dropout=0.2", "epochs=30.0, dropout=0.0", 0.05, 0.1, "by .05 to .1"),
        _lead(
            "epochs=1.0, dropout=0.0",
            "epochs=1.0, dropout=0.2",
            0,
            inf,
            "dropout hurts in one pass",
        ),
    ),
    "d22_label_smoothing": (
        _more("loss", "label_smoothing=0.1", "label_smoothing=0.0", 0, inf, "the loss rises"),
        _more("loss", "label_smoothing=0.1", "label_smoothing=0.0", 0.05, 0.1, "by .05 to .1"),
        _equal("label_smoothing=0.1", "label_smoothing=0.0", 0.005),
    ),
    "d25_beta2_and_batch": (
        _lead(
            "beta2_at_batch=131072",
            "beta2_at_batch=0",
            0,
            inf,
            "the usual half-life beats the usual beta2",
        ),
    ),
    "d29_averaged_weights": (
        Claim(
            text="an average recovers half of the decay's gain",
            quantity="value",
            weights={
                "constant, ema=0.0": 0.5,
                "constant, ema=0.1": -1,
                "linear_to_zero, ema=0.0": 0.5,
            },
            low=0,
            high=inf,
        ),
        _equal("linear_to_zero, ema=0.1", "linear_to_zero, ema=0.0", 0.01),
    ),
}

#: Studies whose figures hold for tiny Shakespeare only: data=text data.paths=[input.txt].
SHAKESPEARE = ("nanogpt_shakespeare", "d02_nanogpt_gpu")
