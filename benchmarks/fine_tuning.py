"""The grid behind notebooks/adaptation/fine_tuning.ipynb: methods × learning rates × seeds.

Writes labutils/records/fine_tuning.json, which the page reads.

    python benchmarks/fine_tuning.py            # all parts, about twenty minutes of one core
    python benchmarks/fine_tuning.py methods    # one part

Every method gets the same four learning rates, tried on one draw of 128 labels and compared on 150 other
texts; the best one is then trained on three further draws and tested, once, on 400 texts that took no part.
"""

from __future__ import annotations

import copy
import ctypes
import gc
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import labutils

labutils.start()

import torch  # noqa: E402  (start() comes before it)
import torch.nn.functional as F  # noqa: E402
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from labutils.models import tuning  # noqa: E402
from labutils.models.pretrained import load  # noqa: E402

RATES = (2e-4, 1e-3, 5e-3, 2.5e-2)
SEARCH, FINAL = (0,), (2, 3, 4)
KINDS = ("falling", "constant", "constant, half")  # of learning rates, in `decay`
ROOT = Path(__file__).resolve().parents[1]
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


def untrained(body: Any, tokenizer: Any) -> dict[str, Any]:
    """Whole models, all weights trained: of MiniLM's shape with random weights; a pocket BERT, read or not.

    Each searches its rate among the same four at the same steps, and once more at ten times the steps.
    """
    texts, y = tuning.opinions("film", tokenizer, 2400)
    pocket, pocket_tokenizer = load("pocket-bert")
    arms = {
        "MiniLM, untrained": (body, tokenizer, True, 40),
        "pocket BERT": (pocket.model, pocket_tokenizer, False, 40),
        "pocket BERT, untrained": (pocket.model, pocket_tokenizer, True, 40),
        "pocket BERT, untrained, 400 steps": (pocket.model, pocket_tokenizer, True, 400),
    }
    result: dict[str, Any] = {}
    for name, (inner, words, fresh, n_steps) in arms.items():
        whole = tuning.encode(words, texts, y)
        pool, validation, test = whole[slice(550, None)], whole[slice(0, 150)], whole[slice(150, 550)]

        def train(
            n: int, rate: float, seed: int, inner: Any = inner, fresh: bool = fresh, n_steps: int = n_steps,
            pool: Any = pool,
        ) -> tuning.Whole:  # fmt: skip
            model = tuning.Whole(inner, seed, fresh=fresh)
            tuning.fit(model, draw(pool, n, seed), rate, max(n_steps, n // 8), seed)
            return model

        found = {r: tuning.accuracy(train(128, r, SEARCH[0]), validation) for r in RATES}
        entry: dict[str, Any] = {"validation": {f"{r:g}": a for r, a in found.items()}}
        entry["rate"] = rate = max(found, key=lambda r: found[r])
        sizes = (128,) if n_steps > 40 else (32, 128, 512)
        entry["curve"] = {
            str(n): [tuning.accuracy(train(n, rate, seed), test) for seed in FINAL] for n in sizes
        }
        entry["trained"] = sum(p.numel() for p in tuning.Whole(inner, 0).parameters())
        result[name] = entry
        print(name, entry, flush=True)
    return result


def memory(body: Any, tokenizer: Any) -> dict[str, Any]:
    """Each method in a fresh process: three steps' peak by the profiler, and by what the system counts."""
    result = {}
    for method in tuning.METHODS:
        run = [sys.executable, __file__, "memory-of", method]
        found = subprocess.run(run, capture_output=True, text=True, check=True)
        result[method] = json.loads(found.stdout.splitlines()[-1])
        print(method, result[method], flush=True)
    return result


def memory_of(method: str) -> dict[str, int]:
    """In this process, beyond what is held before: bytes of tensors, and of the whole process (Linux)."""
    body, tokenizer = load("minilm")
    pool = film(body, tokenizer)[0]
    train, model = draw(pool, 128, FINAL[0]), tuning.make(body, method, FINAL[0])
    tuning.fit(copy.deepcopy(model), train[slice(0, 8)], 1e-3, 1, 0)  # what torch sets up once
    del pool, body
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)

    def kilobytes(name: str) -> int:
        return int(re.findall(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[0])

    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = kilobytes("VmRSS")
    tuning.fit(model, train, 1e-3, 10, FINAL[0])
    process = kilobytes("VmHWM") - before
    model.zero_grad(set_to_none=True)
    return {
        "tensors": tuning.peak_memory(lambda: tuning.fit(model, train, 1e-3, 3, FINAL[0])),
        "process": 1024 * process,
    }


def forgetting(body: Any, tokenizer: Any) -> dict[str, Any]:
    """After film reviews, three draws: halves of sentences that find each other, and three other domains."""
    pool, _, test, _ = film(body, tokenizer)
    chosen = json.loads(RESULT.read_text())["methods"]
    first, second = tuning.halves(body, tokenizer)
    others = {
        d: tuning.run_lower(body, tokenizer, *tuning.opinions(d, tokenizer, 200))
        for d in ("tweet", "product", "news")
    }
    arms = [(name, name, chosen[name]["rate"]) for name in tuning.METHODS]
    arms += [("full, 0.001", "full", 0.001), ("LoRA, 0.025", "LoRA", 0.025)]
    before = tuning.matched(tuning.make(body, "head only", 0), first, second)
    result: dict[str, Any] = {"before": before, "after": {}}
    for name, method, rate in arms:
        entry: dict[str, Any] = {"rate": rate, "pairs": [], "film": [], **{d: [] for d in others}}
        for seed in FINAL:
            model = tuning.make(body, method, seed)
            tuning.fit(model, draw(pool, 128, seed), rate, 40, seed)
            entry["pairs"].append(tuning.matched(model, first, second))
            for domain, part in {"film": test, **others}.items():
                entry[domain].append(tuning.accuracy(model, part))
        result["after"][name] = entry
        print(name, entry, flush=True)
    return result


@torch.no_grad()
def log_loss(model: tuning.Upper, part: tuning.Cached) -> float:
    """The mean cross-entropy, in nats."""
    return float(F.cross_entropy(model(part.x, part.mask), part.y))


def decay(body: Any, tokenizer: Any, kinds: tuple[str, ...] = KINDS) -> dict[str, Any]:
    """The rate falling to zero, the same rate throughout, and half of it, which goes as far in all.

    Full fine-tuning, 128 labels, 80 steps, five draws; the first two also on 48 shuffled labels, 60 steps.
    """
    pool, _, test, _ = film(body, tokenizer)
    result: dict[str, Any] = {}
    for rate in (2e-4, 1e-3):
        for kind in kinds:
            entry: dict[str, Any] = {"seen": [], "test": [], "loss": []}
            own, falls = rate / 2 if kind == "constant, half" else rate, kind == "falling"
            for seed in range(2, 7):
                train, model = draw(pool, 128, seed), tuning.make(body, "full", seed)
                tuning.fit(model, train, own, 80, seed, decay=falls)
                entry["seen"].append(tuning.accuracy(model, train))
                entry["test"].append(tuning.accuracy(model, test))
                entry["loss"].append(log_loss(model, test))
                if kind == "constant, half":
                    continue
                mixed = train.y[torch.randperm(128, generator=torch.Generator().manual_seed(seed))]
                wrong = tuning.Cached(train.x, train.mask, mixed)[slice(0, 48)]
                model = tuning.make(body, "full", seed)
                tuning.fit(model, wrong, own, 60, seed, decay=falls)
                entry.setdefault("shuffled", []).append(tuning.accuracy(model, wrong))
            result.setdefault(f"{rate:g}", {})[kind] = entry
            print(rate, kind, entry, flush=True)
    return result


def page(*cells: str) -> dict[str, Any]:
    """What these cells of the page define."""
    notebook = json.loads((ROOT / "notebooks/adaptation/fine_tuning.ipynb").read_text("utf-8"))
    known: dict[str, Any] = {"__name__": "fine_tuning"}
    for cell in notebook["cells"]:
        if cell["id"] in cells:
            exec("".join(cell["source"]), known)  # noqa: S102  (the book's own)
    return known


def gpt(body: Any, tokenizer: Any) -> dict[str, Any]:
    """The pocket GPT reads Wikipedia: bits a character more than before; three rates an arm, three seeds."""
    known = page("imports", "gpt", "gpt-run")
    result: dict[str, Any] = {}
    for name, rates in known["ARMS"].items():
        for rate in rates:
            found = [known["read_on"](name, rate, seed) for seed in range(3)]
            result.setdefault(name, {})[f"{rate:g}"] = {text: [f[text] for f in found] for text in found[0]}
        print(name, result[name], flush=True)
    return result


def masking(body: Any, tokenizer: Any) -> dict[str, list[float]]:
    """Tokens masked never, once, or anew in each pass: the head alone, 64 labels, eight draws."""
    known = page("imports", "data", "mask", "mask-run")
    held = known["vectors"](known["test_at"])
    found = [known["masked"](draw, held) for draw in range(8)]
    return {name: [f[name] for f in found] for name in found[0]}


PARTS: dict[str, Callable[[Any, Any], dict[str, Any]]] = {
    "methods": methods,
    "ranks": ranks,
    "curves": curves,
    "converged": converged,
    "swapped": swapped,
    "untrained": untrained,
    "memory": memory,
    "forgetting": forgetting,
    "decay": decay,
    "gpt": gpt,
    "masking": masking,
}

if __name__ == "__main__" and sys.argv[1:2] == ["memory-of"]:
    print(json.dumps(memory_of(sys.argv[2])))
elif __name__ == "__main__":
    body, tokenizer = load("minilm")
    for part in sys.argv[1:] or PARTS:
        found = PARTS[part](body, tokenizer)
        stored = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        RESULT.write_text(json.dumps({**stored, part: found}, indent=1) + "\n")
