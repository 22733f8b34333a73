"""Right and wrong answers to the lab on fine-tuning, and what a wrong one is told."""

from __future__ import annotations

from dataclasses import replace

from lab_kit import solution
from labutils.coursework.lab import load
from places import ROOT

MASTER = load(ROOT / "notebooks/labs/lab_fine_tuning.ipynb")
# The questions do without what is measured between them, which the proof of the release runs.
MEASURED = {"texts", "train", "changes", "ranks", "protected"}
KEPT = tuple(cell for cell in MASTER.notebook.cells if cell.id not in MEASURED)
PUBLIC = {"imports", "student", "sheet"}  # the cells that public checks need
LAB = replace(MASTER, notebook=replace(MASTER.notebook, cells=KEPT))

SQUEEZE = "def squeeze(change, rank):\n"
NEEDED = "def needed(change, share):\n"
TOGETHER = "def together(adapters, weights):\n"
PROTECT = "def protect(A, X, k):\n"

TENANTS = """class Tenants(nn.Module):
    def __init__(self, d_in, d_out, rank, n_tenant, alpha):
        super().__init__()
        self.base = nn.Linear(d_in, d_out)
        for p in self.base.parameters():
            p.requires_grad = False
        self.A = nn.Parameter(torch.empty(n_tenant, rank, d_in))
        self.B = nn.Parameter(torch.zeros(n_tenant, d_out, rank))
        nn.init.kaiming_uniform_(self.A, a=5**0.5)
        self.alpha, self.rank = alpha, rank

    def forward(self, x, tenant):
        out = self.base(x).clone()
        for i, t in enumerate(tenant.tolist()):
            if t >= 0:
                out[i] += self.alpha / self.rank * (x[i] @ self.A[t].T @ self.B[t].T)
        return out
"""

RIGHT = {
    "q1": {
        "step by step": (
            "per_block = sum(sheet['rank'] * (a + b) for a, b in [(sheet['d'], sheet['d']),\n"
            "    (sheet['d_kv'], sheet['d']), (sheet['d'], sheet['d_ff'])])\n"
            "n_tenants = int((sheet['memory'] / 2 - sheet['n_model']) // (sheet['n_layer'] * per_block))"
        ),
        "a float, rounded down": solution(
            LAB, "q1", ("n_tenants = (", "n_tenants = np.floor(("), ("// (", "/ ("), ("\n)\n", "\n))\n")
        ),
    },
    "q2": {
        "with NumPy, the square root to each side": SQUEEZE
        + "    U, S, V = np.linalg.svd(np.asarray(change), full_matrices=False)\n"
        + "    root = np.sqrt(S[:rank])\n    return root[:, None] * V[:rank], U[:, :rank] * root",
        "eigenvectors, lists": SQUEEZE
        + "    change = change.double()\n    values, vectors = torch.linalg.eigh(change.T @ change)\n"
        + "    A = vectors.flip(1)[:, :rank].T\n    return [A.tolist(), (change @ A.T).tolist()]",
        "in place, in another dtype": SQUEEZE
        + "    scale = float(change.abs().max())\n    change /= scale\n"
        + "    U, S, Vh = torch.linalg.svd(change.double())\n"
        + "    return (scale * torch.diag(S[:rank]) @ Vh[:rank]).half().double() * 0 "
        + "+ scale * torch.diag(S[:rank]) @ Vh[:rank], U[:, :rank]",
    },
    "q3": {
        "a loop": NEEDED
        + "    s = np.linalg.svd(change.numpy(), compute_uv=False)\n"
        + "    total, held, rank = (s * s).sum(), 0.0, 0\n"
        + "    while held < share * total:\n        held += s[rank] ** 2\n        rank += 1\n    return rank",
        "a tensor, by searchsorted": NEEDED
        + "    s = torch.linalg.svdvals(change.double()).square()\n"
        + "    return torch.searchsorted(s.cumsum(0) / s.sum(), share) + 1",
        "by eigenvalues": NEEDED
        + "    s = torch.linalg.eigvalsh(change @ change.T).flip(0)\n"
        + "    all_of_it = change.pow(2).sum()\n"
        + "    return 1 + sum((s[: i + 1].sum() < share * all_of_it).item() for i in range(len(s)))",
    },
    "q4": {
        "a loop over the batch": TENANTS,
        "einsum": solution(
            LAB,
            "q4",
            (
                "thin = x @ self.A[chosen].mT @ self.B[chosen].mT",
                "thin = torch.einsum('bti,bri,bor->bto', x, self.A[chosen], self.B[chosen])",
            ),
        ),
        "a row of zeros for nobody": TENANTS.replace(
            "        out = self.base(x).clone()\n        for i, t in enumerate(tenant.tolist()):\n"
            "            if t >= 0:\n"
            "                out[i] += self.alpha / self.rank * (x[i] @ self.A[t].T @ self.B[t].T)\n"
            "        return out\n",
            "        B = torch.cat([self.B, torch.zeros_like(self.B[:1])])[tenant]\n"
            "        thin = torch.bmm(x, self.A[tenant].transpose(1, 2))\n"
            "        return self.base(x) + torch.bmm(thin, B.transpose(1, 2)) * self.alpha / self.rank\n",
        ),
    },
    "q5": {
        "NumPy, the factor in A": TOGETHER
        + "    both = zip(weights, adapters)\n"
        + "    A = np.concatenate([w * a / len(A) * np.asarray(A) for w, (A, B, a) in both])\n"
        + "    return A, np.hstack([np.asarray(B) for _, B, _ in adapters])",
        "in place": TOGETHER
        + "    for w, (A, B, alpha) in zip(weights, adapters):\n        B *= w * alpha / A.shape[0]\n"
        + "    return torch.vstack([a[0] for a in adapters]), torch.hstack([a[1] for a in adapters])",
    },
    "q6": {
        "eigenvectors": PROTECT
        + "    V = torch.linalg.eigh(X.double().T @ X.double())[1].flip(1)[:, :k]\n"
        + "    return A.double() @ (torch.eye(A.shape[1], dtype=torch.double) - V @ V.T)",
        "NumPy, one direction after another, in place": PROTECT
        + "    A, X = np.asarray(A), np.asarray(X)\n"
        + "    for v in np.linalg.svd(X)[2][:k]:\n        A -= np.outer(A @ v, v)\n    return A.tolist()",
    },
}

WRONG = {
    "q1": {
        "numbers, not bytes": solution(LAB, "q1", ('2 * sheet["n_layer"]', 'sheet["n_layer"]')),
        "without the model": solution(LAB, "q1", (' - 2 * sheet["n_model"]', "")),
        "the model in numbers": solution(LAB, "q1", ('2 * sheet["n_model"]', 'sheet["n_model"]')),
        "square matrices": solution(
            LAB, "q1", ('sheet["d_kv"]', 'sheet["d"]'), ('sheet["d_ff"]', 'sheet["d"]')
        ),
        "one too many": solution(LAB, "q1", ("\n)\n", "\n) + 1\n")),
        "the product of the sides": "n_tenants = "
        "(sheet['memory'] - 2 * sheet['n_model']) // (2 * sheet['n_layer']"
        " * sheet['d'] * (sheet['d'] + sheet['d_kv'] + sheet['d_ff']))",
        "not whole": solution(LAB, "q1", ("//", "/")),
        "A alone": solution(LAB, "q1", ('4 * sheet["d"] + sheet["d_kv"]', '2 * sheet["d"]')),
    },
    "q2": {
        "no singular values": solution(LAB, "q2", (" * sizes[:rank]", "")),
        "twice": solution(LAB, "q2", ("right[:rank],", "sizes[:rank, None] * right[:rank],")),
        "the smallest": solution(
            LAB,
            "q2",
            ("right[:rank]", "right[-rank:]"),
            ("[:, :rank] * sizes[:rank]", "[:, -rank:] * sizes[-rank:]"),
        ),
        "the other way round": SQUEEZE + "    U, S, V = torch.linalg.svd(change, full_matrices=False)\n"
        "    return U[:, :rank] * S[:rank], V[:rank]",
        "its first rows": SQUEEZE + "    return change[:rank], torch.eye(len(change))[:, :rank].to(change)",
        "V not transposed": SQUEEZE
        + "    U, S, V = torch.svd(change)\n    return V[:rank], U[:, :rank] * S[:rank]",
        "its first columns, by QR": SQUEEZE
        + "    Q, R = torch.linalg.qr(change)\n    return R[:rank], Q[:, :rank]",
        "the largest singular value for all": solution(LAB, "q2", (" * sizes[:rank]", " * sizes[0]")),
        "the product": SQUEEZE + "    U, S, V = torch.linalg.svd(change, full_matrices=False)\n"
        "    return (U[:, :rank] * S[:rank]) @ V[:rank]",
    },
    "q3": {
        "not squared": solution(LAB, "q3", (" ** 2", "")),
        "a place": solution(LAB, "q3", (") + 1", ")")),
        "one too many": solution(LAB, "q3", (") + 1", ") + 2")),
        "one too many, counted": NEEDED
        + "    s = torch.linalg.svdvals(change) ** 2\n    return int((s / s.sum() < share).sum())",
        "a share of the length": solution(LAB, "q3", (" < share", " < share**2")),
        "smallest first": solution(LAB, "q3", ("(change) ** 2", "(change).flip(0) ** 2")),
        "the entries": NEEDED + "    s = change.flatten().abs().sort(descending=True)[0] ** 2\n"
        "    return int((s.cumsum(0) / s.sum() < share).sum()) + 1",
    },
    "q4": {
        "the last tenant for nobody": solution(
            LAB, "q4", ("tenant.clamp(min=0)", "tenant"), ("(tenant >= 0)", "(tenant >= -1)")
        ),
        "tenant 0 for nobody": solution(LAB, "q4", ("(tenant >= 0)", "(tenant >= -1)")),
        "alpha alone": solution(LAB, "q4", ("alpha / rank", "alpha")),
        "no alpha": solution(LAB, "q4", ("alpha / rank", "1 / rank")),
        "base trained": solution(LAB, "q4", (".requires_grad_(False)", "")),
        "B random": solution(LAB, "q4", ("torch.zeros", "torch.randn")),
        "A zero": solution(
            LAB, "q4", ("torch.randn(n_tenant, rank, d_in)", "torch.zeros(n_tenant, rank, d_in)")
        ),
        "the first text's tenant for all": solution(
            LAB,
            "q4",
            ("self.A[chosen].mT @ self.B[chosen].mT", "self.A[chosen[:1]].mT @ self.B[chosen[:1]].mT"),
        ),
        "tenant 0 is nobody": solution(LAB, "q4", ("(tenant >= 0)", "(tenant > 0)")),
        "A all ones": solution(
            LAB, "q4", ("torch.randn(n_tenant, rank, d_in)", "torch.ones(n_tenant, rank, d_in)")
        ),
        "all tenants' products": solution(
            LAB,
            "q4",
            (
                "x @ self.A[chosen].mT @ self.B[chosen].mT",
                "torch.einsum('bti,nri,nor->bto', x, self.A, self.B)",
            ),
        ),
        "nobody gets nothing": solution(
            LAB,
            "q4",
            ("self.base(x) + self.scale * thin * rented", "(self.base(x) + self.scale * thin) * rented"),
        ),
    },
    "q5": {
        "the mean of the matrices": TOGETHER
        + "    return (sum(w * A for w, (A, _, _) in zip(weights, adapters)),\n"
        "            sum(w * B for w, (_, B, _) in zip(weights, adapters)))",
        "no alpha": solution(LAB, "q5", ("w * alpha / len(A) * B", "w * B")),
        "alpha alone": solution(LAB, "q5", ("alpha / len(A)", "alpha")),
        "the weight twice": solution(
            LAB, "q5", ("[A for A, _, _ in adapters]", "[w * A[0] for w, A in zip(weights, adapters)]")
        ),
        "its root in both": TOGETHER
        + "    A = torch.cat([(w * a / len(A)) ** 0.5 * A for w, (A, B, a) in zip(weights, adapters)])\n"
        + "    roots = [(w * a / len(A)) ** 0.5 for w, (A, B, a) in zip(weights, adapters)]\n"
        + "    return A, torch.cat([root * B for root, (_, B, _) in zip(roots, adapters)], 1)",
        "divided by all ranks": solution(LAB, "q5", ("/ len(A)", "/ len(below)")),
        "the size of a weight": solution(LAB, "q5", ("w * alpha", "abs(w) * alpha")),
        "for two alone": TOGETHER
        + "    (A, B, a), (C, D, c) = adapters\n    B, D = (w * f / len(M) * N for w, f, M, N in\n"
        + "            zip(weights, (a, c), (A, C), (B, D)))\n"
        + "    return torch.cat([A, C]), torch.cat([B, D], 1)",
        "one scale for all": solution(LAB, "q5", ("alpha / len(A)", "adapters[0][2] / len(adapters[0][0])")),
        "the other way round": solution(
            LAB, "q5", ("return below, torch.cat(beside, dim=1)", "return torch.cat(beside, dim=1), below")
        ),
    },
    "q6": {
        "the part along them": solution(LAB, "q6", ("return A - (", "return (")),
        "the mean subtracted": solution(LAB, "q6", ("svd(X,", "svd(X - X.mean(0),")),
        "the smallest": solution(LAB, "q6", ("[2][:k]", "[2][-k:]")),
        "one less": solution(LAB, "q6", ("[2][:k]", "[2][: k - 1]")),
        "one direction always": solution(LAB, "q6", ("[2][:k]", "[2][:1]")),
        "at least one": solution(LAB, "q6", ("[2][:k]", "[2][: max(k, 1)]")),
        "not of length 1": PROTECT
        + "    _, sizes, V = torch.linalg.svd(X, full_matrices=False)\n    V = V[:k] * sizes[:k, None]\n"
        + "    return A - A @ V.T @ V",
        "the directions of A": solution(LAB, "q6", ("svd(X,", "svd(A,")),
        "texts as directions": solution(
            LAB, "q6", ("torch.linalg.svd(X, full_matrices=False)[2][:k]", "F.normalize(X[:k], dim=1)")
        ),
        "the left vectors": solution(LAB, "q6", ("svd(X,", "svd(X.T @ X @ X.T,"), ("[2][:k]", "[2][:k] @ X")),
        "entries set to zero": PROTECT
        + "    A = A.clone()\n    A[:, X.pow(2).sum(0).argsort()[-k:]] = 0\n    return A",
    },
}

# What a mistake is told: a part of the sentence.
SAID = {
    "q1": {
        "numbers, not bytes": "two bytes",
        "without the model": "in memory as well",
        "square matrices": "Not all of the matrices are square",
        "one too many": "rounded down",
        "not whole": "rounded down",
        "the product of the sides": "not a whole matrix",
    },
    "q2": {
        "twice": "in it twice",
        "the smallest": "keep the largest",
        "the other way round": "other way round",
        "the product": "Two matrices are asked for",
        "its first columns, by QR": "keep the largest",
    },
    "q3": {
        "not squared": "square the singular values",
        "a place": "One too few",
    },
    "q4": {
        "the last tenant for nobody": "the last tenant's product",
        "base trained": "alone are to be trained",
        "A zero": "A is zero at first",
        "A all ones": "rows are the same",
        "alpha alone": "alpha / rank",
        "no alpha": "frozen layer's plus",
        "B random": "B is zero at first",
        "tenant 0 for nobody": "got tenant 0's product",
        "tenant 0 is nobody": "Tenant 0 is a tenant",
        "nobody gets nothing": "and not nothing",
        "the first text's tenant for all": "that of the first text",
    },
    "q5": {
        "no alpha": "its own alpha",
        "alpha alone": "its own alpha",
        "divided by all ranks": "its own alpha",
        "one scale for all": "its own alpha",
        "the mean of the matrices": "wrong shape",
        "its root in both": "root",
        "the size of a weight": "its sign is lost",
    },
    "q6": {
        "the part along them": "was to be taken out",
        "the mean subtracted": "The mean has been subtracted",
        "the smallest": "smallest directions",
        "one direction always": "not one always",
        "at least one": "none with k = 0",
    },
}
