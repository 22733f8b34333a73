"""Pages: feedback for each student, and one on which free text is graded by hand. All is escaped."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import zipfile
from html import escape
from typing import Any

from labutils.coursework.lab import Lab

__all__ = ["by_hand", "feedback", "for_moodle"]

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #8886; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .8rem; border: 1px solid #8886; }
textarea { width: 100%; box-sizing: border-box; min-height: 3rem; }
input { width: 5rem; }
section { margin: 2rem 0; }
"""

_SCRIPT = """
const fields = () => [...document.querySelectorAll("section[data-key]")];
const place = ({ dataset }) => [document.body.dataset.lab, dataset.key, dataset.question].join(" ");
const count = () => {
  const open = fields().filter((section) => section.querySelector("input").value === "").length;
  document.getElementById("open").textContent = open + " of " + fields().length + " still open";
};
for (const section of fields()) {
  const [points, comment] = [section.querySelector("input"), section.querySelector("textarea")];
  try {
    const kept = JSON.parse(localStorage.getItem(place(section)) || "null");
    if (kept && points.value === "") { [points.value, comment.value] = kept; }
  } catch { /* no storage here: nothing is kept between visits */ }
  section.addEventListener("input", () => {
    const kept = JSON.stringify([points.value, comment.value]);
    try { localStorage.setItem(place(section), kept); } catch { /* as above */ }
    count();
  });
}
const quoted = (text) => '"' + String(text).replaceAll('"', '""') + '"';
document.getElementById("save").addEventListener("click", () => {
  const rows = fields().map((section) => [
    section.dataset.key, section.dataset.question,
    section.querySelector("input").value, section.querySelector("textarea").value,
  ].map(quoted).join(","));
  const text = ["key,question,points,comment", ...rows].join("\\n") + "\\n";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "by_hand.csv";
  link.click();
});
count();
"""


def _page(title: str, body: str, script: str = "", lab: str = "") -> str:
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
        script = f"<script>{script}</script>\n"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f'<body data-lab="{escape(lab)}">\n{body}\n{script}</body>\n</html>\n'
    )


def feedback(title: str, result: dict[str, Any]) -> str:
    """Return a student's page: points, statuses, sentences; no hidden check, no right value, nobody else."""
    rows = []
    for mark in result["questions"]:
        waiting = mark["status"] == "by hand"
        points = f"– / {mark['of']:g}" if waiting else f"{mark['points']:g} / {mark['of']:g}"
        cells = (mark["id"], points, "waits for a reader" if waiting else mark["status"], mark["sentence"])
        rows.append("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>")
    texts = [
        f"<h2>Your answer to {escape(mark['id'])}</h2>\n<pre>{escape(mark['text'])}</pre>"
        for mark in result["questions"]
        if mark["text"]
    ]
    body = (
        f"<h1>{escape(title)}</h1>\n<p>{escape(result['name'])}: "
        f"<strong>{result['points']:g} of {result['of']:g} points</strong>.</p>\n"
        f"<p>Status: {escape(result['status'])}. {escape(result['reason'])}</p>\n"
        "<table><thead><tr><th>Question</th><th>Points</th><th>Status</th><th>What was found</th></tr>"
        "</thead>\n"
        f"<tbody>{''.join(rows)}</tbody></table>\n{''.join(texts)}"
    )
    return _page(title, body)


def by_hand(lab: Lab, results: dict[str, dict[str, Any]], secret: bytes) -> str:
    """Return the page for grading free text: by question, without names, in an order that the secret draws.

    Points and comments are kept in the browser, and saved as by_hand.csv, which the report reads.
    """
    parts = []
    for question in lab.questions:
        if question.kind != "text":
            continue
        model = "\n".join(
            line for line in question.solution.splitlines() if not line.strip().startswith("### ")
        ).strip()
        parts.append(f"<h2>{escape(question.id)}, {question.points:g} points</h2>")
        parts.append(f"<details><summary>The master's answer</summary><pre>{escape(model)}</pre></details>")
        for key, result in sorted(results.items(), key=lambda item: _order(secret, question.id, item[0])):
            mark = next(mark for mark in result["questions"] if mark["id"] == question.id)
            if mark["status"] in ("by hand", "graded by hand"):
                parts.append(_field(key, mark))
    body = (
        f'<h1>{escape(lab.title)}: by hand</h1>\n<p><span id="open"></span>. Names are not shown. '
        'Then <button id="save">save by_hand.csv</button> and run '
        "<code>labutils coursework report</code> with <code>--by-hand by_hand.csv</code>.</p>\n"
        + "\n".join(parts)
    )
    return _page(f"{lab.title}: by hand", body, _SCRIPT, lab.name)


def _order(secret: bytes, question: str, key: str) -> bytes:
    return hmac.new(secret, json.dumps([question, key]).encode(), hashlib.sha256).digest()


def _field(key: str, mark: dict[str, Any]) -> str:
    graded, most = mark["status"] == "graded by hand", f"{mark['of']:g}"
    value = f' value="{mark["points"]:g}"' if graded else ""
    comment = escape(mark["sentence"]) if graded else ""
    return (
        f'<section data-key="{escape(key)}" data-question="{escape(mark["id"])}">\n'
        f"<pre>{escape(mark['text'])}</pre>\n<p><label>Points, of {most}: "
        f'<input type="number" min="0" max="{most}" step="0.5"{value}></label></p>\n'
        f"<label>Comment: <textarea>{comment}</textarea></label>\n</section>"
    )


def for_moodle(title: str, results: dict[str, dict[str, Any]]) -> bytes:
    """Return a zip of the feedback pages, named as Moodle's upload of several feedback files needs them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for result in results.values():
            if number := result["ids"].get("moodle"):
                name = "".join("-" if sign in "_/\\" else sign for sign in result["name"])
                page = feedback(title, result)
                archive.writestr(f"{name}_{number}_assignsubmission_file_feedback.html", page)
    return buffer.getvalue()
