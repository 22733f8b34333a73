"""What is trained and how: one recipe a pocket model.

Neither was chosen by the held-out text. An earlier trial of the GPT's printed its held-out bits, once, and
nothing was changed after it; the BERT's block was changed for its training loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from labutils.pocket.muon import Muon
from labutils.pocket.text import N_VOCAB, SPECIAL

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["RECIPES", "Recipe", "build", "mask_tokens", "optimisers", "rate"]

PAD, END, CLS, SEP, MASK = range(len(SPECIAL))


@dataclass(frozen=True)
class Recipe:
    """All that decides the weights, with the text; times in steps, rates as the optimisers take them."""

    kind: Literal["gpt", "bert"]
    n_steps: int
    n_context: int = 256
    batch_size: int = 16
    n_vocab: int = N_VOCAB
    n_layer: int = 4
    n_head: int = 4
    d_model: int = 192
    d_hidden: int = 512
    dropout: float = 0.1
    muon_rate: float = 0.02  # for the matrices within the blocks
    adam_rate: float = 0.003  # for embeddings, norms and biases
    weight_decay: float = 0.1  # on the matrices
    n_warmup: int = 100
    masked: float = 0.15  # share of tokens that a BERT is asked for
    seed: int = 0


RECIPES = {
    "pocket-gpt": Recipe("gpt", n_steps=2600),
    # A small model learns more from more targets: 0.3, twice BERT's share (Wettig et al. 2023).
    "pocket-bert": Recipe("bert", n_steps=1800, n_context=128, batch_size=32, masked=0.3),
}


def build(recipe: Recipe) -> PreTrainedModel:
    """The untrained model, one of transformers' classes: a Llama, or a BERT as Warner et al. (2024) build it.

    Both have rotary positions and normalise before each layer. The original BERT, with learned positions and
    norms behind, learns too slowly for this budget: it stood at 5.39 nats after 480 steps, where this one
    stood at 4.76 after 180.

    Llama has no dropout on what its layers add; in training it gets one, which is no part of the weights.
    """
    from transformers import LlamaConfig, LlamaForCausalLM, ModernBertConfig, ModernBertForMaskedLM

    torch.manual_seed(recipe.seed)
    if recipe.kind == "bert":
        return ModernBertForMaskedLM(
            ModernBertConfig(
                vocab_size=recipe.n_vocab,
                hidden_size=recipe.d_model,
                num_hidden_layers=recipe.n_layer,
                num_attention_heads=recipe.n_head,
                intermediate_size=recipe.d_hidden,
                max_position_embeddings=recipe.n_context,
                embedding_dropout=recipe.dropout,
                mlp_dropout=recipe.dropout,
                attention_dropout=0.0,
                layer_types=["full_attention"] * recipe.n_layer,  # every block looks at all of the window
                pad_token_id=PAD,
                bos_token_id=CLS,
                eos_token_id=SEP,
                cls_token_id=CLS,
                sep_token_id=SEP,
            )
        )
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=recipe.n_vocab,
            hidden_size=recipe.d_model,
            num_hidden_layers=recipe.n_layer,
            num_attention_heads=recipe.n_head,
            num_key_value_heads=recipe.n_head,
            intermediate_size=recipe.d_hidden,
            max_position_embeddings=recipe.n_context,
            attention_dropout=recipe.dropout,
            tie_word_embeddings=True,
            bos_token_id=END,
            eos_token_id=END,
            pad_token_id=PAD,
        )
    )

    def drop(layer: nn.Module, _: object, added: Tensor) -> Tensor:
        return nn.functional.dropout(added, recipe.dropout, layer.training)

    for name, layer in model.named_modules():
        if name.endswith(("embed_tokens", "o_proj", "down_proj")):
            layer.register_forward_hook(drop)
    return model


def optimisers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices of the blocks, AdamW for the rest."""
    inner = {id(p): p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name}
    outer = [p for p in model.parameters() if id(p) not in inner]
    return [
        Muon(list(inner.values()), lr=recipe.muon_rate, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(outer, lr=recipe.adam_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate(step: int, recipe: Recipe) -> float:
    """The factor on the learning rates at a step: up over `n_warmup` steps, then down to 0 in a line."""
    up = (step + 1) / recipe.n_warmup
    down = (recipe.n_steps - step) / max(1, recipe.n_steps - recipe.n_warmup)
    return min(1.0, up, down)


def mask_tokens(ids: Tensor, recipe: Recipe, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """BERT's masking (Devlin et al. 2019, §3.1): what the model sees, and the targets, −100 where none.

    Of the chosen share, 8 in 10 become [MASK], 1 in 10 a random token, 1 in 10 stays; special tokens are
    never chosen. All shapes (batch, time).
    """
    share = torch.rand(ids.shape, generator=generator)
    kind = torch.rand(ids.shape, generator=generator)
    random = torch.randint(len(SPECIAL), recipe.n_vocab, ids.shape, generator=generator)
    chosen = (share < recipe.masked) & (ids >= len(SPECIAL))
    seen = torch.where(chosen & (kind < 0.8), MASK, ids)
    seen = torch.where(chosen & (kind >= 0.9), random, seen)
    return seen, torch.where(chosen, ids, -100)
