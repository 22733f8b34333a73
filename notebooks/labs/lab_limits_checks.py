"""Hidden checks of the lab on conflicting objectives and generalization: the second signature.

Between its questions the notebook reads `labutils.data.load_opinions`. No answer depends on that; graded with
`--data` and the cache of `labutils data`, each submission takes some seconds less, which pip would wait.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labutils.checks.answers import array
from labutils.coursework.cases import Build, equal, mistake, tensor

Floats = NDArray[np.float64]
LIMITS = {"seconds": 180, "cell_seconds": 60, "question_seconds": 10}


# --- 1, models that no weight finds


def reference_q1(personal: np.random.Generator) -> dict[str, int]:
    turn, length = np.sort(personal.uniform(0.1, 1.47, 14)), personal.uniform(0.85, 1, 14)
    table = np.stack([4 - 3 * length * side(turn) ** 1.5 for side in (np.sin, np.cos)], axis=1).round(3)
    beaten = [any(np.all(b <= a) and np.any(b < a) for b in table) for a in table]
    found = [_some_weight(table, a) for a in table]
    return {
        "right": sum(not bad and not ok for bad, ok in zip(beaten, found, strict=True)),
        "beaten": sum(beaten),
        "front": 14 - sum(beaten),
        "found": sum(found),
        "missed": 14 - sum(found),
    }


def _some_weight(table: Floats, a: Floats) -> bool:
    """Whether a weight makes the sum of `a` least: each other model leaves an interval of weights."""
    low, high = 0.0, 1.0
    for b in table:
        start, slope = a[0] - b[0], (a[1] - b[1]) - (a[0] - b[0])  # needed: start + w · slope <= 0
        if slope > 0:
            high = min(high, -start / slope)
        elif slope < 0:
            low = max(low, -start / slope)
        elif start > 0:
            return False
    return bool(low <= high + 1e-12)


def compare_q1(found: Any, expected: dict[str, int]) -> str | None:
    n = array(found, ()).item()
    if n == expected["right"]:
        return None
    told = {
        "missed": "That counts the beaten models, too: asked are those on the front.",
        "found": "That is how many a weight finds: asked are the others on the front.",
        "front": "That is the whole front: some of its models are found by a weight.",
        "beaten": "These models are not on the front at all.",
    }
    meant = [why for label, why in told.items() if n == expected[label]]
    if len(meant) == 1:
        return meant[0]
    return "This is not the number for this table: have all weights between 0 and 1 been looked at?"


# --- 2, the area


def inputs_q2(rng: np.random.Generator) -> list[Any]:
    many = rng.uniform(0, 1.4, (9, 2))
    twice = rng.uniform(0.5, 4, (5, 2))
    steps = np.array([[0.9, 0.2], [0.5, 0.94], [0.3, 0.9], [0.1, 2.5]])
    return [
        (many, np.array([1.0, 1.0])),
        (np.concatenate([twice, twice[:2]])[rng.permutation(7)], np.array([3.0, 2.0])),
        (rng.uniform(2, 3, (4, 2)), np.array([1.5, 4.0])),  # nothing is acceptable
        (np.sort(rng.uniform(0, 1, (2, 6)), axis=1).T * [1, -1] + [0, 1], np.array([2.0, 2.0])),  # all on it
        (steps + rng.uniform(0, 0.05, 2), np.array([1.2, 1.0])),  # a beaten one stands between two others
    ]


def reference_q2(points: Floats, worst: Floats) -> dict[str, float]:
    inside = points[(points < worst).all(1)]
    columns = np.unique(np.append(inside[:, 0], worst[0]))
    area = 0.0
    for left, right in zip(columns[:-1], columns[1:], strict=True):
        area += (right - left) * (worst[1] - inside[inside[:, 0] <= left, 1].min())
    boxes = worst - inside
    return {
        "right": float(area),
        "added": float((boxes[:, 0] * boxes[:, 1]).sum()),
        "subtracted": _strips(inside, worst, all_of_them=True),
        "outside": _strips(points, worst, all_of_them=False),
    }


def _strips(points: Floats, worst: Floats, *, all_of_them: bool) -> float:
    """What mistakes give: the strips of all models, beaten ones too, or of those beyond the worst point."""
    area, lowest = 0.0, worst[1]
    for first, second in sorted(points.tolist()):
        if all_of_them or second < lowest:
            area, lowest = area + (worst[0] - first) * (lowest - second), second
    return float(area)


def compare_q2(found: Any, expected: dict[str, float]) -> str | None:
    words = {
        "added": "What several models cover counts once, not once for each.",
        "subtracted": "Models that others beat change the area: they should not.",
        "outside": "Models that are worse than the worst point in one loss change the area: they should not.",
    }
    other = "Not the area: mind models that are beaten, that occur twice, or that are worse than `worst`."
    return mistake(array(found, ()).item(), expected, words, other)


# --- 3, a step to order


def inputs_q3(rng: np.random.Generator) -> list[Any]:
    whole = rng.integers(1, 5, (2, 6)).astype(float) * rng.choice([-1, 1], (2, 6))
    return [
        (0.1 * rng.normal(size=(2, 5)), rng.normal(size=2)),  # small: what is added to G Gᵀ shows
        (rng.normal(size=(3, 8)), np.array([1.0, 0.0, 0.0])),
        (rng.normal(size=(1, 4)), np.array([2.0])),
        (np.stack([whole[0], 2 * whole[0]]), np.array([1.0, 2.0])),
    ]


def reference_q3(gradients: Floats, falls: Floats) -> dict[str, Any]:
    lengths = (gradients**2).sum(1)
    return {
        "right": np.linalg.lstsq(gradients, falls, rcond=1e-9)[0],
        "added": (falls / lengths) @ gradients,
        "gradients": gradients,
        "falls": falls,
    }


def compare_q3(found: Any, expected: dict[str, Any]) -> str | None:
    d = array(found, expected["right"].shape)
    if equal(d, expected["right"], 1e-3, 1e-4):
        return None
    if equal(expected["gradients"] @ d, expected["falls"], 1e-3, 1e-4):
        return "The losses fall as ordered, but the step is longer than it has to be."
    if equal(d, expected["added"], 1e-3, 1e-4):
        return "Each gradient's own step also moves the other losses: they cannot just be added."
    return "The losses do not fall by what was ordered."


# --- 4, two heads that pull apart


def inputs_q4(rng: np.random.Generator) -> list[Build]:
    def case(d: int, width: int, domains: int, strength: float, method: str) -> Build:
        shapes = {"trunk.weight": (width, d), "trunk.bias": (width,), "label.weight": (2, width)}
        shapes |= {"label.bias": (2,), "domain.weight": (domains, width), "domain.bias": (domains,)}
        state = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        args = [tensor(rng.normal(size=(7, d)))]
        if method == "pulls":
            args += [tensor(rng.integers(0, many, 7), "int64") for many in (2, domains)]
        init = {"d_in": d, "d_hidden": width, "n_domain": domains, "strength": strength}
        return Build(init, state, tuple(args), method=method, strict=False)

    return [
        case(4, 5, 3, 0.7, "forward"),
        case(4, 5, 3, 0.7, "pulls"),
        case(3, 6, 2, -1.0, "pulls"),
        case(5, 3, 4, 0.0, "pulls"),
        case(4, 4, 3, 2.5, "pulls"),
    ]


def reference_q4(case: Build) -> dict[str, Any]:
    assert case.state is not None
    w = {name: np.asarray(value, dtype=np.float64) for name, value in case.state.items()}
    x = np.asarray(case.args[0], dtype=np.float64)
    z = np.tanh(x @ w["trunk.weight"].T + w["trunk.bias"])
    logits = {head: z @ w[f"{head}.weight"].T + w[f"{head}.bias"] for head in ("label", "domain")}
    if case.method == "forward":
        return {"logits": (logits["label"], logits["domain"])}
    trunk, own = {}, {}
    for head, target in zip(("label", "domain"), case.args[1:], strict=True):
        p = np.exp(logits[head] - logits[head].max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(len(p)), np.asarray(target)] -= 1
        own[head] = p.T @ z / len(p)
        trunk[head] = ((p @ w[f"{head}.weight"] / len(p)) * (1 - z**2)).T @ x
    s = case.init["strength"]
    return {
        "right": (trunk["label"] - s * trunk["domain"], own["domain"]),
        "helped": trunk["label"] + s * trunk["domain"],
        "plain": trunk["label"] + trunk["domain"],
        "turned": -s * own["domain"],
        "trunk": trunk["label"],
    }


def compare_q4(found: Any, expected: dict[str, Any]) -> str | None:
    if not isinstance(found, list | tuple) or len(found) != 2:
        return "Two things are to be returned: the logits of the label and those of the domain."
    if "logits" in expected:
        if all(equal(a, b, 1e-3, 1e-4) for a, b in zip(found, expected["logits"], strict=True)):
            return None
        return "The outputs are those of a trunk with tanh and two linear heads, whatever the strength."
    trunk, head = found
    if not equal(head, expected["right"][1], 1e-3, 1e-4):
        if equal(head, expected["turned"], 1e-3, 1e-4):
            return "The second head's own gradient is turned round as well: it should learn as usual."
        return "The gradient of the second head is not that of the cross-entropy."
    words = {
        "helped": "The sign: the trunk helps the second head where it should work against it.",
        "plain": "The second head's gradient enters the trunk unchanged.",
        "trunk": "The second head's gradient does not enter the trunk at all.",
    }
    other = "The trunk's gradient is not that of the label less strength times that of the domain."
    return mistake(trunk, expected | {"right": expected["right"][0]}, words, other, rtol=1e-3, atol=1e-4)


# --- 5, mix and within


def _groups(rng: np.random.Generator, n: int, names: list[int], chances: Any) -> tuple[Any, Any]:
    """Texts of several groups, each group there at least twice, and whether the model was right."""
    group = np.concatenate([np.repeat(names, 2), rng.choice(names, n, p=rng.dirichlet(np.ones(len(names))))])
    group = rng.permutation(group)
    right = rng.random(len(group)) < np.array([chances[names.index(name)] for name in group])
    return right, group


def inputs_q5(rng: np.random.Generator) -> list[Any]:
    cases = []
    for names in ([0, 1], [2, 5, 11], [-1, 0, 3, 4]):
        home, away = (_groups(rng, n, names, rng.uniform(0.2, 1, len(names))) for n in (60, 45))
        cases.append((*home, *away))
    return cases


def reference_q5(
    right_home: Any, group_home: Any, right_away: Any, group_away: Any
) -> dict[str, tuple[float, float]]:
    names = sorted(set(group_home.tolist()))
    p, a = (np.array(x) for x in _by_group(right_home, group_home, names))
    q, b = (np.array(x) for x in _by_group(right_away, group_away, names))
    mix, within = float(((q - p) * a).sum()), float((q * (b - a)).sum())
    return {
        "right": (mix, within),
        "turned": (within, mix),
        "signs": (-mix, -within),
        "other": (float(((q - p) * b).sum()), float((p * (b - a)).sum())),
    }


def _by_group(right: Any, group: Any, names: list[int]) -> tuple[list[float], list[float]]:
    places = [group == name for name in names]
    return [float(place.mean()) for place in places], [float(right[place].mean()) for place in places]


def compare_q5(found: Any, expected: dict[str, tuple[float, float]]) -> str | None:
    pair = array(found, (2,))
    words = {
        "turned": "The other way round: first the mix, then what happened within.",
        "signs": "The signs: a change is away less home.",
        "other": "The mix is weighed by accuracies at home, what happened within by shares away.",
    }
    other = "Not the two parts: do they add up to the change, and do groups count by their shares?"
    return mistake(pair, expected, words, other, atol=1e-5)


# --- 6, the worst mix


def inputs_q6(rng: np.random.Generator) -> list[Any]:
    cases = []
    for names, factor in (([0, 1, 2], 1.5), ([3, 8, 9, 20], 2.0), ([1, 2], 1.0), ([-2, 0, 7], 500.0)):
        right, group = _groups(rng, 50, names, rng.permutation(np.linspace(0.2, 0.95, len(names))))
        cases.append((right, group, factor))
    return [*cases, (*cases[1][:2], 1.2)]


def reference_q6(right: Any, group: Any, factor: float) -> dict[str, float]:
    """The largest of the lower bounds that duality gives: one for each group that may be filled last."""
    names = sorted(set(group.tolist()))
    share, accuracy = (np.array(x) for x in _by_group(right, group, names))
    bounds = [t - factor * float((share * np.maximum(t - accuracy, 0)).sum()) for t in accuracy]
    worst = int(accuracy.argmin())
    first = min(1.0, factor * share[worst])
    rest = 1 - share[worst]
    others = float((share * accuracy).sum() - share[worst] * accuracy[worst]) / rest
    return {
        "right": max(bounds),
        "worst": float(accuracy.min()),
        "one": first * float(accuracy[worst]) + (1 - first) * others,
    }


def compare_q6(found: Any, expected: dict[str, float]) -> str | None:
    lowest = array(found, ()).item()
    if equal(lowest, expected["right"], 1e-4, 1e-5):
        return None
    if equal(lowest, expected["worst"], 1e-4, 1e-5):
        return "This is the worst group's accuracy: its share may grow by the factor, not to all."
    if equal(lowest, expected["one"], 1e-4, 1e-5):
        return "The worst group gets its share; then the second worst gets all that it may have, and so on."
    return "Not the lowest accuracy that shares within the factor can give."
