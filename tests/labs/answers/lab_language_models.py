"""Right and wrong answers to the lab on n-grams, and what a wrong one is told."""

from __future__ import annotations

from lab_kit import solution
from labutils.coursework.lab import load
from places import ROOT

LAB = load(ROOT / "notebooks/labs/lab_language_models.ipynb")

TABLE = """def bigram_table(ids, k=1.0):
    import math
    rows = [[k] * 27 for _ in range(27)]
    for a, b in zip(list(ids), list(ids)[1:]):
        rows[a][b] += 1
    return [[math.log2(x / sum(row)) for x in row] for row in rows]
"""
CLIMB = """def break_cipher(cipher, table, seed):
    import random
    draw = random.Random(seed)
    pairs = np.bincount(27 * cipher[:-1] + cipher[1:], minlength=729).reshape(27, 27)

    def value(key):
        return float((pairs * table[key][:, key]).sum())

    best = None
    for _ in range(STARTS):
        key = draw.sample(range(27), 27)
        top = value(key)
        moved = True
        while moved:
            moved = False
            for i in range(26):
                for j in range(i + 1, 27):
                    key[i], key[j] = key[j], key[i]
                    new = value(key)
                    if new > top + 1e-9:
                        top, moved = new, True
                    else:
                        key[i], key[j] = key[j], key[i]
        if best is None or top > best[0]:
            best = top, list(key)
    return best[1]
"""
MIX = """class Mixture(nn.Module):
    def __init__(self, n_models):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(n_models))

    def forward(self, log2_p):
        RETURN
"""
PLAIN_MIX = "return torch.log2((2**log2_p * self.logits.softmax(0)).sum(-1))"

RIGHT = {
    "q1": {
        "with lists": (
            "from collections import Counter\nn = len(cipher)\n"
            "doubt = sum(-c / n * np.log2(c / n) for c in Counter(cipher.tolist()).values())"
        ),
        "a tensor in single precision": (
            "p = torch.bincount(torch.tensor(cipher)).float() / len(cipher)\np = p[p > 0]\n"
            "doubt = -(p * p.log2()).sum()"
        ),
    },
    "q2": {
        "with lists": TABLE,
        "a tensor in single precision": solution(
            LAB, "q2", ("return np.log2(", "return torch.tensor("), ("27 * k))", "27 * k)).float().log2()")
        ),
        "works in place on its argument": (
            "def bigram_table(ids, k=1.0):\n    ids *= 27\n    ids[:-1] += ids[1:] // 27\n"
            "    t = np.bincount(ids[:-1], minlength=729).reshape(27, 27) + k\n"
            "    return np.log2(t / t.sum(1)[:, None])"
        ),
    },
    "q3": {
        "with a loop": (
            "def score(cipher, table, key):\n    t = [key[s] for s in cipher]\n"
            "    return sum(table[a][b] for a, b in zip(t, t[1:]))"
        ),
        "with counts": (
            "def score(cipher, table, key):\n    pairs = np.zeros((27, 27))\n"
            "    np.add.at(pairs, (cipher[:-1], cipher[1:]), 1)\n"
            "    return np.float32((pairs * table[np.ix_(key, key)]).sum())"
        ),
        "works in place on its argument": (
            "def score(cipher, table, key):\n    cipher[:] = key[cipher]\n"
            "    return torch.tensor(table)[cipher[:-1], cipher[1:]].sum()"
        ),
    },
    "q4": {
        "in place, with lists": CLIMB.replace("STARTS", "40"),
        "a tensor": solution(LAB, "q4", ("return best", "return torch.tensor(best)")),
    },
    "q5": {
        "in capitals, with blanks": solution(
            LAB, "q5", ("to_text(key[cipher])", "to_text(key[cipher]).replace('_', ' ').upper()")
        ),
        "by exchanges": solution(
            LAB, "q5", ("(key[cipher])", "(exchanged(exchanged(key, 'ab'), 'ab')[cipher])")
        ),
    },
    "q6": {
        "base 2": MIX.replace(
            "RETURN",
            "x = log2_p + self.logits.log_softmax(0) / np.log(2)\n"
            "        out = x[:, 0]\n        for m in range(1, x.shape[1]):\n"
            "            out = torch.logaddexp2(out, x[:, m])\n        return out",
        ),
        "the largest taken off, in place": MIX.replace(
            "RETURN",
            "top = log2_p.max(1, keepdim=True).values\n        log2_p -= top\n        "
            + PLAIN_MIX
            + " + top[:, 0]",
        ),
        "in double precision": solution(LAB, "q6", ("log2_p * np", "log2_p.double() * np")),
    },
}
WRONG = {
    "q1": {
        "nats": solution(LAB, "q1", ("np.log2", "np.log")),
        "uniform": "doubt = np.log2(27)",
        "of pairs": "_, c = np.unique(27 * cipher[1:] + cipher[:-1], return_counts=True)\np = c / c.sum()\n"
        "doubt = -(p * np.log2(p)).sum()",
        "of somebody else's": "doubt = 4.05",
    },
    "q2": {
        "transposed": solution(LAB, "q2", ("(ids[:-1], ids[1:])", "(ids[1:], ids[:-1])")),
        "natural": solution(LAB, "q2", ("log2", "log")),
        "joint": solution(LAB, "q2", ("axis=1, keepdims=True", ""), ("27 * k", "729 * k")),
        "k added once": solution(LAB, "q2", ("27 * k", "k")),
        "counts the last sign as followed": solution(
            LAB, "q2", ("counts.sum(axis=1, keepdims=True)", "np.bincount(ids, minlength=27)[:, None]")
        ),
        "every pair once": solution(
            LAB, "q2", ("np.add.at(counts, (ids[:-1], ids[1:]), 1)", "counts[ids[:-1], ids[1:]] += 1")
        ),
        "probabilities": solution(LAB, "q2", ("np.log2(", "(")),
        "a table for reading from the right": solution(LAB, "q2", ("27 * k))", "27 * k)).T")),
        "k is always 1": solution(LAB, "q2", ("counts + k)", "counts + 1)"), ("27 * k", "27")),
    },
    "q3": {
        "the key turned round": solution(LAB, "q3", ("np.asarray(key)", "np.argsort(key)")),
        "a mean": solution(LAB, "q3", (".sum()", ".mean()")),
        "a surprise": solution(LAB, "q3", ("float(table", "float(-table")),
        "not decoded": solution(LAB, "q3", ("np.asarray(key)[cipher]", "cipher")),
        "the table transposed": solution(LAB, "q3", ("text[:-1], text[1:]", "text[1:], text[:-1]")),
        "the first sign costs": solution(LAB, "q3", (".sum())", ".sum() - np.log2(27))")),
        "in a circle": solution(LAB, "q3", ("text[:-1], text[1:]", "text, np.roll(text, -1)")),
        "all pairs": solution(LAB, "q3", ("table[text[:-1], text[1:]]", "table[np.ix_(text, text)]")),
    },
    "q4": {
        "a single start": CLIMB.replace("STARTS", "1"),
        "one round of exchanges": CLIMB.replace("STARTS", "40").replace(
            "top, moved = new, True", "top = new"
        ),
        "the last top": solution(LAB, "q4", ("if value > best_value:", "if True:")),
        "the key turned round": solution(LAB, "q4", ("return best", "return np.argsort(best)")),
        "by frequency": (
            "def break_cipher(cipher, table, seed):\n    key = np.zeros(27, int)\n"
            "    by_table = (2.0**table).sum(0).argsort()\n"
            "    key[np.bincount(cipher, minlength=27).argsort()] = by_table\n    return key"
        ),
        "neighbours exchanged only": solution(LAB, "q4", ("for j in range(i):", "for j in [(i + 1) % 27]:")),
        "the notebook's table": solution(LAB, "q4", ("(cipher, table, seed)", "(cipher, judge, seed)")),
        "pairs turned round": solution(LAB, "q4", ("(cipher[:-1], cipher[1:])", "(cipher[1:], cipher[:-1])")),
        "no exchange": "def break_cipher(cipher, table, seed):\n    return (2.0**table).argmax(1)",
        "the score": solution(LAB, "q4", ("return best", "return best_value")),
    },
    "q5": {
        "as it was found, letters exchanged": 'message = to_text(exchanged(found, "eo", "th")[cipher])',
        "the cipher": "message = to_text(cipher)",
        "numbers": solution(LAB, "q5", ("to_text(key[cipher])", "key[cipher]")),
        "the beginning": solution(LAB, "q5", ("(key[cipher])", "(key[cipher])[:60]")),
    },
    "q6": {
        "underflows": MIX.replace("RETURN", PLAIN_MIX),
        "nats": solution(LAB, "q6", (".logsumexp(-1) / np.log(2)", ".logsumexp(-1)")),
        "mixes logarithms": MIX.replace("RETURN", "return (log2_p * self.logits.softmax(0)).sum(-1)"),
        "no softmax": solution(LAB, "q6", ("self.logits.log_softmax(0)", "self.logits")),
        "normalised over signs": solution(LAB, "q6", ("logsumexp(-1)", "logsumexp(0)")),
        "not the same weights at first": solution(LAB, "q6", ("torch.zeros(", "torch.randn(")),
        "one maximum for all signs": MIX.replace(
            "RETURN",
            "top = log2_p.max()\n        log2_p = log2_p - top\n        " + PLAIN_MIX + " + top",
        ),
        "a column": solution(LAB, "q6", ("logsumexp(-1)", "logsumexp(-1, keepdim=True)")),
        "takes bits for nats": solution(LAB, "q6", ("log2_p * np.log(2)", "log2_p")),
    },
}


SAID = {
    "q1": {"nats": "base 2"},
    "q2": {"transposed": "Rows and columns", "natural": "natural", "probabilities": "themselves",
           "joint": "whole table", "k added once": "each of 27", "every pair once": "counted once",
           "counts the last sign as followed": "followed by nothing", "k is always 1": "whatever k",
           "a table for reading from the right": "turned"},
    "q3": {"a surprise": "sign", "a mean": "a mean", "the key turned round": "wrong way round",
           "not decoded": "decode", "the table transposed": "Rows", "the first sign costs": "costs nothing",
           "in a circle": "no neighbour", "all pairs": "another key"},
    "q4": {"the key turned round": "wrong way round", "the last top": "Near", "no exchange": "no key",
           "by frequency": "far from"},
    "q5": {"numbers": "no text", "the beginning": "not as many"},
    "q6": {"underflows": "underflows", "nats": "nats", "mixes logarithms": "mean of the logarithms",
           "no softmax": "sum to 1", "takes bits for nats": "taken for nats", "a column": "shape"},
}  # fmt: skip
