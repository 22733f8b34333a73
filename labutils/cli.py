"""The command line: `labutils data` (list, fetch, verify, path, clear) and `labutils coursework`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

import labutils
from labutils.coursework.commands import coursework
from labutils.data import cache
from labutils.data.catalogue import ENTRIES, Entry, find
from labutils.data.download import DataError, megabytes
from labutils.runtime import degrade


@click.group()
@click.version_option(labutils.__version__, prog_name="labutils")
def main() -> None:
    """Tools beside the book *Large Language Models, Measured*."""
    degrade()


main.add_command(coursework)


@main.group()
def data() -> None:
    """The book's data: what there is, and what this computer has of it."""


def _known(context: click.Context, parameter: click.Parameter, names: Any) -> Any:
    """Turn names into entries, with click's own error for one that does not exist."""
    try:
        return find(names) if isinstance(names, str) else [find(name) for name in names]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@data.command("list")
def list_() -> None:
    """Show every data set: download size, whether it is cached, licence, where it comes from, what it is."""
    rows = [("NAME", "DOWNLOAD", "STATE", "LICENCE", "FROM", "WHAT")]
    for entry in ENTRIES.values():
        source = f"{entry.distribution} {entry.version}"
        rows.append(
            (entry.name, megabytes(entry.size), cache.state(entry), entry.licence, source, entry.description)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    total = megabytes(sum(entry.size for entry in ENTRIES.values()))
    click.echo(f"\nAll together {total} to download, once. Cache: {cache.cache_folder()}")
    click.echo("The cache keeps what the book reads; packages are deleted after that, and never installed.")


@data.command()
@click.argument("entries", metavar="[NAMES]...", nargs=-1, callback=_known)
@click.option("--all", "everything", is_flag=True, help="Fetch every data set of the book.")
def fetch(entries: Sequence[Entry], everything: bool) -> None:
    """Fetch data sets ahead of time, so that the notebooks run offline."""
    if not entries and not everything:
        raise click.UsageError("name at least one data set, or say --all; `labutils data list` shows them")
    wanted = list(ENTRIES.values()) if everything else list(entries)
    absent = [entry for entry in wanted if cache.state(entry) != "cached"]
    size = megabytes(sum(entry.size for entry in absent))
    click.echo(f"{len(wanted)} asked for, {len(wanted) - len(absent)} cached already, {size} to download")
    failures = 0
    for entry in absent:
        started = time.perf_counter()
        try:
            path = cache.fetch(entry.name, announce=click.echo)
        except DataError as error:
            failures += 1
            click.echo(f"failed: {error}", err=True)
        else:
            seconds = time.perf_counter() - started
            click.echo(
                f"{entry.name}: ready in {seconds:.1f} s, {megabytes(path.stat().st_size)} in the cache"
            )
    if failures:
        raise click.ClickException(f"{failures} of {len(wanted)} could not be fetched")
    click.echo(f"all {len(wanted)} ready in {cache.cache_folder()}")


@data.command()
def verify() -> None:
    """Check every cached file against its sha256; exit with 1 if one is damaged."""
    damaged = []
    for entry in ENTRIES.values():
        state = cache.state(entry)
        click.echo(f"{entry.name}: {state}")
        if state == "damaged":
            damaged.append(entry.name)
    if damaged:
        raise click.ClickException(
            f"damaged files: `labutils data fetch {' '.join(damaged)}` makes them again"
        )


@data.command()
@click.argument("entry", metavar="NAME", callback=_known)
def path(entry: Entry) -> None:
    """Print where a data set is cached; exit with 1 if it is not."""
    state = cache.state(entry)
    if state != "cached":
        raise click.ClickException(f"{entry.name} is {state}: `labutils data fetch {entry.name}` gets it")
    click.echo(cache.cached_path(entry))


@data.command()
@click.argument("entries", metavar="[NAMES]...", nargs=-1, callback=_known)
def clear(entries: Sequence[Entry]) -> None:
    """Delete data sets from the cache; all of them where none is named."""
    failures = 0
    for entry in entries or ENTRIES.values():
        try:
            click.echo(f"{entry.name}: {'deleted' if cache.clear(entry.name) else 'was not cached'}")
        except DataError as error:
            failures += 1
            click.echo(f"failed: {error}", err=True)
    if failures:
        raise click.ClickException(f"{failures} could not be deleted")


if __name__ == "__main__":
    main(prog_name="labutils")
