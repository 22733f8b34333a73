"""The trainer: its steps against a plain loop, and that nothing that stops it changes the weights."""

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from labutils.pocket.recipe import (
    CLS,
    MASK,
    RECIPES,
    SEP,
    SPECIAL,
    Recipe,
    build,
    mask_tokens,
    optimisers,
    rate,
)
from labutils.pocket.train import batch, run

quick = settings(deadline=None, max_examples=30, derandomize=True)
ROOT = Path(__file__).resolve().parents[3]
TINY = Recipe(
    "gpt",
    n_steps=12,
    n_context=16,
    batch_size=4,
    n_vocab=40,
    n_layer=1,
    n_head=2,
    d_model=16,
    d_hidden=32,
    n_warmup=4,
)
BERT = replace(TINY, kind="bert")
TOKENS = np.random.default_rng(0).integers(len(SPECIAL), 40, 400)


# ---- Batches ----


@quick
@given(st.integers(0, 5), st.integers(1, 6), st.integers(4, 20), st.integers(200, 500), st.booleans())
def test_a_pass_shows_no_token_twice_and_leaves_out_less_than_a_batch(seed, size, n_context, n, bert):
    kind = "bert" if bert else "gpt"
    recipe = replace(TINY, kind=kind, seed=seed, batch_size=size, n_context=n_context, masked=0.0)
    n_window = n_context - 2 * bert
    text = np.arange(n) + len(SPECIAL)  # each token is its own place
    n_batches = (n - n_window) // n_window // size
    for turn in range(2):
        shown = []
        for step in range(turn * n_batches, (turn + 1) * n_batches):
            x, y = batch(text, step, recipe)
            assert x.shape == y.shape == (size, n_context)
            if bert:
                assert (x[:, 0] == CLS).all()
                assert (x[:, -1] == SEP).all()
                assert (y == -100).all()
                x = x[:, 1:-1]
            else:
                assert torch.equal(y[:, :-1], x[:, 1:])
                assert (y[:, -1] == -100).all()
            shown += x.flatten().tolist()
        assert len(set(shown)) == len(shown)
        assert n - len(shown) < (size + 1) * n_window


def test_a_batch_follows_from_the_step_alone_and_passes_differ():
    recipe = replace(BERT, batch_size=3)
    steps = [batch(TOKENS, step, recipe) for step in range(40)]
    torch.manual_seed(1)
    for step in (17, 3, 39):
        for a, b in zip(batch(TOKENS, step, recipe), steps[step], strict=True):
            assert torch.equal(a, b)
    assert len({tuple(x.flatten().tolist()) for x, _ in steps}) == 40
    other, _ = batch(TOKENS, 3, replace(recipe, seed=1))
    assert not torch.equal(other, steps[3][0])


def test_a_text_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="a text of 79 tokens is too short for a batch: it takes 80"):
        batch(TOKENS[:79], 0, TINY)
    batch(TOKENS[:80], 0, TINY)


# ---- Masking ----


def test_masking_has_berts_shares():
    recipe = replace(BERT, n_vocab=2048, masked=0.3)
    ids = torch.randint(0, 2048, (100, 1000), generator=torch.Generator().manual_seed(0))
    ids[:, ::10] = torch.arange(len(SPECIAL)).repeat(20)
    seen, target = mask_tokens(ids, recipe, torch.Generator().manual_seed(1))
    chosen = target != -100
    plain = ids >= len(SPECIAL)
    assert not (chosen & ~plain).any()
    assert torch.equal(target[chosen], ids[chosen])
    assert torch.equal(seen[~chosen], ids[~chosen])
    assert chosen[plain].float().mean() == pytest.approx(0.3, abs=0.01)
    assert (seen[chosen] == MASK).float().mean() == pytest.approx(0.8, abs=0.01)
    assert (seen[chosen] == ids[chosen]).float().mean() == pytest.approx(0.1, abs=0.01)
    random = seen[chosen & (seen != MASK) & (seen != ids)]
    assert len(random) / chosen.sum() == pytest.approx(0.1, abs=0.01)
    assert random.min() == len(SPECIAL)
    assert len(random.unique()) > 1300
    assert random.double().mean() == pytest.approx((2048 + len(SPECIAL)) / 2, rel=0.05)


# ---- The model, what trains it, the rate ----


@pytest.mark.parametrize("recipe", [TINY, BERT], ids=lambda recipe: recipe.kind)
def test_every_parameter_has_one_optimiser_and_muon_the_matrices_of_blocks(recipe):
    model = build(recipe)
    muon, adam = ([p for group in o.param_groups for p in group["params"]] for o in optimisers(model, recipe))
    names = {id(p): name for name, p in model.named_parameters()}
    assert sorted([id(p) for p in muon + adam]) == sorted(names)
    assert all(p.ndim == 2 for p in muon)
    of_muon = [names[id(p)] for p in muon]
    assert not [name for name in of_muon if "embed" in name]
    assert len([name for name in of_muon if ".0." in name]) == (7 if recipe.kind == "gpt" else 4)
    assert not [names[id(p)] for p in adam if p.ndim == 2 and "embed" not in names[id(p)]]


def test_the_models_drop_out_in_training_only_and_the_seed_makes_them():
    for recipe in (TINY, BERT):
        model = build(recipe)
        ids = torch.from_numpy(TOKENS[:16])[None]
        model.train()
        assert not torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)
        model.eval()
        assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)
        for (_, a), (_, b) in zip(
            model.state_dict().items(), build(recipe).state_dict().items(), strict=True
        ):
            assert torch.equal(a, b)
    plain = build(replace(TINY, dropout=0.0)).train()
    assert torch.equal(plain(input_ids=ids).logits, plain(input_ids=ids).logits)


def test_the_rate_goes_up_and_down_to_nothing():
    recipe = RECIPES["pocket-gpt"]
    rates = [rate(step, recipe) for step in range(recipe.n_steps)]
    assert rates[0] == 0.01
    assert rates[99] == max(rates) == 1
    assert (np.diff(rates[:100]) > 0).all()
    assert (np.diff(rates[99:]) <= 0).all()
    assert 0 < rates[-1] < 0.001
    assert rates[1350] == pytest.approx(0.5)


# ---- Training ----


@pytest.mark.parametrize("recipe", [TINY, BERT], ids=lambda recipe: recipe.kind)
def test_steps_are_those_of_a_plain_loop_with_the_librarys_own_loss(recipe, tmp_path):
    recipe = replace(recipe, n_steps=3, n_warmup=2)
    trained, took = run(recipe, TOKENS, tmp_path)
    model = build(recipe).train()
    muon, adam = optimisers(model, recipe)
    losses = []
    for step, factor in enumerate((0.5, 1.0, 1.0)):
        x, y = batch(TOKENS, step, recipe)
        torch.manual_seed(step)
        loss = model(input_ids=x, labels=x if recipe.kind == "gpt" else y).loss
        losses.append(loss.item())
        muon.param_groups[0]["lr"], adam.param_groups[0]["lr"] = 0.02 * factor, 0.003 * factor
        model.zero_grad()
        loss.backward()
        norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
        for p in model.parameters():
            p.grad /= max(1.0, norm)
        muon.step()
        adam.step()
    for (name, a), b in zip(trained.named_parameters(), model.parameters(), strict=True):
        assert_close(a, b, atol=2e-5, rtol=1e-4, msg=name)
    assert took["nats"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert trained.training


def test_it_learns_what_can_be_learnt(tmp_path):
    recipe = replace(TINY, n_steps=60, dropout=0.0, adam_rate=0.03)
    seen = []
    _, took = run(recipe, np.tile([5, 9, 30], 200), tmp_path, lambda *now: seen.append(now))
    assert [step for step, *_ in seen] == [20, 40, 60]
    nats, seconds = zip(*(rest for _, *rest in seen), strict=True)
    assert nats[0] > nats[1] > nats[2]
    assert nats[2] < nats[0] / 2
    assert seconds[0] < seconds[1] < seconds[2] == took["seconds"]


# ---- What stops it ----

# One process imports what takes seconds; its children train, and are stopped by signals.
STOPPED = """
import os, pathlib, random, signal, sys, time
import labutils
labutils.start()
from labutils.pocket.train import run
from tests_recipe import TINY, BERT, TOKENS
import transformers.models.bert.modeling_bert, transformers.models.llama.modeling_llama
from dataclasses import replace

def child(recipe, folder):
    pid = os.fork()
    if pid == 0:
        run(recipe, TOKENS, folder, save_seconds=0.0)
        os._exit(0)
    return pid

def saved(file):
    return file.stat().st_mtime_ns if file.exists() else 0

random.seed(0)
look = os.WEXITED | os.WNOHANG | os.WNOWAIT
into = pathlib.Path(sys.argv[1])
for recipe in TINY, BERT:
    recipe = replace(recipe, n_steps=150)
    assert os.waitpid(child(recipe, into / recipe.kind / "straight"), 0)[1] == 0
    file, stops = into / recipe.kind / "stopped" / "state.pt", 0
    for stop in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
        pid, last = child(recipe, file.parent), saved(file)
        for _ in range(random.randint(1, 5)):  # so many states later, or more, and then at any moment
            while saved(file) == last and os.waitid(os.P_PID, pid, look) is None:
                time.sleep(0.001)  # until it saves, or ends
            last = saved(file)
        time.sleep(random.uniform(0, 0.01))
        os.kill(pid, stop)
        stops += os.waitpid(pid, 0)[1] != 0
    assert os.waitpid(child(recipe, file.parent), 0)[1] == 0
    print(recipe.kind, stops, flush=True)
"""


def test_stopped_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    """By SIGKILL, SIGTERM and SIGINT, also while it writes: it saves after every step."""
    recipes = tmp_path / "tests_recipe.py"
    recipes.write_text(
        f"import numpy as np\nfrom labutils.pocket.recipe import Recipe\nTINY = {TINY!r}\nBERT = {BERT!r}\n"
        f"TOKENS = np.array({TOKENS.tolist()})\n"
    )
    path = f"{tmp_path}:{ROOT}"
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, str(tmp_path)],
        env={"PYTHONPATH": path, "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    stops = dict(line.split() for line in done.stdout.splitlines()[-2:])
    assert int(stops["gpt"]) >= 3
    assert int(stops["bert"]) >= 3
    for kind in stops:
        straight, stopped = (
            torch.load(tmp_path / kind / which / "state.pt", weights_only=True)
            for which in ("straight", "stopped")
        )
        assert stopped["step"] == 150
        assert stopped["losses"] == straight["losses"]
        assert stopped["model"].keys() == straight["model"].keys()
        for name, weights in straight["model"].items():
            assert torch.equal(stopped["model"][name], weights), name


def test_a_finished_run_is_not_trained_again(tmp_path):
    first, took = run(TINY, TOKENS, tmp_path)
    seen = []
    again, took_again = run(TINY, TOKENS, tmp_path, lambda *now: seen.append(now))
    assert took_again == took
    assert seen == []
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, r"of another run \(seed was 0, is 1\): delete it"),
        ({"dropout": 0.2, "n_steps": 13}, r"\(dropout was 0\.1, is 0\.2, n_steps was 12, is 13\)"),
    ],
)
def test_the_state_of_another_recipe_is_not_gone_on_from(change, said, tmp_path):
    run(TINY, TOKENS, tmp_path)
    with pytest.raises(ValueError, match=said):
        run(replace(TINY, **change), TOKENS, tmp_path)


def test_nor_that_of_another_text(tmp_path):
    run(TINY, TOKENS, tmp_path)
    with pytest.raises(ValueError, match=r"\(tokens was \d+, is \d+\)"):
        run(TINY, np.roll(TOKENS, 1)[:-1], tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK", None], ids=["empty", "two bytes", "cut"])
def test_a_state_that_was_cut_is_named(content, tmp_path):
    run(TINY, TOKENS, tmp_path)
    file = tmp_path / "state.pt"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if content is None else content)
    with pytest.raises(ValueError, match=r"state\.pt is not a whole state \(\w+\): delete it to begin anew"):
        run(TINY, TOKENS, tmp_path)


def test_a_cut_write_leaves_the_state_before_it(tmp_path):
    run(replace(TINY, n_steps=12), TOKENS, tmp_path)
    (tmp_path / "state.part").write_bytes(b"PK half of a state")
    run(TINY, TOKENS, tmp_path)


def test_a_full_disk_leaves_the_state_before_it_and_says_what_to_do(tmp_path):
    kept = tmp_path / "state.pt"
    stopped = []

    def fill(step, nats, seconds):
        if step == 20:
            stopped.append(kept.read_bytes())
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))

    recipe = replace(TINY, n_steps=30)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(OSError, match=r"state\.pt cannot be written.*free some space.*goes on"):
            run(recipe, TOKENS, tmp_path, fill, save_seconds=0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert kept.read_bytes() == stopped[0]
    assert sorted(file.name for file in tmp_path.iterdir() if file.suffix != ".lock") == ["state.pt"]
    went_on, _ = run(recipe, TOKENS, tmp_path)
    straight, _ = run(recipe, TOKENS, tmp_path / "straight")
    for a, b in zip(went_on.parameters(), straight.parameters(), strict=True):
        assert torch.equal(a, b)


def test_two_processes_do_not_share_a_folder(tmp_path):
    with (
        FileLock(tmp_path / "train.lock"),
        pytest.raises(BlockingIOError, match=r"another process trains in .*: wait for it"),
    ):
        run(TINY, TOKENS, tmp_path)
