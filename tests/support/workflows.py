"""The rules that every workflow in .github keeps, and what GitHub would do with one.

Each rule has a deliberate fault in test_workflows.py.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from places import ROOT

FOLDER = ROOT / ".github/workflows"
PINNED = re.compile(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$")
COMMAND = re.compile(
    r"(?:make (?P<target>[a-z-]+)|python3 (?P<script>scripts/\w+\.py)(?: (?:\"[\w ]+\"|[\w./-]+))*)"
)
DANGEROUS = {"pull_request_target", "workflow_run", "issue_comment", "issues"}  # others' words, our rights
# What a job may do; one that is not listed may read the repository and nothing else.
RIGHTS = {
    ("publish.yml", "deploy"): {"pages": "write", "id-token": "write"},
    ("all.yml", "issue"): {"contents": "read", "issues": "write"},
    ("newest.yml", "issue"): {"contents": "read", "issues": "write"},
    ("links.yml", "issue"): {"contents": "read", "issues": "write"},
    ("release.yml", "attach"): {"contents": "write"},
}
READ = {"contents": "read"}
# Commands that are neither: paper needs a font for Chinese, coursework a sandbox; the runner lacks both.
FONT = "sudo apt-get install --yes --no-install-recommends fonts-noto-cjk"
SANDBOX = (
    "sudo apt-get install --yes --no-install-recommends bubblewrap",
    "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
)


def load(text: str) -> dict[str, Any]:
    """Return a workflow; `on` is a word here, not the truth value that YAML makes of it."""
    workflow = yaml.safe_load(text)
    return {"on" if key is True else key: value for key, value in workflow.items()}


def read(name: str) -> dict[str, Any]:
    return load((FOLDER / name).read_text(encoding="utf-8"))


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def steps(workflow: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in workflow["jobs"].items():
        for step in job.get("steps", []):
            yield name, step


def faults(name: str, text: str) -> list[str]:
    """Return what is wrong with the workflow `text` of the file called `name`."""
    workflow = load(text)
    return [*faults_of_actions(text), *faults_of_rights(name, workflow), *faults_of_commands(workflow)]


def faults_of_actions(text: str) -> list[str]:
    found = []
    for use in re.findall(r"^\s*(?:- )?uses: (.*)$", text, re.MULTILINE):
        local = re.match(r"\./(\.github/workflows/\w+\.yml)(?: #.*)?$", use)
        if local and not (ROOT / local[1]).is_file():
            found.append(f"not in this repository: {use}")
        if not local and not PINNED.fullmatch(use):
            found.append(f"not pinned to a commit, with the version as a comment: {use}")
    return found


def faults_of_rights(name: str, workflow: dict[str, Any]) -> list[str]:
    found = []
    events = workflow["on"] if isinstance(workflow["on"], dict) else dict.fromkeys([workflow["on"]])
    found += [f"runs others' words with our rights: {event}" for event in DANGEROUS & events.keys()]
    if workflow.get("permissions") != {}:
        found.append("the workflow grants permissions: jobs do, one by one")
    if "concurrency" not in workflow:
        found.append("no concurrency group: two runs may work on the same")
    for job_name, job in workflow["jobs"].items():
        wanted = RIGHTS.get((name, job_name), READ)
        if job.get("permissions") != wanted:
            found.append(f"{job_name} has the permissions {job.get('permissions')}, needs {wanted}")
        if "uses" not in job and not 0 < job.get("timeout-minutes", 0) <= 90:
            found.append(f"{job_name} has no time limit")
        if "secrets" in job:
            found.append(f"{job_name} passes secrets on")
    for job_name, step in steps(workflow):
        checkout = str(step.get("uses", "")).startswith("actions/checkout@")
        if checkout and step.get("with", {}).get("persist-credentials") is not False:
            found.append(f"{job_name} leaves its token in the checkout")
    if re.search(r"\bsecrets\b", yaml.safe_dump(workflow)):
        found.append("uses a secret: nothing here needs one")
    return found


def faults_of_commands(workflow: dict[str, Any]) -> list[str]:
    found = []
    for name, step in steps(workflow):
        if "run" not in step:
            continue
        may_write = "write" in workflow["jobs"][name].get("permissions", {}).values()
        command = COMMAND.fullmatch(str(step["run"]).strip())
        if step["run"] in (FONT, *SANDBOX) and not may_write:
            continue
        if command is None:
            found.append(f"{name}: not a target of make or a script of this repository: {step['run']}")
        elif command["target"] and command["target"] not in targets():
            found.append(f"{name}: no such target: make {command['target']}")
        elif command["script"] and not (ROOT / command["script"]).is_file():
            found.append(f"{name}: no such script: {command['script']}")
        elif command["target"] and may_write:
            found.append(f"{name}: may write, and `make` runs packages that others wrote")
    return found


def holds(condition: str, event: str, ref: str) -> bool:
    """Whether the condition of a job or step holds; knows the few words that the workflows use."""
    python = condition.replace("&&", " and ").replace("||", " or ")
    for word, value in (("github.event_name", event), ("github.ref", ref)):
        python = python.replace(word, repr(value))
    if not re.fullmatch(r"(?:'[^']*'|\s|==|!=|and|or|[()])*", python):
        raise ValueError(f"a condition with words that are not known here: {condition}")
    return bool(eval(python, {}))


def tool(name: str) -> str:
    """Return where a program of the test environment is."""
    found = shutil.which(name, path=sysconfig.get_path("scripts"))
    assert found, f"{name} is not installed: make venv"
    return found


def zizmor(path: Path) -> subprocess.CompletedProcess[str]:
    """Run the security audits of zizmor, all of them that need no network."""
    command = [
        tool("zizmor"),
        "--offline",
        "--no-progress",
        "--quiet",
        "--persona=pedantic",
        "--format=plain",
    ]
    return subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)


def schema(name: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Compare files with a schema that comes with check-jsonschema."""
    command = [tool("check-jsonschema"), "--builtin-schema", name, *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
