"""The grid behind notebooks/adaptation/fine_tuning.ipynb: methods × learning rates × seeds.

Writes labutils/records/fine_tuning.json, which the page reads.

    python benchmarks/fine_tuning.py            # all parts, about ten minutes of one core
    python benchmarks/fine_tuning.py methods    # one part

Every method gets the same four learning rates, tried on one draw of 128 labels and compared on 150 other
texts; the best one is then trained on three further draws and tested, once, on 400 texts that took no part.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import labutils

labutils.start()

import torch  # noqa: E402  (start() comes before it)
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from labutils.models import tuning  # noqa: E402
from labutils.models.pretrained import load  # noqa: E402

RATES = (2e-4, 1e-3, 5e-3, 2.5e-2)
SEARCH, FINAL = (0,), (2, 3, 4)
RESULT = Path(tuning.__file__).parents[1] / "records/fine_tuning.json"  # in the package: the page reads it


def film(body: Any, tokenizer: Any) -> tuple[tuning.Cached, tuning.Cached, tuning.Cached, list[str]]:
    """2,400 film opinions: the pool of labels, validation (150), test (400), and the texts."""
    texts, y = tuning.opinions("film", tokenizer, 2400)
    whole = tuning.run_lower(body, tokenizer, texts, y)
    return whole[slice(550, None)], whole[slice(0, 150)], whole[slice(150, 550)], texts


def draw(pool: tuning.Cached, n: int, seed: int) -> tuning.Cached:
    """n labels, half of each kind."""
    return pool[tuning.pick(len(pool), n, seed)]


def search(
    body: Any, method: str, pool: Any, validation: Any, n: int, n_steps: int, **more: Any
) -> dict[str, Any]:
    """The mean accuracy on the validation split for each rate, and the best rate."""
    found = {}
    for rate in RATES:
        scores = []
        for seed in SEARCH:
            model = tuning.make(body, method, seed, more.get("size", 8))
            tuning.fit(model, draw(pool, n, seed), rate, n_steps, seed)
            scores.append(tuning.accuracy(model, validation))
        found[rate] = sum(scores) / len(scores)
    return {"validation": {f"{r:g}": a for r, a in found.items()}, "rate": max(found, key=lambda r: found[r])}


def methods(body: Any, tokenizer: Any) -> dict[str, Any]:
    """Every method: its search, its three tests, its time."""
    pool, validation, test, _ = film(body, tokenizer)
    result: dict[str, Any] = {}
    for method in tuning.METHODS:
        entry = search(body, method, pool, validation, 128, 40)
        entry["test"], entry["seconds"] = [], []
        for seed in FINAL:
            model = tuning.make(body, method, seed)
            began = time.process_time()
            tuning.fit(model, draw(pool, 128, seed), entry["rate"], 40, seed)
            entry["seconds"].append(round(time.process_time() - began, 2))
            entry["test"].append(tuning.accuracy(model, test))
        entry["trained"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
        result[method] = entry
        print(method, entry, flush=True)
    return result


def ranks(body: Any, tokenizer: Any) -> dict[str, Any]:
    """LoRA at other ranks, at the rate of rank 8."""
    pool, _, test, _ = film(body, tokenizer)
    rate, result = json.loads(RESULT.read_text())["methods"]["LoRA"]["rate"], {}
    for rank in (1, 4, 16, 64):
        scores = []
        for seed in FINAL:
            model = tuning.make(body, "LoRA", seed, rank)
            tuning.fit(model, draw(pool, 128, seed), rate, 40, seed)
            scores.append(tuning.accuracy(model, test))
        result[str(rank)] = scores
        print(rank, scores, flush=True)
    return result


def curves(body: Any, tokenizer: Any) -> dict[str, Any]:
    """8 to 512 labels, 40 steps or one pass, at the first part's rates; counted words, too."""
    pool, _, test, texts = film(body, tokenizer)
    chosen = json.loads(RESULT.read_text())["methods"]
    result: dict[str, Any] = {}
    pool_texts, test_texts = texts[550:], texts[150:550]
    for n in (8, 32, 128, 512):
        for method in ("words", "head only", "LoRA", "full"):
            scores = []
            for seed in FINAL:
                if method == "words":
                    at = tuning.pick(len(pool), n, seed)
                    count = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
                    x = count.fit_transform([pool_texts[i] for i in at])
                    line = LogisticRegression(C=10, max_iter=1000).fit(x, pool.y[at])
                    scores.append(float(line.score(count.transform(test_texts), test.y)))
                    continue
                if n == 128:  # the same training as in the first part
                    scores.append(chosen[method]["test"][seed - FINAL[0]])
                    continue
                model = tuning.make(body, method, seed)
                tuning.fit(model, draw(pool, n, seed), chosen[method]["rate"], max(40, n // 8), seed)
                scores.append(tuning.accuracy(model, test))
            result.setdefault(method, {})[str(n)] = scores
            print(n, method, scores, flush=True)
    return result


def converged(body: Any, tokenizer: Any) -> dict[str, Any]:
    """The curves, and the strongest cheap rival: a head on the frozen vectors, trained until it converges."""
    pool, validation, test, _ = film(body, tokenizer)
    frozen = tuning.make(body, "head only", 0).eval()
    with torch.no_grad():
        x, v, t = (frozen.embed(part.x, part.mask).numpy() for part in (pool, validation, test))
    curve: dict[str, list[float]] = {}
    for n in (8, 32, 128, 512):
        curve[str(n)] = []
        for seed in FINAL:
            at = tuning.pick(len(pool), n, seed)
            lines = [
                LogisticRegression(C=c, max_iter=5000).fit(x[at], pool.y[at]) for c in (0.3, 1, 3, 10, 30)
            ]
            best = max(lines, key=lambda line: line.score(v, validation.y))
            curve[str(n)].append(float(best.score(t, test.y)))
        print(n, curve[str(n)], flush=True)
    return {"curve": curve}


def swapped(body: Any, tokenizer: Any) -> dict[str, Any]:
    """A task that no mean of word vectors sees: were two neighbouring words swapped? 512 labels."""
    texts, _ = tuning.opinions("film", tokenizer, 1400)
    rng, both, y = random.Random(0), [], []
    for i, text in enumerate(texts):
        words = text.split()
        if i % 2:
            at = rng.randrange(len(words) - 1) if len(words) > 1 else 0
            words[at : at + 2] = words[at : at + 2][::-1]
        both.append(" ".join(words))
        y.append(i % 2)
    whole = tuning.run_lower(body, tokenizer, both, torch.tensor(y))
    validation, test, pool = whole[slice(0, 150)], whole[slice(150, 550)], whole[slice(550, None)]
    result: dict[str, Any] = {}
    for method in ("head only", "LoRA", "full"):
        entry = search(body, method, pool, validation, 512, 128)
        entry["test"] = []
        for seed in FINAL:
            model = tuning.make(body, method, seed)
            tuning.fit(model, draw(pool, 512, seed), entry["rate"], 128, seed)
            entry["test"].append(tuning.accuracy(model, test))
        result[method] = entry
        print(method, entry, flush=True)
    return result


PARTS: dict[str, Callable[[Any, Any], dict[str, Any]]] = {
    "methods": methods,
    "ranks": ranks,
    "curves": curves,
    "converged": converged,
    "swapped": swapped,
}

if __name__ == "__main__":
    body, tokenizer = load("minilm")
    for part in sys.argv[1:] or PARTS:
        found = PARTS[part](body, tokenizer)
        stored = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        RESULT.write_text(json.dumps({**stored, part: found}, indent=1) + "\n")
