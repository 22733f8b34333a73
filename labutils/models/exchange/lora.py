"""LoRA as the library peft inserts it, to hold ours against."""

from __future__ import annotations

import warnings
from typing import Any

from torch import nn

__all__ = ["lora_by_peft"]


def lora_by_peft(model: nn.Module, rank: int, alpha: float, targets: tuple[str, ...]) -> dict[str, Any]:
    """Insert LoRA by peft: its "model", evaluating, and its trained "parameters" by the names that ours have.

    ImportError where peft is not installed (Colab has it).
    """
    from peft import LoraConfig, get_peft_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks for a name that transformers gives up
        wrapped: Any = get_peft_model(
            model,
            LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets)),  # type: ignore[arg-type]
        )
    named = {
        name.removeprefix("base_model.model.").replace(".lora_", ".").replace(".default.weight", ""): p
        for name, p in wrapped.named_parameters()
        if p.requires_grad
    }
    return {"model": wrapped.eval(), "parameters": named}
