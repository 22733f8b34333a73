"""The linear algebra chapter: its functions against NumPy's, its explorer, answers for its checks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from engine import Engine
from places import run_cells, sources


def define(*cells: str, **more: Any) -> dict[str, Any]:
    """The names that cells of the page define, with NumPy but none of its data."""
    return run_cells("linear_algebra", cells, math=math, np=np, **more)


# --- the page's functions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_power_iteration_and_svd_equal_numpy(seed: int) -> None:
    page = define("power", "svd", "best")
    A = np.random.default_rng(seed).normal(size=(7, 5))
    symmetric = A.T @ A
    value, vector = page["power_iteration"](symmetric, 3000)
    assert value == pytest.approx(np.linalg.eigvalsh(symmetric)[-1])
    np.testing.assert_allclose(symmetric @ vector, value * vector, atol=1e-5)
    U, S, Vt = page["svd"](A, 5)
    np.testing.assert_allclose(S, np.linalg.svd(A, compute_uv=False), rtol=1e-4)
    np.testing.assert_allclose((U[:, :2] * S[:2]) @ Vt[:2], page["cut"](A, 2), atol=1e-2)
    for k in (1, 3):
        left = np.linalg.norm(A - page["cut"](A, k))
        assert left == pytest.approx(np.sqrt((np.linalg.svd(A, compute_uv=False)[k:] ** 2).sum()))


def test_slopes_are_those_of_a_polynomial() -> None:
    slopes = define("slopes")["slopes"]
    w = np.array([[0.3, -1.2, 2.0], [1.1, 0.4, -0.7]])
    np.testing.assert_allclose(slopes(lambda w: (w**3).sum(), w), 3 * w**2, rtol=1e-8)


def test_bowls_have_the_eigenvalues_asked_for() -> None:
    page = define("bowls")
    wanted = np.array([[1.0, 4.0, 9.0], [2.0, 2.5, 30.0]])
    A, w = page["bowls"](wanted, seed=5)
    np.testing.assert_allclose(np.linalg.eigvalsh(A), wanted)
    once = page["descend"](A, w, 0.1, 1)
    np.testing.assert_allclose(once, w - 0.1 * A @ w)
    assert page["size"](w).shape == (2,)


def test_bayes_is_the_posterior_of_a_linear_model() -> None:
    page = define("power", "bayes")
    rng = np.random.default_rng(8)
    X, y, s, t = rng.normal(size=(9, 4)), rng.normal(size=9), 0.3, 2.0
    mean, covariance = page["bayes"](X, y, s, t)
    np.testing.assert_allclose(covariance, np.linalg.inv(X.T @ X / s + np.eye(4) / t))
    np.testing.assert_allclose(mean, np.linalg.solve(X.T @ X + s / t * np.eye(4), X.T @ y))


def test_near_counts_both_sides_and_leaves_out_the_unknown() -> None:
    page = define("score", place={}, GROUPS={}, roc_auc_score=roc_auc_score)
    source: dict[str, Any] = {"np": np}
    code = "def near" + sources("linear_algebra")["near"].split("def near")[1].split("\ncounts = ")[0]
    exec(code, source)
    ids = np.array([0, 1, -1, 0, 2])
    found = source["near"](ids, 3, window=2)
    # gaps of 1: 0–1, 0–2; of 2: 0–(−1), 1–0, (−1)–2
    np.testing.assert_array_equal(found, [[0, 2, 1], [2, 0, 0], [1, 0, 0]])
    M = page["positive_pmi"](found)
    assert M[0, 1] == pytest.approx(math.log2((2 / 6) / (3 / 6 * 2 / 6)))
    assert M[0, 0] == 0
    S, x = page["directions"](M)
    np.testing.assert_allclose(S, np.linalg.svd(M, compute_uv=False), atol=1e-12)
    np.testing.assert_allclose(x @ x.T, M @ M.T, atol=1e-12)


def test_cut_for_inputs_is_the_best_of_its_rank_for_them() -> None:
    page = define("power", "svd", "best", "compress", torch=__import__("torch"))
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 6)) * [5, 3, 1, 1, 0.5, 0.2] @ rng.normal(size=(6, 6))
    W = rng.normal(size=(8, 6))
    C = x.T @ x / len(x)

    def missed(V: Any) -> float:
        return float(((x @ (W - V).T) ** 2).mean())

    for k in (1, 2, 4):
        ours = page["cut_for"](W, C, k)
        assert np.linalg.matrix_rank(ours) == k
        B = page["cut"](x @ W.T, k)  # the best outputs of rank k at all
        assert missed(ours) == pytest.approx(((x @ W.T - B) ** 2).mean(), rel=1e-3)
        assert missed(ours) < missed(page["cut"](W, k))
    assert len(np.unique(page["rounded"](W)[0])) <= 15
    assert (page["keep_largest"](W, 0.25) != 0).sum() == 12


# --- the explorer ------------------------------------------------------------------------------------------

entries = st.integers(-20, 20).map(lambda n: n / 10)


@settings(max_examples=150, deadline=None)
@given(a=entries, b=entries, c=entries, d=entries, angle=st.integers(0, 359))
def test_explorer_equals_numpy(engine: Engine, a: float, b: float, c: float, d: float, angle: int) -> None:
    found = engine.compute("linear_map", {"a": a, "b": b, "c": c, "d": d, "angle": angle})
    A = np.array([[a, b], [c, d]])
    np.testing.assert_allclose(found["sigma"], np.linalg.svd(A, compute_uv=False), atol=1e-7)
    values = np.linalg.eigvals(A)
    ours = np.array(found["values"]) + 1j * found["imaginary"] * np.array([1, -1])
    for value in ours:
        assert abs(values - value).min() < 1e-5
    for value, v in zip(found["values"], found["kept"], strict=False):
        if v is not None:
            np.testing.assert_allclose(A @ v, value * np.array(v), atol=1e-5)
    assert bool(found["imaginary"]) == (((a - d) ** 2 + 4 * b * c) < -1e-9)
    turn = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    np.testing.assert_allclose(found["image"], A @ turn, atol=1e-12)
    assert np.linalg.norm(A @ found["longest"]) == pytest.approx(found["sigma"][0], abs=1e-7)
    assert not {"NaN", "undefined"} & set(str(engine.markup("linear_map", a=a, b=b, c=c, d=d)).split())


def press(engine: Engine, times: int, **values: float) -> float:
    state = {"a": 1.2, "b": 0.9, "c": 0.3, "d": 0.6, "angle": 110.0} | values
    for _ in range(times):
        state["angle"] = engine.run(
            f"(s => labutils.explorers.linear_map.controls.at(-1).press("
            f"labutils.explorers.linear_map.compute(s), s).angle)({state})"
        )
    return float(state["angle"])


def test_the_button_does_what_the_caption_says(engine: Engine) -> None:
    stays = math.degrees(math.atan2(1, 3))  # along 3 : 1
    assert press(engine, 8) == pytest.approx(stays, abs=1)
    assert press(engine, 9) == press(engine, 8)
    wild = {press(engine, n, b=-0.9) for n in range(1, 12)}
    assert len(wild) > 5
    drawn = engine.markup("linear_map", b=-0.9)
    assert "not real" in drawn.get_text()
    assert len(drawn.select("svg line.dashed")) == 1  # in the keys alone
    assert press(engine, 1, a=0, b=0, c=0, d=0) == 110


# --- answers for the checks --------------------------------------------------------------------------------


def gradient(X: Any, W: Any, Y: Any) -> Any:
    return X.T @ (softmax(X @ W, 1) - Y) / len(X)


def gradient_in_place(X: Any, W: Any, Y: Any) -> Any:
    Z = X @ W
    Z -= Z.max(1, keepdims=True)
    np.exp(Z, out=Z)
    Z /= Z.sum(1, keepdims=True)
    Z -= Y
    X /= len(X)
    return X.T @ Z


def gradient_by_lists(X: Any, W: Any, Y: Any) -> Any:
    P = softmax(X @ W, 1).tolist()
    n, d, m = len(X), len(W), len(W[0])
    return [[sum(X[i][k] * (P[i][j] - Y[i][j]) for i in range(n)) / n for j in range(m)] for k in range(d)]


def gradient_by_torch(X: Any, W: Any, Y: Any) -> Any:
    import torch

    leaf = torch.tensor(W, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(torch.tensor(X) @ leaf, torch.tensor(Y))
    loss.backward()
    return leaf.grad


def largest_rate(A: Any, n_steps: int = 5000) -> Any:
    v = np.random.default_rng(0).normal(size=len(A))
    for _ in range(n_steps):
        v = A @ v
        v = v / np.linalg.norm(v)
    return 2 / (v @ A @ v)


def rate_by_torch(A: Any) -> Any:
    import torch

    return 2 / torch.linalg.eigvalsh(torch.tensor(A))[-1]


def squares(A: Any) -> Any:
    return np.linalg.svd(A, compute_uv=False) ** 2


def rank_for(A: Any, share: float) -> Any:
    s = squares(A)
    return int((s.cumsum() / s.sum() < share - 1e-12).sum()) + 1


def rank_by_loop(A: Any, share: float) -> Any:
    s, total = squares(A).tolist(), 0.0
    for k, square in enumerate(s, start=1):
        total += square
        if total >= (share - 1e-9) * sum(s):
            return np.int64(k)
    return len(s)


def rank_by_eigenvalues(A: Any, share: float) -> Any:
    s = np.sort(np.linalg.eigvalsh(A @ A.T if len(A) < len(A.T) else A.T @ A))[::-1]
    return np.array([np.searchsorted(s.cumsum() / s.sum(), share - 1e-9) + 1.0])


def orthogonal(A: Any, n_steps: int = 60) -> Any:
    X = A / np.linalg.norm(A)
    for _ in range(n_steps):
        X = 1.5 * X - 0.5 * X @ X.T @ X
    return X


def orthogonal_by_svd(A: Any) -> Any:
    U, _, Vt = np.linalg.svd(A, full_matrices=False)
    return U @ Vt


def orthogonal_by_torch(A: Any) -> Any:
    import torch

    X = torch.tensor(A)
    X = X / X.norm()
    for _ in range(40):
        X = 1.5 * X - 0.5 * X @ X.mT @ X
    return X.float()


def apart(A: Any) -> Any:
    return np.linalg.svd(A, full_matrices=False)


def gradient_in_float32(X: Any, W: Any, Y: Any) -> Any:
    import torch

    X, W, Y = (torch.tensor(part, dtype=torch.float32) for part in (X, W, Y))
    return X.T @ ((X @ W).softmax(1) - Y) / len(X)


def rate_in_float32(A: Any) -> Any:
    import torch

    A, v = torch.tensor(A).float(), torch.arange(1.0, len(A) + 1)
    for _ in range(4000):
        v = A @ v
        v /= v.norm()
    return 2 / (A @ v).norm()


def rank_by_what_is_left(A: Any, share: float) -> Any:
    U, S, Vt = np.linalg.svd(A, full_matrices=False)
    for k in range(1, len(S) + 1):
        A -= S[k - 1] * np.outer(U[:, k - 1], Vt[k - 1])
        if (A**2).sum() <= (1 - share) * (S**2).sum() + 1e-9:
            return k
    return len(S)


def orthogonal_in_place(A: Any) -> Any:
    A /= np.linalg.norm(A)
    for _ in range(40):
        A += (A - A @ A.T @ A) / 2
    return A.astype(np.float32).tolist()


RIGHT: dict[str, list[Any]] = {
    "multiplications": [131_072, 131_072.0, np.int64(131_072), 2 * 4096 * 16],
    "gradient": [gradient, gradient_in_place, gradient_by_lists, gradient_by_torch, gradient_in_float32],
    "largest_rate": [largest_rate, lambda A: 2 / np.linalg.eigvalsh(A)[-1], rate_by_torch, rate_in_float32],
    "rank_for": [rank_for, rank_by_loop, rank_by_eigenvalues, rank_by_what_is_left],
    "orthogonal": [orthogonal, orthogonal_by_svd, orthogonal_by_torch, orthogonal_in_place],
}


def with_p(X: Any, W: Any, Y: Any, P: Any) -> Any:
    return X.T @ (P - Y) / len(X)


def overflowing(X: Any, W: Any, Y: Any) -> Any:
    e = np.exp(X @ W)
    return with_p(X, W, Y, e / e.sum(1, keepdims=True))


def shares(A: Any) -> Any:
    return (squares(A).cumsum() / squares(A).sum()).clip(0, 1)


def first_to_reach(parts: Any, share: float) -> int:
    return int(np.searchsorted(parts.cumsum(), share * parts.sum())) + 1


def stepped(A: Any, step: Any, n_steps: int = 60) -> Any:
    X = A / np.linalg.norm(A)
    for _ in range(n_steps):
        X = step(X)
    return X


def muon(X: Any) -> Any:
    G = X @ X.T
    return 3.4445 * X - 4.775 * G @ X + 2.0315 * G @ G @ X


WRONG: list[tuple[str, Any, str]] = [
    ("multiplications", 65_536, "one of the two"),
    ("multiplications", 4096 * 16 * 4096, "A @ B alone"),
    ("multiplications", 4096 * 16 * 4096 + 4096**2, "dearer"),
    ("multiplications", 4096**2, "without the narrow middle"),
    ("multiplications", 4096 * 16 * 16 * 4096, "add up"),
    ("multiplications", 262_144, "additions"),
    ("multiplications", 8208, "adds the sizes"),
    ("multiplications", 65_536 * 2 // 2 + 4112, "not added"),
    ("multiplications", 8192, "width 1"),
    ("multiplications", 7, "abc"),
    ("multiplications", 67_108_864, "512 tokens"),
    ("multiplications", 2 * 4096 * 16 * 4096, "different shapes"),
    ("multiplications", "131072", "expected one number"),
    ("gradient", lambda X, W, Y: gradient(X, W, Y) * len(X), "divide by n"),
    ("gradient", lambda X, W, Y: -gradient(X, W, Y), "turned round"),
    ("gradient", lambda X, W, Y: gradient(X, W, Y) / Y.shape[1], "rows alone"),
    ("gradient", lambda X, W, Y: gradient(X, W, Y).T, "transposed"),
    ("gradient", lambda X, W, Y: with_p(X, W, 0 * Y, softmax(X @ W, 1)), "Y is missing"),
    ("gradient", lambda X, W, Y: with_p(X, W, Y, X @ W), "softmax is missing"),
    ("gradient", lambda X, W, Y: with_p(X, W, Y, softmax(X @ W, 0)), "down the columns"),
    ("gradient", lambda X, W, Y: with_p(X, W, Y, softmax(X @ W)), "whole table"),
    ("gradient", lambda X, W, Y: with_p(X, W, Y, np.exp(X @ W)), "not divided"),
    ("gradient", lambda X, W, Y: 2 * gradient(X, W, Y), "twice"),
    ("gradient", lambda X, W, Y: with_p(X, W, Y, 1 / (1 + np.exp(-X @ W))), "sigmoid"),
    ("gradient", lambda X, W, Y: gradient(X, W, Y) / math.log(2), "in bits"),
    ("gradient", lambda X, W, Y: gradient(X, W, Y) * math.log(2), "multiplied by log 2"),
    ("gradient", lambda X, W, Y: gradient(X, W, Y) * len(X) / len(W), "the columns of X"),
    ("gradient", lambda X, W, Y: gradient(X, W, Y) / len(W), "n · d"),
    ("gradient", lambda X, W, Y: gradient(X, W, Y) * len(X) / (len(X) - 1), "n − 1"),
    ("gradient", lambda X, W, Y: X.T @ ((softmax(X @ W, 1) - Y) * Y) / len(X), "only the true class"),
    ("gradient", lambda X, W, Y: with_p(X, W, Y, 0), "P is missing"),
    ("gradient", lambda X, W, Y: with_p(X, W, Y, np.log(softmax(X @ W, 1))), "log P"),
    ("gradient", lambda X, W, Y: with_p(X, W, Y / softmax(X @ W, 1), 0), "slope for P"),
    ("gradient", lambda X, W, Y: softmax(X @ W, 1) - Y, "shape"),
    ("gradient", overflowing, "overflows"),
    ("gradient", lambda X, W, Y: W, "expected"),
    ("largest_rate", lambda A: np.linalg.eigvalsh(A)[-1], "itself"),
    ("largest_rate", lambda A: 1 / np.linalg.eigvalsh(A)[-1], "a safe rate"),
    ("largest_rate", lambda A: np.linalg.eigvalsh(A)[-1] / 2, "divided by"),
    ("largest_rate", lambda A: 2 / np.linalg.eigvalsh(A)[0], "2/λ_min"),
    ("largest_rate", lambda A: 2 / np.linalg.eigvalsh(A)[[0, -1]].sum(), "the best rate"),
    ("largest_rate", lambda A: 2 / np.trace(A), "trace"),
    ("largest_rate", lambda A: 2 / np.linalg.norm(A), "sum of squares"),
    ("largest_rate", lambda A: 2 / A.max(), "largest entry"),
    ("largest_rate", lambda A: 2 / abs(A).sum(1).max(), "sum of a row"),
    ("largest_rate", lambda A: 2 / np.linalg.eigvalsh(A @ A)[-1], "λ_max²"),
    ("largest_rate", lambda A: 2 / np.linalg.eigvalsh(A)[-2], "second"),
    ("largest_rate", lambda A: 2 / np.linalg.eigvalsh(A)[1], "does not sort"),
    ("largest_rate", lambda A: 4 / np.linalg.eigvalsh(A)[-1], "twice too much"),
    ("largest_rate", lambda A: -2 / np.linalg.eigvalsh(A)[-1], "turned round"),
    ("largest_rate", lambda A: 2 * np.linalg.eigvalsh(A)[-1], "multiplies"),
    ("largest_rate", lambda A: 2 / np.linalg.eigvalsh(A).mean(), "mean of the eigenvalues"),
    ("largest_rate", lambda A: np.linalg.cond(A), "condition number"),
    ("largest_rate", lambda A: largest_rate(A, 6), "iterate longer"),
    ("largest_rate", lambda A: np.linalg.eigvalsh(A), "expected one number"),
    ("largest_rate", lambda A: 1.0, "expected"),
    ("rank_for", lambda A, s: rank_for(A, s) - 1, "too few"),
    ("rank_for", lambda A, s: rank_for(A, s) + 1, "too many"),
    ("rank_for", lambda A, s: len(squares(A)) - rank_for(A, s), "left out"),
    ("rank_for", lambda A, s: len(squares(A)), "full rank"),
    ("rank_for", lambda A, s: first_to_reach(squares(A) ** 0.5, s), "takes their squares"),
    ("rank_for", lambda A, s: first_to_reach(squares(A) ** 2, s), "squares twice"),
    ("rank_for", lambda A, s: rank_for(A - A.mean(0), s), "mean"),
    ("rank_for", lambda A, s: math.ceil(s * len(squares(A))), "of the directions"),
    ("rank_for", lambda A, s: int((squares(A).cumsum() / squares(A).sum() <= s + 1e-9).sum()) + 1, "exactly"),
    ("rank_for", lambda A, s: rank_for(A, min(s, 0.99)), "share of 1"),
    ("rank_for", lambda A, s: rank_for(A, 1 - s), "1 − share"),
    ("rank_for", lambda A, s: int((1 - (1 - shares(A)) ** 0.5 < s).sum()) + 1, "what is left"),
    ("rank_for", lambda A, s: int((shares(A) ** 0.5 < s).sum()) + 1, "a root"),
    ("rank_for", lambda A, s: int((shares(A) >= s).sum()), "the smallest"),
    ("rank_for", lambda A, s: shares(A)[0], "a share"),
    ("rank_for", lambda A, s: shares(A)[rank_for(A, s) - 1], "with how many"),
    ("rank_for", lambda A, s: int((squares(A) < s * squares(A).sum()).sum()) + 1, "by itself"),
    ("rank_for", lambda A, s: squares(A), "expected one number"),
    ("rank_for", lambda A, s: 40, "expected"),
    ("orthogonal", lambda A: A, "comes back"),
    ("orthogonal", lambda A: A / np.linalg.norm(A), "divided by its length"),
    ("orthogonal", lambda A: A / np.linalg.norm(A, 2), "largest singular value"),
    ("orthogonal", lambda A: (apart(A)[0] / apart(A)[1]) @ apart(A)[2], "1/s"),
    ("orthogonal", lambda A: np.linalg.qr(A)[0], "Q of QR"),
    ("orthogonal", lambda A: -orthogonal(A), "sign is turned"),
    ("orthogonal", lambda A: A / np.linalg.norm(A, axis=0), "column"),
    ("orthogonal", lambda A: A / np.linalg.norm(A, axis=1, keepdims=True), "row"),
    ("orthogonal", lambda A: np.sign(A), "each entry"),
    ("orthogonal", lambda A: orthogonal(A, 4), "iterate longer"),
    ("orthogonal", lambda A: stepped(A, muon, 5), "3/2"),
    ("orthogonal", lambda A: stepped(A, lambda X: 1.5 * X - X @ X.T @ X), "3/2"),
    ("orthogonal", lambda A: stepped(A, lambda X: X - X @ X.T @ X / 2), "3/2"),
    ("orthogonal", lambda A: stepped(A, lambda X: 1.5 * X - X**3 / 2), "X**3"),
    ("orthogonal", lambda A: stepped(A, lambda X: 1.5 * X + X @ X.T @ X / 2), "not added"),
    ("orthogonal", lambda A: apart(A)[0], "U alone"),
    ("orthogonal", lambda A: apart(A)[0] @ apart(A)[2].T, "once more"),
    ("orthogonal", lambda A: orthogonal(A).T, "transposed"),
    ("orthogonal", lambda A: (apart(A)[0] * apart(A)[1] ** 2) @ apart(A)[2], "squared"),
    ("orthogonal", lambda A: np.full(A.shape, np.nan), "not finite"),
    ("orthogonal", lambda A: np.ones(A.shape), "something else"),
]  # fmt: skip
