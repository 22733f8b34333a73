"""Tables of grades: `grades.csv`, import files for Canvas and Moodle, and what was graded by hand."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "BOM",
    "ReportError",
    "canvas",
    "cell",
    "grades",
    "moodle",
    "open_by_hand",
    "read_rows",
    "tally",
    "with_hand",
]

Results = dict[str, dict[str, Any]]
Rows = list[dict[str, str]]
BOM = "\ufeff"


class ReportError(ValueError):
    """A table that does not fit the lab."""


def cell(value: Any) -> str:
    """Return a value for a table; text that a spreadsheet would compute is made text by an apostrophe."""
    if isinstance(value, float):
        return f"{value:g}"
    text = " ".join(str(value).split())
    return f"'{text}" if text[:1] in tuple("=+-@|%") and text != "-" and not _number(text) else text


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([cell(name) for name in header])
    writer.writerows([cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def read_rows(path: Path) -> Rows:
    """Return the rows of a CSV file, by column. ReportError if it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [{str(key): value or "" for key, value in row.items()} for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReportError(f"{path} cannot be read as CSV ({error})") from error


def with_hand(results: Results, rows: Rows) -> Results:
    """Return the results with points and comments given by hand: columns key, question, points, comment.

    ReportError for a row of no such submission or question, or for points that the question does not have.
    """
    given: dict[tuple[str, str], tuple[float, str]] = {}
    for row in rows:
        where = f"{row.get('key')}, {row.get('question')}"
        if not (row.get("points") or "").strip():
            continue
        try:
            given[row["key"], row["question"]] = float(row["points"]), row.get("comment", "")
        except (KeyError, ValueError) as error:
            raise ReportError(f"graded by hand, {where}: points are {row.get('points')!r}") from error
    known = {(key, mark["id"]): mark for key, result in results.items() for mark in result["questions"]}
    for place, (points, _) in given.items():
        if place not in known:
            raise ReportError(f"graded by hand, {', '.join(place)}: there is no such submission or question")
        if not 0 <= points <= known[place]["of"]:
            raise ReportError(
                f"graded by hand, {', '.join(place)}: {points:g} of {known[place]['of']:g} points"
            )
    return {key: _with(result, key, given) for key, result in results.items()}


def _with(
    result: dict[str, Any], key: str, given: dict[tuple[str, str], tuple[float, str]]
) -> dict[str, Any]:
    marks = []
    for mark in result["questions"]:
        if (key, mark["id"]) in given:
            points, comment = given[key, mark["id"]]
            mark = mark | {"points": points, "sentence": comment, "status": "graded by hand"}
        marks.append(mark)
    return result | {"questions": marks, "points": round(sum(mark["points"] for mark in marks), 2)}


def open_by_hand(results: Results) -> int:
    """Return how many texts are not graded yet."""
    return sum(mark["status"] == "by hand" for result in results.values() for mark in result["questions"])


def tally(results: Results) -> list[str]:
    """Return how many submissions have which status, most first."""
    counts = Counter(result["status"] for result in results.values())
    return [f"{status}: {count}" for status, count in counts.most_common()]


def grades(results: Results) -> str:
    """Return grades.csv: a row a submission, its status and the reason always said."""
    ids = [mark["id"] for mark in next(iter(results.values()))["questions"]] if results else []
    header = ["key", "name", "status", "reason", "points", "of", *ids, *(f"{name} status" for name in ids)]
    rows = []
    for key, result in sorted(results.items(), key=lambda item: (item[1]["name"], item[0])):
        marks = {mark["id"]: mark for mark in result["questions"]}
        row = [key, result["name"], result["status"], result["reason"], result["points"], result["of"]]
        row += [marks[name]["points"] for name in ids] + [marks[name]["status"] for name in ids]
        rows.append([*row, "; ".join(result["notes"]), result["file"], result["sandbox"]])
    return _table([*header, "notes", "file", "sandbox"], rows)


def canvas(results: Results, title: str, gradebook: Rows | None = None) -> tuple[str, list[str]]:
    """Return a file for Canvas's import of grades, and who in it has no submission.

    `gradebook` is what Canvas exports: its students and columns are kept. Without it the ids come from the
    names that Canvas gives to files in its zip.
    """
    points = {result["ids"]["canvas"]: result for result in results.values() if "canvas" in result["ids"]}
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", title]
    if gradebook is None:
        rows = [[one["name"], name, "", "", "", one["points"]] for name, one in sorted(points.items())]
        return _table(header, rows), []
    columns = [name for name in gradebook[0] if name.partition(" (")[0] == title] if gradebook else []
    header[-1] = columns[0] if columns else title
    rows, without = [], []
    for row in gradebook:
        if not row.get("ID", "").strip():
            continue  # the row of points possible
        result = points.get(row["ID"]) or _by_login(results, row)
        if result is None:
            without.append(row.get("Student", row["ID"]))
        rows.append([*(row.get(name, "") for name in header[:-1]), result["points"] if result else ""])
    return _table(header, rows), without


def _by_login(results: Results, row: dict[str, str]) -> dict[str, Any] | None:
    names = {row.get("SIS User ID"), row.get("SIS Login ID")} - {"", None}
    return next((result for result in results.values() if result["student"] in names), None)


def moodle(results: Results, worksheet: Rows | None = None) -> tuple[str, list[str]]:
    """Return a grading worksheet for Moodle, and who in it has no submission; `worksheet` is Moodle's own."""
    found = {result["ids"]["moodle"]: result for result in results.values() if "moodle" in result["ids"]}
    if worksheet is None:
        header = ["Identifier", "Full name", "Grade", "Maximum Grade", "Feedback comments"]
        rows = [
            [
                f"Participant {name}",
                one["name"],
                one["points"],
                one["of"],
                f"{one['status']}. {one['reason']}",
            ]
            for name, one in sorted(found.items())
        ]
        return _table(header, rows), []
    header = list(worksheet[0]) if worksheet else []
    if not {"Identifier", "Grade"} <= set(header):
        raise ReportError(
            "the worksheet lacks the columns Identifier and Grade: is it Moodle's grading worksheet?"
        )
    lines, without = [], []
    for row in worksheet:
        result = found.get(row["Identifier"].rpartition(" ")[2])
        if result is None:
            without.append(row.get("Full name", row["Identifier"]))
        else:
            row = row | {"Grade": cell(result["points"])}
            if "Feedback comments" in row:
                row["Feedback comments"] = f"{result['status']}. {result['reason']}"
        lines.append([row[name] for name in header])
    return _table(header, lines), without
