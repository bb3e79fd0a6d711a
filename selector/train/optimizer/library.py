"""Optimizers of kept libraries behind our seam: one run at a time, on views of its row.

What is ours: which parameters get weight decay (matrices, never vectors) and which a matrix rule
may touch (hidden matrices; those stacked in a fused projection are matrices of their own), the
schedule's factor on the rates of all groups in every step, the seed of whatever is drawn, the
weights that are judged, and the state that longer runs go on from. The update is the library's.
"""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar

import torch
from torch import Tensor

from selector.config import extras
from selector.config.algorithms import Capability, capability
from selector.errors import ConfigError
from selector.train.layout import Layout
from selector.train.optimizer.base import Optimizer
from selector.train.optimizer.drawing import drawn_from
from selector.train.optimizer.groups import Group
from selector.train.optimizer.kept import content_of, kept
from selector.train.optimizer.step import Step

_OURS = {"defaults", "state", "param_groups"}  # of an optimizer's attributes: kept otherwise


class Library(Optimizer):
    """One optimizer of a library, for a bank of one slot."""

    banked = False
    settings = ()
    buffers = ()
    package: ClassVar[str] = "pytorch_optimizer"
    """Where it comes from; see `selector.config.extras`."""
    algorithm: str = ""
    """Its name there."""

    def __init__(
        self, layout: Layout, parameters: Tensor, gradients: Tensor, groups: Sequence[Group]
    ) -> None:
        if len(parameters) > 1:
            raise ValueError(
                f"{type(self).__name__} trains unbanked: expected one slot, got {len(parameters)}"
            )
        super().__init__(layout, parameters, gradients, groups)
        self._seed = self._steps = 0
        self._made = 0
        self._tensors: dict[str, Tensor] = {}
        self._rates: list[float] = []
        self._own: Any = None

    @abstractmethod
    def arguments(self, values: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """Every setting of the algorithm by the library's name; the rate and the decay are not.

        All are passed, because one name has different defaults, and mathematics, in different
        libraries and versions.

        Args:
            values: the run's, from its YAML file.
            steps: that the run will make.
        """

    def kind(self) -> Any:
        """The library's class."""
        return importlib.import_module("pytorch_optimizer").load_optimizer(self.algorithm)

    @property
    def capability(self) -> Capability:
        """What the algorithm needs."""
        return capability(self.algorithm)

    def expect(self, slot: int, seed: int, steps: int) -> None:
        """See the base class."""
        self._seed, self._steps = seed, steps

    def enter(self, slot: int, values: Mapping[str, Any], groups: Sequence[Group]) -> None:
        """See the base class.

        Raises:
            ConfigError: the library is not installed, or refuses the values.
        """
        super().enter(slot, values, groups)
        algorithm = values.get("algorithm") or self.algorithm
        extras.refuse_missing(self.package, str(algorithm))
        self._made = 0
        self._tensors = self._views(self.parameters[slot])
        try:
            self._own = self._built(values, groups)
        except Exception as error:
            raise ConfigError(
                f"optimizer: {self.package} refuses {self.algorithm}: {error}"
            ) from error
        self._rates = [group[self.capability.rate] for group in self._own.param_groups]

    def leave(self, slot: int) -> None:
        """See the base class."""
        super().leave(slot)
        self._own, self._tensors = None, {}

    def update(self, step: Step) -> None:
        """See the base class; the host waits for the device, as these libraries do."""
        if self._own is None or not bool(step.active[0]):  # empty, or a step that fp16 leaves out
            return
        share, self._made = float(step.factor[0]), self._made + 1
        for group, rate in zip(self._own.param_groups, self._rates, strict=True):
            group[self.capability.rate] = rate * share
        self._hand_over()
        with drawn_from(self._seed, self._made, self.parameters.device):
            self._switch(train=True)
            self._own.step(**self._extra())
        self._take_back()

    def judged(self, slot: int) -> Tensor | None:
        """See the base class; training goes on at exactly the weights where it was."""
        if self._own is None or not self.capability.switches:
            return None
        row = self.parameters[slot]
        trained = row.clone()
        self._switch(train=False)
        found = row.clone()
        self._switch(train=True)
        row.copy_(trained)
        return found

    def tensors(self, slot: int) -> dict[str, Tensor]:
        """See the base class; a structure in JSON is among them.

        Raises:
            ValueError: the library keeps something that is neither a tensor nor plain data.
        """
        if self._own is None:
            return {}
        names = {id(tensor): name for name, tensor in self._tensors.items()}
        own = {names.get(id(key), key): value for key, value in self._own.state.items()}
        groups = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self._own.param_groups
        ]
        return kept(
            {
                "made": self._made,
                "state": own,
                "groups": [_plain(group) for group in groups],
                "attributes": _attributes(self._own),
            }
        )

    def restore(self, slot: int, tensors: Mapping[str, Tensor]) -> None:
        """See the base class."""
        content = content_of(tensors, self.parameters.device)
        groups, known = content["groups"], self._own.param_groups
        if len(groups) != len(known):
            raise ValueError(f"state: expected {len(known)} groups, got {len(groups)}")
        self._made = content["made"]
        self._own.state.clear()
        for name, value in content["state"].items():
            self._own.state[self._tensors.get(name, name)] = value
        for group, values in zip(known, groups, strict=True):
            group.update(values)
        vars(self._own).update(content["attributes"])

    def _built(self, values: Mapping[str, Any], groups: Sequence[Group]) -> Any:
        """The library's optimizer over our groups."""
        arguments = self.arguments(values, self._steps)
        rate, lr, decay = self.capability.rate, float(values["lr"]), float(values["weight_decay"])
        if self.capability.one_group:
            return self.kind()(list(self._tensors.values()), **{rate: lr}, **arguments)
        made = []
        for group in groups:
            names = {parameter.name for parameter in group.parameters}
            hidden = group.parameters[0].section == "hidden"
            own: dict[str, Any] = {
                "params": [
                    tensor
                    for name, tensor in self._tensors.items()
                    if name.partition("/")[0] in names
                ],
                rate: lr * group.rate,
                "weight_decay": decay * group.decay / group.rate,  # the rate is in it already
            }
            if "adamw_lr" in arguments:  # a matrix rule, with AdamW for the rest
                own["use_muon"] = hidden
                if not hidden:
                    own[rate] = arguments["adamw_lr"] * group.rate
            made.append(own)
        return self.kind()(made, **{rate: lr}, **arguments)

    def _views(self, row: Tensor) -> dict[str, Tensor]:
        """The library's parameters by name: views of `row`, stacked matrices one by one."""
        views, found = self.layout.views(row), {}
        for item in self.layout.parameters:
            parts = views[item.name].detach().chunk(item.stacked)
            for number, part in enumerate(parts):
                name = f"{item.name}/{number}" if item.stacked > 1 else item.name
                found[name] = part.requires_grad_()
        return found

    def _hand_over(self) -> None:
        """Give the library the gradients: copies, as it may keep, change or clear them."""
        gradients = self._views(self.gradients[0])
        for name, tensor in self._tensors.items():
            tensor.grad = gradients[name].detach().clone()

    def _take_back(self) -> None:
        """Bring parameters back into the row that a library has put elsewhere."""
        for name, view in self._views(self.parameters[0]).items():
            tensor = self._tensors[name]
            if tensor.data_ptr() != view.data_ptr():
                view.detach().copy_(tensor.detach())
                tensor.data = view.detach()

    def _switch(self, *, train: bool) -> None:
        if self.capability.switches:
            (self._own.train if train else self._own.eval)()

    def _extra(self) -> dict[str, Any]:
        """What the algorithm's step takes besides gradients."""
        if self.capability.closure:
            return {"closure": self._again}
        if self.capability.curvature and (self._made - 1) % self._own.update_period == 0:
            return {"hessian": self._hessian()}
        return {}

    def _hessian(self) -> list[Tensor]:
        """Hutchinson's estimate of the Hessian's diagonal, in the order of the groups.

        As pytorch_optimizer draws and averages it, from gradients that keep their graph.
        """
        assert self.products is not None
        own, shape = self._own, (self._own.num_samples, self.layout.size)
        probes = torch.empty(shape, dtype=self.parameters.dtype, device=self.parameters.device)
        order = [id(tensor) for group in own.param_groups for tensor in group["params"]]
        names = {id(tensor): name for name, tensor in self._tensors.items()}
        for row in probes:
            views = self._views(row)
            for place in order:
                view = views[names[place]].detach()
                if own.distribution == "rademacher":
                    view.copy_(torch.randint_like(view, 0, 2) * 2 - 1)
                else:
                    view.copy_(torch.randn_like(view))
        with torch.enable_grad():
            estimate = (self.products(probes) * probes).mean(0)
        views = self._views(estimate.detach())
        return [views[names[place]].detach() for place in order]

    def _again(self) -> float:
        """The loss, with its gradients, at the parameters as the library has set them."""
        assert self.recompute is not None
        self._take_back()
        with torch.enable_grad():
            loss = float(self.recompute()[0])
        self._hand_over()
        return loss


def _plain(group: Mapping[str, Any]) -> dict[str, Any]:
    """What of a group can change: constants such as a dtype or an enumeration cannot."""
    kinds = torch.dtype | Enum | type
    return {key: value for key, value in group.items() if not isinstance(value, kinds)}


def _attributes(own: Any) -> dict[str, Any]:
    """What an optimizer counts in attributes of its own.

    Raises:
        ValueError: one is an object of the library's.
    """
    found = {}
    for name, value in vars(own).items():
        if name in _OURS or name.startswith("_") or isinstance(value, Enum):
            continue
        if isinstance(value, bool | int | float | str | list | None):
            found[name] = value
        elif type(value).__module__.split(".")[0] in ("pytorch_optimizer", "schedulefree"):
            raise ValueError(f"{name} holds a {type(value).__name__}, which cannot be kept")
    return found
