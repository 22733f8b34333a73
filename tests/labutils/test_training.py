"""labutils.training against a step written out, and against counting bits one token at a time."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from labutils.models.recurrent import RecurrentLM
from labutils.models.transformer import GPT, ModelConfig
from labutils.text import batches
from labutils.training import evaluate_bits, train

quick = settings(deadline=None, max_examples=30, derandomize=True)
V = 7


class Bigram(nn.Module):
    """Logits of the next token, looked up: a model whose losses can be worked out by hand."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(V, V)

    def forward(self, ids):
        return self.table(ids)


def bigram():
    torch.manual_seed(0)
    return Bigram()


def gpt(n_context=8, **changes):
    torch.manual_seed(0)
    sizes = {"n_vocab": V, "n_context": n_context, "n_layer": 1, "n_head": 2, "d_model": 8}
    model = GPT(ModelConfig(**sizes | changes))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.5 * torch.randn_like(p))
    return model


TEXT = np.random.default_rng(0).integers(0, V, 200)
PAIRS = list(batches(TEXT, 4, 6, np.random.default_rng(1)))


# ---- Training ----


def test_equals_steps_written_out():
    ours, theirs = bigram().eval(), bigram()
    losses = train(ours, PAIRS, torch.optim.SGD(ours.parameters(), 0.5), 12)
    for step in range(12):
        x, y = (torch.tensor(part) for part in PAIRS[step % len(PAIRS)])  # a list starts anew
        loss = F.cross_entropy(theirs(x).reshape(-1, V), y.reshape(-1))
        (gradient,) = torch.autograd.grad(loss, theirs.table.weight)
        with torch.no_grad():
            theirs.table.weight -= 0.5 * gradient
        assert losses[step] == pytest.approx(loss.item(), rel=1e-5)
    assert_close(ours.table.weight, theirs.table.weight)
    assert ours.training  # it was not, before


class Parts(nn.Module):
    """A Bigram in two parts, each with dropout, so that one can be frozen."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Embedding(V, 4), nn.Dropout(0.5))
        self.last = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, V))

    def forward(self, ids):
        return self.last(self.first(ids))


def modes(model):
    return {name: part.training for name, part in model.named_modules()}


def test_every_part_keeps_the_mode_that_it_was_given():
    model = Parts().train()
    model.first.eval()
    before = modes(model)
    train(model, PAIRS, torch.optim.SGD(model.parameters(), 0.1), 2)
    assert modes(model) == before
    evaluate_bits(model, TEXT, 8)
    assert modes(model) == before
    model.first[1].train()
    before = modes(model)
    evaluate_bits(model, TEXT, 8)
    assert modes(model) == before


def test_frozen_parts_of_a_model_in_evaluation_mode_stay_in_it():
    model = Parts().eval()
    model.first.requires_grad_(False)
    train(model, PAIRS, torch.optim.SGD(model.last.parameters(), 0.1), 1)
    names = ("first", "first.0", "first.1")
    assert modes(model) == {name: name not in names for name in modes(model)}


@pytest.mark.parametrize("kind", [np.int32, np.uint16, np.uint8, np.int64])
def test_ids_may_be_integers_of_any_type(kind):
    models = bigram(), bigram()
    for model, pairs in zip(
        models, (PAIRS, [(x.astype(kind), y.astype(kind)) for x, y in PAIRS]), strict=True
    ):
        train(model, pairs, torch.optim.SGD(model.parameters(), 0.5), 3)
    assert torch.equal(models[0].table.weight, models[1].table.weight)
    assert evaluate_bits(models[0], TEXT.astype(kind), 8) == evaluate_bits(models[0], TEXT, 8)


class Fixed(nn.Module):
    """The same logits everywhere, in a type of number; as a RecurrentLM with `state`."""

    def __init__(self, kind, state=False):
        super().__init__()
        self.row, self.state = nn.Parameter(torch.linspace(-2, 3, V, dtype=kind)), state

    def forward(self, ids, state=None):
        logits = self.row.expand(*ids.shape, V)
        return (logits, 0) if self.state else logits


@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_half_precision_does_not_reach_the_sum(kind, state):
    ids = np.random.default_rng(0).integers(0, V, 60_000)  # 60,000 tokens cost more nats than float16 holds
    model = Fixed(kind, state)
    right = -model.row.detach().double().log_softmax(-1)[ids[1:]].mean().item() / math.log(2)
    assert evaluate_bits(model, ids, 40_000) == pytest.approx(right, rel=1e-6)
    x = torch.tensor(ids[None, :-1])
    (loss,) = train(model, [(x, torch.tensor(ids[None, 1:]))], torch.optim.SGD(model.parameters(), 0.1), 1)
    assert loss == pytest.approx(right * math.log(2), rel=1e-5)


def test_the_sum_over_a_text_is_a_float64():
    """In float32 200,000 equal losses of about 1.9 nats, summed over a window, lose the seventh digit."""
    model = Fixed(torch.float32)
    ids = np.arange(200_001) % V
    losses = -model.row.detach().log_softmax(-1)[ids[1:]]
    right = losses.double().sum().item() / 200_000 / math.log(2)
    assert evaluate_bits(model, ids, 200_000) == pytest.approx(right, rel=1e-12)


def test_clip_shortens_the_gradient_and_keeps_its_direction():
    steps = []
    for clip in (None, 0.01, 1e9):
        model = bigram()
        before = model.table.weight.detach().clone()
        train(model, PAIRS, torch.optim.SGD(model.parameters(), 1.0), 1, clip=clip)
        steps.append((model.table.weight - before).detach().flatten())
    free, short, long = steps
    assert short.norm().item() == pytest.approx(0.01, rel=1e-3)
    assert F.cosine_similarity(free, short, dim=0).item() == pytest.approx(1, abs=1e-5)
    assert_close(long, free)


class Steep(nn.Module):
    """Logits (slope · Σw, 0): the gradient is as long as one likes, the loss of modest size."""

    def __init__(self, slope, dtype=torch.float32):
        super().__init__()
        self.w, self.slope = nn.Parameter(torch.zeros(4, dtype=dtype)), slope

    def forward(self, ids):
        return (self.w.sum() * torch.tensor([self.slope, 0.0], dtype=self.w.dtype)).expand(*ids.shape, 2)


@pytest.mark.parametrize(
    ("slope", "dtype"),
    [(1e5, torch.float32), (1e20, torch.float32), (1e37, torch.float32), (1e200, torch.float64)],
)
def test_clip_shortens_a_gradient_of_any_size(slope, dtype):
    model = Steep(slope, dtype)
    pair = (torch.tensor([[1]]), torch.tensor([[0]]))
    train(model, [pair], torch.optim.SGD(model.parameters(), 1.0), 1, clip=1.0)
    assert model.w.tolist() == pytest.approx([0.5] * 4, rel=1e-5)  # a step of length 1


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_clip_refuses_a_gradient_that_is_not_finite_and_leaves_the_weights(bad):
    model = bigram()
    before = model.table.weight.detach().clone()
    model.table.weight.register_hook(lambda g: torch.full_like(g, bad))
    optimiser = torch.optim.SGD(model.parameters(), 0.5)
    with pytest.raises(FloatingPointError, match=r"^at step 0 the gradient of table\.weight is not finite"):
        train(model, PAIRS, optimiser, 3, clip=1.0, schedule=lambda step: 0.01)
    assert torch.equal(model.table.weight, before)
    assert optimiser.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_rates_are_restored_after_an_interruption(error):
    model = bigram()
    optimiser = torch.optim.SGD(model.parameters(), 0.5)

    def pairs():
        yield from PAIRS[:2]
        raise error

    with pytest.raises(error):
        train(model, pairs(), optimiser, 10, schedule=lambda step: 0.01)
    assert optimiser.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("y", [[[-100, -100]], [[]]])
def test_targets_that_are_all_ignored_are_refused(y):
    model = bigram()
    y = torch.tensor(y, dtype=torch.long)
    with pytest.raises(ValueError, match=r"^step 0 has no target that counts"):
        train(model, [(torch.zeros_like(y), y)], torch.optim.SGD(model.parameters(), 0.5), 1)


def test_schedule_multiplies_each_rate_and_leaves_them_as_they_were():
    model = bigram()
    optimiser = torch.optim.SGD([{"params": [model.table.weight], "lr": 2.0}], 1.0)
    asked = []

    def schedule(step):
        asked.append(step)
        return 1.0 if step == 1 else 0.0

    moved = []
    hook = optimiser.register_step_post_hook(lambda o, *rest: moved.append(o.param_groups[0]["lr"]))
    train(model, PAIRS, optimiser, 3, schedule=schedule)
    hook.remove()
    assert asked == [0, 1, 2]
    assert moved == [0.0, 2.0, 0.0]
    assert optimiser.param_groups[0]["lr"] == 2.0


def test_a_target_of_minus_100_is_not_counted():
    model = bigram()
    x, y = torch.tensor([[1, 2, 3]]), torch.tensor([[2, -100, -100]])
    (loss,) = train(model, [(x, y)], torch.optim.SGD(model.parameters(), 0.0), 1)
    assert loss == pytest.approx(-model(x)[0, 0].log_softmax(-1)[2].item(), rel=1e-6)


def test_a_generator_is_read_on_and_may_run_out():
    model = bigram()
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    source = iter(PAIRS)
    train(model, source, optimiser, 2)
    assert next(source) is PAIRS[2]
    with pytest.raises(ValueError, match=f"^batches ran out after {len(PAIRS) - 3} of 100 steps"):
        train(model, source, optimiser, 100)


@pytest.mark.parametrize("make", [gpt, lambda: RecurrentLM("lstm", V, 8, 16)])
def test_models_learn_what_can_be_learnt(make):
    torch.manual_seed(0)
    circle = np.arange(400) % V  # after 0 comes 1, after 1 comes 2, …
    model = make()
    optimiser = torch.optim.AdamW(model.parameters(), 0.02)
    losses = train(model, list(batches(circle, 8, 8, np.random.default_rng(0))), optimiser, 60, clip=1.0)
    assert losses[0] > 1.5
    assert losses[-1] < 0.1
    assert evaluate_bits(model, circle, 8) < 0.1


# ---- Bits ----


def slow_bits(model, ids, context_of):
    """One token after another, each from its own context."""
    model.eval()
    total = 0.0
    for t in range(1, len(ids)):
        x = torch.tensor(ids[t - context_of(t) : t])[None]
        output = model(x)
        logits = output[0] if isinstance(output, tuple) else output
        total -= logits[0, -1].log_softmax(-1)[ids[t]].item() / math.log(2)
    return total / (len(ids) - 1)


@quick
@given(st.integers(2, 40), st.integers(1, 8), st.data())
def test_equals_one_token_at_a_time(n, n_context, data):
    n_least = data.draw(st.integers(0, n_context - 1))
    batch_size = data.draw(st.integers(1, 4))
    model, ids = gpt(), TEXT[:n]

    def context_of(t):  # tokens before t in the window that counts the prediction of token t
        stride = n_context - n_least
        window = 0 if t <= n_context else math.ceil((t - n_context) / stride)
        return t - window * stride

    assert all(min(t, n_least + 1) <= context_of(t) <= n_context for t in range(1, n))
    ours = evaluate_bits(model, ids, n_context, n_least=n_least, batch_size=batch_size)
    assert ours == pytest.approx(slow_bits(model, ids, context_of), abs=1e-5)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_recurrent_model_remembers_the_whole_text(kind):
    torch.manual_seed(0)
    model = RecurrentLM(kind, V, 4, 6, 2)
    expected = slow_bits(model, TEXT[:30], lambda t: t)
    for n_context in (1, 7, 29, 100):
        assert evaluate_bits(model, TEXT[:30], n_context) == pytest.approx(expected, abs=1e-5)


def test_a_uniform_model_needs_log2_v_bits():
    model = bigram()
    nn.init.zeros_(model.table.weight)
    assert evaluate_bits(model, TEXT, 10) == pytest.approx(math.log2(V), abs=1e-6)


def test_evaluation_leaves_the_model_as_it_was():
    model = gpt(dropout=0.5)
    assert evaluate_bits(model, TEXT, 8) == evaluate_bits(model, TEXT, 8)  # no dropout
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    model.eval()
    evaluate_bits(model, TEXT, 8)
    assert not model.training
    model.train()
    with pytest.raises(ValueError, match="learned positions end"):
        evaluate_bits(model, TEXT, 9)
    assert model.training  # also after an error


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evaluate_bits(bigram(), [1], 4), r"^ids has shape \(1,\)"),
        (lambda: evaluate_bits(bigram(), [[1, 2]], 4), r"^ids has shape \(1, 2\)"),
        (lambda: evaluate_bits(bigram(), [0.5, 1.0], 4), "^ids has shape .*float"),
        (lambda: evaluate_bits(bigram(), [1, 2], 4, n_least=4), "^n_least is 4 and n_context is 4"),
        (lambda: evaluate_bits(bigram(), [1, 2], 0), "^n_least is 0 and n_context is 0"),
        (
            lambda: train(bigram(), [], torch.optim.SGD(bigram().parameters(), 1.0), 1),
            "^batches ran out after 0",
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_recurrent_model_names_a_foreign_id():
    with pytest.raises(ValueError, match=r"^ids go from 0 to 7: this model's go from 0 to n_vocab − 1 = 6"):
        RecurrentLM("gru", V, 4, 6)(torch.tensor([[0, 7]]))
