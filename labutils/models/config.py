"""What a transformer is made of: sizes, styles, and switches that leave a part out.

`dataclasses.replace(config, residual=False)` gives a copy with that changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = ["ModelConfig"]

Norm = Literal["pre", "post"]
NormType = Literal["layer", "rms"]
Positions = Literal["learned", "sinusoidal", "rotary", "alibi", "relative", "none"]
Activation = Literal["gelu_tanh", "gelu", "relu"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes and styles; the defaults are those of GPT-2. `bert` and `t5` have the styles of these models.

    The last four fields leave a part out when False: an ablation. Raises ValueError, naming the field, for
    what cannot be built.
    """

    n_vocab: int
    n_context: int  # the longest context, for learned positions; the others know no limit
    n_layer: int
    n_head: int
    d_model: int
    d_ff: int | None = None  # None stands for 4 · d_model
    norm: Norm = "pre"  # before each sublayer (GPT-2) or after adding its result (Vaswani et al. 2017)
    norm_type: NormType = "layer"  # "rms": only a scale, no mean taken off (Zhang & Sennrich 2019)
    embedding_norm: bool = False  # a normalisation of what goes into the first block (BERT)
    positions: Positions = "learned"
    n_segments: int = 0  # embeddings for sentence A and sentence B (BERT)
    n_buckets: int = 32  # of distances, for "relative" positions
    max_distance: int = 128  # from here on one bucket, for "relative" positions
    activation: Activation = "gelu_tanh"
    dropout: float = 0.0  # of embeddings, attention weights, and each sublayer's result
    tied: bool = True  # the output layer shares the embedding matrix (Press & Wolf 2017)
    bias: bool = True  # of linear layers and of layer normalisation
    t5_scaling: bool = False  # no 1/√d_head in attention, but 1/√d_model before the output layer
    eps: float = 1e-5  # in normalisations
    fused: bool = True  # attention by F.scaled_dot_product_attention
    residual: bool = True
    normalise: bool = True
    feed_forward: bool = True
    causal: bool = True  # the mask of a decoder

    def __post_init__(self) -> None:
        for name in ("n_vocab", "n_context", "n_layer", "n_head", "d_model", "d_ff"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ValueError(f"{name} is {size}: expected at least 1")
        if self.d_model % self.n_head:
            raise ValueError(
                f"d_model is {self.d_model} and n_head is {self.n_head}: heads split d_model evenly"
            )
        if self.positions == "rotary" and self.d_model // self.n_head % 2:
            raise ValueError(
                f"positions is 'rotary', which turns pairs of features, and a head has "
                f"{self.d_model // self.n_head}: expected an even number"
            )
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(
                f"positions is 'sinusoidal' and d_model is {self.d_model}: expected an even number"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}: expected a share, 0 ≤ dropout < 1")
        for name, choices in (
            ("norm", Norm),
            ("norm_type", NormType),
            ("positions", Positions),
            ("activation", Activation),
        ):
            if getattr(self, name) not in get_args(choices):
                expected = ", ".join(map(repr, get_args(choices)))
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected one of {expected}")

    @property
    def width_ff(self) -> int:
        """The width of the feed-forward layer."""
        return 4 * self.d_model if self.d_ff is None else self.d_ff

    @classmethod
    def bert(cls, **sizes: Any) -> ModelConfig:
        """The style of Devlin et al. (2019); `sizes` are fields, and override it."""
        style: dict[str, Any] = {
            "norm": "post",
            "embedding_norm": True,
            "n_segments": 2,
            "activation": "gelu",
            "eps": 1e-12,
        }
        return cls(**style | sizes)

    @classmethod
    def t5(cls, **sizes: Any) -> ModelConfig:
        """The style of Raffel et al. (2020), the first T5; `sizes` are fields, and override it."""
        style: dict[str, Any] = {
            "norm_type": "rms",
            "positions": "relative",
            "activation": "relu",
            "bias": False,
        }
        return cls(**style | {"t5_scaling": True, "eps": 1e-6} | sizes)
