"""Light-weight fine-tuning of any BERT or Llama of transformers: freeze it, add a few weights, train them.

Each function changes the model that it is given and returns it: first everything is frozen, then what the
method adds (or, for BitFit, chooses) is left to train. `trained_state` is all that a task has to store.
notebooks/adaptation/fine_tuning.ipynb builds the same parts. LoRA follows Hu et al. (2022), adapters
Houlsby et al. (2019), prefixes Li & Liang (2021), prompts Lester et al. (2021), BitFit Ben Zaken et al.
(2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "Adapted",
    "LoRALinear",
    "Prompted",
    "add_adapters",
    "add_lora",
    "add_prefix",
    "bitfit",
    "count_parameters",
    "freeze",
    "merge_lora",
    "prepend",
    "trained_state",
]

M = TypeVar("M", bound=nn.Module)
QUERY_VALUE = ("query", "value", "q_proj", "v_proj")  # of BERT and of Llama
OUTPUTS = ("output.dense", "o_proj", "down_proj")  # where a block writes: attention and feed-forward layer
PREFIX = "labutils_prefix"


def freeze(model: M) -> M:
    """Leave nothing to train."""
    return model.requires_grad_(False)


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """How many parameters are left to train, and how many there are; a shared one counts once."""
    sizes = [(p.requires_grad, p.numel()) for p in model.parameters()]
    return sum(n for trained, n in sizes if trained), sum(n for _, n in sizes)


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that are left to train, by name: what a task has to store."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


class LoRALinear(nn.Module):
    """A frozen linear layer plus a product of two thin matrices: x Wᵀ + b + (alpha / rank) x Aᵀ Bᵀ.

    x (…, d_in), A (rank, d_in) random as a linear layer's, B (d_out, rank) zero: at first nothing is changed.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float | None = None) -> None:
        super().__init__()
        if not 1 <= rank <= min(base.in_features, base.out_features):
            raise ValueError(f"rank is {rank}: expected 1 to {min(base.in_features, base.out_features)}")
        like: dict[str, Any] = {"dtype": base.weight.dtype, "device": base.weight.device}
        self.base, self.scale = base, (rank if alpha is None else alpha) / rank
        self.A = nn.Parameter(torch.empty(rank, base.in_features, **like))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank, **like))
        nn.init.kaiming_uniform_(self.A, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """x (…, d_in) to (…, d_out)."""
        out: Tensor = self.base(x) + self.scale * (x @ self.A.T @ self.B.T)
        return out

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The one linear layer that computes the same."""
        self.base.weight += self.scale * self.B @ self.A
        return self.base


class Adapted(nn.Module):
    """A frozen linear layer, then a bottleneck: h + W_up gelu(W_down h + b) + b', W_up zero at first."""

    def __init__(self, base: nn.Linear, width: int) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width is {width}: expected at least 1")
        like: dict[str, Any] = {"dtype": base.weight.dtype, "device": base.weight.device}
        self.base = base
        self.down, self.up = (
            nn.Linear(base.out_features, width, **like),
            nn.Linear(width, base.out_features, **like),
        )
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (…, d_in) to (…, d_out)."""
        h: Tensor = self.base(x)
        out: Tensor = h + self.up(F.gelu(self.down(h)))
        return out


def _linears(model: nn.Module, ends: tuple[str, ...]) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    """The linear layers whose names end so, each with the module that holds it and its name there."""
    found = [
        (name, part)
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) and any(name == end or name.endswith(f".{end}") for end in ends)
    ]
    if not found:
        raise ValueError(f"no linear layer of this model is called {' or '.join(ends)}")
    for name, part in found:
        holder, _, last = name.rpartition(".")
        yield model.get_submodule(holder), last, part


def add_lora(model: M, rank: int, alpha: float | None = None, targets: tuple[str, ...] = QUERY_VALUE) -> M:
    """Freeze the model; give every linear layer whose name ends as a target a product of two thin matrices.

    alpha: the product is scaled by alpha / rank; without it by 1. ValueError where no layer has such a name.
    """
    freeze(model)
    for holder, name, layer in _linears(model, targets):
        setattr(holder, name, LoRALinear(layer, rank, alpha))
    return model


def merge_lora(model: M) -> M:
    """Put every product into the matrix beside it: the same outputs, from the layers of before."""
    found = [(name, part) for name, part in model.named_modules() if isinstance(part, LoRALinear)]
    if not found:
        raise ValueError("the model has no LoRA layer to merge")
    for name, part in found:
        holder, _, last = name.rpartition(".")
        setattr(model.get_submodule(holder), last, part.merged())
    return model


def add_adapters(model: M, width: int, targets: tuple[str, ...] = OUTPUTS) -> M:
    """Freeze the model and put a bottleneck behind both layers with which a block writes."""
    freeze(model)
    for holder, name, layer in _linears(model, targets):
        setattr(holder, name, Adapted(layer, width))
    return model


def bitfit(model: M) -> M:
    """Freeze all but the biases. ValueError for a model that has none, as a Llama."""
    freeze(model)
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    if not biases:
        raise ValueError("the model has no biases: BitFit has nothing to train")
    for p in biases:
        p.requires_grad_(True)
    return model


def add_prefix(model: M, n_prefix: int) -> M:
    """Freeze the model and give each attention layer `n_prefix` keys and values that all queries see.

    The model is to compute its attention step by step (`attn_implementation` "eager" or this one's).
    """
    if n_prefix < 1:
        raise ValueError(f"n_prefix is {n_prefix}: expected at least 1")
    _register()
    freeze(model)
    layers = [
        m for m in model.modules() if hasattr(m, "scaling") and (hasattr(m, "key") or hasattr(m, "k_proj"))
    ]
    if not layers:
        raise ValueError("no attention layer of transformers' kind is in this model")
    for layer in layers:
        made: Any = layer
        linear = made.key if hasattr(made, "key") else made.k_proj
        d_head = getattr(made, "attention_head_size", None) or made.head_dim
        shape = linear.weight.shape[0] // d_head, n_prefix, d_head  # (n_kv_head, n_prefix, d_head)
        made.prefix_key = nn.Parameter(0.02 * torch.randn(shape, dtype=linear.weight.dtype))
        made.prefix_value = nn.Parameter(0.02 * torch.randn(shape, dtype=linear.weight.dtype))
        made.config._attn_implementation = PREFIX
    return model


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, Tensor]:
    """Attention with a prefix: query (batch, n_head, time, d_head), mask added, (batch, 1, time, time)."""
    n_batch, (_, n_prefix, _) = query.shape[0], module.prefix_key.shape
    key = torch.cat([module.prefix_key.expand(n_batch, -1, -1, -1), key], dim=2)
    value = torch.cat([module.prefix_value.expand(n_batch, -1, -1, -1), value], dim=2)
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.mT * module.scaling
    if attention_mask is not None:
        scores = scores + F.pad(attention_mask, (n_prefix, 0))  # 0: a prefix is never hidden
    weights = scores.softmax(-1)
    out = F.dropout(weights, kwargs.get("dropout", 0.0), training=module.training) @ value
    return out.transpose(1, 2).contiguous(), weights


def _register() -> None:
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(PREFIX, _attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(PREFIX, ALL_MASK_ATTENTION_FUNCTIONS["eager"])


def prepend(prompt: Tensor, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Put a prompt (n_prompt, d) in front of each sequence of x (batch, time, d), ones before the mask."""
    n_batch, n_prompt = len(x), len(prompt)
    front = torch.ones(n_batch, n_prompt, dtype=mask.dtype, device=mask.device)
    return torch.cat([prompt.expand(n_batch, -1, -1), x], 1), torch.cat([front, mask], 1)


class Prompted(nn.Module):
    """A frozen model whose input begins with trained vectors; what comes out of their places is cut off."""

    def __init__(self, body: nn.Module, n_prompt: int) -> None:
        super().__init__()
        if n_prompt < 1:
            raise ValueError(f"n_prompt is {n_prompt}: expected at least 1")
        self.body = freeze(body)
        words = self._words().weight
        at = torch.randint(len(words), (n_prompt,))
        self.prompt = nn.Parameter(words[at].detach().clone())  # begins as words drawn at random

    def _words(self) -> nn.Embedding:
        body: Any = self.body
        found: nn.Embedding = body.get_input_embeddings()
        return found

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> Tensor:
        """The last hidden states, or the logits of a model that has some, (batch, time, …)."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        x, mask = prepend(self.prompt, self._words()(input_ids), mask)
        out = self.body(inputs_embeds=x, attention_mask=mask, **kwargs)
        result: Tensor = (out.logits if "logits" in out else out.last_hidden_state)[:, len(self.prompt) :]
        return result
