"""Two losses on one trunk: many small models at once, what their gradients say, and ways to combine them.

A *run* is one model with its own seed; all arrays begin with the axis of runs, so that many small models
cost few calls. A rule of combination takes the inner products of the two gradients, `gram` (runs, 2, 2), and
the losses (runs, 2), and returns the two weights (runs, 2) with which the gradients are added.
Page: notebooks/limits/objective_conflict.ipynb, which builds all of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "Pairs",
    "Uncertainty",
    "conflict_free",
    "cosine",
    "gram_of",
    "min_norm",
    "pareto",
    "read",
    "start",
    "train_pairs",
    "two_losses",
    "unpack",
    "weighted",
]

Rule = Callable[[Tensor, Tensor], Tensor]
Weights = dict[str, Tensor]  # "trunk", "next" and "label", each (runs, n)


# --- the model: a trunk of one block, and two heads ---------------------------------------------------------


def _shapes(d: int, n_vocab: int, n_time: int) -> dict[str, dict[str, tuple[int, ...]]]:
    block = {"qkv": (d, 3 * d), "out": (d, d), "up": (d, 2 * d), "down": (2 * d, d)}
    return {
        "trunk": {"tokens": (n_vocab, d), "places": (n_time, d), **block},
        "next": {"weight": (d, n_vocab), "bias": (1, n_vocab)},
        "label": {"weight": (d, 2), "bias": (1, 2)},
    }


def start(seeds: list[int], d_model: int, n_vocab: int, n_time: int = 10) -> Weights:
    """First weights of one small model a seed: a trunk, a head for the next token, a head for the label."""
    drawn: dict[str, list[Tensor]] = {"trunk": [], "next": [], "label": []}
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for part, shapes in _shapes(d_model, n_vocab, n_time).items():
            stds = {"tokens": 0.5, "places": 0.2, "weight": 0.1, "bias": 0.0}
            draws = [
                torch.randn(*shape, generator=generator) * stds.get(name, shape[0] ** -0.5)
                for name, shape in shapes.items()
            ]
            drawn[part].append(torch.cat([draw.flatten() for draw in draws]))
    return {part: torch.stack(rows).requires_grad_() for part, rows in drawn.items()}


def _views(flat: Tensor, shapes: dict[str, tuple[int, ...]]) -> list[Tensor]:
    parts = flat.split([math.prod(shape) for shape in shapes.values()], dim=1)
    return [part.view(-1, *shape) for part, shape in zip(parts, shapes.values(), strict=True)]


def unpack(
    weights: Weights, run: int, *, d_model: int, n_vocab: int, n_time: int = 10
) -> dict[str, dict[str, Tensor]]:
    """One run's weights by name: of "trunk" the matrices of its block, of each head its weight and bias."""
    shapes = _shapes(d_model, n_vocab, n_time)
    rows = {part: _views(weights[part][run : run + 1], names) for part, names in shapes.items()}
    return {
        part: {name: view[0] for name, view in zip(names, rows[part], strict=True)}
        for part, names in shapes.items()
    }


def _norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:])


def read(trunk: Tensor, ids: Tensor, d_model: int, n_vocab: int) -> Tensor:
    """The features (runs, batch, time, d_model) that the trunk makes of `ids` (runs, batch, time)."""
    runs, batch, n_time = ids.shape
    shapes = _shapes(d_model, n_vocab, n_time)["trunk"]
    tokens, places, qkv, out, up, down = _views(trunk, shapes)
    at = ids.reshape(runs, -1, 1).expand(-1, -1, d_model)
    x = tokens.gather(1, at) + places.repeat(1, batch, 1)  # (runs, batch · time, d_model)
    q, k, v = (part.view(runs, batch, n_time, -1) for part in (_norm(x) @ qkv).chunk(3, -1))
    future = torch.ones(n_time, n_time, dtype=torch.bool).triu(1)
    scores = (q @ k.transpose(-1, -2) / math.sqrt(d_model)).masked_fill(future, -math.inf)
    x = x + (scores.softmax(-1) @ v).view_as(x) @ out
    x = x + (_norm(x) @ up).relu() @ down
    return _norm(x).view(runs, batch, n_time, d_model)


def two_losses(weights: Weights, ids: Tensor, label: Tensor, d_model: int, n_vocab: int) -> Tensor:
    """Mean loss of the next token and of the label, in nats, (runs, 2).

    ids: (runs, batch, time + 1); each token but the first is asked for from those before it.
    label: (runs, batch), 0 or 1, asked for from the mean of the features.
    """
    n_time = ids.shape[2] - 1
    shapes = _shapes(d_model, n_vocab, n_time)
    z = read(weights["trunk"], ids[..., :-1], d_model, n_vocab)
    (w, b), (u, c) = _views(weights["next"], shapes["next"]), _views(weights["label"], shapes["label"])
    words = z.flatten(1, 2) @ w + b  # (runs, batch · time, n_vocab)
    kinds = z.mean(2) @ u + c  # (runs, batch, 2)
    pairs = ((words, ids[..., 1:].flatten(1)), (kinds, label))
    each = (F.cross_entropy(x.flatten(0, 1), y.flatten(), reduction="none") for x, y in pairs)
    return torch.stack([loss.view(len(z), -1).mean(1) for loss in each], dim=1)


# --- two gradients ------------------------------------------------------------------------------------------


def gram_of(gradients: Tensor) -> Tensor:
    """Inner products (runs, tasks, tasks) of `gradients` (runs, tasks, n)."""
    return gradients @ gradients.transpose(1, 2)


def cosine(gram: Tensor) -> Tensor:
    """Cosine (runs,) of the angle between two gradients; nan where one of them is zero."""
    return gram[:, 0, 1] / (gram[:, 0, 0] * gram[:, 1, 1]).sqrt()


def weighted(share: Tensor) -> Rule:
    """The plain weighted sum: `share` (runs,) for the label, the rest for the next token."""
    if not bool(((share >= 0) & (share <= 1)).all()):
        raise ValueError(f"share is {share.tolist()}: expected numbers from 0 to 1")
    fixed = torch.stack([1 - share, share], dim=1)
    return lambda gram, losses: fixed


def conflict_free(gram: Tensor, losses: Tensor | None = None) -> Tensor:
    """PCGrad for two tasks (Yu et al. 2020, algorithm 1), as weights (runs, 2).

    Where the inner product is negative, each gradient loses its part along the other before they are added.
    """
    against = gram[:, 0, 1].clamp(max=0)[:, None]
    return 1 - against / gram.diagonal(dim1=1, dim2=2)


def min_norm(gram: Tensor, losses: Tensor | None = None) -> Tensor:
    """Weights (runs, 2) of the shortest vector between two gradients (Désidéri 2012): MGDA's direction."""
    spread = gram[:, 0, 0] + gram[:, 1, 1] - 2 * gram[:, 0, 1]
    first = ((gram[:, 1, 1] - gram[:, 0, 1]) / spread.clamp(min=1e-30)).clamp(0, 1)
    return torch.stack([first, 1 - first], dim=1)


@dataclass
class Uncertainty:
    """Weights exp(−s), learnt by descent on Σ exp(−s) · loss + s / 2 (Kendall et al. 2018)."""

    rate: float | Tensor = 0.1  # of s; a tensor (runs, 1) gives each run its own
    s: Tensor | None = field(default=None, repr=False)

    def __call__(self, gram: Tensor, losses: Tensor) -> Tensor:
        """Take one step on s, and return the weights (runs, 2)."""
        s = torch.zeros_like(losses) if self.s is None else self.s
        self.s = s - self.rate * (0.5 - (-s).exp() * losses)
        return (-self.s).exp()


def pareto(points: Tensor) -> Tensor:
    """Which of `points` (n, losses) are on the front, (n,): no other is as low in all and lower in one."""
    if points.dim() != 2:
        raise ValueError(f"points has shape {tuple(points.shape)}: expected (n, losses)")
    below = (points[None] <= points[:, None]).all(-1) & (points[None] < points[:, None]).any(-1)
    return ~below.any(1)


# --- training -----------------------------------------------------------------------------------------------


@dataclass
class Pairs:
    """What `train_pairs` found: losses in nats on texts that were kept back, and the cosines on the way."""

    steps: list[int]
    val: Tensor  # (checkpoints, runs, 2)
    test: Tensor  # (checkpoints, runs, 2)
    cosines: Tensor  # (steps, runs)
    weights: list[Weights]  # at each checkpoint

    def best(self) -> Tensor:
        """Test losses (runs, 2), each at the checkpoint at which its own validation loss is least."""
        return self.test.gather(0, self.val.argmin(0, keepdim=True))[0]


def train_pairs(
    texts: dict[str, Tensor],
    labels: dict[str, Tensor],
    rule: Rule,
    seeds: list[int],
    *,
    d_model: int,
    n_vocab: int,
    n_train: Tensor | None = None,
    scale: Tensor | None = None,
    n_steps: int = 160,
    rate: float = 0.01,
    batch: int = 12,
    checks: int = 3,
) -> Pairs:
    """Train one model a seed on both losses with Adam, its trunk along what `rule` makes of two gradients.

    texts: "train", "val" and "test", each (n, time + 1).  labels: the same, each (runs, n).
    n_train: (runs,), how many of the training texts a run sees; None for all.
    scale: (runs, 2), factors on the losses before the rule sees them.
    Each head follows its own loss. Runs of one seed see the same texts in the same order.
    """
    runs, n_all = len(seeds), len(texts["train"])
    if labels["train"].shape != (runs, n_all):
        raise ValueError(f"labels of {tuple(labels['train'].shape)}: expected (runs, n) = {(runs, n_all)}")
    scale = torch.ones(runs, 2) if scale is None else scale
    n_train = torch.full((runs,), n_all) if n_train is None else n_train
    sizes = {"d_model": d_model, "n_vocab": n_vocab}
    weights = start(seeds, d_model, n_vocab, texts["train"].shape[1] - 1)
    optimiser = torch.optim.Adam(weights.values(), lr=rate, betas=(0.9, 0.99))
    order = torch.stack([_order(seed, n_all) for seed in seeds])
    draws = torch.stack([_draws(seed, n_steps, batch) for seed in seeds], dim=1)  # (steps, runs, batch)
    found = Pairs([], *(torch.empty(0, runs, 2),) * 2, torch.empty(n_steps, runs), [])
    every = max(1, n_steps // checks)
    for step in range(n_steps):
        at = order.gather(1, (draws[step] * n_train[:, None]).long())
        losses = two_losses(weights, texts["train"][at], labels["train"].gather(1, at), **sizes)
        trunk = weights["trunk"]
        first, head = torch.autograd.grad(losses[:, 0].sum(), [trunk, weights["next"]], retain_graph=True)
        second, other = torch.autograd.grad(losses[:, 1].sum(), [trunk, weights["label"]])
        gradients = torch.stack([first, second], dim=1) * scale[:, :, None]  # (runs, 2, n)
        gram = gram_of(gradients)
        found.cosines[step] = cosine(gram)
        use = rule(gram, losses.detach() * scale)
        trunk.grad = (use[:, None] @ gradients)[:, 0]
        weights["next"].grad, weights["label"].grad = head, other
        optimiser.step()
        if (step + 1) % every == 0:
            found.steps.append(step + 1)
            now = [_evaluate(weights, texts[part], labels[part], sizes) for part in ("val", "test")]
            found.val, found.test = (
                torch.cat([a, b[None]]) for a, b in zip((found.val, found.test), now, strict=True)
            )
            found.weights.append({name: value.detach().clone() for name, value in weights.items()})
    return found


def _order(seed: int, n: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(1000 + seed))


def _draws(seed: int, n_steps: int, batch: int) -> Tensor:
    return torch.rand(n_steps, batch, generator=torch.Generator().manual_seed(2000 + seed))


@torch.no_grad()
def _evaluate(weights: Weights, ids: Tensor, label: Tensor, sizes: dict[str, int]) -> Tensor:
    runs = weights["trunk"].shape[0]
    parts = zip(ids.split(100), label.split(100, dim=1), strict=True)
    sums = [two_losses(weights, part.expand(runs, -1, -1), y, **sizes) * len(part) for part, y in parts]
    return torch.stack(sums).sum(0) / len(ids)
