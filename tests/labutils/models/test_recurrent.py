"""labutils.models.recurrent against torch's cells and layers, a loop in NumPy, and finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from labutils.models import cells, recurrent
from labutils.models.lstm_backward import lstm_by_hand
from labutils.models.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RecurrentLM, RNNCell, detach

quick = settings(deadline=None, max_examples=25, derandomize=True)
CELLS = {
    "rnn": (RNNCell, nn.RNNCell, {}),
    "rnn-relu": (RNNCell, nn.RNNCell, {"nonlinearity": "relu"}),
    "lstm": (LSTMCell, nn.LSTMCell, {}),
    "gru": (GRUCell, nn.GRUCell, {}),
}
LAYERS = {
    "rnn": (RNN, nn.RNN, {}),
    "rnn-relu": (RNN, nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (LSTM, nn.LSTM, {}),
    "lstm-by-hand": (lambda *sizes: LSTM(*sizes, by_hand=True), nn.LSTM, {}),
    "gru": (GRU, nn.GRU, {}),
}


def pair(ours, theirs, sizes, options, **only_theirs):
    """Both modules in float64 with the same weights, carried from theirs to ours."""
    a, b = ours(*sizes, **options).double(), theirs(*sizes, **options, **only_theirs).double()
    assert not a.load_state_dict(b.state_dict()).missing_keys
    return a, b


def state_for(kind, *shape):
    torch.manual_seed(len(shape))
    parts = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    return tuple(parts) if kind.startswith("lstm") else parts[0]


def flat(*things):
    return [t for thing in things for t in (flat(*thing) if isinstance(thing, tuple) else [thing])]


def same_with_gradients(ours, theirs, x, state):
    """Outputs agree, and so does the gradient of a sum that weighs each output differently."""
    results = []
    for module in (ours, theirs):
        outputs = flat(module(x, state))
        loss = sum((o * torch.linspace(-1, 2, o.numel()).reshape(o.shape)).sum() for o in outputs)
        inputs = [x, *flat(state), *(p for _, p in sorted(module.named_parameters()))]
        results.append((outputs, torch.autograd.grad(loss, inputs)))
    for a, b in zip(*results, strict=True):
        assert_close(a, b, rtol=1e-9, atol=1e-11)


# ---- Against torch ----


@pytest.mark.parametrize("kind", CELLS)
@quick
@given(n_in=st.integers(1, 6), n_hidden=st.integers(1, 6), batch=st.integers(1, 4))
def test_cells_equal_torch(kind, n_in, n_hidden, batch):
    torch.manual_seed(n_in + 7 * n_hidden)
    ours, theirs, options = CELLS[kind]
    ours, theirs = pair(ours, theirs, (n_in, n_hidden), options)
    x = torch.randn(batch, n_in, dtype=torch.float64, requires_grad=True)
    same_with_gradients(ours, theirs, x, state_for(kind, batch, n_hidden))


@pytest.mark.parametrize("kind", LAYERS)
@quick
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 7))
def test_layers_equal_torch(kind, n_in, n_hidden, batch, time):
    torch.manual_seed(n_in + 7 * n_hidden)
    ours, theirs, options = LAYERS[kind]
    ours, theirs = pair(ours, theirs, (n_in, n_hidden), options, batch_first=True)
    x = torch.randn(batch, time, n_in, dtype=torch.float64, requires_grad=True)
    same_with_gradients(ours, theirs, x, state_for(kind, 1, batch, n_hidden))
    assert_close(flat(ours(x)), flat(theirs(x)))  # without a state: zeros


@pytest.mark.parametrize("kind", ["rnn", "lstm", "lstm-by-hand", "gru"])
def test_a_layer_is_its_cell_step_by_step(kind):
    torch.manual_seed(0)
    layer = LAYERS[kind][0](3, 4)
    cell = CELLS[kind.split("-")[0]][0](3, 4)
    cell.load_state_dict({name.removesuffix("_l0"): p for name, p in layer.state_dict().items()})
    x, h = torch.randn(2, 5, 3), torch.zeros(2, 4)
    state, steps = ((h, h) if kind.startswith("lstm") else h), []
    for t in range(5):
        state = cell(x[:, t], state)
        steps.append(state[0] if kind.startswith("lstm") else state)
    output, last = layer(x)
    assert_close(output, torch.stack(steps, dim=1))
    assert_close(flat(last), [s[None] for s in flat(state)])


@pytest.mark.parametrize("kind", LAYERS)
def test_a_seed_gives_torchs_weights(kind):
    ours, theirs, options = LAYERS[kind]
    torch.manual_seed(5)
    a = ours(3, 4, **options)
    torch.manual_seed(5)
    b = theirs(3, 4, **options)
    for name, parameter in b.state_dict().items():
        assert torch.equal(a.state_dict()[name], parameter), name


@pytest.mark.parametrize("kind", ["rnn", "lstm", "lstm-by-hand", "gru"])
def test_a_text_in_two_pieces_is_the_text(kind):
    torch.manual_seed(0)
    layer = LAYERS[kind][0](3, 4)
    x = torch.randn(2, 7, 3)
    whole, last = layer(x)
    first, state = layer(x[:, :4])
    second, end = layer(x[:, 4:], state)
    assert_close(torch.cat([first, second], dim=1), whole)
    assert_close(end, last)


# ---- The convention of 2014, which torch does not have ----


def gru_2014(x, h, p):
    """Cho et al. (2014), one sequence, with NumPy: r acts on the state before the product."""

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    n = h.shape[0]
    w, u, b = p["weight_ih_l0"], p["weight_hh_l0"], p["bias_ih_l0"] + p["bias_hh_l0"]
    states = []
    for row in x:
        r = sigmoid(w[:n] @ row + u[:n] @ h + b[:n])
        z = sigmoid(w[n : 2 * n] @ row + u[n : 2 * n] @ h + b[n : 2 * n])
        candidate = np.tanh(w[2 * n :] @ row + u[2 * n :] @ (r * h) + b[2 * n :])
        h = z * h + (1 - z) * candidate
        states.append(h)
    return np.array(states)


@quick
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 6))
def test_gru_of_2014_equals_a_loop_in_numpy(n_in, n_hidden, time):
    torch.manual_seed(time)
    gru = GRU(n_in, n_hidden, reset="before").double()
    x, h = torch.randn(2, time, n_in).double(), torch.randn(1, 2, n_hidden).double()
    weights = {name: p.numpy() for name, p in gru.state_dict().items()}
    expected = np.stack([gru_2014(x[b].numpy(), h[0, b].numpy(), weights) for b in range(2)])
    output, last = gru(x, h)
    assert_close(output.detach(), torch.tensor(expected))
    assert_close(last[0], output[:, -1])


def test_the_two_conventions_differ_unless_the_reset_gate_is_open():
    torch.manual_seed(0)
    before, after = GRUCell(3, 4, reset="before"), GRUCell(3, 4)
    before.load_state_dict(after.state_dict())
    x, h = torch.randn(2, 3), torch.randn(2, 4)
    assert (before(x, h) - after(x, h)).abs().max() > 1e-3
    with torch.no_grad():
        for cell in (before, after):
            cell.bias_ih[:4] += 100.0  # r = 1
    assert_close(before(x, h), after(x, h))


# ---- The gradient by hand ----


def test_the_gradient_by_hand_against_finite_differences():
    torch.manual_seed(0)
    shapes = [(4, 2, 12), (2, 3), (2, 3), (12, 3), (12,)]
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(lstm_by_hand, inputs)


def test_the_gradient_by_hand_has_no_gradient():
    x = torch.randn(1, 2, 3, requires_grad=True)
    output, _ = LSTM(3, 4, by_hand=True)(x)
    (gradient,) = torch.autograd.grad(output.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


# ---- What a cell can and cannot do ----


@quick
@given(st.floats(-50, 50), st.integers(0, 100))
def test_states_stay_within_their_bounds(size, seed):
    torch.manual_seed(seed)
    x, h, c = size * torch.randn(3, 4), torch.rand(3, 5) * 2 - 1, 10 * torch.randn(3, 5)
    assert RNNCell(4, 5)(x, h).abs().max() <= 1
    assert GRUCell(4, 5)(x, h).abs().max() <= 1
    assert GRUCell(4, 5, reset="before")(x, h).abs().max() <= 1
    new_h, new_c = LSTMCell(4, 5)(x, (h, c))
    assert new_h.abs().max() <= 1
    assert (new_c.abs() <= c.abs() + 1).all()


def test_identity_is_a_linear_network():
    cell = RNNCell(2, 3, nonlinearity="identity")
    x, h = torch.randn(1, 2), torch.randn(1, 3)
    zero = cell(0 * x, 0 * h)
    assert_close(cell(2 * x, 2 * h) - zero, 2 * (cell(x, h) - zero))


@pytest.mark.parametrize("make", [LSTMCell, LSTM])
def test_forget_bias_is_added_to_the_forget_gates_alone(make):
    torch.manual_seed(1)
    plain = make(3, 4).state_dict()
    torch.manual_seed(1)
    biased = make(3, 4, forget_bias=1.5).state_dict()
    for name, parameter in plain.items():
        added = torch.zeros_like(parameter)
        if name.startswith("bias_ih"):
            added[4:8] = 1.5  # i, f, g, o
        assert_close(biased[name], parameter + added)


def test_parameters_are_in_the_ratio_of_the_gates():
    counts = [sum(p.numel() for p in make(8, 16).parameters()) for make in (RNN, GRU, LSTM)]
    assert [count / counts[0] for count in counts] == [1, 3, 4]


# ---- The language model ----


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("n_layer", [1, 2])
def test_ours_and_the_librarys_layers_give_the_same_logits(kind, n_layer):
    torch.manual_seed(0)
    theirs = RecurrentLM(kind, 11, 5, 6, n_layer)
    ours = RecurrentLM(kind, 11, 5, 6, n_layer, library=False)
    ours.load_state_dict(theirs.state_dict())
    ids = torch.randint(11, (2, 9))
    logits, state = theirs(ids)
    assert logits.shape == (2, 9, 11)
    assert_close(ours(ids)[0], logits)
    first, between = ours(ids[:, :5])
    second, end = ours(ids[:, 5:], detach(between))
    assert_close(torch.cat([first, second], dim=1), logits)
    assert_close(end, state)


def test_the_future_changes_nothing():
    ids = torch.randint(11, (1, 9))
    other = ids.clone()
    other[:, 5:] = (other[:, 5:] + 1) % 11
    for kind in ("rnn", "lstm", "gru"):
        model = RecurrentLM(kind, 11, 5, 6)
        assert torch.equal(model(ids)[0][:, :5], model(other)[0][:, :5])
        assert not torch.equal(model(ids)[0][:, 5:], model(other)[0][:, 5:])


@pytest.mark.parametrize("library", [True, False])
def test_forget_bias_of_the_language_model(library):
    models = []
    for forget_bias in (0.0, 2.0):
        torch.manual_seed(0)
        models.append(RecurrentLM("lstm", 5, 3, 4, 2, library=library, forget_bias=forget_bias))
    for a, b in zip(*(model.layers for model in models), strict=True):
        assert_close(b.bias_ih_l0[4:8], a.bias_ih_l0[4:8] + 2)
        assert_close(b.bias_ih_l0[:4], a.bias_ih_l0[:4])


def test_detach_keeps_the_numbers_and_cuts_the_graph():
    _, state = RecurrentLM("lstm", 5, 3, 4, 2)(torch.randint(5, (1, 3)))
    cut = detach(state)
    assert_close(cut, [tuple(s.detach() for s in layer) for layer in state])
    assert not any(s.requires_grad for layer in cut for s in layer)


# ---- Deliberate faults must be seen ----


@pytest.mark.parametrize(
    ("module", "name", "fault"),
    [
        (recurrent, "lstm_step", lambda gates, c: _permuted(gates, c)),
        (recurrent, "gru_step", lambda x, h, w, b, reset: cells.gru_step(x, h, w, b, "before")),
        (recurrent, "gru_step", lambda *a: a[1] + cells.gru_step(*a) - a[1] * 1.01),
    ],
    ids=["gates in another order", "reset before the product", "another interpolation"],
)
def test_a_fault_is_seen(module, name, fault, monkeypatch):
    monkeypatch.setattr(module, name, fault)
    kind = "lstm" if name == "lstm_step" else "gru"
    ours, theirs, options = LAYERS[kind]
    ours, theirs = pair(ours, theirs, (3, 4), options, batch_first=True)
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    with pytest.raises(AssertionError):
        same_with_gradients(ours, theirs, x, state_for(kind, 1, 2, 4))


def _permuted(gates, c):
    i, f, g, o = gates.chunk(4, dim=1)
    return cells.lstm_step(torch.cat([f, i, g, o], dim=1), c)


# ---- What is refused ----

X, H = torch.zeros(2, 3), torch.zeros(2, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RNNCell(0, 4), "^n_in is 0"),
        (lambda: RNNCell(3, 4, nonlinearity="sigmoid"), "^nonlinearity is 'sigmoid'.*tanh, relu, identity"),
        (lambda: RNN(3, 4, nonlinearity="sigmoid"), "^nonlinearity is 'sigmoid'"),
        (lambda: GRUCell(3, 4, reset="never"), r"^reset is 'never'.*Cho et al\. 2014"),
        (lambda: GRU(3, 4, reset="never"), "^reset is 'never'"),
        (lambda: RNNCell(3, 4)(H, H), r"^x has shape \(2, 4\): expected \(batch, n_in = 3\)"),
        (lambda: RNNCell(3, 4)(X, X), r"^h has shape \(2, 3\): expected \(2, 4\)"),
        (lambda: GRUCell(3, 4)(X, H[:1]), r"^h has shape \(1, 4\): expected \(2, 4\)"),
        (lambda: LSTMCell(3, 4)(X, (H, X)), r"^c has shape \(2, 3\): expected \(2, 4\)"),
        (lambda: LSTM(3, 4)(X), r"^x has shape \(2, 3\): expected \(batch, time, n_in = 3\)"),
        (lambda: LSTM(3, 4)(X[:, None], (H, H)), r"^h has shape \(2, 4\): expected \(1, 2, 4\)"),
        (lambda: GRU(3, 4)(X[:, :0][:, :, None].expand(2, 0, 3)), "^x has no time steps"),
        (lambda: RecurrentLM("mlp", 5, 3, 4), "^kind is 'mlp'"),
        (lambda: RecurrentLM("rnn", 5, 3, 4, 0), "^n_layer is 0"),
        (lambda: RecurrentLM("gru", 5, 3, 4, forget_bias=1.0), "^forget_bias is 1.0, but kind is 'gru'"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
