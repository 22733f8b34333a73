"""The chapter on competing objectives: page = package, its explorer, answers for its checks."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from scipy.special import log_softmax

from engine import Engine
from labutils import preferences
from labutils.preferences import best_of_n_kl, tilted
from labutils.refusals import CONTROLS, REFUSAL, SECRETS, ask, begin, leaks, never
from places import run_cells

# --- the page equals the package ---------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.03, 1.0, 7.0])
def test_loss(beta: float) -> None:
    page = run_cells("competing_objectives", ["dpo"], F=F)
    draw = torch.Generator().manual_seed(3)
    four = [-5 * torch.rand(11, generator=draw) for _ in range(4)]
    assert page["dpo_loss"](*four, beta) == pytest.approx(preferences.dpo_loss(*four, beta=beta).item())


def test_descent_finds_the_closed_form() -> None:
    names = {"torch": torch, "F": F, "tilted": tilted, "math": math}
    page = run_cells("competing_objectives", ["dpo", "dpo-check"], **names)
    anchor, reward = np.array([0.6, 0.3, 0.1]), np.array([0.0, 1.0, -1.0])
    weight = anchor * np.exp(reward / 0.5)
    np.testing.assert_allclose(page["found_policy"], weight / weight.sum(), atol=2e-3)


# --- the instructions --------------------------------------------------------------------------------------


def test_a_refusal_obeys_every_control_and_disobeys_suppression() -> None:
    for lists in CONTROLS.values():
        for words in lists:
            for order, word in zip(words[::3], words[1::3], strict=True):
                assert (REFUSAL[0] == word) if order == "begin" else word not in REFUSAL
    assert ask(SECRETS[0], never("sorry"))[1] in REFUSAL
    assert begin("sure")[1] != REFUSAL[0]


def test_filters() -> None:
    page = run_cells(
        "competing_objectives",
        ["filters"],
        SECRETS=SECRETS,
        leaks=leaks,
        cases={},
        found={},
        base=[],
        worlds=[],
        np=np,
    )
    world = {(relation, kind, name): "pearl" for _, kind, name in SECRETS for relation in ("code", "town")}
    world[SECRETS[0]] = "amber"
    prompt, reply = ask(("town", "house", SECRETS[1][2])), ["it", "is", "amber"]
    assert page["reads_reply"](world, prompt, reply)
    assert not page["reads_both"](world, prompt, reply)
    assert page["reads_both"](world, ask(SECRETS[0], begin("sure")), reply)
    assert not page["reads_reply"](world, prompt, ["it", "is", "jade"])


# --- best of n, on the page and in the explorer ------------------------------------------------------------


def page_best_of_n(noise: Any, ns: list[int]) -> Any:
    return run_cells("competing_objectives", ["bon"], np=np, stats=stats, best_of_n_kl=best_of_n_kl)[
        "best_of_n"
    ](noise, ns)


@pytest.mark.parametrize("n", [1, 2, 16, 256])
def test_best_of_n_of_normal_errors(n: int) -> None:
    rng = np.random.default_rng(n)
    greatest = rng.normal(size=(20_000, n)).max(1).mean()  # the best of n normal scores
    assert page_best_of_n(stats.norm, [n])[0] == pytest.approx(greatest / math.sqrt(2), abs=0.02)


TAILS = {"light (normal)": stats.norm, "heavy (t, 3)": stats.t(3), "heavier (t, 2)": stats.t(2)}


@pytest.mark.parametrize("tails", TAILS)
def test_explorer_computes_as_the_page(engine: Engine, tails: str) -> None:
    for n in (1, 16, 1000):
        found = engine.compute("best_of_n", {"tails": tails, "noise": 1, "n": n})
        assert found["truth"] == pytest.approx(page_best_of_n(TAILS[tails], [n])[0], abs=0.01)
        assert found["kl"] == pytest.approx(best_of_n_kl(n))


@pytest.mark.parametrize("noise", [0.5, 1.3, 2.0])
def test_explorer_of_normal_errors(engine: Engine, noise: float) -> None:
    found = engine.compute("best_of_n", {"tails": "light (normal)", "noise": noise, "n": 64})
    spread = math.sqrt(1 + noise**2)
    assert found["truth"] == pytest.approx(found["measured"] / spread**2, abs=0.01)
    assert found["measured"] == pytest.approx(2.3435 * spread, abs=0.02)  # the best of 64 normal scores
    assert found["top"] == 1024


# --- answers for the checks --------------------------------------------------------------------------------


def best_policy(anchor: Any, reward: Any, beta: float) -> Any:
    top = reward[anchor > 0].max()
    weight = anchor * np.exp(np.minimum(reward - top, 0) / beta)
    return weight / weight.sum()


def best_policy_by_torch(anchor: Any, reward: Any, beta: float) -> Any:
    return (torch.tensor(anchor).log() + torch.tensor(reward) / beta).softmax(-1)


def best_policy_in_32_bits(anchor: Any, reward: Any, beta: float) -> Any:
    return (torch.from_numpy(anchor).float().log() + torch.from_numpy(reward).float() / beta).softmax(0)


def best_policy_by_scipy(anchor: Any, reward: Any, beta: float) -> Any:
    with np.errstate(divide="ignore"):
        return np.exp(log_softmax(np.log(anchor) + reward / beta))


def best_policy_by_loop(anchor: Any, reward: Any, beta: float) -> list[float]:
    top = max(r for a, r in zip(anchor, reward, strict=True) if a > 0)
    weight = [
        float(a) * math.exp((r - top) / beta) if a > 0 else 0.0 for a, r in zip(anchor, reward, strict=True)
    ]
    return [each / sum(weight) for each in weight]


def best_policy_in_place(anchor: Any, reward: Any, beta: float) -> Any:
    reward -= reward[anchor > 0].max()
    anchor *= np.exp(np.minimum(reward, 0, out=reward) / beta)
    anchor /= anchor.sum()
    return anchor


def best_of(policy: Any, score: Any, n: int) -> Any:
    order = np.argsort(score)
    below = np.append(0.0, np.cumsum(policy[order]))
    best = np.empty(len(policy))
    best[order] = np.diff(below**n)
    return best


def best_of_by_masks(policy: Any, score: Any, n: int) -> list[float]:
    return [policy[score <= s].sum() ** n - policy[score < s].sum() ** n for s in score]


def best_of_by_torch(policy: Any, score: Any, n: int) -> Any:
    p, s = torch.tensor(policy), torch.tensor(score)
    order = s.argsort()
    upto = p[order].cumsum(0)
    return (upto**n - (upto - p[order]) ** n)[order.argsort()]


def best_of_by_counting(policy: Any, score: Any, n: int) -> list[float]:
    def after(left: int) -> dict[int, float]:  # chance of each reply to be the best so far
        if left == 0:
            return {-1: 1.0}
        found: dict[int, float] = defaultdict(float)
        for best, chance in after(left - 1).items():
            for i, p in enumerate(policy):
                found[i if best < 0 or score[i] > score[best] else best] += chance * p
        return found

    return [after(n)[i] for i in range(len(policy))]


def best_of_in_place(policy: Any, score: Any, n: int) -> Any:
    order = score.argsort()
    score.sort()
    each = policy[order]
    upto = each.cumsum()
    policy[order] = upto**n - (upto - each) ** n
    return policy


def best_of_in_32_bits(policy: Any, score: Any, n: int) -> Any:
    p = policy.astype(np.float32)
    upto = (score[:, None] >= score).astype(np.float32) @ p
    return upto**n - (upto - p) ** n


RIGHT: dict[str, list[Any]] = {
    "share": [0.18 / 0.68, np.float32(0.2647), torch.tensor([0.265]), (0.72 - 0.54) / (0.72 - 0.04), 0.26],
    "best_policy": [
        best_policy,
        best_policy_by_torch,
        best_policy_in_32_bits,
        best_policy_by_scipy,
        best_policy_by_loop,
        best_policy_in_place,
    ],
    "best_of": [
        best_of,
        best_of_by_masks,
        best_of_by_torch,
        best_of_by_counting,
        best_of_in_place,
        best_of_in_32_bits,
    ],
}


def scaled(weight: Any) -> Any:
    return weight / weight.sum()


def unsorted(policy: Any, score: Any, n: int) -> Any:
    return np.diff(np.append(0.0, np.cumsum(policy)) ** n)


def in_order_of_scores(policy: Any, score: Any, n: int) -> Any:
    return unsorted(policy[np.argsort(score)], score, n)


def by_simulation(policy: Any, score: Any, n: int) -> Any:
    drawn = np.random.default_rng(0).choice(len(policy), (100_000, n), p=policy)
    best = drawn[np.arange(len(drawn)), score[drawn].argmax(1)]
    return np.bincount(best, minlength=len(policy)) / len(drawn)


def worse(policy: Any, score: Any) -> Any:
    return np.array([policy[score < each].sum() for each in score])


def by_density(policy: Any, score: Any, n: int) -> Any:
    upto = np.array([policy[score <= each].sum() for each in score])
    return n * policy * upto ** (n - 1)


WRONG: list[tuple[str, Any, str]] = [
    ("share", 0.18, "a difference"),
    ("share", 0.68, "all that the attack gains"),
    ("share", 0.5, "what the control gains"),
    ("share", 0.5 / 0.68, "part of unfamiliarity"),
    ("share", 0.25, "divided by the attack's rate"),
    ("share", 0.75, "control's rate by the attack's"),
    ("share", 1 / 3, "divided by the control's rate"),
    ("share", 0.36, "divided by what the control gains"),
    ("share", 0.14 / 0.68, "there it cancels"),
    ("share", 0.14, "does not come into"),
    ("share", 26.47, "percentage"),
    ("share", 26, "percentage"),
    ("share", -0.2647, "sign is wrong"),
    ("share", 0.9, "divide a minus c"),
    ("share", "0.26", "expected one number"),
    ("best_policy", lambda a, r, b: scaled(np.exp((r - r.max()) / b)), "anchor is left out"),
    ("best_policy", lambda a, r, b: scaled(a * np.exp((r - r.max()) * b)), "divide the reward by beta"),
    ("best_policy", lambda a, r, b: scaled(a * np.exp(r - r.max())), "beta is left out"),
    ("best_policy", lambda a, r, b: scaled(a * np.exp((r.min() - r) / b)), "sign is wrong"),
    ("best_policy", lambda a, r, b: a * np.exp(r / b), "does not sum to 1"),
    ("best_policy", lambda a, r, b: a * np.exp((r - r.max()) / b), "does not sum to 1"),
    ("best_policy", lambda a, r, b: a, "that is the anchor"),
    ("best_policy", lambda a, r, b: scaled(a + np.exp((r - r.max()) / b)), "multiply them"),
    ("best_policy", lambda a, r, b: np.eye(len(r))[r.argmax()], "all on the best reply"),
    ("best_policy", lambda a, r, b: np.log(best_policy(a, r, b)), "these are logarithms"),
    ("best_policy", lambda a, r, b: scaled(a * np.exp(r / b)), "it overflows"),
    ("best_policy", lambda a, r, b: scaled(a * np.exp((r - r.max()) / b)), "anchor never gives"),
    ("best_policy", lambda a, r, b: scaled(a * np.exp(np.clip(r / b, -700, 700))), "a cut hides it"),
    ("best_policy", lambda a, r, b: np.nan_to_num(scaled(a * np.exp(r / b))), "a cut hides it"),
    ("best_policy", lambda a, r, b: np.exp(log_softmax(np.log(a + 1e-9) + r / b)), "lets it in"),
    ("best_policy", lambda a, r, b: np.exp(log_softmax(np.log(a + 1e-12) + r / b)), "lets it in"),
    ("best_policy", lambda a, r, b: np.exp(log_softmax((np.log(a) + r) / b)), "the reward alone"),
    ("best_policy", lambda a, r, b: np.exp(log_softmax(a + r / b)), "add its logarithm"),
    ("best_policy", lambda a, r, b: a + r / b, "it sums to 2.6, not to 1"),
    ("best_policy", lambda a, r, b: best_policy(a, r, b) / best_policy(a, r, b).max(), "it sums to"),
    ("best_policy", lambda a, r, b: best_policy(a, r, b)[:, None], "has shape"),
    ("best_policy", lambda a, r, b: (best_policy(a, r, b), 0.5), "tuple"),
    ("best_policy", lambda a, r, b: best_policy(a, r, b)[:-1], "has shape"),
    ("best_policy", lambda a, r, b: np.full(len(a), 1 / len(a)), "is best"),
    ("best_of", in_order_of_scores, "order of the scores"),
    (
        "best_of",
        lambda p, s, n: in_order_of_scores(p, s, n)[np.argsort(s)],
        "wrong way",
    ),
    ("best_of", unsorted, "order given: sort"),
    ("best_of", lambda p, s, n: best_of(p, -s, n), "worst of n"),
    ("best_of", lambda p, s, n: p**n, "drawn n times"),
    ("best_of", lambda p, s, n: scaled(p**n), "drawn n times"),
    ("best_of", lambda p, s, n: 1 - (1 - p) ** n, "drawn at all"),
    ("best_of", lambda p, s, n: best_of(np.full(len(p), 1 / len(p)), s, n), "not equally likely"),
    (
        "best_of",
        lambda p, s, n: np.array([p[s <= each].sum() ** n for each in s]),
        "none is better",
    ),
    ("best_of", lambda p, s, n: worse(p, s) ** n, "all draws are worse"),
    ("best_of", lambda p, s, n: n * p * worse(p, s) ** (n - 1), "several times"),
    ("best_of", lambda p, s, n: np.eye(len(p))[s.argmax()], "have to find it"),
    ("best_of", by_simulation, "as a simulation is"),
    ("best_of", lambda p, s, n: np.log(best_of(p, s, n)), "the sum is"),
    ("best_of", lambda p, s, n: int(s.argmax()), "has shape"),
    ("best_of", by_density, "many small replies"),
    ("best_of", lambda p, s, n: scaled(by_density(p, s, n)), "many small replies"),
    ("best_of", lambda p, s, n: p, "that is one draw"),
    ("best_of", lambda p, s, n: best_of(p, s, n + 1), "n + 1"),
    ("best_of", lambda p, s, n: best_of(p, s, n - 1), "n − 1"),
    ("best_of", lambda p, s, n: best_of(p, s, n)[1:], "has shape"),
    ("best_of", lambda p, s, n: np.full(len(p), 1 / len(p)), "is the best with probability"),
    ("best_of", lambda p, s, n: best_of(p, s, n if n > 1 else 2), "n + 1"),
]
