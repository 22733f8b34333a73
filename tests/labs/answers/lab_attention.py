"""Right and wrong answers to the lab on attention, and what a wrong one is told."""

from __future__ import annotations

from lab_kit import solution
from labutils.coursework.lab import load
from places import ROOT

LAB = load(ROOT / "notebooks/labs/lab_attention.ipynb")
PUBLIC = {"imports", "model", "sentences", "page", "answer-q4", "bolted"}  # the cells that public checks need

SOURCE = """def source(ids):
    ids = np.asarray(ids)
    found = np.full(len(ids), -1)
    for i in range(len(ids)):
        same = np.flatnonzero(ids[:i] == ids[i])
        if len(same):
            found[i] = same[-1] + 1
    return found
"""
LOOKS = """def looks(weights, source):
    has = source >= 0
    at = source.clamp(min=0)
    each = weights.gather(2, at[None, :, None].expand(len(weights), -1, 1))[..., 0]
    return (each * has).sum(-1) / has.sum()
"""
COPY = """class CopyHead(nn.Module):
    def __init__(self, n_vocab, d, sharpness=2.0):
        super().__init__()
        self.token = nn.Embedding(n_vocab, d)
        self.scale = sharpness / d**0.5

    def forward(self, ids):
        n_batch, T = ids.shape
        q = self.token(ids)
        k = torch.zeros_like(q)
        k[:, 1:] = q[:, :-1]
        v = torch.zeros(n_batch, T, self.token.num_embeddings)
        v.scatter_(2, ids[..., None], 1.0)
        scores = torch.einsum("bid,bjd->bij", q, k) * self.scale
        sees = torch.ones(T, T).tril().bool()
        sees[:, 0] = False
        weights = torch.where(sees, scores, torch.tensor(-1e9)).softmax(-1)
        out = weights @ v
        out[:, 0] = 1 / v.shape[-1]
        return out
"""
RIGHT = {
    "q1": {
        "with a loop": (
            "p = logits.softmax(-1)\npaid = [-math.log2(p[i, ids[i + 1]]) for i in range(200)]\n"
            "bits = [sum(paid[:100]) / 100, sum(paid[100:]) / 100]"
        ),
        "a tensor in double precision": (
            "each = nn.functional.cross_entropy(logits[:-1].double(), ids[1:], reduction='none')\n"
            "bits = (each / math.log(2)).view(2, 100).mean(1)"
        ),
    },
    "q2": {
        "with NumPy": SOURCE,
        "a list": (
            "def source(ids):\n    ids, n = [int(x) for x in ids], len(ids)\n"
            "    return [max((j + 1 for j in range(i) if ids[j] == ids[i]), default=-1) for i in range(n)]"
        ),
        "all pairs at once, in single precision": """def source(ids):
    ids = torch.as_tensor(ids)
    place = torch.arange(1, len(ids) + 1)
    same = (ids[:, None] == ids[None]).float().tril(-1)
    best = (same * place).max(-1).values
    best[best == 0] = -1
    return best
""",
    },
    "q3": {
        "gathered": LOOKS,
        "a list": (
            "def looks(weights, source):\n    seen = [(i, int(j)) for i, j in enumerate(source) if j >= 0]\n"
            "    return [sum(float(head[i, j]) for i, j in seen) / len(seen) for head in weights]"
        ),
        "works in place on its arguments": (
            "def looks(weights, source):\n    weights[:, source < 0] = 0\n    n = (source >= 0).sum()\n"
            "    source[source < 0] = 0\n"
            "    each = weights.numpy()[:, np.arange(len(source)), source.numpy()]\n"
            "    return (each.sum(1) / n.item()).astype('f8')"
        ),
    },
    "q4": {
        "all positions, a large negative number": COPY,
        "in double precision": COPY.replace("return out", "return out.double()"),
        "position by position": COPY.replace(
            COPY[COPY.index("        v = torch.zeros(") :],
            "        v = nn.functional.one_hot(ids, self.token.num_embeddings).float()\n"
            "        out = torch.full_like(v, 1 / v.shape[-1])\n"
            "        for i in range(1, T):\n"
            "            score = (k[:, 1 : i + 1] @ q[:, i, :, None]) * self.scale\n"
            "            out[:, i] = (score.softmax(1) * v[:, 1 : i + 1]).sum(1)\n"
            "        return out\n",
        ),
    },
    "q5": {
        "with a loop": (
            "with_copy = sum(-math.log2(float(p_model[i, ids[i + 1]] + p_copy[i, ids[i + 1]]) / 2) "
            "for i in range(101, 200)) / 99"
        ),
        "with logaddexp": (
            "both = torch.logaddexp(p_model.log(), p_copy.log()).double() - math.log(2)\n"
            "with_copy = nn.functional.nll_loss(both[101:200], ids[102:]) / math.log(2)"
        ),
    },
}
WRONG = {
    "q1": {
        "nats": solution(LAB, "q1", (" / math.log(2)", "")),
        "one position off": solution(LAB, "q1", ("log_softmax(-1)[:-1]", "log_softmax(-1)[1:]")),
        "the token itself": solution(LAB, "q1", ("ids[1:, None]", "ids[:-1, None]")),
        "exchanged": solution(LAB, "q1").replace("### END", "bits = bits[1], bits[0]\n### END"),
        "up to each end": solution(LAB, "q1", ("paid[100:]", "paid")),
        "logits for logarithms": solution(LAB, "q1", (".log_softmax(-1)", "")),
        "the mean of probabilities": solution(LAB, "q1", ("-log2_p.", "(2**log2_p)."), (
            "paid[:100].mean().item(), paid[100:].mean().item()",
            "-paid[:100].mean().log2().item(), -paid[100:].mean().log2().item()",
        )),
        "the second reading without the first": solution(LAB, "q1").replace(
            "### END",
            "alone = nn.functional.cross_entropy(model(ids[None, 101:]).logits[0, :-1], ids[102:])\n"
            "bits = bits[0], float(alone) / math.log(2)\n### END",
        ),
        "divided by 99": solution(LAB, "q1", ("paid[100:].mean()", "(paid[100:].sum() / 99)")),
    },
    "q2": {
        "the occurrence itself": SOURCE.replace("same[-1] + 1", "same[-1]"),
        "the first time": SOURCE.replace("same[-1]", "same[0]"),
        "finds itself": SOURCE.replace("ids[:i]", "ids[: i + 1]"),
        "the nearest in either direction": SOURCE.replace("ids[:i]", "ids"),
        "the token that came": SOURCE.replace("same[-1] + 1", "ids[same[-1] + 1]"),
        "0 for none": SOURCE.replace("np.full(len(ids), -1)", "np.zeros(len(ids), int)"),
        "elements of a tensor as keys": (
            "def source(ids):\n    last, found = {}, []\n    for i, token in enumerate(ids):\n"
            "        found.append(last.get(token, -1))\n        last[token] = i + 1\n    return found"
        ),
        "how far back": SOURCE.replace("same[-1] + 1", "i - same[-1]"),
    },
    "q3": {
        "over all positions": LOOKS.replace("has.sum()", "len(has)"),
        "-1 as an index": (
            "def looks(weights, source):\n    return weights[:, range(len(source)), source].mean(-1)"
        ),
        "keys before queries": solution(LAB, "q3", ("queries, source[queries]", "source[queries], queries")),
        "the sum": solution(LAB, "q3", (".mean(-1)", ".sum(-1)")),
        "over heads": solution(LAB, "q3", (".mean(-1)", ".mean()")),
        "zero is no source": LOOKS.replace("source >= 0", "source > 0"),
        "whether it is the largest": (
            "def looks(weights, source):\n    has = source >= 0\n"
            "    return (weights.argmax(-1) == source)[:, has].float().mean(-1)"
        ),
    },
    "q4": {
        "the key is the token itself": COPY.replace("k[:, 1:] = q[:, :-1]", "k[:] = q"),
        "rolled": COPY.replace("k[:, 1:] = q[:, :-1]", "k = q.roll(1, 1)").replace(
            "        sees[:, 0] = False\n", ""
        ).replace("        out[:, 0] = 1 / v.shape[-1]\n", ""),
        "sees the future": COPY.replace(".tril()", ""),
        "sees position 0": COPY.replace("        sees[:, 0] = False\n", ""),
        "always as sharp": COPY.replace("sharpness / d**0.5", "2.0 / d**0.5"),
        "divided by d": COPY.replace("d**0.5", "d"),
        "logarithms": COPY.replace("return out", "return out.log()"),
        "another parameter": COPY.replace("  self.scale", "  self.q = nn.Linear(d, d)\n        self.scale"),
        "counted, no weights": COPY[: COPY.index("        k = ")]
        + """        out = torch.full((n_batch, T, self.token.num_embeddings), 1 / self.token.num_embeddings)
        for b, i in ((b, i) for b in range(n_batch) for i in range(1, T)):
            then = [int(ids[b, j]) for j in range(1, i + 1) if ids[b, j - 1] == ids[b, i]]
            if then:
                out[b, i] = 0
            for token in then:
                out[b, i, token] += 1 / len(then)
        return out
""",
        "not itself": COPY.replace(".tril()", ".tril(-1)"),
        "not divided": COPY.replace("sharpness / d**0.5", "sharpness"),
        "not sharpened": COPY.replace("sharpness / d**0.5", "d**-0.5"),
        "nan": solution(LAB, "q4", ("scores[:, 1:].softmax(-1) @", "scores.softmax(-1) @"), (
            "return torch.cat([torch.full_like(copied[:, :1], 1 / n_vocab), copied], dim=1)", "return copied"
        )),
        "the value is what stood before": COPY.replace(
            "v.scatter_(2, ids[..., None], 1.0)", "v.scatter_(2, ids.roll(1, 1)[..., None], 1.0)"
        ),
        "the best alone": COPY.replace(
            "out = weights @ v", "out = v[torch.arange(n_batch)[:, None], weights.argmax(-1)]"
        ),
        "over queries": COPY.replace(".softmax(-1)", ".softmax(-2)"),
        "a name of its own": COPY.replace("self.token", "self.words"),
    },
    "q5": {
        "mixes logarithms": (
            "mixed = (p_model.log2() + p_copy.log2()) / 2\n"
            "with_copy = -mixed[101:200].gather(1, ids[102:, None]).mean().item()"
        ),
        "nats": solution(LAB, "q5", ("log2()", "log()")),
        "both readings": solution(LAB, "q5", ("mixed[101:200]", "mixed[:200]"), ("ids[102:,", "ids[1:,")),
        "the first reading": solution(
            LAB, "q5", ("mixed[101:200]", "mixed[:100]"), ("ids[102:,", "ids[1:101,")
        ),
        "the model alone": solution(LAB, "q5", ("(p_model + p_copy) / 2", "p_model")),
        "from position 101": solution(
            LAB, "q5", ("mixed[101:200]", "mixed[100:200]"), ("ids[102:,", "ids[101:,")
        ),
        "divided by 100": solution(LAB, "q5", (".mean().item()", ".sum().item() / 100")),
        "the mean of probabilities": solution(LAB, "q5", (".log2().mean()", ".mean().log2()")),
        "the copier alone": solution(LAB, "q5", ("(p_model + p_copy) / 2", "p_copy")),
        "not halved": solution(LAB, "q5", ("(p_model + p_copy) / 2", "p_model + p_copy")),
        "logits": solution(LAB, "q5", ("(p_model + p_copy) / 2", "((logits + p_copy) / 2).softmax(-1)")),
    },
}  # fmt: skip
SAID = {
    "q1": {"nats": "nats", "exchanged": "exchanged"},
    "q2": {"the occurrence itself": "stood", "finds itself": "strictly",
           "elements of a tensor as keys": "two objects"},
    "q3": {"over heads": "a head", "over all positions": "not over all", "-1 as an index": "last column",
           "keys before queries": "the other way round", "zero is no source": "Position 0"},
    "q4": {"not divided": "root of d", "not sharpened": "sharpness", "not itself": "see itself", "nan": "nan",
           "rolled": "first position", "always as sharp": "always 2", "sees position 0": "seen by nobody",
           "sees the future": "comes after", "the key is the token itself": "before it, not its own",
           "logarithms": "not negative"},
    "q5": {"nats": "nats", "from position 101": "left out", "the copier alone": "one half",
           "not halved": "halved", "mixes logarithms": "Probabilities are mixed",
           "the mean of probabilities": "the mean after it"},
}  # fmt: skip
