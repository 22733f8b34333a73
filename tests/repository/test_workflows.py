"""The workflows on GitHub: valid, safe, and made of commands that are tried here."""

from __future__ import annotations

import runpy
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import book
import pdf
import workflows
from places import ROOT

FILES = sorted(path.name for path in workflows.FOLDER.glob("*.yml"))
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")


def text(name: str) -> str:
    return (workflows.FOLDER / name).read_text(encoding="utf-8")


def test_the_workflows_are_these() -> None:
    assert FILES == ["all.yml", "links.yml", "newest.yml", "publish.yml", "release.yml", "test.yml"]


def test_workflows_keep_the_rules() -> None:
    assert {name: workflows.faults(name, text(name)) for name in FILES} == {name: [] for name in FILES}


def test_an_action_has_one_version_everywhere() -> None:
    lines = [line for name in FILES for line in text(name).splitlines()]
    pins = {match.groups() for line in lines if (match := workflows.PINNED.search(line))}
    assert len({action for action, _, _ in pins}) == len(pins) >= 7


def test_workflows_fit_the_schemas() -> None:
    files = [workflows.FOLDER / name for name in FILES]
    checked = workflows.schema("vendor.github-workflows", *files)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    checked = workflows.schema("vendor.dependabot", ROOT / ".github/dependabot.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_security_audit_finds_nothing() -> None:
    audit = workflows.zizmor(ROOT / ".github")
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert "No findings" in audit.stdout + audit.stderr


CHECKOUT = "actions/checkout@df4cb1c069e1874edd31b4311f1884172cec0e10"
ISSUE = 'python3 scripts/issue.py "The newest libraries break the book" report/report.md'
FAULTS = {  # of newest.yml: what is replaced, by what, and what the rules say of it
    "a tag": (f"{CHECKOUT} #", "actions/checkout@v6 #", "not pinned"),
    "a short hash": (CHECKOUT, CHECKOUT[:24], "not pinned"),
    "no version": (f"{CHECKOUT} # v6.0.3", CHECKOUT, "not pinned"),
    "all rights": ("permissions: {}", "permissions: write-all", "grants permissions"),
    "a right too much": ("contents: read", "contents: write", "newest has the permissions"),
    "a token on disk": ("persist-credentials: false", "persist-credentials: true", "leaves its token"),
    "no end": ("timeout-minutes: 90\n", "continue-on-error: false\n", "no time limit"),
    "strangers": ("workflow_dispatch:", "pull_request_target:", "others' words"),
    "two at once": ("concurrency:\n  group: newest\n  cancel-in-progress: false", "", "no concurrency"),
    "an injection": ("make newest", "echo ${{ github.head_ref }}", "not a target of make"),
    "a pipe": ("make newest", "make newest | sh", "not a target of make"),
    "another package": ("make newest", f"{workflows.FONT}-extra", "not a target of make"),
    "a font beside rights": (ISSUE, workflows.FONT, "not a target of make"),
    "no such target": ("make newest", "make newset", "no such target"),
    "no such script": ("scripts/issue.py", "scripts/issues.py", "no such script"),
    "packages beside rights": (ISSUE, "make book", "packages that others wrote"),
    "a secret": ("${{ github.token }}", "${{ secrets.TOKEN }}", "uses a secret"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str) -> None:
    good, bad, complaint = FAULTS[fault]
    faulty = text("newest.yml").replace(good, bad)
    assert faulty != text("newest.yml")
    assert [found for found in workflows.faults("newest.yml", faulty) if complaint in found]


def test_the_audit_and_the_schema_find_faults_too(tmp_path: Path) -> None:
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    faulty = text("newest.yml").replace("make newest", "echo ${{ github.event.issue.title }}")
    faulty = faulty.replace("timeout-minutes: 5", "timeout: 5")
    faulty = faulty.replace("@df4cb1c069e1874edd31b4311f1884172cec0e10 # v6.0.3", "@v6")
    (folder / "newest.yml").write_text(faulty, encoding="utf-8")
    audit = workflows.zizmor(tmp_path / ".github")
    assert audit.returncode != 0
    assert "template-injection" in audit.stdout
    assert "unpinned-uses" in audit.stdout
    checked = workflows.schema("vendor.github-workflows", folder / "newest.yml")
    assert checked.returncode != 0
    assert "timeout" in checked.stdout


# --- what is published, and when

EVENTS = {  # what happens, and whether the site is published, previewed
    ("push", "refs/heads/main"): (True, False),
    ("workflow_dispatch", "refs/heads/main"): (True, False),
    ("workflow_dispatch", "refs/heads/other"): (False, False),
    ("pull_request", "refs/pull/7/merge"): (False, True),
}


@pytest.mark.parametrize(("event", "published"), EVENTS.items())
def test_only_main_is_published_and_only_after_the_tests(
    event: tuple[str, str], published: tuple[bool, bool]
) -> None:
    jobs = workflows.read("publish.yml")["jobs"]
    uploads = {
        step["uses"].split("@")[0].split("/")[1]: workflows.holds(step["if"], *event)
        for step in jobs["site"]["steps"]
        if "upload" in step.get("uses", "")
    }
    assert uploads == {"upload-pages-artifact": published[0], "upload-artifact": published[1]}
    assert workflows.holds(jobs["deploy"]["if"], *event) == published[0]
    # Without always() and the like in its condition, a job runs only if all that it needs have passed.
    assert set(jobs["deploy"]["needs"]) == {"test", "site"}
    assert workflows.holds(jobs["test"]["if"], *event) or not published[0]
    assert jobs["test"]["uses"] == "./.github/workflows/test.yml"


def test_pushes_and_pull_requests_are_tested_and_built() -> None:
    publish, test = workflows.read("publish.yml"), workflows.read("test.yml")
    assert publish["on"]["push"] == {"branches": ["main"]}
    assert {"pull_request"} <= publish["on"].keys()
    assert {"pull_request", "workflow_call"} <= test["on"].keys()
    assert "push" not in test["on"]  # publish.yml calls it: not twice
    assert [step["run"] for _, step in workflows.steps(test) if "run" in step] == [
        *workflows.SANDBOX,
        "make test",
    ]
    assert publish["concurrency"]["group"].split("-")[0] != test["concurrency"]["group"].split("-")[0]


def test_what_is_uploaded_is_what_make_book_builds(site: Path) -> None:
    steps = [step for _, step in workflows.steps(workflows.read("publish.yml"))]
    assert [step["run"] for step in steps if "run" in step] == ["make book"]
    paths = [step["with"]["path"] for step in steps if "upload" in step.get("uses", "")]
    assert paths == ["_build/html", "_build/html"]
    assert site == ROOT / paths[0]
    assert book.ROOT == ROOT


@pytest.mark.parametrize("name", ["newest.yml", "links.yml"])
def test_a_report_is_found_where_it_was_written(name: str) -> None:
    work, issue = workflows.read(name)["jobs"].values()
    upload = next(step for step in work["steps"] if "upload" in step.get("uses", ""))
    download = next(step for step in issue["steps"] if "download" in step.get("uses", ""))
    folder = name.removesuffix(".yml")
    assert f'ROOT / "_build" / "{folder}"' in (ROOT / f"scripts/{folder}.py").read_text(encoding="utf-8")
    assert upload["with"]["path"] == f"_build/{folder}/report.md"
    assert download["with"]["name"] == upload["with"]["name"]
    command = shlex.split(issue["steps"][-1]["run"])
    assert command[-1] == f"{download['with']['path']}/report.md"
    assert issue["needs"] == folder
    assert issue["if"] == upload["if"] == "always()"
    assert f"needs.{folder}.result" in issue["steps"][-1]["env"]["RESULT"]


def test_a_release_gets_the_pdf_that_make_pdf_prints() -> None:
    jobs = workflows.read("release.yml")["jobs"]
    assert [step["run"] for step in jobs["pdf"]["steps"] if "run" in step] == [workflows.FONT, "make pdf"]
    upload, download = jobs["pdf"]["steps"][-1], jobs["attach"]["steps"][1]
    assert ROOT / upload["with"]["path"] == pdf.OUT
    assert download["with"]["name"] == upload["with"]["name"]
    attach = jobs["attach"]["steps"][-1]
    assert shlex.split(attach["run"])[-1] == f"{download['with']['path']}/{pdf.OUT.name}"
    assert attach["env"]["TAG"] == "${{ github.event.release.tag_name }}"
    assert workflows.read("release.yml")["on"] == {"release": {"types": ["published"]}}
    assert jobs["attach"]["needs"] == "pdf"


def test_everything_is_tested_by_parts() -> None:
    """One job a folder of notebooks, and one for the rest: a new part must be added there."""
    jobs = workflows.read("all.yml")["jobs"]["all"]["strategy"]["matrix"]["include"]
    pages = [page for page in book.pages_of_toc(ROOT) if page.startswith("notebooks/")]
    assert {job["part"] for job in jobs} == {page.split("/")[1] for page in pages} | {""}
    stages = [stage for job in jobs if job["part"] in ("", "foundations") for stage in job["stages"].split()]
    assert stages == [stage.name for stage in runpy.run_path(str(ROOT / "scripts/test.py"))["STAGES"]]
    assert len({job["stages"] for job in jobs if job["part"]}) == 1


@needs_make
def test_a_part_is_handed_on() -> None:
    command = ["make", "-C", str(ROOT), "-n", "test-all", "PART=foundations", "STAGES=notebooks"]
    dry = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "scripts/test.py notebooks --all --part foundations" in dry


@needs_make
@pytest.mark.parametrize("target", ["test", "book", "newest", "links", "pdf"])
def test_targets_run_their_script(target: str) -> None:
    dry = subprocess.run(["make", "-C", str(ROOT), "-n", target], capture_output=True, text=True, check=True)
    assert f"scripts/{target}.py" in dry.stdout
    made = workflows.targets()
    assert target in made
