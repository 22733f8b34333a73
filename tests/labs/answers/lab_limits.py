"""Right and wrong answers to the lab on the limits, and what a wrong one is told."""

from __future__ import annotations

from dataclasses import replace

from lab_kit import solution
from labutils.coursework.lab import load
from places import ROOT

MASTER = load(ROOT / "notebooks/labs/lab_limits.ipynb")
# The questions do without what is measured between them, which the proof of the release runs.
MEASURED = {"areas", "steer", "opinions", "adversary", "fault", "promise"}
KEPT = tuple(cell for cell in MASTER.notebook.cells if cell.id not in MEASURED)
PUBLIC = {"imports", "student", "models", "helpers-q1"}  # the cells that public checks need
STUDENT = "s0"  # whose counts in question 1 all differ
LAB = replace(MASTER, notebook=replace(MASTER.notebook, cells=KEPT))

AREA = "def hypervolume(points, worst):\n"
STEP = "def step_for(gradients, falls):\n"
SPLIT = "def split_change(right_home, group_home, right_away, group_away):\n"
WORST = "def worst_mix(right, group, factor):\n"

REVERSED = """class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(context, z, strength):
        context.strength = strength
        return z.clone()

    @staticmethod
    def backward(context, gradient):
        return -context.strength * gradient, None


"""
HOOKED = """        z = self.trunk(x).tanh()
        copy = z.clone()
        if copy.requires_grad:
            copy.register_hook(lambda gradient: -self.strength * gradient)
        return [self.label(z), self.domain(copy)]
"""
BODY = """        z = torch.tanh(self.trunk(x))
        against = (1 + self.strength) * z.detach() - self.strength * z
        return self.label(z), self.domain(against)
"""
POINTS_BY_TORCH = """    import torch
    points, worst = torch.as_tensor(points), torch.as_tensor(worst)
    corners = torch.minimum(points, worst)
    xs, ys = corners[:, 0].unique(), corners[:, 1].unique()
    xs, ys = torch.cat([xs, worst[:1]]), torch.cat([ys, worst[1:]])
    area = torch.tensor(0.0)
    for i in range(len(xs) - 1):
        for j in range(len(ys) - 1):
            if ((points[:, 0] <= xs[i]) & (points[:, 1] <= ys[j])).any():
                area = area + (xs[i + 1] - xs[i]) * (ys[j + 1] - ys[j])
    return area
"""

RIGHT = {
    "q1": {
        "the lower hull": (
            "front = [a for a in models.tolist() if not any(b != a and b[0] <= a[0] and b[1] <= a[1]\n"
            "                                               for b in models.tolist())]\n"
            "hull = []\n"
            "for p in sorted(front):\n"
            "    while len(hull) > 1 and ((hull[-1][0] - hull[-2][0]) * (p[1] - hull[-2][1])\n"
            "                             - (hull[-1][1] - hull[-2][1]) * (p[0] - hull[-2][0])) < 0:\n"
            "        hull.pop()\n"
            "    hull.append(p)\n"
            "n_missed = np.int64(len(front) - len(hull))"
        ),
        "a very fine grid": (
            "w = torch.linspace(0, 1, 200_001, dtype=torch.double)[:, None]\n"
            "m = torch.as_tensor(models)\n"
            "found = ((1 - w) * m[:, 0] + w * m[:, 1]).argmin(1).unique()\n"
            "beaten = ((m[None] <= m[:, None]).all(2) & (m[None] < m[:, None]).any(2)).any(1)\n"
            "n_missed = 14 - beaten.sum() - len(found)"
        ),
    },
    "q2": {
        "cells of a grid, torch": AREA + POINTS_BY_TORCH,
        "a list, and worst moves": AREA
        + "    points, area = sorted(points.tolist(), reverse=True), 0\n"
        + "    while points:\n        a, b = points.pop()\n"
        + "        if a < worst[0] and b < worst[1]:\n"
        + "            area += (worst[0] - a) * (worst[1] - b)\n            worst[1] = b\n"
        + "    return area",
        "in place, by strips": AREA
        + "    points[:] = np.minimum(points, worst)\n"
        + "    x = np.sort(np.append(points[:, 0], worst[0]))\n"
        + "    heights = [worst[1] - points[points[:, 0] <= left, 1].min() for left in x[:-1]]\n"
        + "    return np.float32(np.dot(np.diff(x), heights))",
    },
    "q3": {
        "float32": STEP
        + "    G, f = (torch.tensor(part, dtype=torch.float32) for part in (gradients, falls))\n"
        + "    falls *= 0\n"
        + '    return torch.linalg.lstsq(G, f[:, None], driver="gelsd").solution[:, 0]',
        "lstsq": STEP + "    return np.linalg.lstsq(gradients, falls, rcond=None)[0].tolist()",
        "torch": STEP
        + "    return torch.linalg.pinv(torch.tensor(gradients), rtol=1e-9) @ torch.tensor(falls)",
        "inner products": STEP
        + "    return gradients.T @ np.linalg.pinv(gradients @ gradients.T, 1e-9) @ falls",
        "in place, one after another": STEP
        + "    d = np.zeros(gradients.shape[1])\n    rows = []\n"
        + "    for g, f in zip(gradients, falls):\n"
        + "        for r in rows:\n            f, g = f - (g @ r) * (d @ r), g - (g @ r) * r\n"
        + "        size = np.linalg.norm(g)\n"
        + "        if size > 1e-8:\n            rows.append(g / size)\n            d += f / size * rows[-1]\n"
        + "    return d",
    },
    "q4": {
        "a function of its own": REVERSED
        + solution(
            LAB,
            "q4",
            ("(1 + self.strength) * z.detach() - self.strength * z", "Reversed.apply(z, self.strength)"),
        ),
        "a hook": solution(LAB, "q4").replace(
            solution(LAB, "q4").split("        ### BEGIN SOLUTION\n")[2].split("        ### END")[0], HOOKED
        ),
        "the difference": solution(
            LAB,
            "q4",
            (
                "(1 + self.strength) * z.detach() - self.strength * z",
                "z.detach() + self.strength * (z.detach() - z)",
            ),
        ),
    },
    "q5": {
        "lists": SPLIT
        + "    def share(group, name):\n        return sum(g == name for g in group) / len(group)\n"
        + "    def accuracy(right, group, name):\n"
        + "        own = [int(r) for r, g in zip(right, group) if g == name]\n"
        + "        return sum(own) / len(own)\n"
        + "    names = set(group_home.tolist())\n"
        + "    as_before = sum(share(group_away, n) * accuracy(right_home, group_home, n) for n in names)\n"
        + "    home, away = sum(right_home) / len(right_home), sum(right_away) / len(right_away)\n"
        + "    return [as_before - home, away - as_before]",
        "an array of float32": solution(
            LAB,
            "q5",
            ("return float(mix), float(within)", "return np.array([mix, within], dtype=np.float32)"),
        ),
    },
    "q6": {
        "a linear programme": WORST
        + "    from scipy.optimize import linprog\n"
        + "    names, place = np.unique(group, return_inverse=True)\n"
        + "    share = np.bincount(place) / len(group)\n"
        + "    accuracy = np.bincount(place, right) / np.bincount(place)\n"
        + "    limits = [(0, min(1, factor * p)) for p in share]\n"
        + "    return linprog(accuracy, A_eq=[np.ones(len(names))], b_eq=[1], bounds=limits).fun",
        "running sums, torch": WORST
        + "    right, group = torch.as_tensor(right).float(), torch.as_tensor(group)\n"
        + "    names = group.unique().tolist()\n"
        + "    a = torch.stack([right[group == n].mean() for n in names])\n"
        + "    p = torch.stack([(group == n).float().mean() for n in names])\n"
        + "    order = a.argsort()\n"
        + "    filled = (factor * p[order]).cumsum(0).clamp(max=1)\n"
        + "    return (filled.diff(prepend=torch.zeros(1)) * a[order]).sum()",
        "duality": WORST
        + "    a = {g: right[group == g].mean() for g in set(group.tolist())}\n"
        + "    below = lambda t: np.mean([max(t - a[g], 0) for g in group.tolist()])\n"
        + "    return max(t - factor * below(t) for t in a.values())",
    },
}

WRONG = {
    "q1": {
        "beaten ones, too": solution(LAB, "q1", ("on_front(a) and not", "not")),
        "all of the front": solution(LAB, "q1", (" and not found_by_a_weight(a)", "")),
        "those found": solution(LAB, "q1", ("on_front(a) and not ", "")),
        "three weights": "n_missed = 14 - len({int(((1 - w) * models[:, 0] + w * models[:, 1]).argmin()) "
        "for w in (0.25, 0.5, 0.75)}) - sum(any((b < a).all() for b in models) for a in models)",
        "the table's rows": "n_missed = len(models)",
        "a coarse grid": "n_missed = sum(on_front(a) for a in models) - len({int(((1 - w) * models[:, 0] "
        "+ w * models[:, 1]).argmin()) for w in np.linspace(0, 1, 6)})",
    },
    "q2": {
        "rectangles added": AREA
        + "    inside = points[(points < worst).all(1)]\n    return (worst - inside).prod(1).sum()",
        "in the order given": solution(LAB, "q2", ("sorted(points.tolist())", "points.tolist()")),
        "beaten ones subtract": solution(LAB, "q2", (" and second < lowest", "")),
        "beaten ones within": solution(
            LAB,
            "q2",
            (" and second < lowest", ""),
            ("sorted(points.tolist())", "sorted(points[(points < worst).all(1)].tolist())"),
        ),
        "beyond the worst": solution(LAB, "q2", ("first < worst[0] and ", "")),
        "the best corner": AREA + "    return float((worst - points.min(0)).clip(0).prod())",
        "neighbours' overlaps": AREA
        + "    p = sorted({(a, b) for a, b in points.tolist() if a < worst[0] and b < worst[1]})\n"
        + "    area = sum((worst[0] - a) * (worst[1] - b) for a, b in p)\n"
        + "    shared = ((worst[0] - c) * (worst[1] - max(b, d)) for (_, b), (c, d) in zip(p, p[1:]))\n"
        + "    return area - sum(shared)",
        "a grid of points": AREA
        + "    x, y = ((np.arange(200) + 0.5) / 200 * w for w in worst)\n"
        + "    covered = [(x >= a)[:, None] & (y >= b) for a, b in points]\n"
        + "    return np.any(covered, axis=0).mean() * worst[0] * worst[1]",
        "the largest rectangle": AREA + "    return (worst - points).clip(0).prod(1).max()",
        "trapezia": AREA
        + "    p = points[(points < worst).all(1)]\n    p = p[p[:, 0].argsort()]\n"
        + "    return float(np.trapezoid(worst[1] - p[:, 1], p[:, 0])) if len(p) else 0.0",
    },
    "q3": {
        "steps added up": STEP + "    return (falls / (gradients**2).sum(1)) @ gradients",
        "the transpose": STEP + "    return gradients.T @ falls",
        "a square corner": STEP
        + "    k = len(gradients)\n    d = np.zeros(gradients.shape[1])\n"
        + "    d[:k] = np.linalg.lstsq(gradients[:, :k], falls, rcond=None)[0]\n    return d",
        "inverse of a singular matrix": STEP
        + "    return gradients.T @ np.linalg.inv(gradients @ gradients.T) @ falls",
        "nearly: a ridge": STEP
        + "    inner = gradients @ gradients.T + 1e-3 * np.eye(len(falls))\n"
        + "    return gradients.T @ np.linalg.solve(inner, falls)",
        "two losses, no more": STEP
        + "    d = falls[0] * gradients[0] / (gradients[0] @ gradients[0])\n"
        + "    for g, f in zip(gradients[1:2], falls[1:2]):\n"
        + "        own = g - (g @ gradients[0]) / (gradients[0] @ gradients[0]) * gradients[0]\n"
        + "        if own @ own > 1e-9:\n            d = d + (f - g @ d) / (own @ own) * own\n"
        + "    return d",
        "of length one": STEP + "    d = np.linalg.pinv(gradients) @ falls\n    return d / np.linalg.norm(d)",
        "downwards twice": STEP + "    return -np.linalg.pinv(gradients) @ falls",
    },
    "q4": {
        "no reversal": solution(LAB, "q4", (BODY, BODY.replace("self.domain(against)", "self.domain(z)"))),
        "the sign": solution(
            LAB,
            "q4",
            (
                "(1 + self.strength) * z.detach() - self.strength * z",
                "(1 - self.strength) * z.detach() + self.strength * z",
            ),
        ),
        "another output": solution(LAB, "q4", ("(1 + self.strength) * z.detach() - self", "-self")),
        "detached": solution(
            LAB, "q4", ("(1 + self.strength) * z.detach() - self.strength * z", "z.detach()")
        ),
        "the head turned round as well": REVERSED
        + solution(
            LAB,
            "q4",
            ("(1 + self.strength) * z.detach() - self.strength * z", "z"),
            ("self.domain(against)", "Reversed.apply(self.domain(against), self.strength)"),
        ),
        "no strength": solution(
            LAB, "q4", ("(1 + self.strength) * z.detach() - self.strength * z", "2 * z.detach() - z")
        ),
        "no tanh": solution(LAB, "q4", ("torch.tanh(self.trunk(x))", "self.trunk(x)")),
        "probabilities": solution(LAB, "q4", ("self.label(z), self", "self.label(z).softmax(1), self")),
        "one head": solution(LAB, "q4", ("self.domain(against)", "self.label(against)")),
    },
    "q5": {
        "the other order": solution(
            LAB,
            "q5",
            ("* right_home[here].mean()\n", "* right_away[there].mean()\n"),
            ("there.mean() * (", "here.mean() * ("),
        ),
        "turned round": solution(LAB, "q5", ("return float(mix), float(within)", "return within, mix")),
        "the signs": solution(LAB, "q5", ("return float(mix), float(within)", "return -mix, -within")),
        "each group once": solution(LAB, "q5", ("there.mean() * (", "(")),
        "shares of home": solution(LAB, "q5", ("there.mean() * (", "here.mean() * (")),
        "groups from 0": solution(LAB, "q5", ("np.unique(group_home)", "range(len(np.unique(group_home)))")),
        "groups to the greatest": solution(
            LAB,
            "q5",
            ("np.unique(group_home)", "[j for j in range(max(group_home) + 1) if j in group_home]"),
        ),
        "numbers for shares": solution(
            LAB,
            "q5",
            ("there.mean() - here.mean()", "there.sum() / len(group_home) - here.mean()"),
            ("there.mean() * (", "there.sum() / len(group_home) * ("),
        ),
        "the change alone": SPLIT + "    return right_away.mean() - right_home.mean(), 0.0",
    },
    "q6": {
        "the worst group": WORST + "    return min(right[group == g].mean() for g in np.unique(group))",
        "home": WORST + "    return right.mean()",
        "only the worst grows": WORST
        + "    worst = min(np.unique(group), key=lambda g: right[group == g].mean())\n"
        + "    own = group == worst\n    share = min(1, factor * own.mean())\n"
        + "    return share * right[own].mean() + (1 - share) * right[~own].mean()",
        "texts in place of groups": WORST + "    return max(0.0, 1 - factor * (1 - right.mean()))",
        "from the best to the worst": WORST
        + "    kinds = sorted((right[group == g].mean(), (group == g).mean()) for g in np.unique(group))\n"
        + "    moved = min((factor - 1) * kinds[0][1], kinds[-1][1])\n"
        + "    return right.mean() + moved * (kinds[0][0] - kinds[-1][0])",
        "the best mix": solution(
            LAB, "q6", ("for name in np.unique(group))", "for name in np.unique(group))[::-1]")
        ),
        "shares above one": solution(LAB, "q6", ("min(left, factor * share)", "factor * share")),
        "divided": WORST + "    return right.mean() / factor",
        "groups of equal size": solution(
            LAB, "q6", ("(group == name).mean())", "1 / len(np.unique(group)))")
        ),
    },
}

# What a mistake is told: a part of the sentence.
SAID = {
    "q1": {
        "beaten ones, too": "the beaten models, too",
        "all of the front": "the whole front",
        "those found": "how many a weight finds",
    },
    "q2": {
        "rectangles added": "counts once",
        "beaten ones within": "others beat",
        "beyond the worst": "in one loss",
    },
    "q3": {
        "steps added up": "cannot just be added",
        "a square corner": "longer than it has to be",
        "downwards twice": "do not fall",
        "two losses, no more": "do not fall",
    },
    "q4": {
        "no reversal": "enters the trunk unchanged",
        "the sign": "The sign",
        "detached": "does not enter the trunk at all",
        "the head turned round as well": "turned round as well",
        "no tanh": "whatever the strength",
    },
    "q5": {
        "the other order": "weighed by accuracies at home",
        "turned round": "The other way round",
        "the signs": "The signs",
    },
    "q6": {
        "the worst group": "not to all",
        "only the worst grows": "the second worst",
    },
}
