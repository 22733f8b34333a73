"""Checks of the exercises of notebooks/foundations/language_models.ipynb."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labutils.checks.answers import close
from labutils.checks.core import exercise
from labutils.models.config import ModelConfig
from labutils.models.sizes import count_parameters

Floats = NDArray[np.float64]


def _gpt(n_layer: int, d_model: int, n_vocab: int, n_context: int) -> ModelConfig:
    return ModelConfig(n_layer=n_layer, n_head=1, d_model=d_model, n_vocab=n_vocab, n_context=n_context)


def _diagnose(found: object, mistakes: Iterable[tuple[float, str]]) -> str | None:
    """Return the sentence that belongs to the wrong value that was found, if it is a known one."""
    return next((why for value, why in mistakes if close(found, value)), None)


def _vector(answer: Callable[..., Any], *args: Any) -> tuple[Floats, str | None]:
    """Call the reader's function and return its vector, and what is wrong with its form if anything."""
    n_vocab = len(args[0])
    found = np.asarray(answer(*args), dtype=np.float64)
    if found.shape != (n_vocab,):
        return found, f"the result has shape {found.shape}: expected one probability a token, ({n_vocab},)."
    return found, None


@exercise("language_models.bigram")
def bigram(answer: Callable[[str, str, str], float]) -> str | None:
    """Try P(b | a) in "abracadabra", whose last letter has no follower, and a few more."""
    found = answer("abracadabra", "a", "b")
    if not close(found, 2 / 4):
        why = _diagnose(
            found,
            [
                (2 / 5, 'you divide by all "a"; the last one has no follower: count pairs.'),
                (2 / 10, "that is P(a, b), the share of all pairs: divide by those that start with a."),
                (2 / 11, "you divide by the length of the text, not by the pairs that start with a."),
                (2 / 2, "that is P(a came before | b came): you divide by the pairs that end in b."),
                (2, "that is the count: divide it by the number of pairs that start with a."),
                (3 / 7, "that looks like add-one smoothing: plain counts are asked for."),
            ],
        )
        return f'P("b" | "a") in "abracadabra" is {found}, not 2/4: ' + (why or "count the pairs by hand.")
    for text, context, token, expected in [
        ("abracadabra", "a", "d", 1 / 4),
        ("abracadabra", "b", "r", 1.0),
        ("abracadabra", "b", "a", 0.0),
        ("aaab", "a", "a", 2 / 3),  # overlapping pairs
    ]:
        found = answer(text, context, token)
        if not close(found, expected):
            hint = " (pairs overlap: str.count does not see the second one)" if text == "aaab" else ""
            return f'P("{token}" | "{context}") in "{text}" is {found}, not {expected:.3g}{hint}.'
    return None


@exercise("language_models.perplexity")
def perplexity(answer: Callable[[Floats], float]) -> str | None:
    """Try three probabilities whose product is 1/64, then 5,000 of them."""
    probs = np.array([1 / 2, 1 / 4, 1 / 8])
    found = answer(probs)
    if not close(found, 4.0):
        nats = float(-np.log(probs).mean())
        why = _diagnose(
            found,
            [
                (2.0, "that is the cross-entropy, 2 bits: raise 2 to it."),
                (nats, "that is the cross-entropy in nats: raise e to it."),
                (2.0**nats, "you raise 2 to nats: either log2 and 2**, or log and exp."),
                (float(np.exp(2.0)), "you raise e to bits: either log2 and 2**, or log and exp."),
                (64.0, "you add the bits of all tokens: take their mean."),
                (1 / 4, "that is the geometric mean of the probabilities: perplexity is one over it."),
                (float(1 / probs.mean()), "you average the probabilities: average their logarithms."),
                (float((1 / probs).mean()), "you average 1/p: average the logarithms instead."),
            ],
        )
        return f"for probabilities 1/2, 1/4, 1/8 you return {found}, not 4: " + (why or "mean bits first.")
    found = answer(np.full(5000, 0.1))
    if not close(found, 10.0):
        return (
            f"for 5,000 probabilities of 0.1 you return {found}, not 10: "
            "the product of so many numbers is below the smallest float; add logarithms."
        )
    return None


@exercise("language_models.add_k")
def add_k(answer: Callable[[Floats, float], Floats]) -> str | None:
    """Try counts 3, 1, 0, 0 with k = 1/2, and a context that was never seen."""
    counts = np.array([3.0, 1.0, 0.0, 0.0])
    found, problem = _vector(answer, counts, 0.5)
    if problem:
        return problem
    expected = np.array([3.5, 1.5, 0.5, 0.5]) / 6
    if not np.allclose(found, expected):
        message = f"for counts 3, 1, 0, 0 and k = 0.5 the result sums to {found.sum():.3g}"
        if np.allclose(found, (counts + 0.5) / 4):
            return f"{message}: the four pseudo-counts belong into the denominator too."
        if np.allclose(found, (counts + 0.5) / 4.5):
            return f"{message}: k is added once in the denominator, but n_vocab times in the numerators."
        if np.allclose(found, (counts + 0.5) / 5):
            return f"{message}: only the two seen tokens got a pseudo-count in the denominator; all four do."
        if np.allclose(found, (counts + 1) / 8):
            return "you add 1 instead of k."
        if found.min() == 0:
            return "tokens that were never seen still have probability 0: they get k as well."
        return f"{message}, and the first value is {found[0]:.3g}, not 3.5/6."
    found, problem = _vector(answer, np.zeros(4), 0.5)
    if problem or not np.allclose(found, 0.25):
        return "a context that was never seen (all counts 0) must give the uniform distribution."
    return None


@exercise("language_models.interpolate")
def interpolate(answer: Callable[[Floats, Floats, float], Floats]) -> str | None:
    """Try counts 3, 1, 0, 0 with a lower order of 0.1, 0.2, 0.3, 0.4 and a discount of 1/2."""
    counts, lower = np.array([3.0, 1.0, 0.0, 0.0]), np.array([0.1, 0.2, 0.3, 0.4])
    found, problem = _vector(answer, counts, lower, 0.5)
    if problem:
        return problem
    kept = np.array([2.5, 0.5, 0.0, 0.0]) / 4
    if not np.allclose(found, kept + 0.25 * lower):
        if found.min() < 0:
            return "a probability is negative: take the discount only from counts above zero."
        if np.allclose(found, kept):
            return "what the discount took off is not handed to the lower order: the result sums to 0.75."
        if np.allclose(found, kept + 0.125 * lower):
            return "you hand on D/total: the discount was taken once from each of the two seen tokens."
        if np.allclose(found, kept + 0.5 * lower):
            return "you hand on D: what was taken is D times the number of seen tokens, divided by the total."
        if np.allclose(found, kept + 0.25 / 4):
            return "what was taken is spread evenly over the vocabulary: spread it as the lower order says."
        if np.allclose(found, np.where(counts > 0, kept, 0.25 * lower / lower[2:].sum())) or np.allclose(
            found, np.where(counts > 0, kept, 0.25 * lower)
        ):
            return "that is backing off: in interpolation seen tokens get their share of the lower order too."
        return f"the result sums to {found.sum():.3g} and starts with {found[0]:.3g}, not with 0.65."
    found, problem = _vector(answer, np.zeros(4), lower, 0.5)
    if problem or not np.allclose(found, lower):
        return "a context that was never seen (all counts 0) must leave the prediction to the lower order."
    return None


@exercise("language_models.parameters")
def parameters(answer: Callable[[int, int, int, int], int]) -> str | None:
    """Try GPT-2 small: 12 layers, width 768, 50,257 tokens, 1,024 positions."""
    n_layer, d, n_vocab, n_context = 12, 768, 50_257, 1024
    right = count_parameters(_gpt(n_layer, d, n_vocab, n_context))["total"]
    found = answer(n_layer, d, n_vocab, n_context)
    if found != right:
        norms, biases = (2 * n_layer + 1) * 2 * d, n_layer * 9 * d
        mistakes = [
            (right + n_vocab * d, "the output layer is counted as well: it shares the token embedding"),
            (right - n_vocab * d, "the token embedding is missing"),
            (right - n_context * d, "the position embedding is missing"),
            (right - (n_vocab + n_context) * d, "both embeddings are missing"),
            (right - biases, "the biases are missing: 4d in attention, 4d + d in the feed-forward layer"),
            (right - n_layer * 4 * d, "the four biases of attention are missing"),
            (right - n_layer * 5 * d, "the biases of the feed-forward layer, 4d + d, are missing"),
            (right - norms, "the layer normalisations are missing: a scale and a shift each"),
            (right - norms // 2, "a layer normalisation has two vectors: a scale and a shift"),
            (right - 2 * d, "the layer normalisation after the last block is missing"),
            (right - norms - biases, "biases and layer normalisations are missing"),
            (12 * n_layer * d * d, "those are the matrices alone: embeddings, biases and norms are missing"),
        ]
        why = next((why for value, why in mistakes if found == value), None)
        why = why or f"a difference of {found - right:,}, or {(found - right) / d:,.1f} · d_model"
        return f"for GPT-2 small you return {found:,}, not {right:,}: {why}."
    # other sizes, in case the four numbers of GPT-2 small stand in the code
    expected = count_parameters(_gpt(2, 8, 11, 5))["total"]
    if (found := answer(2, 8, 11, 5)) != expected:
        return f"right for GPT-2 small, but for (2, 8, 11, 5) you return {found:,}, not {expected:,}."
    return None
