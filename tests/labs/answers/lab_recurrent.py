"""Right and wrong answers to the lab on recurrent networks, and what a wrong one is told."""

from __future__ import annotations

from lab_kit import solution
from labutils.coursework.lab import load
from places import ROOT

LAB = load(ROOT / "notebooks/labs/lab_recurrent.ipynb")

BY_HAND = """class GatedScan(nn.Module):
    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.gate, self.candidate = nn.Linear(n_in, n_hidden), nn.Linear(n_in, n_hidden)

    def forward(self, x):
        z, g = self.gate(x).sigmoid(), self.candidate(x)
        h, states = torch.zeros_like(z[:, 0]), []
        for t in range(x.shape[1]):
            h = torch.lerp(h, g[:, t], z[:, t])
            states.append(h)
        return torch.stack(states, dim=1)
"""
IN_PLACE = """def rounds(a, b):
    a, b = a.numpy(), b.numpy()
    d, after = 1, []
    while d < len(a):
        b[d:] += a[d:] * b[:-d]
        a[d:] *= a[:-d]
        after.append(b.copy())
        d += d
    return after
"""
LOOP = """def rounds(a, b):
    h, states = 0 * b[0], []
    for t in range(len(a)):
        h = a[t] * h + b[t]
        states.append(h)
    return torch.stack(states)
"""
MACHINE = """def automaton_network(delta, start):
    pairs = [(None, None)] + [(q, s) for q in range(len(delta)) for s in range(len(delta[0]))]
    target = [start] + [int(delta[q][s]) for q, s in pairs[1:]]
    W_x = [[10.0 * (s == symbol) for symbol in range(len(delta[0]))] for _, s in pairs]
    W_h = [[10.0 * (q == t) for t in target] for q, _ in pairs]
    W_out = [[1.0 * (t == state) for t in target] for state in range(len(delta))]
    b = [-15.0] * len(pairs)
    h0 = [1.0] + [0.0] * (len(pairs) - 1)
    return [W_x, W_h, b, h0, W_out]
"""
ONE_A_STATE = """def automaton_network(delta, start):
    n, m = delta.shape
    W_x, W_h = np.zeros((n, m)), np.zeros((n, n))
    for q in range(n):
        for s in range(m):
            W_x[delta[q, s], s] = W_h[delta[q, s], q] = 1
    return W_x, W_h, np.full(n, -1.5), np.eye(n)[start], np.eye(n)
"""
RIGHT = {
    "q1": {
        "with floats": (
            "break_even = next(T for T in range(2, 10**6) if loop_us * T > round_us * np.ceil(np.log2(T)))"
        ),
        "an array": (
            "T = np.arange(2, 10**5)\n"
            "break_even = T[loop_us * T > round_us * np.ceil(np.log2(T))].min().astype(np.float32)"
        ),
    },
    "q2": {
        "in place": (
            "def combine(first, second):\n    first[1].mul_(second[0]).add_(second[1])\n"
            "    first[0].mul_(second[0])\n    return [first[0], first[1]]"
        ),
        "stacked, in double precision": (
            "def combine(first, second):\n    (a, b), (c, d) = first, second\n"
            "    return torch.stack([c * a, c * b + d]).double()"
        ),
    },
    "q3": {
        "in place with NumPy, a list": IN_PLACE,
        "in double precision": solution(
            LAB,
            "q3",
            ("distance, after = 1, []", "distance, after = 1, []\n    a, b = a.double(), b.double()"),
        ),
        "padded": """def rounds(a, b):
    after, d = [], 1
    while d < a.shape[0]:
        before_a, before_b = torch.ones_like(a), torch.zeros_like(b)
        before_a[d:], before_b[d:] = a[:-d], b[:-d]
        a, b = a * before_a, a * before_b + b
        after.append(b)
        d = 2 * d
    return torch.stack(after)
""",
    },
    "q4": {
        "with a loop": BY_HAND,
        "with a loop in place": BY_HAND.replace(
            "h = torch.lerp(h, g[:, t], z[:, t])", "h = h + z[:, t] * (g[:, t] - h)"
        ),
        "in double precision": BY_HAND.replace(
            "return torch.stack(states, dim=1)", "return torch.stack(states, dim=1).double()"
        ),
    },
    "q5": {
        "with lists, ten times as large": MACHINE,
        "tensors in single precision": solution(
            LAB,
            "q5",
            (
                "return W_x, W_h, np.full(n, -1.5), h0, W_out",
                "b = -1.5 + 0 * h0\n    return [torch.tensor(p).float() for p in (W_x, W_h, b, h0, W_out)]",
            ),
        ),
        "works in place on its argument": solution(
            LAB,
            "q5",
            (
                "leads_to = np.append(delta.ravel(), start)",
                "delta += 1\n    delta -= 1\n    leads_to = np.append(delta.ravel(), start)",
            ),
        ),
    },
}
WRONG = {
    "q1": {
        "the logarithm not rounded": (
            "break_even = next(T for T in range(2, 10**6) if loop_us * T > round_us * np.log2(T))"
        ),
        "rounded down": (
            "break_even = next(T for T in range(2, 10**6) if loop_us * T > round_us * int(np.log2(T)))"
        ),
        "one too early": solution(LAB, "q1").rstrip() + "\nbreak_even -= 1",
        "one round": "break_even = round_us // loop_us + 1",
        "somebody else's numbers": "break_even = 777",
    },
    "q2": {
        "second first": solution(
            LAB, "q2", ("second[0] * first[1] + second[1]", "first[0] * second[1] + first[1]")
        ),
        "sums": "def combine(first, second):\n    return first[0] + second[0], first[1] + second[1]",
        "intercepts added": solution(LAB, "q2", ("second[0] * first[1]", "first[1]")),
        "slope of the second": solution(LAB, "q2", ("second[0] * first[0]", "second[0]")),
        "slopes added": solution(LAB, "q2", ("second[0] * first[0]", "second[0] + first[0]")),
        "rows times columns": (
            "def combine(first, second):\n    (a, b), (c, d) = first, second\n    return c @ a, c @ b + d"
        ),
        "one tensor": "def combine(first, second):\n    return second[0] * first[1] + second[1]",
    },
    "q3": {
        "slopes not combined": IN_PLACE.replace("        a[d:] *= a[:-d]\n", ""),
        "slopes first": IN_PLACE.replace(
            "        b[d:] += a[d:] * b[:-d]\n        a[d:] *= a[:-d]\n",
            "        a[d:] *= a[:-d]\n        b[d:] += a[d:] * b[:-d]\n",
        ),
        "distance 1, 2, 3": IN_PLACE.replace("d += d", "d += 1"),
        "a loop": LOOP,
        "a loop, repeated": LOOP.replace(
            "torch.stack(states)", "torch.stack([torch.stack(states)] * (len(a) - 1).bit_length())"
        ),
        "the last round alone": IN_PLACE.replace("return after", "return after[-1]"),
        "right neighbours": IN_PLACE.replace("b[d:] += a[d:] * b[:-d]", "b[:-d] += a[:-d] * b[d:]").replace(
            "a[d:] *= a[:-d]", "a[:-d] *= a[d:]"
        ),
        "divides by the product": (
            "def rounds(a, b):\n    p = a.cumprod(0)\n    h = p * (b / p).cumsum(0)\n"
            "    return torch.stack([h] * (len(a) - 1).bit_length())"
        ),
        "one list for all rounds": IN_PLACE.replace("b.copy()", "b"),
    },
    "q4": {
        "gates exchanged": BY_HAND.replace("lerp(h, g[:, t], z", "lerp(g[:, t], h, z"),
        "tanh": BY_HAND.replace("self.candidate(x)\n", "self.candidate(x).tanh()\n"),
        "the last state": BY_HAND.replace("torch.stack(states, dim=1)", "h"),
        "time first": BY_HAND.replace("dim=1", "dim=0"),
        "over the batch": solution(
            LAB,
            "q4",
            (".transpose(0, 1)\n        states", "\n        states"),
            (".transpose(0, 1))[-1]", ")[-1]"),
            ("states.transpose(0, 1)", "states"),
        ),
        "nothing forgotten": solution(LAB, "q4", ("rounds(1 - z", "rounds(torch.ones_like(z)")),
        "starts from the first candidate": BY_HAND.replace("torch.zeros_like(z[:, 0])", "g[:, 0]"),
        "a step late": BY_HAND.replace("states.append(h)", "states.append(before)").replace(
            "            h = torch", "            before = h\n            h = torch"
        ),
        "no sigmoid": BY_HAND.replace(".sigmoid()", ""),
    },
    "q5": {
        "one unit a state": ONE_A_STATE,
        "an or": MACHINE.replace("-15.0", "-5.0"),
        "no start": MACHINE.replace("[1.0] + [0.0]", "[0.0] + [0.0]"),
        "always from state 0": MACHINE.replace("[start] + [int", "[0] + [int"),
        "the table turned round": MACHINE.replace("delta[q][s]", "delta[s % len(delta)][q % len(delta[0])]"),
        "a pair that leads to the start": solution(
            LAB,
            "q5",
            ("n = delta.size + 1", "n = delta.size"),
            ("np.append(delta.ravel(), start)", "delta.ravel()"),
            ("W_h[:-1]", "W_h[:]"),
            ("W_x[:-1]", "W_x[:]"),
            ("h0[-1] = 1", "h0[np.argmax(leads_to == start)] = 1"),
        ),
        "what it leads from": MACHINE.replace(
            "(t == state) for t in target", "(q == state) for q, _ in pairs"
        ),
        "as many symbols as states": MACHINE.replace(
            "for symbol in range(len(delta[0]))", "for symbol in range(len(delta))"
        ),
        "at the threshold, not above": MACHINE.replace("-15.0", "-20.0"),
        "every pair that leads to the start": MACHINE.replace(
            "h0 = [1.0] + [0.0] * (len(pairs) - 1)", "h0 = [1.0 * (t == start) for t in target]"
        ),
        "three arrays": MACHINE.replace("return [W_x, W_h, b, h0, W_out]", "return W_x, W_h, b"),
    },
}
SAID = {
    "q1": {"rounded down": "rounded up"},
    "q2": {"second first": "second step first", "slopes added": "slopes are not",
           "intercepts added": "intercepts are not"},
    "q3": {"a loop": "the end alone", "the last round alone": "the end alone",
           "a loop, repeated": "end are right", "slopes not combined": "slopes combined",
           "right neighbours": "Not even"},
    "q4": {"gates exchanged": "exchanged", "tanh": "tanh", "the last state": "last state",
           "time first": "changed places", "over the batch": "from one sequence",
           "starts from the first candidate": "first candidate", "no sigmoid": "sigmoid",
           "a step late": "step before"},
    "q5": {"no start": "h0", "one unit a state": "first symbol", "three arrays": "Five arrays",
           "at the threshold, not above": "No unit", "what it leads from": "before the symbol"},
}  # fmt: skip
