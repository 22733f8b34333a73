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
    ours, theirs = bigram(), bigram()
    losses = train(ours, PAIRS, torch.optim.SGD(ours.parameters(), 0.5), 12)
    for step in range(12):
        x, y = (torch.tensor(part) for part in PAIRS[step % len(PAIRS)])  # a list starts anew
        loss = F.cross_entropy(theirs(x).reshape(-1, V), y.reshape(-1))
        (gradient,) = torch.autograd.grad(loss, theirs.table.weight)
        with torch.no_grad():
            theirs.table.weight -= 0.5 * gradient
        assert losses[step] == pytest.approx(loss.item(), rel=1e-5)
    assert_close(ours.table.weight, theirs.table.weight)
    assert ours.training


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


def test_a_model_in_evaluation_mode_is_put_into_training_mode():
    model = gpt(dropout=0.5).eval()
    losses = train(model, PAIRS[:1], torch.optim.SGD(model.parameters(), 0.0), 4)  # nothing is learnt
    assert model.training
    assert len(set(losses)) == 4  # dropout draws anew


def test_parts_that_somebody_froze_stay_in_evaluation_mode():
    model = gpt(dropout=0.5).train()
    frozen = model.decoder.blocks[0].attention.eval()
    train(model, PAIRS, torch.optim.SGD(model.parameters(), 0.1), 2)
    evaluate_bits(model, TEXT, 8)
    assert model.training
    assert not any(module.training for module in frozen.modules())
    assert model.decoder.blocks[0].feed_forward.training


def test_ctrl_c_leaves_the_first_learning_rates():
    model = bigram()
    optimiser = torch.optim.SGD(model.parameters(), 0.5)

    def interrupted(step):
        if step == 2:
            raise KeyboardInterrupt
        return 0.01

    with pytest.raises(KeyboardInterrupt):
        train(model, PAIRS, optimiser, 5, schedule=interrupted)
    assert optimiser.param_groups[0]["lr"] == 0.5


class Steep(nn.Module):
    """Logits whose gradient is `slope` times as long as it should be, and whose loss is not."""

    def __init__(self, slope):
        super().__init__()
        self.table, self.slope = nn.Embedding(V, V), slope

    def forward(self, ids):
        logits = self.table(ids)
        logits.register_hook(lambda g: g * self.slope)
        return logits


def test_a_gradient_too_long_for_float32_is_shortened_and_not_lost():
    torch.manual_seed(0)
    model = Steep(1e20)
    before = model.table.weight.detach().clone()
    train(model, PAIRS, torch.optim.SGD(model.parameters(), 1.0), 1, clip=1.0)
    assert (model.table.weight - before).norm().item() == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("slope", [math.inf, math.nan])
def test_a_gradient_that_is_no_number_stops_before_the_weights_are_lost(slope):
    model = Steep(slope)
    before = model.table.weight.detach().clone()
    with pytest.raises(FloatingPointError, match=r"^the norm of the gradient is (nan|inf) at step 0: lower"):
        train(model, PAIRS, torch.optim.SGD(model.parameters(), 1.0), 1, clip=1.0)
    assert torch.equal(model.table.weight, before)


def test_a_loss_that_is_no_number_stops():
    model = bigram()
    with torch.no_grad():
        model.table.weight[0] = math.nan
    with pytest.raises(FloatingPointError, match=r"^the loss is nan at step 0: lower the learning rate"):
        train(model, PAIRS, torch.optim.SGD(model.parameters(), 1.0), 3)


def test_a_batch_without_a_target_is_refused():
    model = bigram()
    x, y = torch.tensor([[1, 2]]), torch.tensor([[-100, -100]])
    with pytest.raises(ValueError, match=r"^batch 0 has no target that counts: all of its y are -100"):
        train(model, [(x, y)], torch.optim.SGD(model.parameters(), 1.0), 1)


@pytest.mark.parametrize("dtype", [np.int32, np.uint16, np.uint8, np.int16])
def test_ids_of_any_whole_type(dtype):
    def run(convert):
        model = gpt()
        pairs = [(convert(x), convert(y)) for x, y in PAIRS]
        return train(model, pairs, torch.optim.SGD(model.parameters(), 0.1), 2), evaluate_bits(
            model, convert(TEXT), 8
        )

    assert run(lambda ids: ids.astype(dtype)) == run(lambda ids: ids)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_more(dtype):
    """A long text: sums of half precision lose their last bits, or overflow beyond 65,504."""
    text = np.tile(TEXT, 300)
    whole = evaluate_bits(bigram(), text, 100)
    half = bigram().to(dtype)
    assert evaluate_bits(half, text, 100) == pytest.approx(whole, rel=3e-3)
    rounded = bigram()
    rounded.load_state_dict(half.state_dict())  # the rounded weights, computed in float32
    assert evaluate_bits(half, text, 100) == pytest.approx(evaluate_bits(rounded, text, 100), rel=1e-6)
    (loss,) = train(half, PAIRS[:1], torch.optim.SGD(half.parameters(), 0.0), 1)
    (expected,) = train(rounded, PAIRS[:1], torch.optim.SGD(rounded.parameters(), 0.0), 1)
    assert loss == pytest.approx(expected, rel=1e-6)


def test_a_recurrent_model_names_a_foreign_id():
    with pytest.raises(ValueError, match=r"^ids go from 0 to 7: this model's go from 0 to n_vocab − 1 = 6"):
        RecurrentLM("gru", V, 4, 6)(torch.tensor([[0, 7]]))


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
