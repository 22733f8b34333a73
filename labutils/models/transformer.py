"""Transformers: a block, a stack of blocks, and the three models that are made of stacks.

GPT is a decoder (Radford et al. 2019), Encoder a BERT (Devlin et al. 2019), EncoderDecoder a T5 (Raffel et
al. 2020) or, configured so, the model of Vaswani et al. (2017). Dropout stands where GPT-2 has it.
Page: notebooks/transformers/transformer.ipynb.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor, nn

from labutils.models.attention import MultiHeadAttention, causal_mask, combine
from labutils.models.cache import Cache
from labutils.models.config import ModelConfig
from labutils.models.ids import check_ids
from labutils.models.positions import alibi, relative_buckets, rotary, sinusoidal_positions

__all__ = ["GPT", "Block", "Cache", "Encoder", "EncoderDecoder", "ModelConfig", "Scope", "Stack"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "gelu": nn.GELU,
    "relu": nn.ReLU,
}


def _norm(config: ModelConfig) -> nn.Module:
    if not config.normalise:
        return nn.Identity()
    if config.norm_type == "rms":
        return nn.RMSNorm(config.d_model, eps=config.eps)
    return nn.LayerNorm(config.d_model, eps=config.eps, bias=config.bias)


@dataclass(frozen=True)
class Scope:
    """What the tokens of a stack may see, and from where: the same for each of its blocks."""

    mask: Tensor | None = None  # as in MultiHeadAttention
    causal: bool = False
    turn: tuple[Tensor, Tensor] | None = None  # cosine and sine of rotary positions
    cache: Cache | None = None
    memory: Tensor | None = None  # (batch, n_source, d_model), what cross-attention attends to …
    memory_mask: Tensor | None = None  # … under this mask


class Block(nn.Module):
    """Self-attention, with `cross` also attention to an encoder's output, and a feed-forward layer.

    Each of these sublayers is normalised, added to its input (the residual connection), and may be left out.
    """

    def __init__(self, config: ModelConfig, *, cross: bool = False) -> None:
        super().__init__()
        c = self.config = config
        self.attention_norm, self.attention = _norm(c), _attention(c)
        if cross:
            self.cross_norm, self.cross = _norm(c), _attention(c)
        if c.feed_forward:
            self.feed_forward_norm = _norm(c)
            self.feed_forward = nn.Sequential(
                nn.Linear(c.d_model, c.width_ff, bias=c.bias),
                ACTIVATIONS[c.activation](),
                nn.Linear(c.width_ff, c.d_model, bias=c.bias),
            )

    def forward(self, x: Tensor, scope: Scope = Scope()) -> Tensor:
        """Take `x` (batch, time, d_model) to the same shape."""
        s = scope
        x = self._add(
            x, self.attention_norm, lambda x: self.attention(x, None, s.mask, s.causal, s.turn, s.cache)
        )
        if s.memory is not None:
            x = self._add(x, self.cross_norm, lambda x: self.cross(x, s.memory, s.memory_mask))
        if self.config.feed_forward:
            x = self._add(x, self.feed_forward_norm, self.feed_forward)
        return x

    def _add(self, x: Tensor, norm: nn.Module, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        pre = self.config.norm == "pre"
        change = F.dropout(sublayer(norm(x) if pre else x), self.config.dropout, self.training)
        x = x + change if self.config.residual else change
        return x if pre else norm(x)


def _attention(c: ModelConfig) -> MultiHeadAttention:
    scale = 1.0 if c.t5_scaling else None
    return MultiHeadAttention(c.d_model, c.n_head, c.bias, c.fused, dropout=c.dropout, scale=scale)


class Stack(nn.Module):
    """`n_layer` blocks, with what comes before them (positions, segments) and after them (a last norm)."""

    def __init__(self, config: ModelConfig, *, causal: bool, cross: bool = False) -> None:
        super().__init__()
        c = self.config = config
        self.causal = causal
        if c.positions == "learned":
            self.positions = nn.Embedding(c.n_context, c.d_model)
        if c.positions == "relative":
            self.distances = nn.Embedding(c.n_buckets, c.n_head)
        if c.n_segments:
            self.segments = nn.Embedding(c.n_segments, c.d_model)
        if c.embedding_norm:
            self.embedding_norm = _norm(c)
        self.blocks = nn.ModuleList(Block(c, cross=cross) for _ in range(c.n_layer))
        self.last_norm = _norm(c) if c.norm == "pre" else nn.Identity()  # post-norm blocks end with one

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        segments: Tensor | None = None,
        *,
        cache: Cache | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Take token vectors `x` (batch, time, d_model) to the same shape.

        mask: as in MultiHeadAttention.  segments: (batch, time), which sentence a token belongs to; None: all
        to the first.  cache: what came before x.  memory: (batch, n_source, d_model), an encoder's output.
        """
        c, start = self.config, 0 if cache is None else cache.n_tokens
        x = self._place(x, start)
        if c.n_segments:
            x = x + (self.segments.weight[0] if segments is None else self.segments(segments))
        if c.embedding_norm:
            x = self.embedding_norm(x)
        x = F.dropout(x, c.dropout, self.training)
        scope = replace(self._scope(x, start, mask), cache=cache, memory=memory, memory_mask=memory_mask)
        for block in self.blocks:
            x = block(x, scope)
        result: Tensor = self.last_norm(x)
        return result

    def _place(self, x: Tensor, start: int) -> Tensor:
        """Add to `x` what says where its tokens stand, the first of them at `start`."""
        c, end = self.config, start + x.shape[1]
        if c.positions == "learned":
            if end > c.n_context:
                raise ValueError(
                    f"the text has {end} tokens: learned positions end at n_context = {c.n_context}"
                )
            return x + self.positions.weight[start:end]
        if c.positions == "sinusoidal":
            # Vaswani et al., §3.4: the embeddings are multiplied by √d_model, else sines would drown them.
            return x * math.sqrt(c.d_model) + sinusoidal_positions(end, c.d_model)[start:].to(x)
        return x

    def _scope(self, x: Tensor, start: int, mask: Tensor | None) -> Scope:
        """What the blocks are told of who sees whom and how far apart they are."""
        c, n, end, turn, bias = self.config, x.shape[1], start + x.shape[1], None, None
        if c.positions == "rotary":
            cos, sin = (part[start:].to(x) for part in rotary(end, c.d_model // c.n_head))
            turn = cos, sin
        elif c.positions == "alibi":
            bias = alibi(c.n_head, n, end).to(x)
        elif c.positions == "relative":
            sizes = {"n_buckets": c.n_buckets, "max_distance": c.max_distance}
            buckets = relative_buckets(n, end, bidirectional=not self.causal, **sizes).to(x.device)
            bias = self.distances(buckets).permute(2, 0, 1)  # (n_head, n, end), the same in all blocks
        if mask is not None and mask.dim() == 3:
            mask = mask[:, None]  # the same for every head
        if bias is not None:
            mask = combine(mask, bias[None])
        if self.causal and mask is not None:
            return Scope(combine(mask, causal_mask(n, end, x.device)), turn=turn)
        return Scope(mask, self.causal, turn)


# --- models -------------------------------------------------------------------------------------------------


class _Model(nn.Module):
    """What the three models share: embeddings, the output layer, initial weights."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.n_vocab, config.d_model)

    def _finish(self, head_bias: bool = False) -> None:
        """Add the output layer; draw all weights anew, from N(0, 0.02²) as GPT-2 and BERT do."""
        c = self.config
        self.head = nn.Linear(c.d_model, c.n_vocab, bias=head_bias)
        _initialise(self, c)
        if c.tied:
            self.head.weight = self.embedding.weight

    def embed(self, ids: Tensor) -> Tensor:
        """Token vectors (batch, time, d_model) of `ids` (batch, time), whole numbers of any type."""
        vectors: Tensor = self.embedding(check_ids(ids, self.config.n_vocab))
        return vectors

    def logits(self, x: Tensor) -> Tensor:
        """Logits (batch, time, n_vocab) of what the last block made, (batch, time, d_model)."""
        if self.config.t5_scaling and self.config.tied:
            x = x * self.config.d_model**-0.5
        logits: Tensor = self.head(x)
        return logits


def _initialise(model: nn.Module, c: ModelConfig) -> None:
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2:
            # GPT-2: what a block adds is smaller, so that the sum over all blocks does not grow with them.
            adds = name.endswith(("out_proj.weight", "feed_forward.2.weight")) and c.norm == "pre"
            nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * c.n_layer) if adds else 0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)


def _batched(mask: Tensor | None) -> Tensor | None:
    """Refuse a mask of two axes: (batch, time) and (query, key) cannot be told apart where they are equal."""
    if mask is not None and mask.dim() < 3:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}: expected (batch, 1, n_k) or (batch, n_q, n_k); for padding "
            "mask[:, None] or padding_mask(lengths), for one mask of all sequences mask[None]"
        )
    return mask


class GPT(_Model):
    """A decoder alone: each position predicts the token after it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.decoder = Stack(config, causal=config.causal)
        self._finish()

    def forward(self, ids: Tensor, mask: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """Take `ids` (batch, time) to logits (batch, time, n_vocab); at t those of the token at t + 1.

        mask: beside the causal mask, (batch, 1, n_k) or (batch, time, n_k), e.g. a `padding_mask`.
        cache: keys and values of the tokens before `ids`, which are not to be given again.
        """
        return self.logits(self.decoder(self.embed(ids), _batched(mask), cache=cache))


class Encoder(_Model):
    """An encoder alone: every position sees every other, and masked tokens are predicted (BERT).

    With `head`, BERT's transformation and the output layer with its bias stand at the end, and the result is
    logits; without, it is the vectors of the last block.
    """

    def __init__(self, config: ModelConfig, *, head: bool = True) -> None:
        super().__init__(config)
        self.encoder = Stack(config, causal=False)
        if head:
            self.transform = nn.Sequential(
                nn.Linear(config.d_model, config.d_model), ACTIVATIONS[config.activation](), _norm(config)
            )
            self._finish(head_bias=True)
        else:
            _initialise(self, config)

    def forward(self, ids: Tensor, mask: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """Take `ids` (batch, time) to logits (batch, time, n_vocab), or without head to (…, d_model).

        mask: (batch, 1, time) or (batch, time, time), True where a key may be seen, e.g. a `padding_mask`.
        segments: (batch, time), 0 or 1.
        """
        x: Tensor = self.encoder(self.embed(ids), _batched(mask), segments)
        return self.logits(self.transform(x)) if hasattr(self, "head") else x


class EncoderDecoder(_Model):
    """An encoder reads the source; a decoder attends to it and predicts the target token by token."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.encoder = Stack(config, causal=False)
        self.decoder = Stack(config, causal=config.causal, cross=True)
        self._finish()

    def forward(self, source: Tensor, target: Tensor, source_mask: Tensor | None = None) -> Tensor:
        """Take ids (batch, n_source) and (batch, n_target) to logits (batch, n_target, n_vocab).

        source_mask: (batch, 1, n_source), True where a source token may be seen, e.g. a `padding_mask`.
        """
        memory = self.encoder(self.embed(source), _batched(source_mask))
        x = self.decoder(self.embed(target), memory=memory, memory_mask=source_mask)
        return self.logits(x)
