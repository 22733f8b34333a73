"""Adversarial training and its measures against closed forms, brute force and each model trained alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from labutils import adversarial as adv


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_ring() -> None:
    centres = adv.ring_centres(5, 3.0)
    torch.testing.assert_close(centres.norm(dim=1), torch.full((5,), 3.0))
    torch.testing.assert_close(centres.mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    x = adv.ring(2, 4000, seeded(), n_mode=5, radius=3.0, sd=0.05)
    assert x.shape == (2, 4000, 2)
    far = torch.cdist(x[0], centres)
    assert far.min(1).values.max() < 0.35
    shares = np.bincount(far.argmin(1).numpy(), minlength=5) / 4000
    np.testing.assert_allclose(shares, 0.2, atol=0.03)
    spread = (x[0] - centres[far.argmin(1)]).std()
    assert float(spread) == pytest.approx(0.05, rel=0.05)


def test_stacked_networks_are_each_as_if_alone() -> None:
    net, x = adv.new_net(3, [4, 6, 5, 2], seeded()), torch.randn(3, 7, 4, generator=seeded(1))
    together = adv.forward(net, x)
    for i in range(3):
        alone = x[i]
        for weight, bias in ((net[0], net[1]), (net[2], net[3])):
            alone = torch.nn.functional.leaky_relu(alone @ weight[i] + bias[i], 0.2)
        torch.testing.assert_close(together[i], alone @ net[4][i] + net[5][i])


@pytest.mark.parametrize("d", [0.01, 0.3, 0.5, 0.99])
def test_losses_and_their_slopes(d: float) -> None:
    logit = torch.full((1, 4, 1), math.log(d / (1 - d)), dtype=torch.float64, requires_grad=True)
    real = torch.zeros(1, 4, 1, dtype=torch.float64)
    loss = adv.discriminator_loss(real, logit)
    assert loss.item() == pytest.approx(math.log(2) - math.log(1 - d))
    assert adv.generator_loss(logit).item() == pytest.approx(-math.log(d))
    assert adv.generator_loss(logit, saturating=True).item() == pytest.approx(math.log(1 - d))
    for saturating, slope in ((True, -d), (False, d - 1)):
        [grad] = torch.autograd.grad(adv.generator_loss(logit, saturating), logit)
        torch.testing.assert_close(grad, torch.full_like(grad, slope / 4))


def play(m: int, seeds: list[int], **options: Any) -> adv.Gan:
    """A game whose noise and data are the same for every model."""
    parts = [(adv.new_net(1, [2, 6, 2], seeded(s)), adv.new_net(1, [2, 6, 1], seeded(s + 50))) for s in seeds]
    g, d = (
        [torch.cat([part[net][i].detach() for part in parts]).requires_grad_() for i in range(4)]
        for net in range(2)
    )
    data = torch.randn(500, 2, generator=seeded(3)) + 1

    def draw(n: int) -> torch.Tensor:
        return data[:n].expand(m, -1, -1)

    return adv.train(draw, g, d, 15, seeded(7), n_batch=8, **options)


@pytest.mark.parametrize("options", [{}, {"n_critic": 3}, {"g_loss": lambda f: adv.generator_loss(f, True)}])
def test_training_keeps_what_was_asked(options: dict[str, Any]) -> None:
    made = play(1, [0], keep=(0, 5, 15), **options)
    assert sorted(made.at) == [0, 5, 15]
    torch.testing.assert_close(made.at[15], [part.detach() for part in made.g])
    assert not torch.allclose(made.at[0][0], made.at[5][0])


def test_models_share_nothing() -> None:
    """One model's critic is pushed far off by its loss: the other model does not notice."""

    def losses(real: torch.Tensor, fake: torch.Tensor, wild: float) -> torch.Tensor:
        return adv.discriminator_loss(real, fake) * torch.tensor([1.0, wild])

    calm, wild = (play(2, [0, 1], d_loss=lambda r, f, w=w: losses(r, f, w)) for w in (1.0, -1.0))
    for one, other in zip(calm.g + calm.d, wild.g + wild.d, strict=True):
        torch.testing.assert_close(one[0], other[0])
    assert not torch.allclose(calm.d[0][1], wild.d[0][1])


def test_hooks_penalty_and_clipping() -> None:
    def clip(net: adv.Net) -> None:
        for part in net:
            part.clamp_(-0.05, 0.05)

    made = play(1, [0], after_d=clip)
    assert max(float(part.detach().abs().max()) for part in made.d) <= 0.0501
    seen = []

    def penalty(d: adv.Net, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        seen.append((real.shape, fake.shape))
        return 100 * sum((part**2).sum((1, 2)) for part in d)  # type: ignore[return-value]

    small = play(1, [0], penalty=penalty)
    assert len(seen) == 15
    assert seen[0] == (torch.Size([1, 8, 2]), torch.Size([1, 8, 2]))
    assert float(small.d[0].detach().norm()) < float(play(1, [0]).d[0].detach().norm())


def test_a_gan_learns_a_shift() -> None:
    """Data around (2, 0): the mean of what is made comes there, and the squash is used."""
    m, generator = 4, seeded()
    g, d = adv.new_net(m, [2, 16, 2], generator), adv.new_net(m, [2, 16, 1], generator)

    def data(n: int) -> torch.Tensor:
        return torch.tensor([2.0, 0.0]) + 0.3 * torch.randn(m, n, 2, generator=generator)

    adv.train(data, g, d, 500, generator, n_batch=64, rate_g=3e-3, rate_d=3e-3, squash=lambda x: 3 * x.tanh())
    x = adv.sample(g, 500, seeded(1), squash=lambda x: 3 * x.tanh())
    assert x.shape == (m, 500, 2)
    assert float(x.abs().max()) <= 3
    assert (x.mean(1) - torch.tensor([2.0, 0.0])).norm(dim=1).median() < 0.5


def test_the_best_discriminator_is_the_best() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(7), 2)
    best = adv.optimal_discriminator(p, q)

    def value(d: Any) -> float:
        return float((p * np.log(d) + q * np.log(1 - d)).sum())

    assert value(best) == pytest.approx(2 * adv.divergences(p, q)["js"] - math.log(4))
    for _ in range(20):
        assert value(np.clip(best + rng.normal(0, 0.1, 7), 1e-3, 1 - 1e-3)) < value(best)
    assert adv.optimal_discriminator([0.0, 1.0], [0.0, 0.0]).tolist() == [0.5, 1.0]


def test_divergences() -> None:
    p, q = np.array([0.5, 0.5, 0]), np.array([0, 0.5, 0.5])
    found = adv.divergences(p, q)
    assert found["js"] == pytest.approx(math.log(2) / 2)
    assert found["forward"] == found["backward"] == math.inf
    assert adv.divergences(p, p) == {"forward": 0, "backward": 0, "js": 0}
    assert adv.divergences([1, 0], [0, 1])["js"] == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match="sum to 1"):
        adv.divergences([0.5, 0.4], [0.5, 0.5])


def test_covered_counts_modes_and_strays() -> None:
    centres = np.array([[0.0, 0], [5, 0], [10, 0]])
    x = np.concatenate([np.zeros((60, 2)), np.full((4, 2), (5.0, 0.1)), np.full((36, 2), (20.0, 0))])
    assert adv.covered(x, centres, 0.5) == (1, 0.64)  # 4 of 100 are below a quarter of a third
    assert adv.covered(x, centres, 0.5, least=0.1).modes == 2
    assert adv.covered(x, centres, 0.05).near == 0.6


def test_wasserstein() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 60))
    assert adv.wasserstein(x, y) == pytest.approx(wasserstein_distance(x, y))
    points = rng.normal(size=(40, 2))
    assert adv.wasserstein(points, np.add(rng.permutation(points), (3, 4))) == pytest.approx(5)
    with pytest.raises(ValueError, match="one size"):
        adv.wasserstein(points, points[:9])


def test_precision_and_recall() -> None:
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) / 8
    precision, recall = adv.precision_recall(wide, narrow)
    assert precision > 0.9
    assert recall < 0.2
    assert adv.precision_recall(narrow, wide) == (recall, precision)
    assert adv.precision_recall(wide, wide) == (1, 1)
    assert adv.precision_recall(wide, wide + 50) == (0, 0)


def test_frechet() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)) * (1, 2, 0.5)
    assert adv.frechet(x, x) == pytest.approx(0, abs=1e-9)
    assert adv.frechet(x, np.add(x, (3, 4, 0))) == pytest.approx(25)
    var = np.cov(x.T)
    assert adv.frechet(x, 3 * x - 2 * x.mean(0)) == pytest.approx(4 * np.trace(var))  # (3σ − σ)² each
    turned = x[:, ::-1]
    assert adv.frechet(x, turned) == pytest.approx(adv.frechet(turned, x))
