"""labutils.start: the same numbers in every process, on one thread and on two; clear refusals; no noise."""

import ast
import json
import os
import platform
import random
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import labutils
from labutils import figures, runtime

PACKAGE = Path(labutils.__file__).parent
X86 = platform.machine().lower() in ("x86_64", "amd64")
PINNED = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
POLICY = "OMP_WAIT_POLICY"

# Starts as a notebook does, then reports on itself and trains a small network.
PROGRAM = """
import json, os, sys
import labutils
heavy = [name for name in ("numpy", "torch", "matplotlib", "IPython", "scipy") if name in sys.modules]
labutils.start(seed=5)

import random, numpy, torch
drawn = [random.random(), numpy.random.rand(), torch.rand(()).item()]
x = torch.randn(256, 128)
y = (x[:, :8].sum(dim=1) > 0).long()
network = torch.nn.Sequential(torch.nn.Linear(128, 256), torch.nn.GELU(), torch.nn.Linear(256, 2))
optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
losses = []
for step in range(20):
    loss = torch.nn.functional.cross_entropy(network(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(f"{loss.item():.3g}")
print(json.dumps({
    "heavy": heavy, "drawn": drawn, "losses": losses,
    "environment": {name: os.environ.get(name) for name in sys.argv[1:]},
    "threads": torch.get_num_threads(), "capability": torch.backends.cpu.get_cpu_capability(),
    "deterministic": torch.are_deterministic_algorithms_enabled(),
}))
"""


def run(first="", **settings):
    """Run PROGRAM, after the line `first`, in a process of its own; return start's line and the report."""
    environment = {
        name: value for name, value in os.environ.items() if name not in (*PINNED, *THREADS, POLICY)
    }
    environment.pop("LABUTILS_THREADS", None)
    environment |= {"PYTHONPATH": str(PACKAGE.parent), "PYTHONIOENCODING": "utf-8", **settings}
    done = subprocess.run(
        [sys.executable, "-c", first + PROGRAM, *PINNED, *THREADS, POLICY],
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.stderr == ""
    assert done.returncode == 0
    line, report = done.stdout.splitlines()  # exactly one line from start
    return line, json.loads(report)


@pytest.fixture(scope="module")
def as_it_comes():
    return run()


@pytest.fixture(scope="module")
def on_two_threads():
    return run(LABUTILS_THREADS="2", OMP_NUM_THREADS="7")


@pytest.fixture(scope="module")
def without_vectors():
    return run("import torch", LABUTILS_THREADS="1", ATEN_CPU_CAPABILITY="default")  # torch was there before


# ---- In a process of its own ----


def test_importing_is_light(as_it_comes):
    assert as_it_comes[1]["heavy"] == []


def test_one_line_of_versions(as_it_comes, on_two_threads):
    line = as_it_comes[0]
    for part in (
        f"Python {platform.python_version()}",
        f"labutils {labutils.__version__}",
        "torch 2",
        "· 1 thread",
    ):
        assert part in line
    assert on_two_threads[0].endswith("· 2 threads")
    assert "not installed" not in line


def test_torch_that_came_first_is_remarked_on(as_it_comes):
    line, report = run("import torch")
    assert "torch was imported first: restart" in line
    assert "imported first" not in as_it_comes[0]
    assert report["threads"] == 1


def test_threads(as_it_comes, on_two_threads, without_vectors):
    for (_, report), threads in ((as_it_comes, 1), (on_two_threads, 2), (without_vectors, 1)):
        assert report["threads"] == threads
        assert {report["environment"][name] for name in THREADS} == {str(threads)}
        assert report["deterministic"]


def test_several_threads_wait_for_each_other_without_keeping_a_core_busy(as_it_comes, on_two_threads):
    """Beside other programs a barrier that spins made a step a hundred times as long: benchmarks/busy.py."""
    assert on_two_threads[1]["environment"][POLICY] == "passive"
    assert as_it_comes[1]["environment"][POLICY] is None  # one thread waits for nobody


@pytest.mark.skipif(not X86, reason="instruction sets are pinned on x86 only")
def test_instruction_set_is_pinned_unless_asked_for(as_it_comes, without_vectors):
    assert as_it_comes[1]["capability"] == "AVX2"
    assert [as_it_comes[1]["environment"][name].upper() for name in PINNED] == ["AVX2"] * 3
    assert without_vectors[1]["capability"] == "DEFAULT"


def test_seeds_draw_the_same_in_every_process(as_it_comes, on_two_threads, without_vectors):
    assert as_it_comes[1]["drawn"] == on_two_threads[1]["drawn"] == without_vectors[1]["drawn"]
    random.seed(5)
    assert as_it_comes[1]["drawn"][:2] == [random.random(), np.random.RandomState(5).rand()]


def test_training_prints_the_same_on_any_threads_and_instructions(
    as_it_comes, on_two_threads, without_vectors
):
    losses = as_it_comes[1]["losses"]
    assert float(losses[0]) > 4 * float(losses[-1])  # it did learn
    assert losses == on_two_threads[1]["losses"] == without_vectors[1]["losses"]


# ---- What is refused ----


@pytest.mark.parametrize("threads", ["0", "-1", "two", "1.5", "", " 2", "²"])
def test_a_bad_number_of_threads_is_refused(monkeypatch, threads):
    monkeypatch.setenv("LABUTILS_THREADS", threads)
    before = dict(os.environ)
    with pytest.raises(ValueError, match=rf"^LABUTILS_THREADS is '{threads}': expected a whole number"):
        labutils.start()
    assert dict(os.environ) == before  # nothing half done


def test_an_old_python_is_told_what_to_do(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version_info", (3, 10, 14))
        patch.setattr(platform, "python_version", lambda: "3.10.14")
        with pytest.raises(
            RuntimeError, match=r"^Python 3\.10\.14 is too old .* install Python 3\.11 or newer"
        ):
            labutils.start()


@pytest.mark.parametrize("module", ["__init__.py", "runtime.py"])
def test_an_old_python_gets_as_far_as_that_message(module):
    source = (PACKAGE / module).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 8))  # raises SyntaxError on newer grammar


# ---- In this process, with a pretended machine ----


@pytest.fixture
def machine(monkeypatch):
    """Call start as on another machine: no seeds, no torch, an environment of its own."""

    def start(name, environment):
        monkeypatch.setattr(os, "environ", environment)
        monkeypatch.setattr(platform, "machine", lambda: name)
        monkeypatch.setattr(runtime, "_seed", lambda seed, threads: None)
        monkeypatch.setattr(figures, "style", lambda: None)
        monkeypatch.setattr("warnings.filterwarnings", lambda *args, **kwargs: None)
        labutils.start()
        return environment

    return start


def test_x86_is_pinned_under_either_name_and_presets_are_kept(machine):
    for name in ("x86_64", "AMD64"):
        assert machine(name, {})["ATEN_CPU_CAPABILITY"] == "avx2"
    preset = machine("x86_64", {"ATEN_CPU_CAPABILITY": "default", "TRANSFORMERS_VERBOSITY": "info"})
    assert preset["ATEN_CPU_CAPABILITY"] == "default"
    assert preset["TRANSFORMERS_VERBOSITY"] == "info"


def test_other_machines_get_threads_and_quiet_only(machine):
    environment = machine("arm64", {})
    assert not set(PINNED) & set(environment)
    assert {environment[name] for name in THREADS} == {"1"}
    assert environment["TOKENIZERS_PARALLELISM"] == "false"


def test_works_without_torch(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it now fails
    monkeypatch.setattr("warnings.filterwarnings", lambda *args, **kwargs: None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with mpl.rc_context():
        labutils.start(seed=5)
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == list(figures.PALETTE)
    assert capsys.readouterr().out.count("\n") == 1
    assert np.random.rand() == np.random.RandomState(5).rand()


# ---- What the package offers ----


def test_names_are_found_where_they_live():
    assert labutils.show is figures.show
    assert labutils.start is runtime.start
    assert set(dir(labutils)) == set(labutils.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'shwo'"):
        _ = labutils.shwo
