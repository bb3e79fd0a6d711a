"""The gradient of the training loss of every slot: one forward and backward pass a micro-batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from selector.config.schema import RunConfig
from selector.train import float8
from selector.train.arithmetic import Arithmetic, arithmetic
from selector.train.compiled import compiled
from selector.train.layout import Layout
from selector.train.loss_scale import LossScale
from selector.train.model import MODELS
from selector.train.objective import OBJECTIVES
from selector.train.objective.causal_lm import Extras
from selector.train.regularization.dropout import Dropout
from selector.train.regularization.penalty import add_l1
from selector.train.regularization.stochastic_depth import StochasticDepth

Drop = Callable[[Tensor, int], Tensor]
Losses = Callable[[Mapping[str, Tensor], Tensor, Drop | None, Extras | None], tuple[Tensor, Tensor]]


class Backward:
    """Fills the rows of gradients.

    Args:
        config: of any of the runs; what is switched on in it is on in all.
        layout: what the columns of the rows are.
        parameters: [K, N]; autograd differentiates views of it.
        gradients: [K, N], overwritten by each call.

    Raises:
        ConfigError: the device lacks the precision, or what compiling needs.
    """

    def __init__(
        self, config: RunConfig, layout: Layout, parameters: Tensor, gradients: Tensor
    ) -> None:
        self.config, self.gradients, self._layout = config, gradients, layout
        self._matrices = slice(0, layout.decayed_stop)
        self._parameters = parameters
        self.model = MODELS[config.model.family]
        self.objective = OBJECTIVES[config.objective.kind]
        self.arithmetic = arithmetic(config.compute, parameters.device)
        if config.compute.precision == "float8":
            float8.refuse_odd_sizes(layout)
        self.scale: LossScale | None = None
        if config.compute.precision == "fp16":
            self.scale = LossScale(len(parameters), parameters.device)
        rows = parameters[0] if len(parameters) == 1 else parameters
        self.weights = {name: view.requires_grad_() for name, view in layout.views(rows).items()}
        self._losses = _losses(config, self.arithmetic, parameters.dtype)
        if config.compute.compile:
            self._losses = compiled(self._losses, parameters.device)

    def __call__(
        self,
        windows: Tensor,
        active: Tensor,
        seed: Tensor,
        count: Tensor,
        regularization: Mapping[str, Tensor],
    ) -> Tensor:
        """The gradients of the mean training loss; the loss to report, [K].

        An inactive slot starts its backward pass from a zero, so its gradients are zero.

        Args:
            windows: int64 [accumulation, K, sequences, context + 1].
            active: bool [K].
            seed: int64 [K], each run's seed.
            count: int64 [K], steps that each run has made.
            regularization: values by name, [K] each.
        """
        accumulation = len(windows)
        passes = count * self.config.batch.accumulation  # at most so many before this step
        start = torch.where(active, 1.0 / accumulation, 0.0).to(self.gradients.dtype)
        if self.scale:
            start *= self.scale.value
        reported = torch.zeros_like(start)
        extras = self._extras(regularization)
        for micro, part in enumerate(windows):
            drop = self._drop(regularization, seed, passes + micro, part.shape[1])
            with self.arithmetic.passes():
                loss, plain = self._losses(self.weights, part, drop, extras)
                found = torch.autograd.grad(loss, list(self.weights.values()), start)
            rows = [gradient.reshape(len(self.gradients), -1) for gradient in found]
            if micro:
                self.gradients += torch.cat(rows, dim=1)
            else:
                torch.cat(rows, dim=1, out=self.gradients)
            reported += plain
        if self.scale:
            self.gradients.div_(self.scale.value.unsqueeze(1))
        if self.config.regularization.l1:
            columns = self._matrices
            l1 = torch.where(active, regularization["l1"], 0.0)
            add_l1(self.gradients[:, columns], self._parameters[:, columns], l1)
        return reported.div_(accumulation)

    def products(
        self,
        windows: Tensor,
        seed: Tensor,
        count: Tensor,
        regularization: Mapping[str, Tensor],
        probes: Tensor,
    ) -> Tensor:
        """The Hessian of the mean training loss of one run, times each of some vectors.

        Args:
            windows: int64 [accumulation, 1, sequences, context + 1].
            seed: int64 [1].
            count: int64 [1], steps that the run has made.
            regularization: values by name, [1] each.
            probes: [n, N].

        Returns:
            [n, N].
        """
        weights, extras = list(self.weights.values()), self._extras(regularization)
        found = torch.zeros_like(probes)
        for micro, part in enumerate(windows):
            passes = count * self.config.batch.accumulation + micro
            # In the weights' own arithmetic, whatever the gradients' is; the fused kernels of
            # attention cannot be differentiated twice.
            with sdpa_kernel(SDPBackend.MATH):
                logits, penalty = self.model.training_forward(
                    self.weights,
                    self.objective.inputs(part),
                    self.config.model,
                    self._drop(regularization, seed, passes, part.shape[1]),
                )
                loss, _ = self.objective.losses(logits, part, extras)
                if penalty is not None:
                    loss = loss + penalty
                slopes = torch.autograd.grad(loss / len(windows), weights, create_graph=True)
            for row, probe in zip(found, probes, strict=True):
                products = torch.autograd.grad(
                    slopes,
                    weights,
                    list(self._layout.views(probe).values()),
                    retain_graph=True,
                    materialize_grads=True,
                )
                row += torch.cat([product.flatten() for product in products])
        return found

    def _drop(
        self, regularization: Mapping[str, Tensor], seed: Tensor, passes: Tensor, sequences: int
    ) -> Drop | None:
        switches, layers = self.config.regularization, self.model.dropout_layers(self.config.model)
        dropout, depth = regularization["dropout"], regularization["stochastic_depth"]
        found: list[Drop] = []
        if switches.dropout:
            found.append(Dropout(dropout, seed, passes, layers))
        if switches.stochastic_depth:
            found.append(StochasticDepth(depth, seed, passes, layers, sequences))
        if len(found) < 2:
            return found[0] if found else None
        first, second = found
        return lambda x, layer: second(first(x, layer), layer)

    def _extras(self, regularization: Mapping[str, Tensor]) -> Extras | None:
        switches = self.config.regularization
        if not (switches.label_smoothing or switches.z_loss):
            return None
        return Extras(
            label_smoothing=regularization["label_smoothing"], z_loss=regularization["z_loss"]
        )


def _losses(config: RunConfig, arithmetic: Arithmetic, dtype: torch.dtype) -> Losses:
    """The function (weights, windows, drop, extras) -> the loss to train on, the one to report.

    Both are [K] and in `dtype`. It holds no tensors, and so no bank's memory.
    """
    model, objective = MODELS[config.model.family], OBJECTIVES[config.objective.kind]

    def losses(
        weights: Mapping[str, Tensor], windows: Tensor, drop: Drop | None, extras: Extras | None
    ) -> tuple[Tensor, Tensor]:
        inputs = objective.inputs(windows)
        with arithmetic.forward():
            logits, penalty = model.training_forward(weights, inputs, config.model, drop)
        loss, plain = objective.losses(logits.to(dtype), windows, extras)
        return loss if penalty is None else loss + penalty, plain

    return losses
