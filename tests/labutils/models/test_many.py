"""GPTs side by side: each computes and learns as it does by itself."""

from __future__ import annotations

import pytest
import torch

from labutils.models.config import ModelConfig
from labutils.models.many import Many
from labutils.models.transformer import GPT


def made(n: int = 3, **sizes: int) -> list[GPT]:
    config = {"n_vocab": 11, "n_context": 7, "n_layer": 2, "n_head": 2, "d_model": 8} | sizes
    found = []
    for seed in range(n):
        torch.manual_seed(seed)
        model = GPT(ModelConfig(**config))  # type: ignore[arg-type]
        for p in model.parameters():  # biases, too
            torch.nn.init.normal_(p, std=0.3)
        found.append(model)
    return found


@pytest.mark.parametrize("sizes", [{}, {"n_layer": 1, "d_ff": 12, "n_head": 4}])
def test_each_is_the_model_alone(sizes: dict[str, int]) -> None:
    models = made(**sizes)
    ids = torch.randint(11, (3, 5, 7))
    alone = torch.stack([model(own) for model, own in zip(models, ids, strict=True)])
    torch.testing.assert_close(Many(models)(ids), alone)


def test_what_was_read_is_kept() -> None:
    many, ids = Many(made()), torch.randint(11, (3, 5, 7))
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []
    parts = [many(ids[..., a:b], kept) for a, b in ((0, 4), (4, 5), (5, 7))]
    torch.testing.assert_close(torch.cat(parts, 2), many(ids))


def test_a_step_is_each_models_own() -> None:
    models, ids = made(), torch.randint(11, (3, 5, 7))
    many = Many(models)
    for module, loss in (
        (many, many(ids).square().mean((1, 2, 3)).sum()),
        *((model, model(own).square().mean()) for model, own in zip(models, ids, strict=True)),
    ):
        optimiser = torch.optim.Adam(module.parameters(), 0.01)
        loss.backward()
        optimiser.step()
    alone = torch.stack([model(own) for model, own in zip(models, ids, strict=True)])
    torch.testing.assert_close(many(ids), alone, rtol=1e-4, atol=1e-5)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="one shape"):
        Many([*made(), *made(1, d_model=4)])
    with pytest.raises(ValueError, match="one shape"):
        Many([GPT(ModelConfig(n_vocab=4, n_context=4, n_layer=1, n_head=1, d_model=4, positions="rotary"))])
    with pytest.raises(ValueError, match="n_context is 7"):
        Many(made())(torch.zeros(3, 1, 8, dtype=torch.long))
    with pytest.raises(ValueError, match="from 0 to n_vocab"):
        Many(made())(torch.full((3, 1, 2), 11))
