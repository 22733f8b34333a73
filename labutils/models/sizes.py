"""How many parameters a transformer has, from the six numbers that describe it.

Page: notebooks/foundations/language_models.ipynb.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PUBLISHED", "TransformerConfig", "count_parameters"]


@dataclass(frozen=True)
class TransformerConfig:
    """The sizes that decide how many parameters a transformer stack has.

    Blocks are those of Vaswani et al. (2017): attention with four d_model × d_model matrices, a
    feed-forward layer of width `d_ff` (4 · d_model unless given), two layer normalisations.
    """

    n_layer: int
    d_model: int
    n_vocab: int
    n_context: int  # learned positions; 0 if positions are not learned
    d_ff: int | None = None
    n_segments: int = 0  # BERT's sentence A / sentence B embeddings
    final_norm: bool = False  # a layer normalisation after the last block (GPT-2) or the embeddings (BERT)
    pooler: bool = False  # BERT's extra d_model × d_model layer on the first token
    tied: bool = True  # the output layer shares the embedding matrix (Press & Wolf, 2017)


def count_parameters(config: TransformerConfig) -> dict[str, int]:
    """Return the parameters of each part and their ``"total"``.

    Raises ValueError if a size is not positive.
    """
    c = config
    d, d_ff = c.d_model, 4 * c.d_model if c.d_ff is None else c.d_ff
    for name, value in (("n_layer", c.n_layer), ("d_model", d), ("n_vocab", c.n_vocab), ("d_ff", d_ff)):
        if value < 1:
            raise ValueError(f"{name} is {value}: expected a positive size")
    if c.n_context < 0 or c.n_segments < 0:
        raise ValueError("n_context and n_segments are not negative")
    parts = {
        "token embedding": c.n_vocab * d,
        "positions and segments": (c.n_context + c.n_segments) * d,
        "attention": c.n_layer * (4 * d * d + 4 * d),  # query, key, value, output; biases
        "feed-forward": c.n_layer * (2 * d * d_ff + d_ff + d),
        "normalisation": (2 * c.n_layer + c.final_norm) * 2 * d,  # a scale and a shift each
        "pooler": d * d + d if c.pooler else 0,
        "output": 0 if c.tied else c.n_vocab * d,
    }
    return {**parts, "total": sum(parts.values())}


# name → (configuration, published size, where both stand)
PUBLISHED: dict[str, tuple[TransformerConfig, float, str]] = {
    "GPT-1": (
        TransformerConfig(12, 768, 40_478, 512),
        117e6,
        "Radford et al. 2018, section 4.1; size: Devlin et al. 2019, section 3",
    ),
    "BERT-large": (
        TransformerConfig(24, 1024, 30_522, 512, n_segments=2, final_norm=True, pooler=True),
        340e6,
        "Devlin et al. 2019, section 3",
    ),
    "GPT-2 XL": (
        TransformerConfig(48, 1600, 50_257, 1024, final_norm=True),
        1.542e9,  # what a vocabulary of 40,478 tokens, GPT-1's, would give; the released model has 1.558e9
        "Radford et al. 2019, table 2",
    ),
    "GPT-3": (
        TransformerConfig(96, 12_288, 50_257, 2048, final_norm=True),
        175e9,
        "Brown et al. 2020, table 2.1",
    ),
}
