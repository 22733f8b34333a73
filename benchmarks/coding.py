"""How much processor time the arithmetic coder takes for one character, beside the library constriction.

    python benchmarks/coding.py [--length 10000] [--order 6] [--runs 3]

Two rows use one fixed distribution, which leaves the coder alone; two use an n-gram model that is asked
anew for every character, as on the page on information theory. Nothing here can fail for being slow.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import constriction  # type: ignore[import-untyped]
import numpy as np
from ngram import N_VOCAB, median_seconds, text
from numpy.typing import NDArray

from labutils.coding import arithmetic_decode, arithmetic_encode
from labutils.information import normalise
from labutils.models.ngram import NGramModel
from labutils.text import Ids, Vocabulary, k_fold

Probs = NDArray[np.float64]
Model = Callable[[Ids], Probs]


def their_categorical(p: Probs) -> Any:
    """The distribution as constriction wants it: none exactly zero, rounded its own way."""
    return constriction.stream.model.Categorical(p, perfect=False)


def encode_theirs(ids: Ids, model: Model | Probs) -> NDArray[np.uint32]:
    """Encode with constriction: all at once under one distribution, else one character at a time."""
    encoder = constriction.stream.queue.RangeEncoder()
    symbols = ids.astype(np.int32)
    if isinstance(model, np.ndarray):
        encoder.encode(symbols, their_categorical(model))
    else:
        for t in range(len(ids)):
            encoder.encode(int(symbols[t]), their_categorical(model(ids[:t])))
    return np.asarray(encoder.get_compressed(), dtype=np.uint32)


def decode_theirs(words: NDArray[np.uint32], n: int, model: Model | Probs) -> Ids:
    """Decode what `encode_theirs` made."""
    decoder = constriction.stream.queue.RangeDecoder(words)
    if isinstance(model, np.ndarray):
        return np.asarray(decoder.decode(their_categorical(model), n), dtype=np.int64)
    ids = np.zeros(n, dtype=np.int64)
    for t in range(n):
        ids[t] = decoder.decode(their_categorical(model(ids[:t])))
    return ids


def ask_only(ids: Ids, model: Model) -> None:
    """Ask the model for every character and code nothing."""
    for t in range(len(ids)):
        model(ids[:t])


def row(name: str, runs: int, ids: Ids, encode: Callable[[], Any], decode: Callable[[Any], Ids]) -> None:
    """Time both directions, check the text that comes back, print one line."""
    encoding, code = median_seconds(runs, encode)
    decoding, decoded = median_seconds(runs, partial(decode, code))
    if not np.array_equal(decoded, ids):
        raise AssertionError(f"{name}: another text came back")
    bits = 8 * (len(code) if isinstance(code, bytes) else code.nbytes)
    each = [1e6 * seconds / len(ids) for seconds in (encoding, decoding)]
    print(f"{name:34}{each[0]:19.2f}{each[1]:19.2f}{bits / len(ids):17.4f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--length", type=int, default=10_000, help="characters to code (default 10000)")
    parser.add_argument("--order", type=int, default=6, help="order of the n-gram model (default 6)")
    parser.add_argument("--runs", type=int, default=3, help="how many times each thing is timed (default 3)")
    options = parser.parse_args()
    train_text, test_text = k_fold(text(), 9)
    vocabulary = Vocabulary.from_text(train_text, max_size=N_VOCAB)
    train, ids = vocabulary.encode(train_text), vocabulary.encode(test_text[: options.length])
    n = len(ids)
    fixed = normalise(np.bincount(train, minlength=N_VOCAB) + 1.0)
    model = NGramModel(options.order, N_VOCAB).fit(train)

    def always(context: Ids) -> Probs:
        return fixed

    print(f"\n{n:,} characters; the {options.order}-gram needs {model.cross_entropy(ids):.4f} bits for each")
    print("coder, model                        encode, us/char    decode, us/char   bits/character")
    cases: list[tuple[str, Model, Model | Probs]] = [
        ("fixed distribution", always, fixed),
        (f"{options.order}-gram", model.probs, model.probs),
    ]
    for name, ours, theirs in cases:
        row(
            f"labutils, {name}",
            options.runs,
            ids,
            partial(arithmetic_encode, ids, ours),
            partial(arithmetic_decode, n=n, model_probs=ours),
        )
        row(
            f"constriction, {name}",
            options.runs,
            ids,
            partial(encode_theirs, ids, theirs),
            partial(decode_theirs, n=n, model=theirs),
        )
    asking, _ = median_seconds(options.runs, partial(ask_only, ids, model.probs))
    print(f"{'asking the model, no coder':34}{1e6 * asking / n:19.2f}")


if __name__ == "__main__":
    main()
