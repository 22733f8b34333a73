"""How many parameters a transformer has, from the numbers that describe it.

Page: notebooks/transformers/transformer.ipynb. Nothing here loads torch.
"""

from __future__ import annotations

from labutils.models.config import ModelConfig

__all__ = ["PUBLISHED", "count_parameters"]


def count_parameters(config: ModelConfig, *, pooler: bool = False) -> dict[str, int]:
    """Return the parameters of each part of a GPT, or of an Encoder without head, and their ``"total"``.

    pooler: count BERT's extra d_model × d_model layer on the first token, too (`Encoder` has none).

    Blocks are those of Vaswani et al. (2017): attention with four d_model × d_model matrices, a feed-forward
    layer of width d_ff, two layer normalisations, biases everywhere. ValueError for a configuration to which
    that does not apply.
    """
    c = config
    if not (c.bias and c.normalise and c.feed_forward and c.norm_type == "layer"):
        raise ValueError("the formula counts blocks with biases, layer normalisation and feed-forward layer")
    if c.positions == "relative":
        raise ValueError("positions is 'relative': the formula does not count their biases")
    d, d_ff = c.d_model, c.width_ff
    n_learned = c.n_context if c.positions == "learned" else 0
    n_norms = (
        2 * c.n_layer + (c.norm == "pre") + c.embedding_norm
    )  # two a block, after the last, before the first
    parts = {
        "token embedding": c.n_vocab * d,
        "positions and segments": (n_learned + c.n_segments) * d,
        "attention": c.n_layer * (4 * d * d + 4 * d),  # query, key, value, output; biases
        "feed-forward": c.n_layer * (2 * d * d_ff + d_ff + d),
        "normalisation": n_norms * 2 * d,  # a scale and a shift each
        "pooler": d * d + d if pooler else 0,
        "output": 0 if c.tied else c.n_vocab * d,
    }
    return {**parts, "total": sum(parts.values())}


def _gpt(n_layer: int, n_head: int, d_model: int, n_vocab: int, n_context: int) -> ModelConfig:
    return ModelConfig(n_layer=n_layer, n_head=n_head, d_model=d_model, n_vocab=n_vocab, n_context=n_context)


# name → (configuration, published size, where both stand)
PUBLISHED: dict[str, tuple[ModelConfig, float, str]] = {
    "GPT-1": (
        ModelConfig(n_layer=12, n_head=12, d_model=768, n_vocab=40_478, n_context=512, norm="post"),
        117e6,
        "Radford et al. 2018, section 4.1; size: Radford et al. 2019, table 2, whose smallest is equivalent",
    ),
    "BERT-large": (  # its pooler is counted with it: count_parameters(…, pooler=True)
        ModelConfig.bert(n_layer=24, n_head=16, d_model=1024, n_vocab=30_522, n_context=512),
        340e6,
        "Devlin et al. 2019, section 3",
    ),
    "GPT-2 XL": (
        _gpt(48, 25, 1600, 50_257, 1024),
        1.542e9,  # what a vocabulary of 40,478 tokens, GPT-1's, would give; the released model has 1.558e9
        "Radford et al. 2019, table 2",
    ),
    "GPT-3": (
        _gpt(96, 96, 12_288, 50_257, 2048),
        175e9,
        "Brown et al. 2020, table 2.1",
    ),
}
