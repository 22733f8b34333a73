"""`python -m labutils.pocket train pocket-gpt`: train a pocket model, or go on where it was stopped."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

from labutils import start
from labutils.data.cache import cache_folder

HERE = Path(__file__).parent
NAMES = click.Choice(["pocket-gpt", "pocket-bert"])


@click.group()
def main() -> None:
    """Make the book's pocket models, or measure them again."""
    start()


@main.command()
@click.argument("name", type=NAMES)
@click.option("--state", type=click.Path(path_type=Path), help="Folder of the state that a stopped run left.")
@click.option("--into", type=click.Path(path_type=Path), help="Folder of the finished model; the package's own.")
@click.option("--threads", default=1, show_default=True, help="Other numbers lead to other weights.")
def train(name: str, state: Path | None, into: Path | None, threads: int) -> None:
    """Train NAME: an hour or so on one core. Stopped at any moment, the same command goes on."""
    import torch

    from labutils.pocket.publish import publish
    from labutils.pocket.recipe import RECIPES
    from labutils.pocket.text import encode, split, train_tokenizer
    from labutils.pocket.train import run

    torch.set_num_threads(threads)
    recipe = RECIPES[name]
    text, held_out = split()
    tokenizer = train_tokenizer(text)
    ids = encode(tokenizer, text)
    folder = state or cache_folder() / "pocket" / name
    click.echo(f"{name}: {recipe.n_steps} steps on {len(ids):,} tokens, state in {folder}")
    began: list[tuple[int, float]] = []

    def report(step: int, nats: float, seconds: float) -> None:
        began.append((step, seconds))
        pace = (seconds - began[0][1]) / max(1, step - began[0][0])
        left = f", {pace * (recipe.n_steps - step) / 60:.0f} min left" if len(began) > 1 else ""
        click.echo(f"step {step} of {recipe.n_steps}: {nats / math.log(2):.3f} bits a token{left}")

    model, took = run(recipe, ids, folder, report)
    card = publish(model.eval(), tokenizer, recipe, took, held_out, into or HERE / recipe.kind)
    click.echo(json.dumps(card["held_out"]))


@main.command()
@click.argument("name", type=NAMES)
def score(name: str) -> None:
    """Measure NAME on the held-out tenth again, and say what its card has: a minute or two."""
    from labutils.models.pretrained import card, load
    from labutils.pocket.publish import score as measure
    from labutils.pocket.text import split

    model, tokenizer = load(name)
    found = measure(model, tokenizer, name.removeprefix("pocket-"), split()[1])
    click.echo(f"measured {json.dumps(found)}, recorded {json.dumps(card(name)['held_out'])}")


if __name__ == "__main__":
    main()
