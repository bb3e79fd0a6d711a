"""What a library's optimizer has come to, as named tensors and one text: nothing is pickled.

Its state is dictionaries and lists with tensors and numbers somewhere inside. The tensors are
taken out under numbers, and what is left of the structure is JSON, kept as a tensor of its bytes.
The layout of a tensor in memory is part of it: another one may round otherwise in the next step.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_STRUCTURE, _TENSOR = "library/structure", "library/tensor"
_SCALARS = bool | int | float | str | None


def kept(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """`content` as tensors by name; the tensors inside are not copied.

    Raises:
        ValueError: something in it is neither a tensor nor plain data.
    """
    found: dict[str, Tensor] = {}
    numbers: dict[int, int] = {}  # a tensor that is there twice stays one

    def plain(value: Any, where: str) -> Any:
        if isinstance(value, Tensor):
            number = numbers.setdefault(id(value), len(numbers))
            found[f"{_TENSOR}/{number}"] = value.detach().contiguous()
            return {"tensor": number, "stride": value.stride()}
        if isinstance(value, _SCALARS):
            return value
        if isinstance(value, Mapping):
            items = [[key, plain(item, f"{where}.{key}")] for key, item in value.items()]
            return {"mapping": items}
        if isinstance(value, list | tuple | deque):
            items = [plain(item, where) for item in value]
            longest = {"longest": value.maxlen} if isinstance(value, deque) else {}
            return {type(value).__name__: items, **longest}
        raise ValueError(f"{where} holds a {type(value).__name__}, which cannot be kept")

    text = json.dumps(plain(dict(content), "state"))
    found[_STRUCTURE] = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
    return found


def content_of(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Any]:
    """What was given to `kept`, with new tensors on `device`.

    Raises:
        ValueError: it is not all there.
    """
    made: dict[int, Tensor] = {}

    def whole(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "tensor" in value:
            number = value["tensor"]
            if number not in made:
                given = tensors[f"{_TENSOR}/{number}"]
                made[number] = torch.empty_strided(
                    given.shape, value["stride"], dtype=given.dtype, device=device
                ).copy_(given)
            return made[number]
        if "mapping" in value:
            return {key: whole(item) for key, item in value["mapping"]}
        if "deque" in value:
            return deque((whole(item) for item in value["deque"]), maxlen=value["longest"])
        if "tuple" in value:
            return tuple(whole(item) for item in value["tuple"])
        return [whole(item) for item in value["list"]]

    try:
        text = bytes(tensors[_STRUCTURE].tolist()).decode()
        found: dict[str, Any] = whole(json.loads(text))
    except (KeyError, ValueError) as error:
        raise ValueError(f"state: expected that of a library's optimizer: {error}") from error
    return found
