"""A bank: K runs of one shape, trained side by side as the slots of one program.

Each run is one row in flat tensors [K, N] of parameters, gradients and optimizer state; a model
sees views [K, ...] of them. One run is a bank with K = 1, whose views have no slot dimension (see
`selector.train.model.layers`). Whatever differs between slots is a device tensor of shape [K].

Isolation: nothing is ever reduced across slots. An inactive slot holds zeros and starts its
backward pass from a zero, so all its numbers stay finite and its coefficients, chosen with
torch.where, leave it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from weakref import WeakMethod

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selector.config.identity import fuse_key
from selector.config.schema import RunConfig
from selector.space.derived import effective
from selector.train.backward import Backward
from selector.train.gradients import LayerGroups
from selector.train.layout import Layout
from selector.train.model import MODELS
from selector.train.objective import OBJECTIVES
from selector.train.optimizer import OPTIMIZERS
from selector.train.optimizer.groups import groups, parameters
from selector.train.regularization.averaging import Averaging
from selector.train.regularization.clipping import clip_by_norm, clip_by_value
from selector.train.regularization.sharpness import Sharpness
from selector.train.schedule import factors

#: What the step reads of a run's regularization, [K] each.
_REGULARIZATION = (
    *("dropout", "stochastic_depth", "grad_clip", "grad_clip_value"),
    *("label_smoothing", "z_loss", "l1", "sam"),
)


@dataclass(frozen=True, kw_only=True)
class State:
    """All that training has made of one run so far; it fits into any slot of any bank.

    Which windows and dropout masks come next follows from the seed and the step.
    """

    seed: int
    step: int
    """Steps made."""
    tensors: Mapping[str, Tensor]
    """On the CPU: `weights/NAME` and `STATE/NAME` for each parameter and each of the optimizer's
    buffers; `factors`, the schedule's factor of each step made, [step]. Where the weights are
    averaged, `weight_average/NAME` and how far it moved in each step too."""


class Bank:
    """Parameters, optimizer state and settings of K slots, and the step that trains them.

    Args:
        config: of any of the runs; all that enter must have its fuse key.
        width: K.
        device: where everything lives.
        dtype: arithmetic of the training.
    """

    def __init__(
        self,
        config: RunConfig,
        width: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config, self.width, self.device = config, width, device
        self.fuse_key = fuse_key(config)
        self.model = MODELS[config.model.family]
        self.objective = OBJECTIVES[config.objective.kind]
        self.layout = Layout(parameters(config))
        self.parameters = torch.zeros(width, self.layout.size, device=device, dtype=dtype)
        self.gradients = torch.zeros_like(self.parameters)
        self.optimizer = OPTIMIZERS[config.optimizer.name](
            self.layout, self.parameters, self.gradients, groups(config)
        )
        # Without a cycle of references: a bank's memory is free as soon as its runs have ended.
        self.optimizer.recompute = weak(self._recompute)
        self.optimizer.products = weak(self._products)
        self.active = torch.zeros(width, device=device, dtype=torch.bool)
        self.count = torch.zeros(width, device=device, dtype=torch.int64)
        """Steps that each slot's run has made."""
        self.seed = torch.zeros(width, device=device, dtype=torch.int64)
        precision = torch.promote_types(dtype, torch.float32)
        self.factors = torch.zeros(width, 1, device=device, dtype=precision)
        """The schedule's factor for each step of each slot's run, [K, longest run]."""
        self.regularization = {
            name: torch.zeros(width, device=device, dtype=precision) for name in _REGULARIZATION
        }
        switches = config.regularization
        self.average = Averaging(self.layout, self.parameters) if switches.averages else None
        self._sharpness = Sharpness(self.parameters, self.gradients) if switches.sam else None
        self._backward = Backward(config, self.layout, self.parameters, self.gradients)
        self.arithmetic = self._backward.arithmetic
        self._scale = self._backward.scale
        self._groups = LayerGroups(self.layout)
        self._group_norms = torch.empty(width, 0)
        self._windows = torch.empty(0)
        self._chosen: dict[int, dict[str, Tensor]] = {}
        self._losses: list[Tensor] = []
        self._norms: list[Tensor] = []

    def enter(self, slot: int, config: RunConfig, seed: int, steps: int) -> None:
        """Put a run at its start into `slot`: initial weights, settings, `steps` steps to make.

        Raises:
            ValueError: the configuration has another fuse key than the bank.
        """
        if fuse_key(config) != self.fuse_key:
            raise ValueError(f"slot {slot}: {fuse_key(config)} does not fit in {self.fuse_key}")
        self.parameters[slot] = self._initial_row(config, seed)
        self.optimizer.expect(slot, seed, steps)
        self.optimizer.enter(slot, effective(config), groups(config))
        for name, tensor in self.regularization.items():
            tensor[slot] = getattr(config.regularization, name)
        if steps > self.factors.shape[1]:
            missing = steps - self.factors.shape[1]
            self.factors = torch.nn.functional.pad(self.factors, (0, missing))
        self.factors[slot, :steps] = torch.tensor(
            factors(config.schedule, steps), dtype=torch.float64
        )
        if self._scale:
            self._scale.enter(slot)
        if self.average:
            self.average.enter(slot, config.regularization, steps)
        self.seed[slot] = seed
        self.count[slot] = 0
        self.active[slot] = True

    def state(self, slot: int) -> State:
        """The state of the run in `slot`, copied to the CPU; the host waits for the device."""
        step = int(self.count[slot])
        own = self.optimizer.tensors(slot)
        tensors = {**self._weights(slot), **own, "factors": self.factors[slot, :step]}
        if self.average:
            tensors |= self.average.tensors(slot, step)
        if self._scale:
            tensors |= self._scale.tensors(slot)
        return State(
            seed=int(self.seed[slot]),
            step=step,
            tensors={name: tensor.to("cpu", copy=True) for name, tensor in tensors.items()},
        )

    def restore(self, slot: int, state: State) -> None:
        """Let the run that has entered `slot` go on where `state` was taken.

        Raises:
            ValueError: that was a run with another seed, other learning rates up to there, or
                other parameters or optimizer state.
        """
        ours, theirs = self.factors[slot, : state.step].cpu(), state.tensors["factors"]
        if int(self.seed[slot]) != state.seed:
            raise ValueError(f"seed: expected {int(self.seed[slot])}, got {state.seed}")
        if not torch.equal(ours, theirs):
            raise ValueError(f"schedule: its first {state.step} steps have other learning rates")
        targets = self._weights(slot)
        weights = {name: state.tensors[name] for name in targets if name in state.tensors}
        given = {name: tuple(item.shape) for name, item in weights.items()}
        expected = {name: tuple(item.shape) for name, item in targets.items()}
        if given != expected:
            raise ValueError(f"state: expected tensors {expected}, got {given}")
        own = {n: t for n, t in state.tensors.items() if n not in targets and n != "factors"}
        averages = {name: own.pop(name) for name in list(own) if name.startswith("weight_average")}
        if self.average:
            self.average.restore(slot, averages)
        scales = {name: own.pop(name) for name in list(own) if name.startswith("loss_scale")}
        if self._scale:
            self._scale.restore(slot, scales)
        self.optimizer.restore(slot, own)
        for name, target in targets.items():
            target.copy_(weights[name])
        self.count[slot] = state.step

    def scale_rates(self, slot: int, share: float, step: int) -> None:
        """Multiply the learning rates of all steps after `step` of the run in `slot` by `share`."""
        self.factors[slot, step:].mul_(share)

    def leave(self, slot: int) -> None:
        """Clear `slot`."""
        self.active[slot] = False
        self._chosen.pop(slot, None)
        self.optimizer.leave(slot)
        if self._scale:
            self._scale.leave(slot)
        if self.average:
            self.average.leave(slot)
        settings = self.regularization.values()
        for tensor in (self.parameters, self.count, self.seed, self.factors, *settings):
            tensor[slot].zero_()

    def step(self, windows: Tensor, *, measured: bool = False) -> None:
        """One optimizer step of every active slot.

        Args:
            windows: int64 [accumulation, K, sequences, context + 1]; of inactive slots anything.
            measured: whether the gradient's norms by groups of layers are kept.
        """
        self._windows = windows
        loss = self.compute_gradients(windows)
        if measured:
            self._group_norms = self._groups.norms(self.gradients)
        norm = self._clip()
        factor = self.factors.gather(1, self.count.unsqueeze(1)).squeeze(1)
        self.count += self.active
        if self._scale:
            stepping, norm = self._scale.judge(self.gradients, norm, self.active)
            self.optimizer.step(factor, self.count - self._scale.skipped, stepping)
        else:
            self.optimizer.step(factor, self.count, self.active)
        if self.average:
            self.average.update(self.count, self.active)
        self._losses.append(loss)
        self._norms.append(norm)

    def compute_gradients(self, windows: Tensor) -> Tensor:
        """Fill `gradients` with those of the mean training loss; the loss to report, [K].

        With SAM they are those of the place a step uphill, and the loss is that of the weights.
        """
        return self._gradients(windows, self.count)

    def _gradients(self, windows: Tensor, made: Tensor) -> Tensor:
        arguments = (windows, self.active, self.seed, made, self.regularization)
        loss = self._backward(*arguments)
        if self._sharpness:
            self._sharpness.climb(self.regularization["sam"])
            self._backward(*arguments)
            self._sharpness.descend()
        return loss

    def drain(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Losses and gradient norms of the steps since the last call, [steps, K] each.

        The only place where the host waits for the device in training.
        """
        if not self._losses:
            return np.empty((0, self.width)), np.empty((0, self.width))
        both = torch.stack([torch.stack(self._losses), torch.stack(self._norms)])
        self._losses, self._norms = [], []
        losses, norms = both.cpu().double().numpy()
        return losses, norms

    def group_norms(self, slot: int) -> list[float]:
        """The norms of `selector.train.gradients` at the last measured step; waits for it."""
        found: list[float] = self._group_norms[slot].tolist()
        return found

    def choose(self, slot: int, weights: Mapping[str, Tensor]) -> None:
        """Let other weights of the run in `slot`, by name, be judged and kept; its last ones."""
        self._chosen[slot] = {name: row.to(self.device) for name, row in weights.items()}

    def weights(self, slot: int) -> dict[str, Tensor]:
        """What is judged and kept of one run, by name, as views without a slot dimension.

        Its parameters, or their average, or those that its optimizer names, or chosen ones.
        """
        if slot in self._chosen:
            return self._chosen[slot]
        judged = self.average.row(slot) if self.average else self.optimizer.judged(slot)
        return self.layout.views(self.parameters[slot] if judged is None else judged)

    def _weights(self, slot: int) -> dict[str, Tensor]:
        """The parameters that training changes, by the names of a State's tensors."""
        weights = self.layout.views(self.parameters[slot])
        return {f"weights/{name}": view for name, view in weights.items()}

    def _recompute(self) -> Tensor:
        """Loss and clipped gradients of the step being made, at the parameters as they are now."""
        made = self.count - self.active.to(self.count.dtype)
        loss = self._gradients(self._windows, made)
        norm = self._clip()
        if self._scale:
            self._scale.clear(self.gradients, norm)
        return loss

    def _products(self, probes: Tensor) -> Tensor:
        """The Hessian of the loss of the step being made, K = 1, times probes [n, N]."""
        made = self.count - self.active.to(self.count.dtype)
        return self._backward.products(self._windows, self.seed, made, self.regularization, probes)

    def _clip(self) -> Tensor:
        """Clip the gradients as each run wants it; their norms before, [K]."""
        norm = clip_by_norm(self.gradients, self.regularization["grad_clip"])
        if self.config.regularization.grad_clip_value:
            clip_by_value(self.gradients, self.regularization["grad_clip_value"])
        return norm

    def _initial_row(self, config: RunConfig, seed: int) -> Tensor:
        """Initial parameters, drawn on the CPU in the model's own order: equal on all devices."""
        generator = torch.Generator().manual_seed(seed)
        row = torch.empty(self.layout.size)
        views = self.layout.views(row)
        for parameter in parameters(config):
            if parameter.std:
                views[parameter.name].normal_(parameter.mean, parameter.std, generator=generator)
            else:
                views[parameter.name].fill_(parameter.mean)
        return row.to(self.parameters)


def weak(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A bound method whose owner is not kept alive by it."""
    reference = WeakMethod(method)

    def call(*arguments: Tensor) -> Tensor:
        found = reference()
        assert found is not None, "the owner is gone"
        return found(*arguments)

    return call
