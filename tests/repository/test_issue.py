"""The job that tells in an issue what is broken, run as the workflow runs it, with a stand-in for `gh`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import workflows
from places import ROOT

GH = '''#!{python}
"""Stands in for GitHub's command: keeps issues in a file, and takes only what the real one takes."""
import argparse, json, os, pathlib, sys
file = pathlib.Path(os.environ["ISSUES"])
issues = json.loads(file.read_text())
assert os.environ["GH_TOKEN"] == "a token" and os.environ["GH_REPO"] == "a/b"
parser = argparse.ArgumentParser(allow_abbrev=False)
kinds = parser.add_subparsers(dest="kind", required=True).add_parser("issue").add_subparsers(dest="verb")
verbs = ["list state app limit json", "create title body-file", "comment body-file", "close comment"]
for verb, *flags in map(str.split, verbs):
    sub = kinds.add_parser(verb)
    if verb in ("comment", "close"):
        sub.add_argument("number", type=int)
    for flag in flags:
        sub.add_argument("--" + flag, required=True)
asked = parser.parse_args()
if asked.verb == "list":
    assert asked.app == "github-actions" and asked.state == "open"
    print(json.dumps([{{k: i[k] for k in ("number", "title")}} for i in issues if i["open"] and i["ours"]]))
elif asked.verb == "create":
    body = pathlib.Path(asked.body_file).read_text()
    issues.append(dict(number=len(issues) + 1, title=asked.title, said=[body], open=True, ours=True))
    print("https://the.address/issues/" + str(len(issues)))
else:
    issue = next(i for i in issues if i["number"] == asked.number)
    closing = asked.verb == "close"
    issue["said"].append(asked.comment if closing else pathlib.Path(asked.body_file).read_text())
    issue["open"] = not closing
file.write_text(json.dumps(issues))
'''


class Hub:
    """A folder as the job has it: this repository's script, a report, a `gh`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin/gh").write_text(GH.format(python=sys.executable), encoding="utf-8")
        (folder / "bin/gh").chmod(0o755)
        (folder / "bin/python3").symlink_to(sys.executable)
        shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        self.report = folder / "report/report.md"
        self.report.parent.mkdir()
        self.file = folder / "issues.json"
        self.file.write_text("[]")

    def run(self, result: str, name: str = "newest.yml") -> subprocess.CompletedProcess[str]:
        """Run the last step of the job as GitHub would."""
        step = workflows.read(name)["jobs"]["issue"]["steps"][-1]
        given = {"github.repository": "a/b", "github.token": "a token"}
        given[f"needs.{name.removesuffix('.yml')}.result"] = result
        environment = {key: given[value.strip("${} ")] for key, value in step["env"].items()}
        environment |= {"GITHUB_SERVER_URL": "https://the.address", "GITHUB_REPOSITORY": "a/b"}
        environment |= {"GITHUB_RUN_ID": "42", "ISSUES": str(self.file)}
        environment["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{os.defpath}{os.pathsep}/usr/bin:/bin"
        return subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def issues(self) -> list[dict[str, object]]:
        return list(json.loads(self.file.read_text(encoding="utf-8")))

    def said(self, number: int) -> list[str]:
        return list(self.issues()[number - 1]["said"])  # type: ignore[call-overload]


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    if shutil.which("bash") is None:
        pytest.skip("no bash here, which is what GitHub runs the step with")
    return Hub(tmp_path)


def test_one_issue_is_opened_commented_on_and_closed(hub: Hub) -> None:
    hub.report.write_text("**tests broke**\n", encoding="utf-8")
    assert "no issue is open" in hub.run("success").stdout
    assert hub.issues() == []

    first = hub.run("failure")
    assert "Opened https://the.address/issues/1" in first.stdout, first.stderr
    assert "**tests broke**" in hub.said(1)[0]
    assert "https://the.address/a/b/actions/runs/42" in hub.said(1)[0]

    hub.report.write_text("**types broke, too**\n", encoding="utf-8")
    assert "Commented on issue 1" in hub.run("failure").stdout
    assert len(hub.issues()) == 1
    assert "types broke" in hub.said(1)[1]

    assert "Opened" in hub.run("failure", "links.yml").stdout  # another matter, another issue
    assert "closed issue 1" in hub.run("success").stdout
    assert [issue["open"] for issue in hub.issues()] == [False, True]
    assert "Opened" in hub.run("failure").stdout  # a closed issue stays closed


def test_a_readers_issue_of_the_same_title_is_left_alone(hub: Hub) -> None:
    reader = {"number": 1, "title": "The newest libraries break the book", "said": [], "open": True}
    hub.file.write_text(json.dumps([reader | {"ours": False}]))
    assert "no issue is open" in hub.run("success").stdout
    assert "Opened" in hub.run("failure").stdout
    assert hub.said(1) == []


@pytest.mark.parametrize("result", ["failure", "cancelled", "skipped", ""])
def test_a_run_without_a_report_is_told_as_well(hub: Hub, result: str) -> None:
    assert "Opened" in hub.run(result).stdout
    assert "before it wrote a report" in hub.said(1)[0]


def test_hostile_output_stays_text(hub: Hub) -> None:
    words = "$(touch pwned) `touch pwned` ; touch pwned '\"\\ --title=x ${{ github.token }}\n```\n@all\n"
    hostile = words + "x" * 90_000
    hub.report.write_text(hostile, encoding="utf-8")
    assert "Opened" in hub.run("failure").stdout
    body = hub.said(1)[0]
    assert words in body
    assert len(body) < 65_536
    assert not (hub.folder / "pwned").exists()


def test_a_gh_that_fails_or_is_missing_is_told(hub: Hub) -> None:
    (hub.folder / "bin/gh").write_text("#!/bin/sh\necho HTTP 403: no right to >&2\nexit 1\n")
    run = hub.run("failure")
    assert run.returncode == 1
    assert "gh issue list failed: HTTP 403" in run.stderr
    (hub.folder / "bin/gh").unlink()
    if shutil.which("gh") is None:
        assert "not installed" in hub.run("failure").stderr
