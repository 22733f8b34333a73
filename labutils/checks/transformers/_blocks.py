"""What the check "attention.streaming" hands out, and how it sees whether an answer keeps it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from labutils.checks.answers import Wrong


class Longest(TorchDispatchMode):
    """Notes the longest axis of all that is computed."""

    longest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.dim():
            self.longest = max(self.longest, *result.shape)
        return result


class Blocks:
    """Blocks that can be read once, and that know how many of their tensors are still held."""

    def __init__(self, k: Tensor, v: Tensor, sizes: list[int]) -> None:
        self.pairs = list(zip(k.split(sizes), v.split(sizes), strict=True))
        self.begun, self.ended = 0, False
        self.most = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.begun += 1
        if self.begun > 1:
            raise Wrong("it reads the blocks twice: they arrive once, so do all that is needed in one pass.")
        return self._hand_out()

    def _hand_out(self) -> Iterator[tuple[Tensor, Tensor]]:
        given: list[weakref.ref[Tensor]] = []
        for K, V in self.pairs:
            K, V = K.clone(), V.clone()
            given += [weakref.ref(K), weakref.ref(V)]
            yield K, V
            del K, V
            # The reader's loop may still hold the pair before this one.
            self.most = max(self.most, sum(ref() is not None for ref in given) // 2)
        self.ended = True
