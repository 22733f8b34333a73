"""Models that others trained, from the book's data catalogue: no model hub is asked."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from labutils import data

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

__all__ = ["load_encoder"]


def load_encoder(name: str = "minilm") -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A pretrained encoder in evaluation mode, and its tokenizer, as transformers' AutoModel would load them.

    "minilm" is all-MiniLM-L6-v2: MiniLM (Wang et al. 2020) trained on to embed sentences (Reimers &
    Gurevych 2019); a BERT of 6 blocks, 12 heads and a width of 384. Attention is computed step by step, so
    `model(**tokenizer(text, return_tensors="pt"), output_attentions=True).attentions` has the weights of each
    block, (batch, n_head, time, time).

    Downloads 83.5 MB at the first call; after that no network is needed. DataError, with what to do, where
    it cannot be had; ValueError for a name that is not an encoder's.
    """
    from labutils.data.catalogue import find

    if find(name).reader != "labutils.models.exchange.pretrained.load_encoder":
        raise ValueError(f"{name} is not an encoder: {find(name).reader} reads it")
    with zipfile.ZipFile(data.fetch(name)) as files:  # before the seconds that importing transformers takes
        config, settings = (json.loads(files.read(f"{part}config.json")) for part in ("", "tokenizer_"))
        weights, vocabulary = files.read("model.safetensors"), files.read("tokenizer.json")

    from safetensors.torch import load
    from tokenizers import Tokenizer
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    settings = {key: value for key, value in settings.items() if key.endswith(("_token", "_max_length"))}
    tokenizer = Tokenizer.from_buffer(vocabulary)
    tokenizer.no_padding()  # the file pads all to 128 tokens; transformers asks for it where it is wanted
    tokenizer.no_truncation()
    model: PreTrainedModel = AutoModel.from_config(
        AutoConfig.for_model(config.pop("model_type"), **config), attn_implementation="eager"
    )
    tensors = load(weights)
    tensors.pop("embeddings.position_ids", None)  # 0, 1, 2, …: older versions stored them
    model.load_state_dict(tensors)
    return model.eval(), PreTrainedTokenizerFast(tokenizer_object=tokenizer, **settings)
