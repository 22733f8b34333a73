"""The runs of the chapter on pre-training that take too long for a page: a scaling law, masking, transfer.

    python benchmarks/pretraining.py scaling    # about 15 minutes of one core
    python benchmarks/pretraining.py masking    # about 5 minutes
    python benchmarks/pretraining.py transfer   # about 10 minutes; `--again` after the pocket GPT has changed

Results go to labutils/records/pretraining.json, which the chapter loads, fits and draws. What is there
already is not run again, so that a killed run goes on; `--again` runs anew what depends on the
pocket GPT. Every rate
is chosen on a validation text, with a seed of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections.abc import Callable
from typing import Any

import labutils

labutils.start()

import numpy as np  # noqa: E402  (after start, which fixes threads and instruction set)
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import Tensor  # noqa: E402

from labutils import data  # noqa: E402
from labutils.models.ngram import NGramModel  # noqa: E402
from labutils.models.transformer import GPT, Encoder, ModelConfig  # noqa: E402
from labutils.objectives import mask_tokens  # noqa: E402
from labutils.pocket.text import encode, split  # noqa: E402
from labutils.records import FILE, letters  # noqa: E402
from labutils.training import evaluate_bits  # noqa: E402

SEEDS = 3
WINDOW, BATCH = 128, 8
WIDTHS = {8: 8_000_000, 16: 8_000_000, 32: 4_000_000, 64: 2_000_000, 128: 500_000}  # width: tokens to read
RATES = (0.003, 0.01, 0.03)


def results() -> dict[str, Any]:
    """What is stored."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    return found


def once(part: str, key: str, run: Callable[[], Any]) -> Any:
    """The result under `key`: what is stored, else that of `run`, stored at once."""
    found = results()
    if key not in found.setdefault(part, {}):
        began = time.process_time()
        value = run()
        found = results()
        found.setdefault(part, {})[key] = value
        FILE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
        print(f"{part} {key}: {value} ({time.process_time() - began:.0f} s)", flush=True)
    return found[part][key]


# --- scaling ------------------------------------------------------------------------------------------------


def curve(
    width: int, rate: float, seed: int, n_tokens: int, text: Tensor, held_out: np.ndarray
) -> dict[str, float]:
    """Bits a character on `held_out` after 31,250, 62,500 … tokens, of the mean of the latest weights."""
    torch.manual_seed(seed)
    c = ModelConfig(
        n_vocab=27, n_context=WINDOW, n_layer=2, n_head=max(1, width // 16), d_model=width, positions="rotary"
    )
    model = GPT(c)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    g, found, mean = torch.Generator().manual_seed(seed), {}, [p.detach().clone() for p in model.parameters()]
    checkpoints = {round(n_tokens / 2**k / (WINDOW * BATCH)): n_tokens // 2**k for k in range(8)}
    for step in range(1, max(checkpoints) + 1):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, step / 20)
        where = torch.randint(len(text) - WINDOW, (BATCH, 1), generator=g) + torch.arange(WINDOW + 1)
        loss = F.cross_entropy(model(text[where[:, :-1]]).mT, text[where[:, 1:]])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():  # a mean that reaches back about an eighth of the run, in place of a schedule
            torch._foreach_lerp_(mean, [p.detach() for p in model.parameters()], 9 / (step + 9))
        if step in checkpoints:
            kept = [p.detach().clone() for p in model.parameters()]
            with torch.no_grad():
                for p, m in zip(model.parameters(), mean, strict=True):
                    p.copy_(m)
                found[str(checkpoints[step])] = round(
                    evaluate_bits(model, held_out, WINDOW, n_least=WINDOW // 2), 4
                )
                for p, k in zip(model.parameters(), kept, strict=True):
                    p.copy_(k)
    return found


def scaling() -> None:
    """Five sizes, their rates chosen on other text."""
    first, last = (letters(part) for part in split())
    text, choose, held_out = torch.from_numpy(first[:-20_000]), first[-20_000:], last[:30_000]
    chosen = {}
    for width in WIDTHS:
        tried = {
            rate: once(
                "scaling_rates",
                f"{width}/{rate}",
                lambda w=width, r=rate: curve(w, r, 99, 200 * 1024, text, choose)[str(200 * 1024)],
            )
            for rate in RATES
        }
        chosen[width] = min(tried, key=lambda rate: tried[rate])
    for seed in range(SEEDS):
        for width, n_tokens in WIDTHS.items():
            if width == max(WIDTHS) and seed:
                continue  # the largest is an outlook, with one seed
            once(
                "scaling",
                f"{width}/{seed}",
                lambda w=width, s=seed, n=n_tokens: curve(w, chosen[w], s, n, text, held_out),
            )


# --- masking ------------------------------------------------------------------------------------------------


def masking() -> None:
    """One text of 16,384 letters, read 40 times: under one mask, ten in turn, or always a new one."""
    first, last = (letters(part) for part in split())
    n, window = 16_384, 64
    rows = torch.from_numpy(first[: n // window * window].reshape(-1, window))
    held = torch.from_numpy(last[: 19_200 // window * window].reshape(-1, window))
    seen_held, asked_held = mask_tokens(
        held, 0.15, torch.Generator().manual_seed(0), mask=27, n_vocab=27, first=0
    )
    for seed in range(SEEDS):
        for name, n_masks in (("static", 1), ("ten", 10), ("dynamic", 10**9)):
            once(
                "masking",
                f"{name}/{seed}",
                lambda s=seed, k=n_masks: masked_run(rows, s, k, seen_held, asked_held),
            )


def masked_run(
    rows: Tensor, seed: int, n_masks: int, seen_held: Tensor, asked_held: Tensor
) -> dict[str, float]:
    """Bits a hidden letter at the end, in the last pass of training and held out."""
    torch.manual_seed(seed)
    c = ModelConfig(n_vocab=28, n_context=64, n_layer=2, n_head=2, d_model=48, positions="rotary")
    model, n_epochs, batch = Encoder(c), 40, 32
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.004, weight_decay=0.01)
    n_steps, step, g = n_epochs * (len(rows) // batch), 0, torch.Generator().manual_seed(seed)
    train_bits = []
    for epoch in range(n_epochs):
        masks = torch.Generator().manual_seed(1000 * seed + epoch % n_masks)
        seen, asked = mask_tokens(rows, 0.15, masks, mask=27, n_vocab=27, first=0)
        for part in torch.randperm(len(rows), generator=g)[: len(rows) // batch * batch].split(batch):
            for group in optimiser.param_groups:
                group["lr"] = 0.004 * min(1.0, (step + 1) / 50, (n_steps - step) / (0.5 * n_steps))
            loss = F.cross_entropy(model(seen[part]).mT, asked[part], ignore_index=-100)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            step += 1
            if epoch == n_epochs - 1:
                train_bits.append(loss.item() / math.log(2))
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(x) for x in seen_held.split(64)])
        bits = F.cross_entropy(logits.mT, asked_held, ignore_index=-100).item() / math.log(2)
    return {"train": round(float(np.mean(train_bits)), 4), "held_out": round(bits, 4)}


# --- transfer -----------------------------------------------------------------------------------------------

SIZES = (2_000, 8_000, 32_000, 128_000)  # characters of the new text


def transfer(again: bool) -> None:
    """Wikipedia for a model of the Bible: fine-tuned, from scratch, and counted, on n characters."""
    from labutils.models import pretrained
    from labutils.pocket.recipe import RECIPES, build

    _, tokenizer = pretrained.load("pocket-gpt")
    weights = hashlib.sha256((pretrained.POCKET["pocket-gpt"] / "model.safetensors").read_bytes()).hexdigest()
    found = results()
    if again or found.get("transfer_weights") != weights:
        found["transfer_weights"] = weights
        found["transfer"] = {k: v for k, v in found.get("transfer", {}).items() if not k.startswith("tuned")}
        FILE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
    wiki = data.load_text("wikipedia_en")
    train, rest = wiki[: len(wiki) * 8 // 10], wiki[len(wiki) * 8 // 10 :]
    choose, test = rest[:4_000], rest[len(rest) // 2 : len(rest) // 2 + 12_000]

    def ids(text: str) -> np.ndarray:
        return encode(tokenizer.backend_tokenizer, text)

    def fresh() -> Any:
        return build(RECIPES["pocket-gpt"])

    def old() -> Any:
        return pretrained.load("pocket-gpt")[0]

    once("transfer", "tuned/0/0", lambda: round(bits_of(old(), ids(test), len(test)), 4))
    for n in (*SIZES, 256_000, 1_000_000, len(train)):
        for seed in range(SEEDS if n < len(train) else 1):
            once("transfer", f"counted/{n}/{seed}", lambda s=seed, n=n: counted(train, s, n, choose, test))
    both = lambda piece: counted(split()[0] + piece, 0, 10**9, choose, test)  # noqa: E731
    for n in (0, *SIZES):
        for seed in range(SEEDS if n else 1):
            start = seed * len(train) // SEEDS
            once("transfer", f"counted-with-bible/{n}/{seed}", lambda s=start, n=n: both(train[s : s + n]))

    for n in SIZES:
        for name, make, rate, passes in (("tuned", old, 1e-3, 4), ("scratch", fresh, 3e-3, 8)):
            for seed in range(SEEDS):
                start = seed * len(train) // SEEDS
                once(
                    "transfer",
                    f"{name}/{n}/{seed}",
                    lambda m=make, p=train[start : start + n], r=rate, k=passes, s=seed: tune(
                        m(), ids(p), ids(choose), ids(test), len(test), r, k, s
                    ),
                )


def bits_of(model: Any, ids: np.ndarray, n_characters: int) -> float:
    """Bits a character, static."""
    from labutils.pocket.score import _Logits

    return evaluate_bits(_Logits(model), ids, 256, n_least=128, batch_size=8) * (len(ids) - 1) / n_characters


def tune(
    model: Any,
    ids: np.ndarray,
    choose: np.ndarray,
    test: np.ndarray,
    n: int,
    rate: float,
    passes: int,
    seed: int,
) -> float:
    """Bits a character on `test` after the pass that is best on `choose` (also before the first)."""
    from labutils.pocket.score import _Logits

    torch.manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.1)
    text, rng, step = torch.from_numpy(ids), np.random.default_rng(seed), 0
    best, kept, worse = math.inf, None, 0
    total = max(1, passes * math.ceil(len(ids) / (4 * 128)))
    for k in range(passes + 1):
        score = evaluate_bits(_Logits(model), choose, 256, batch_size=8)
        if score < best:
            best, kept, worse = score, {k: v.clone() for k, v in model.state_dict().items()}, 0
        else:
            worse += 1
        if k == passes or worse == 2:
            break
        model.train()
        offset = int(rng.integers(128))
        windows = (
            torch.arange(offset, max(offset + 1, len(text) - 128), 128)[:, None] + torch.arange(128)
        ) % len(text)
        for part in windows[torch.from_numpy(rng.permutation(len(windows)))].split(4):
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / 10, (total - step + 1) / total + 0.1)
            x = text[part]
            loss = F.cross_entropy(model(input_ids=x).logits[:, :-1].mT, x[:, 1:])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            step += 1
        model.eval()
    model.load_state_dict(kept)
    return round(bits_of(model.eval(), test, n), 4)


def counted(text: str, seed: int, n: int, choose: str, test: str) -> float:
    """A Kneser–Ney model over bytes, its order chosen on `choose`: bits a character."""
    start = seed * len(text) // SEEDS
    ids, known, asked = (
        np.frombuffer(t.encode(), dtype=np.uint8).astype(np.int64)
        for t in (text[start : start + n], choose, test)
    )
    models = [NGramModel(order, 256).fit(ids) for order in ((3, 4, 5, 6) if n < 10**6 else (6, 7))]
    best = min(models, key=lambda model: model.cross_entropy(known))
    return round(best.cross_entropy(asked) * len(asked) / len(test), 4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("scaling", "masking", "transfer"))
    parser.add_argument("--again", action="store_true", help="what depends on the pocket GPT, once more")
    args = parser.parse_args()
    FILE.parent.mkdir(exist_ok=True)
    {"scaling": scaling, "masking": masking, "transfer": lambda: transfer(args.again)}[args.what]()
