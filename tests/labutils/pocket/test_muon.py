"""Muon against torch's own, step by step, and against the singular vectors that it should leave alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from labutils.pocket.muon import Muon, orthogonalise

quick = settings(deadline=None, max_examples=30, derandomize=True)
SHAPES = [(12, 12), (24, 6), (6, 24), (12, 12)]


def parameters():
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape)) for shape in SHAPES]


def test_steps_are_torchs_but_for_its_rounding_to_bfloat16():
    ours, theirs = parameters(), parameters()
    settings_ = {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.1}
    optimisers = Muon(ours, **settings_), torch.optim.Muon(theirs, **settings_)
    for step in range(5):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            generator = torch.Generator().manual_seed(100 * step + i)
            a.grad = b.grad = torch.randn(a.shape, generator=generator)
        before = [p.detach().clone() for p in ours]
        for optimiser in optimisers:
            optimiser.step()
        for old, a, b in zip(before, ours, theirs, strict=True):
            assert (a - b).norm() < 0.02 * (step + 1) * (a - old).norm()  # bfloat16 has 8 bits
            assert (a - old).norm() > 0.01


def test_its_momentum_is_torchs_exactly():
    ours, theirs = parameters(), parameters()
    optimisers = Muon(ours), torch.optim.Muon(theirs)
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = b.grad = torch.randn(a.shape)
        for optimiser in optimisers:
            optimiser.step()
    for a, b in zip(ours, theirs, strict=True):
        assert_close(optimisers[0].state[a]["momentum_buffer"], optimisers[1].state[b]["momentum_buffer"])


@quick
@given(st.integers(1, 3), st.integers(2, 20), st.integers(2, 20), st.integers(0, 99), st.floats(1e-3, 1e3))
def test_singular_vectors_stay_and_singular_values_go_near_one(n, rows, columns, seed, scale):
    """Built from values within a factor of four of each other: far smaller ones go only part of the way."""
    generator = torch.Generator().manual_seed(seed)
    small = min(rows, columns)
    left = torch.linalg.qr(torch.randn(n, rows, small, generator=generator, dtype=torch.float64))[0]
    right = torch.linalg.qr(torch.randn(n, columns, small, generator=generator, dtype=torch.float64))[0]
    values = 0.25 + 0.75 * torch.rand(n, small, generator=generator, dtype=torch.float64)
    result = orthogonalise(scale * (left * values[:, None]) @ right.mT)
    assert result.shape == (n, rows, columns)
    inner = left.mT @ result @ right
    diagonal = inner.diagonal(dim1=1, dim2=2)
    assert_close(left * diagonal[:, None] @ right.mT, result)
    assert diagonal.min() > 0.6
    assert diagonal.max() < 1.25


def test_a_matrix_and_its_transpose_go_together():
    matrices = torch.randn(2, 9, 4)
    assert_close(orthogonalise(matrices), orthogonalise(matrices.mT).mT)


def test_zeros_stay_zeros():
    assert torch.equal(orthogonalise(torch.zeros(1, 3, 5)), torch.zeros(1, 3, 5))


def test_without_a_gradient_nothing_moves():
    [p, other] = parameters()[:2]
    kept = p.detach().clone()
    other.grad = torch.ones_like(other)
    Muon([p, other]).step()
    assert torch.equal(p, kept)


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match=r"^Muon takes matrices, and got a parameter of shape \(3,\)"):
        Muon([nn.Parameter(torch.zeros(3))])


def test_a_state_that_was_saved_goes_on_to_the_same_bits():
    straight, stopped = parameters(), parameters()
    one, first = Muon(straight), Muon(stopped)

    def step(optimiser, matrices, seed):
        generator = torch.Generator().manual_seed(seed)
        for p in matrices:
            p.grad = torch.randn(p.shape, generator=generator)
        optimiser.step()

    for seed in range(4):
        step(one, straight, seed)
    for seed in range(2):
        step(first, stopped, seed)
    second = Muon(stopped)
    second.load_state_dict(first.state_dict())
    for seed in range(2, 4):
        step(second, stopped, seed)
    for a, b in zip(straight, stopped, strict=True):
        assert torch.equal(a, b)
