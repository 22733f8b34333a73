"""What every model asks of the token ids that it is given."""

from __future__ import annotations

from torch import Tensor

__all__ = ["check_ids"]


def check_ids(ids: Tensor, n_vocab: int) -> Tensor:
    """Return `ids` (batch, time), whole numbers of any type, as int64; ValueError for any other."""
    if ids.dim() != 2 or ids.is_floating_point() or ids.is_complex():
        raise ValueError(
            f"ids has shape {tuple(ids.shape)}, dtype {ids.dtype}: expected whole numbers (batch, time)"
        )
    ids = ids.long()
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < n_vocab:
        raise ValueError(
            f"ids go from {int(ids.min())} to {int(ids.max())}: this model's go from 0 to n_vocab − 1 = "
            f"{n_vocab - 1}; is the tokenizer that of the model?"
        )
    return ids
