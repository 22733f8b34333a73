"""Generative adversarial networks from scratch, many seeds side by side, and measures of what they make.

Built on the page notebooks/adversarial/gan.ipynb; gan_stability.ipynb uses it too. `m` models that differ by
their seeds have their weights stacked: a tiny network spends its time on calling torch, not on numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

__all__ = [
    "Gan",
    "covered",
    "discriminator_loss",
    "divergences",
    "forward",
    "frechet",
    "generator_loss",
    "new_net",
    "optimal_discriminator",
    "precision_recall",
    "ring",
    "ring_centres",
    "sample",
    "train",
    "wasserstein",
]

Floats = NDArray[np.float64]
Net = list[Tensor]  # weight (m, d_in, d_out), bias (m, 1, d_out), and so on, layer by layer
Data = Callable[[int], Tensor]  # how many samples → (m, n, d)


# --- the data


def ring_centres(n_mode: int = 8, radius: float = 2.0) -> Tensor:
    """The centres (n_mode, 2) of the ring, evenly on a circle, the first one on the right."""
    angle = 2 * math.pi * torch.arange(n_mode) / n_mode
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


def ring(
    m: int, n: int, generator: torch.Generator, n_mode: int = 8, radius: float = 2.0, sd: float = 0.1
) -> Tensor:
    """Samples (m, n, 2) of the ring: `n_mode` Gaussians of standard deviation `sd`, of the same weight."""
    which = torch.randint(n_mode, (m, n), generator=generator)
    noise = torch.randn(m, n, 2, generator=generator)
    return ring_centres(n_mode, radius)[which] + sd * noise


# --- networks and their game


def new_net(m: int, sizes: Sequence[int], generator: torch.Generator) -> Net:
    """Weights of `m` networks with layers of `sizes`, drawn as He et al. (2015) do; biases are zero."""
    net: Net = []
    for d_in, d_out in itertools.pairwise(sizes):
        net.append(torch.randn(m, d_in, d_out, generator=generator) * (2 / d_in) ** 0.5)
        net.append(torch.zeros(m, 1, d_out))
    return [part.requires_grad_() for part in net]


def forward(net: Net, x: Tensor) -> Tensor:
    """x (m, n, d_in) → (m, n, d_out): leaky ReLUs between the layers, nothing behind the last."""
    for weight, bias in zip(net[:-2:2], net[1:-2:2], strict=True):
        x = F.leaky_relu(torch.baddbmm(bias, x, weight), 0.2)
    return torch.baddbmm(net[-1], x, net[-2])


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """−log D(x) − log(1 − D(G(z))), each a mean; of logits (m, n, 1), for each of the m models: (m,)."""
    return (F.softplus(-real) + F.softplus(fake)).mean((1, 2))


def generator_loss(fake: Tensor, saturating: bool = False) -> Tensor:
    """−log D(G(z)), or where `saturating` log(1 − D(G(z))), of logits (m, n, 1): (m,)."""
    return (-F.softplus(fake) if saturating else F.softplus(-fake)).mean((1, 2))


class Gan(NamedTuple):
    """What `train` keeps: generators and discriminators at the end, and the generators at the given steps."""

    g: Net
    d: Net
    at: dict[int, Net]


def train(
    data: Data,
    g: Net,
    d: Net,
    n_step: int,
    generator: torch.Generator,
    *,
    n_batch: int = 128,
    rate_g: float = 1e-3,
    rate_d: float = 1e-3,
    n_critic: int = 1,
    d_loss: Callable[[Tensor, Tensor], Tensor] = discriminator_loss,
    g_loss: Callable[[Tensor], Tensor] = generator_loss,
    penalty: Callable[[Net, Tensor, Tensor], Tensor] | None = None,
    after_d: Callable[[Net], None] | None = None,
    optimiser: Callable[[Net, float], torch.optim.Optimizer] | None = None,
    squash: Callable[[Tensor], Tensor] = lambda x: x,
    keep: Iterable[int] = (),
) -> Gan:
    """Train `m` pairs side by side: `n_critic` steps of the discriminators, one of the generators, in turn.

    data(n) draws (m, n, d). `squash` follows the generators (as torch.tanh for pictures). `penalty(d, real,
    fake)` (m,) is added to the discriminators' loss, `after_d(d)` follows each of their steps (clipping).
    Each optimiser, Adam with β₁ = 0.5 unless given, gets the sum of the m losses: the models share nothing.
    """
    make = optimiser or (lambda net, rate: torch.optim.Adam(net, lr=rate, betas=(0.5, 0.99)))
    step_g, step_d = make(g, rate_g), make(d, rate_d)
    m, n_noise, wanted = g[0].shape[0], g[0].shape[1], set(keep)
    at = {0: _copy(g)} if 0 in wanted else {}

    def fakes() -> Tensor:
        return squash(forward(g, torch.randn(m, n_batch, n_noise, generator=generator)))

    for step in range(1, n_step + 1):
        for _ in range(n_critic):
            real = data(n_batch)
            with torch.no_grad():
                fake = fakes()
            both = forward(d, torch.cat([real, fake], 1))
            loss = d_loss(both[:, :n_batch], both[:, n_batch:])
            if penalty is not None:
                loss = loss + penalty(d, real, fake)
            _move(step_d, d, loss)
            if after_d is not None:
                with torch.no_grad():
                    after_d(d)
        _move(step_g, g, g_loss(forward(d, fakes())))
        if step in wanted:
            at[step] = _copy(g)
    return Gan(g, d, at)


def _move(optimiser: torch.optim.Optimizer, net: Net, losses: Tensor) -> None:
    for part, slope in zip(net, torch.autograd.grad(losses.sum(), net), strict=True):
        part.grad = slope
    optimiser.step()


def _copy(net: Net) -> Net:
    return [part.detach().clone() for part in net]


@torch.no_grad()
def sample(
    g: Net, n: int, generator: torch.Generator, squash: Callable[[Tensor], Tensor] = lambda x: x
) -> Tensor:
    """Samples (m, n, d) of the generators."""
    return squash(forward(g, torch.randn(g[0].shape[0], n, g[0].shape[1], generator=generator)))


# --- the optimum


def optimal_discriminator(p: ArrayLike, q: ArrayLike) -> Floats:
    """p / (p + q): the best that a discriminator can say where real data have density p and made ones q."""
    a, b = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    total = a + b
    best: Floats = np.divide(a, total, out=np.full_like(total, 0.5), where=total > 0)
    return best


def divergences(p: ArrayLike, q: ArrayLike) -> dict[str, float]:
    """D(p‖q) ("forward"), D(q‖p) ("backward") and Jensen–Shannon ("js") in nats, of weights that sum to 1."""
    a, b = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    if a.shape != b.shape or min(a.min(), b.min()) < 0 or abs(a.sum() - 1) + abs(b.sum() - 1) > 1e-6:
        raise ValueError("p and q have to be weights of one shape, none negative, that sum to 1 each")
    middle = (a + b) / 2
    return {"forward": _kl(a, b), "backward": _kl(b, a), "js": (_kl(a, middle) + _kl(b, middle)) / 2}


def _kl(p: Floats, q: Floats) -> float:
    there = p > 0
    with np.errstate(divide="ignore"):
        return float((p[there] * np.log(p[there] / q[there])).sum())


# --- measures of samples


class Covered(NamedTuple):
    """How many modes were found, and the share of the samples that lie near one."""

    modes: int
    near: float


def covered(x: ArrayLike, centres: ArrayLike, reach: float, least: float = 0.25) -> Covered:
    """Modes that have at least `least` of their fair share of the samples x (n, d) within `reach`."""
    points, middles = np.asarray(x, dtype=float), np.asarray(centres, dtype=float)
    far = np.linalg.norm(points[:, None] - middles, axis=-1)  # (n, n_mode)
    hits = np.bincount(far.argmin(1)[far.min(1) <= reach], minlength=len(middles))
    return Covered(int((hits >= least * len(points) / len(middles)).sum()), float(hits.sum() / len(points)))


def wasserstein(x: ArrayLike, y: ArrayLike) -> float:
    """Wasserstein-1 distance of two samples of one size, (n,) or (n, d): the best pairing's mean distance."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"shapes are {a.shape} and {b.shape}: take two samples of one size")
    if a.ndim == 1:
        return float(abs(np.sort(a) - np.sort(b)).mean())
    cost = cdist(a, b)
    return float(cost[linear_sum_assignment(cost)].mean())


def precision_recall(real: ArrayLike, made: ArrayLike, k: int = 3) -> tuple[float, float]:
    """Share of made samples near the real ones, and of real samples near the made ones (Kynkäänniemi, 2019).

    Near: within some sample's distance to its `k`-th nearest neighbour in its own set. Both are (n, d).
    """
    from scipy.spatial.distance import cdist

    a, b = np.asarray(real, dtype=float), np.asarray(made, dtype=float)
    reach_a, reach_b = (np.partition(cdist(s, s), k, axis=1)[:, k] for s in (a, b))  # itself is at 0
    far = cdist(a, b)
    return float((far <= reach_a[:, None]).any(0).mean()), float((far <= reach_b).any(1).mean())


def frechet(x: ArrayLike, y: ArrayLike) -> float:
    """The Fréchet distance of two Gaussians with the means and covariances of the features x, y (n, d).

    FID (Heusel et al., 2017) is this with the features of one certain network for photographs.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    both = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0)).sum()  # trace of (cov_a cov_b)^½
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * both)
