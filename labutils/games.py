"""The smallest game, min over x and max over y of x · y: how its players move, and whether they arrive.

Built on the page notebooks/adversarial/gan_stability.ipynb, whose explorer mirrors `path`. Theory: Gidel et
al. (2019), "A variational inequality perspective on GANs"; the brake is the zero-centred penalty of Mescheder
et al. (2018).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["RULES", "growth", "path"]

Floats = NDArray[np.float64]
RULES = ("simultaneous", "alternating", "extragradient", "optimistic")


def path(
    rule: str,
    n_step: int,
    rate: float = 0.1,
    brake: float = 0.0,
    start: tuple[float, float] = (1.0, 1.0),
) -> Floats:
    """Where the players (x, y) stand at the start and after each step: (n_step + 1, 2).

    x goes down the slope of x · y − brake · y² / 2, and y goes up. `rule`: "simultaneous", both at once;
    "alternating", y answers to the new x; "extragradient", both look a step ahead and move by the slopes
    there; "optimistic", twice the slope minus the one before. ValueError for another rule.
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}: expected one of {', '.join(RULES)}")

    def slopes(x: float, y: float) -> tuple[float, float]:  # where each player wants to go
        return -y, x - brake * y

    x, y = start
    before = slopes(x, y)
    points = [(x, y)]
    for _ in range(n_step):
        a, b = slopes(x, y)
        if rule == "alternating":
            x += rate * a
            y += rate * slopes(x, y)[1]
        elif rule == "extragradient":
            a, b = slopes(x + rate * a, y + rate * b)
            x, y = x + rate * a, y + rate * b
        elif rule == "optimistic":
            x, y = x + rate * (2 * a - before[0]), y + rate * (2 * b - before[1])
            before = a, b
        else:
            x, y = x + rate * a, y + rate * b
        points.append((x, y))
    return np.array(points)


def growth(rule: str, rate: float) -> float:
    """The factor of the radius in a step, in the long run, without a brake.

    The largest size of an eigenvalue of the step: 1 for alternating moves with a rate below 2. ValueError for
    another rule, and for a rate beyond which the formula does not hold (½ for optimism, 2 for alternation).
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}: expected one of {', '.join(RULES)}")
    largest = {"alternating": 2.0, "optimistic": 0.5}.get(rule, math.inf)
    if not 0 < rate < largest:
        raise ValueError(f"rate is {rate}: expected a number above 0 and below {largest}")
    squared = {
        "simultaneous": 1 + rate**2,
        "alternating": 1.0,
        "extragradient": 1 - rate**2 + rate**4,
        "optimistic": (1 + math.sqrt(max(0.0, 1 - 4 * rate**2))) / 2,
    }[rule]
    return math.sqrt(squared)
