"""Optimizers of tier 2: the values of a YAML file as the settings of a library's class.

Every setting is passed, also where it is the library's default of today: the defaults of one name
differ between libraries, in mathematics too (what decouples weight decay, what corrects a bias).
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from selector.train.optimizer.groups import Group
from selector.train.optimizer.library import Library

_DECOUPLED = {"weight_decouple": True, "fixed_decay": False}  # matrices shrink by lr * decay


class SOAP(Library):
    """Adam in the eigenbasis of Shampoo's preconditioner (arXiv 2409.11321)."""

    algorithm = "soap"

    def arguments(self, values: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """See the base class."""
        return {
            "betas": (values["beta1"], values["beta2"]),
            "shampoo_beta": values["shampoo_beta"],
            "precondition_frequency": values["precondition_frequency"],
            "max_precondition_dim": values["max_precondition_dim"],
            "merge_dims": False,
            "precondition_1d": False,
            "correct_bias": True,
            "normalize_gradient": False,
            "data_format": "channels_first",
            "eps": values["eps"],
        }


class Shampoo(Library):
    """Preconditioned matrices whose update has RMSProp's length (arXiv 2002.09018)."""

    algorithm = "scalableshampoo"

    def arguments(self, values: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """See the base class."""
        return {
            "betas": (values["beta1"], values["beta2"]),
            "moving_average_for_momentum": True,
            "decoupled_weight_decay": True,
            "decoupled_learning_rate": True,
            "inverse_exponent_override": 0,
            "start_preconditioning_step": values["start_preconditioning_step"],
            "preconditioning_compute_steps": values["precondition_frequency"],
            "statistics_compute_steps": 1,
            "block_size": values["block_size"],
            "skip_preconditioning_rank_lt": 2,  # vectors take RMSProp's update
            "no_preconditioning_for_layers_with_dim_gt": values["max_precondition_dim"],
            "shape_interpretation": False,  # q, k and v must not be joined again
            "graft_type": 3,  # RMSProp
            "pre_conditioner_type": 0,  # all dimensions
            "nesterov": False,
            "diagonal_eps": values["eps"],
            "matrix_eps": values["matrix_eps"],
            "use_svd": False,
        }


class ScheduleFree(Library):
    """Rules that need no decay: they train at one point and are judged at their average."""

    package = "schedulefree"
    named: ClassVar[str]
    """The class in that package, which is the authors'."""

    def kind(self) -> Any:
        """The library's class."""
        return getattr(importlib.import_module(self.package), self.named)


class ScheduleFreeAdamW(ScheduleFree):
    """Schedule-Free AdamW (arXiv 2405.15682)."""

    algorithm = "schedulefreeadamw"
    named = "AdamWScheduleFree"

    def arguments(self, values: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """See the base class."""
        return {
            "betas": (values["beta1"], values["beta2"]),
            "eps": values["eps"],
            "warmup_steps": 0,  # the schedule's
            "r": values["r"],
            "weight_lr_power": values["weight_lr_power"],
        }


class ScheduleFreeSGD(ScheduleFree):
    """Schedule-Free SGD (arXiv 2405.15682)."""

    algorithm = "schedulefreesgd"
    named = "SGDScheduleFree"

    def arguments(self, values: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """See the base class."""
        return {
            "momentum": values["momentum"],
            "warmup_steps": 0,  # the schedule's
            "r": values["r"],
            "weight_lr_power": values["weight_lr_power"],
        }


class Prodigy(Library):
    """Adam that estimates its rate from the distance to the start (arXiv 2306.06101)."""

    algorithm = "prodigy"

    def arguments(self, values: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """See the base class."""
        return {
            "betas": (values["beta1"], values["beta2"]),
            "beta3": math.sqrt(values["beta2"]),
            "d0": values["d0"],
            "d_coef": values["d_coef"],
            "growth_rate": math.inf,
            **_DECOUPLED,
            "bias_correction": True,
            "safeguard_warmup": True,  # rates of the warmup would inflate the estimate
            "eps": values["eps"],
        }


class AdEMAMix(Library):
    """Adam with a second, slow momentum (arXiv 2409.03137)."""

    algorithm = "ademamix"

    def arguments(self, values: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """See the base class; the warmup of the slow momentum is a share of the run."""
        warmed = values["alpha_warmup"] * steps
        return {
            "betas": (values["beta1"], values["beta2"], values["beta3"]),
            **_DECOUPLED,
            "alpha": values["alpha"],
            "t_alpha_beta3": warmed or None,
            "eps": values["eps"],
        }


class MARS(Library):
    """AdamW on gradients corrected by the change since the last step (arXiv 2411.10438)."""

    algorithm = "mars"

    def arguments(self, values: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """See the base class; vectors take AdamW's update, without weight decay."""
        return {
            "betas": (values["beta1"], values["beta2"]),
            "gamma": values["gamma"],
            "mars_type": "adamw",
            "optimize_1d": False,
            "lr_1d": values["lr"] * values["lr_1d_ratio"],
            "betas_1d": (values["beta1_1d"], values["beta2_1d"]),
            "weight_decay_1d": 0.0,
            **_DECOUPLED,
            "ams_bound": False,
            "cautious": False,
            "eps": values["eps"],
        }


class Sophia(Library):
    """Momentum over an estimate of the Hessian's diagonal, clipped (arXiv 2305.14342)."""

    algorithm = "sophiah"

    def arguments(self, values: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """See the base class."""
        return {
            "betas": (values["beta1"], values["beta2"]),
            **_DECOUPLED,
            "p": values["largest_update"],
            "update_period": values["update_period"],
            "num_samples": values["num_samples"],
            "hessian_distribution": "gaussian",
            "eps": values["eps"],
        }


class LAMB(Library):
    """Adam whose update has, in each parameter, the length of the weights (arXiv 1904.00962)."""

    algorithm = "lamb"

    def arguments(self, values: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """See the base class."""
        return {
            "betas": (values["beta1"], values["beta2"]),
            **_DECOUPLED,
            "rectify": False,
            "degenerated_to_sgd": False,
            "n_sma_threshold": 5,
            "grad_averaging": True,
            "max_grad_norm": 0.0,
            "adam": False,
            "pre_norm": False,
            "eps": values["eps"],
        }


class ByName(Library):
    """Any algorithm of pytorch_optimizer, with the settings that its table completes."""

    def enter(self, slot: int, values: Mapping[str, Any], groups: Sequence[Group]) -> None:
        """See the base class."""
        self.algorithm = str(values["algorithm"])
        super().enter(slot, values, groups)

    def arguments(self, values: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """See the base class; what is off or found by the library stays its own."""
        given = {key: value for key, value in values["settings"].items() if value is not None}
        counted = self.capability.steps
        return {**given, counted: steps} if counted else given


TIER_2: dict[str, type[Library]] = {
    "soap": SOAP,
    "shampoo": Shampoo,
    "schedule_free_adamw": ScheduleFreeAdamW,
    "schedule_free_sgd": ScheduleFreeSGD,
    "prodigy": Prodigy,
    "ademamix": AdEMAMix,
    "mars": MARS,
    "sophia": Sophia,
    "lamb": LAMB,
    "library": ByName,
}
