"""The explorer of the transformer block counts what labutils counts, and says what is largest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from test_explorers import Engine

from labutils.models.sizes import TransformerConfig, count_parameters

SIZES: dict[str, list[int]] = {
    "n_layer": [1, 2, 4, 6, 12, 24, 48, 96],
    "d_model": [64, 128, 256, 512, 768, 1024, 1600, 4096, 12288],
    "n_context": [0, 64, 256, 512, 1024, 2048, 8192, 32768],
    "n_vocab": [64, 256, 1000, 4000, 16000, 30522, 50257, 128256, 256000],
}
TIED = {False: "a matrix of its own", True: "tied: the embedding's"}
SMALL = {"n_layer": 12, "d_model": 768, "n_context": 1024, "n_vocab": 50_257}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.racer.close()


def places(tied: bool = True, **sizes: int) -> dict[str, Any]:
    """The values of the controls for these sizes; the others are those of GPT-2 small."""
    given = SMALL | sizes
    return {name: SIZES[name].index(size) for name, size in given.items()} | {"tied": TIED[tied]}


@pytest.mark.parametrize("tied", [True, False])
def test_counts_equal_the_packages_over_all_sizes(engine: Engine, tied: bool) -> None:
    """Every size at least twice with every other: all pairs of layers and widths, the others in turn."""
    for i, (n_layer, d_model) in enumerate(product(SIZES["n_layer"], SIZES["d_model"])):
        n_context = SIZES["n_context"][i % 8]
        for n_vocab in (SIZES["n_vocab"][i % 9], SIZES["n_vocab"][(i + 4) % 9]):
            values = places(tied, n_layer=n_layer, d_model=d_model, n_context=n_context, n_vocab=n_vocab)
            found = engine.compute("block", values)
            config = TransformerConfig(n_layer, d_model, n_vocab, n_context, final_norm=True, tied=tied)
            expected, parts = count_parameters(config), found["parts"]
            norms = parts["attention norms"] + parts["feed-forward norms"] + parts["last norm"]
            assert {
                "token embedding": parts["token embedding"],
                "positions and segments": parts["positions"],
                "attention": parts["attention"],
                "feed-forward": parts["feed-forward"],
                "normalisation": norms,
                "pooler": 0,
                "output": parts["output"],
                "total": found["total"],
            } == expected
            assert found["blocks"] == expected["attention"] + expected["feed-forward"] + norms - 2 * d_model


def test_controls_offer_these_sizes(engine: Engine) -> None:
    figure = engine.markup("block")
    for name, sizes in SIZES.items():
        slider = figure.select_one(f"input[data-name={name}]")
        assert slider is not None
        assert (slider["min"], slider["max"]) == ("0", str(len(sizes) - 1))
        for place, size in enumerate(sizes):
            control = f'labutils.explorers.block.controls.find((control) => control.name === "{name}")'
            assert engine.run(f"{control}.format({place})") == (
                f"{size:,}" if size else "no learned positions"
            )
        assert slider["aria-valuetext"] == f"{SMALL[name]:,}"  # a screen reader hears the size, not the place
    assert [option.get_text() for option in figure.select("option")] == list(TIED.values())


@pytest.mark.parametrize(
    ("button", "sizes"),
    [
        ("small", SMALL),
        ("three", {"n_layer": 96, "d_model": 12_288, "n_context": 2048, "n_vocab": 50_257}),
    ],
)
def test_buttons_set_known_models(engine: Engine, button: str, sizes: dict[str, int]) -> None:
    press = f'labutils.explorers.block.controls.find((control) => control.name === "{button}").press()'
    assert engine.run(press) == places(**sizes)


def said(engine: Engine, tied: bool = True, **sizes: int) -> str:
    line = engine.markup("block", **places(tied, **sizes)).select_one(".labutils-say")
    assert line is not None
    return line.get_text().replace("\N{NO-BREAK SPACE}", " ")


def test_says_what_weighs_most(engine: Engine) -> None:
    assert said(engine) == (
        "124 M parameters: attention 23 %, feed-forward layers 46 %, embedding 31 %, positions under 1 %. "
        "The blocks weigh most: a block has about as many parameters as 12 · 768 = 9,216 token vectors, "
        "all 12 as 110,592; the vocabulary has 50,257, the positions 1,024."
    )
    untied = said(engine, tied=False)
    assert untied.startswith("163 M parameters")
    assert "embedding and output layer 47 %" in untied
    assert "the vocabulary has 100,514" in untied
    assert "The vocabulary weighs most" in said(engine, n_layer=4)
    assert "The positions weigh most" in said(engine, n_layer=1, d_model=64, n_vocab=64)
    assert said(engine, n_layer=96, d_model=12_288, n_context=2048).startswith("175 B parameters")
    assert "positions 0 %" in said(engine, n_context=0)


@pytest.mark.parametrize(("tied", "n_context"), [(True, 0), (True, 1024), (False, 0), (False, 1024)])
def test_bars_are_as_long_as_parts_are_large(engine: Engine, tied: bool, n_context: int) -> None:
    values = places(tied, n_context=n_context)
    drawn = engine.markup("block", **values)
    bars = [float(bar["width"]) for bar in drawn.select("svg rect:not(.hollow)")]  # type: ignore[arg-type]
    parts = list(engine.compute("block", values)["parts"].values())
    assert len(bars) == len(parts) == 8
    for bar, part in zip(bars, parts, strict=True):
        assert bar == pytest.approx(max(bars) * part / max(parts), abs=0.01)
    words = " ".join(text.get_text() for text in drawn.select("svg text"))
    assert "× 12 blocks" in words
    assert ("none of its own" in words) == tied
    assert ("none learned" in words) == (n_context == 0)
    assert not re.search(r"NaN|undefined|Infinity", str(drawn))


def test_one_block_is_not_blocks(engine: Engine) -> None:
    assert "× 1 block<" in str(engine.markup("block", **places(n_layer=1)))
