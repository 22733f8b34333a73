"""Copy tensors along a list of pairs of names, so that none is forgotten and none lost; `carry` calls it."""

from __future__ import annotations

import torch
from torch import nn

from labutils.models.exchange.names import Pairs

__all__ = ["copy_weights"]

# Names under which a tied model's state_dict lists a tensor again → the other name of it.
TIED = {
    "head.weight": ("embedding.weight",),  # ours
    "lm_head.weight": ("transformer.wte.weight", "shared.weight"),  # GPT-2's and T5's
    "cls.predictions.decoder.weight": ("bert.embeddings.word_embeddings.weight",),
    "cls.predictions.decoder.bias": ("cls.predictions.bias",),
    "encoder.embed_tokens.weight": ("shared.weight",),
    "decoder.embed_tokens.weight": ("shared.weight",),
}


def copy_weights(
    pairs: Pairs, ours: nn.Module, theirs: nn.Module, *, to_theirs: bool, without: str = ""
) -> None:
    """Copy along `pairs`, in one direction, and take over the dtype and the device.

    ValueError where a tensor of the model copied to gets none, and where one of the model copied from would
    be left behind: unless its name starts with `without`, or it equals the tensor that it is tied to.
    """
    source, target = (ours, theirs) if to_theirs else (theirs, ours)
    kinds = sorted({str(p.dtype) for p in source.parameters()})
    if len(kinds) > 1:
        raise ValueError(f"the weights are of types {', '.join(kinds)}: call .float() or .to(dtype) first")
    first = next(source.parameters())
    target.to(first.device, first.dtype)  # before the states are taken: .to may replace tensors
    our_state, their_state = ours.state_dict(), theirs.state_dict()
    written, read = set[int](), set[int]()
    with torch.no_grad():
        for our_name, their_names, transposed in pairs:
            whole = our_state[our_name]
            for name, part in zip(their_names, whole.chunk(len(their_names)), strict=True):
                other = their_state[name].T if transposed else their_state[name]
                (other.copy_(part) if to_theirs else part.copy_(other))
                (written if to_theirs else read).add(their_state[name].data_ptr())
                (read if to_theirs else written).add(whole.data_ptr())
    missed = [name for name, tensor in target.state_dict().items() if tensor.data_ptr() not in written]
    if missed:
        raise ValueError(f"no counterpart for {', '.join(missed)}: these classes do not agree in their parts")
    state = source.state_dict()
    for name, tensor in state.items():
        if tensor.data_ptr() in read or (without and name.startswith(without)):
            continue
        partner = next((other for other in TIED.get(name, ()) if other in state), None)
        if partner is None:
            raise ValueError(f"{name} has no counterpart: it would be left behind")
        if not torch.equal(tensor, state[partner]):
            raise ValueError(
                f"{name} differs from {partner}, but the configuration says that they are tied, one tensor: "
                "carried as one, the model would compute something else"
            )
