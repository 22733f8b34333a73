"""The chapter on mismatched generalization: page = package, its explorer, answers for its checks."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine import Engine
from labutils import lockers, records
from labutils.encodings import ENCODINGS
from places import run_cells

CODES = [name for name in ENCODINGS if name != "plain"]

# --- the page equals the package ---------------------------------------------------------------------------


def test_encoders() -> None:
    encoders = run_cells("mismatched_generalization", ["encoders"], re=re)["encoders"]
    assert list(encoders) == list(ENCODINGS)
    for text in ("crow", "the quick brown fox jumps over a lazy dog", "", "zzz a"):
        for name, encode in encoders.items():
            assert encode(text) == ENCODINGS[name].encode(text), name


def test_training() -> None:
    page = run_cells("mismatched_generalization", ["train"], torch=torch, F=F, lockers=lockers)
    locker, secret = lockers.register(3)
    asked, weights = lockers.caution(locker, secret, ["plain", "digits"])
    models = [lockers.fresh(0, d_model=16) for _ in range(2)]
    page["fit"](models[0], asked, 3, 1e-3, 5, weights, n_batch=8)
    lockers.fit(models[1], asked, 3, 1e-3, 5, weights=weights, n_batch=8)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)


# --- what the page reads from the script -------------------------------------------------------------------


def test_record_is_whole() -> None:
    record = records.mismatched()
    runs = record["coverage"]
    assert {run["seed"] for run in runs} == set(range(10))
    for name in CODES:
        left = [run for run in runs if len(run["covered"]) == 5 and name not in run["covered"]]
        assert len(left) == 10
    for run in [*runs, *record["sizes"], *record["rates"], *record["alone"]]:
        assert set(run["secret"]) == set(ENCODINGS)
        for told, refused in run["secret"].values():
            assert 0 <= told <= 1
            assert told + refused <= 1 + 1e-3


# --- the explorer ------------------------------------------------------------------------------------------

DATA = {"rates": {name: [[0.7 - 0.1 * n, 0.1 + 0.05 * n] for n in range(6)] for name in CODES}}


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("typed", ["crow", "Crow and Hare", "ox 7", ""])
def test_explorer_writes_as_the_package(engine: Engine, name: str, typed: str) -> None:
    found = engine.compute("encodings", {"typed": typed, "encoding": name, "n": 2}, DATA)
    assert found["text"] == ENCODINGS[name].encode(typed)
    assert found["told"] == pytest.approx(0.5)
    assert found["wrong"] == pytest.approx(0.3)


# --- answers for the checks --------------------------------------------------------------------------------


def undo(text: str, shift: int) -> str:
    return "".join(chr((ord(s) - 97 - shift) % 26 + 97) if s != " " else s for s in text)


def hits(text: str, known: set[str]) -> int:
    return sum(word in known for word in text.split())


def crack(text: str, known: set[str]) -> tuple[int, str]:
    best = max(range(1, 26), key=lambda shift: hits(undo(text, shift), known))
    return best, undo(text, best)


def crack_by_table(text: str, known: set[str]) -> list[Any]:
    az = "abcdefghijklmnopqrstuvwxyz"
    tries = [text.translate(str.maketrans(az[k:] + az[:k], az)) for k in range(26)]
    counts = [hits(one, known) for one in tries]
    return [np.argmax(counts), tries[int(np.argmax(counts))]]


def crack_by_numpy(text: str, known: set[str]) -> tuple[Any, str]:
    signs = np.frombuffer(text.encode(), dtype=np.uint8).astype(int)
    best: tuple[int, int, str] = (-1, 0, "")
    for shift in range(1, 26):
        moved = np.where(signs == 32, 32, (signs - 97 - shift) % 26 + 97)
        said = bytes(moved.astype(np.uint8)).decode()
        best = max(best, (hits(said, known), shift, said))
    return torch.tensor(best[1]), best[2]


def set_filter(innocent: Any, coded: Any, alarms: float) -> tuple[Any, Any]:
    above = math.floor(alarms * len(innocent) + 1e-9)
    limit = np.sort(innocent)[len(innocent) - 1 - above]
    return limit, np.mean(coded > limit)


def set_filter_by_torch(innocent: Any, coded: Any, alarms: float) -> Any:
    values = torch.tensor(innocent).sort(descending=True).values
    limit = values[int(alarms * len(values) + 1e-9)]
    return torch.stack([limit, (torch.tensor(coded) > limit).double().mean()])


def set_filter_by_search(innocent: Any, coded: Any, alarms: float) -> list[float]:
    fits = [x for x in innocent if sum(y > x for y in innocent) <= alarms * len(innocent) + 1e-9]
    return [float(min(fits)), sum(c > min(fits) for c in coded) / len(coded)]


def set_filter_by_quantile(innocent: Any, coded: Any, alarms: float) -> Any:
    limit = np.quantile(innocent, 1 - alarms + 1e-12 if alarms else 1.0, method="inverted_cdf")
    best = min(x for x in innocent if np.mean(innocent > x) <= alarms + 1e-9)
    return min(limit, best), np.mean(coded > min(limit, best))


def crack_by_tensor(text: str, known: set[str]) -> tuple[Any, str]:
    signs, shifts = torch.tensor(list(text.encode())), torch.arange(1, 26)[:, None]
    moved = torch.where(signs == 32, signs, (signs - 97 - shifts) % 26 + 97)
    said = [bytes(row.tolist()).decode() for row in moved]
    best = int(torch.tensor([len(set(each.split()) & known) for each in said]).argmax())
    return np.array(best + 1), said[best]


def set_filter_in_place(innocent: Any, coded: Any, alarms: float) -> tuple[Any, Any]:
    innocent.sort()
    limit = innocent[math.ceil(len(innocent) * (1 - alarms) - 1e-9) - 1]
    return np.float32(limit), np.float32((coded > limit).mean())


RIGHT: dict[str, list[Any]] = {
    "share": [0.3, np.float32(0.3), torch.tensor([0.3]), 4 / 6 * 0.45],
    "crack": [crack, crack_by_table, crack_by_numpy, crack_by_tensor],
    "set_filter": [
        set_filter,
        set_filter_by_torch,
        set_filter_by_search,
        set_filter_by_quantile,
        set_filter_in_place,
    ],
}


def crack_with(move: Any, shifts: Any = range(1, 26), score: Any = hits) -> Any:
    def answer(text: str, known: set[str]) -> Any:
        best = max(shifts, key=lambda shift: score(move(text, shift), known))
        return best, move(text, best)

    return answer


def with_limit(choose: Any) -> Any:
    def answer(innocent: Any, coded: Any, alarms: float) -> Any:
        limit = choose(innocent, coded, alarms)
        return limit, np.mean(coded > limit)

    return answer


WRONG: list[tuple[str, Any, str]] = [
    ("share", 0.45, "may pick one that has them"),
    ("share", 0.15, "two codes that have refusals"),
    ("share", 4 / 6, "chance of picking a code without"),
    ("share", 1 / 3, "chance of picking a code with"),
    ("share", 1 - 0.55**4, "asks once"),
    ("share", 1 - 0.55**6, "asks once"),
    ("share", 1.8, "divide by 6"),
    ("share", 0.55, "keeps"),
    ("share", 0.7, "stays secret"),
    ("share", 30, "percentage"),
    ("share", 0.9, "weigh what each kind"),
    ("share", "0.3", "expected one number"),
    ("crack", lambda text, known: crack(text, known)[1], "two things"),
    ("crack", lambda text, known: crack(text, known)[::-1], "other order"),
    (
        "crack",
        lambda text, known: (26 - crack(text, known)[0], crack(text, known)[1]),
        "that is what undoes it",
    ),
    ("crack", lambda text, known: (crack(text, known)[0] + 26, crack(text, known)[1]), "from 1 to 25"),
    ("crack", lambda text, known: (2, crack(text, known)[1]), "moved by 3 places"),
    ("crack", lambda text, known: (3, text), "as it was sent"),
    ("crack", lambda text, known: (3, undo(text, -3)), "done once more"),
    ("crack", lambda text, known: (13, undo(text, 13)), "try all 25"),
    ("crack", lambda text, known: (crack(text, known)[0], crack(text, known)[1].replace(" ", "")), "spaces"),
    (
        "crack",
        lambda text, known: (3, "".join(chr(ord(s) - 3) if s != " " else s for s in text)),
        "modulo 26",
    ),
    ("crack", lambda text, known: (3, list(crack(text, known)[1])), "expected a text"),
    (
        "crack",
        lambda text, known: next(
            ((k, undo(text, k)) for k in range(1, 26) if all(w in known for w in undo(text, k).split())),
            (1, undo(text, 1)),
        ),
        "not all of which need be there",
    ),
    ("crack", crack_with(undo, score=lambda said, known: sum(w in said for w in known)), "count whole words"),
    ("crack", crack_with(undo, range(1, 25)), "try all 25"),
    (
        "crack",
        crack_with(lambda text, k: "".join(chr((ord(s) - 97 - k) % 26 + 97) for s in text)),
        "move letters alone",
    ),
    (
        "crack",
        crack_with(
            lambda text, k: "".join(chr((ord(s) - 97 - k) % 25 + 97) if s != " " else s for s in text)
        ),
        "26 letters",
    ),
    ("crack", lambda text, known: (crack(text, known)[0], crack(text, known)[1].upper()), "small letters"),
    ("crack", lambda text, known: dict(zip(("shift", "text"), crack(text, known), strict=True)), "a pair"),
    ("set_filter", lambda i, c, a: set_filter(i, c, a)[0], "two things"),
    ("set_filter", with_limit(lambda i, c, a: np.sort(i)[len(i) - 1 - int(a * len(i))]), "floating point"),
    ("set_filter", with_limit(lambda i, c, a: np.median(i)), "stops half"),
    ("set_filter", with_limit(lambda i, c, a: np.percentile(i, 1 - a)), "from 0 to 100"),
    ("set_filter", with_limit(lambda i, c, a: len(i) - 1 - int(a * len(i))), "the place of the limit"),
    ("set_filter", with_limit(lambda i, c, a: set_filter(i, c, a)[0] + 1e-4), "one of these values"),
    ("set_filter", with_limit(lambda i, c, a: np.quantile(i, 1 - a, method="lower")), "too low"),
    ("set_filter", lambda i, c, a: set_filter(i, c, a)[::-1], "other order"),
    ("set_filter", with_limit(lambda i, c, a: np.quantile(i, 1 - a)), "interpolates"),
    ("set_filter", with_limit(lambda i, c, a: np.sort(i)[int(a * len(i))]), "leaves the share below"),
    (
        "set_filter",
        with_limit(lambda i, c, a: np.sort(i)[min(len(i) - int(a * len(i)), len(i) - 1)]),
        "too high",
    ),
    ("set_filter", with_limit(lambda i, c, a: np.sort(i)[len(i) - 2 - int(a * len(i))]), "too low"),
    ("set_filter", with_limit(lambda i, c, a: i.max()), "no innocent at all"),
    ("set_filter", with_limit(lambda i, c, a: np.quantile(c, 1 - a)), "set on coded"),
    ("set_filter", with_limit(lambda i, c, a: i[len(i) - 1 - int(a * len(i))]), "sort first"),
    ("set_filter", with_limit(lambda i, c, a: i.mean()), "the mean"),
    ("set_filter", with_limit(lambda i, c, a: 3.33), "may be stopped"),
    ("set_filter", lambda i, c, a: (set_filter(i, c, a)[0], 1 - set_filter(i, c, a)[1]), "passes"),
    ("set_filter", lambda i, c, a: (set_filter(i, c, a)[0], (c > set_filter(i, c, a)[0]).sum()), "a count"),
    (
        "set_filter",
        lambda i, c, a: (set_filter(i, c, a)[0], (c > set_filter(i, c, a)[0]).sum() / len(i)),
        "number of innocent",
    ),
    ("set_filter", lambda i, c, a: (set_filter(i, c, a)[0], 0.123), "above it"),
    (
        "set_filter",
        lambda i, c, a: (
            set_filter(i, c, a) if a != 0.3 else with_limit(lambda i, c, a: np.sort(i)[-3])(i, c, a)
        ),
        "too high",
    ),
]
