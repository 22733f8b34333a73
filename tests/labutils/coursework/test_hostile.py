"""Hostile submissions gain nothing, reach nothing and disturb nobody.

A file, a port and a variable on this computer hold a token. What an attack finds it puts into its answers, and
every line that leaves the sandbox is kept: the token must be in none, nor a right value, nor the secret.
"""

# ruff: noqa: E501  (attacks stand as they would be written)
from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from coursework_kit import GATE, MASTER, RIGHT, SECRET, graded, handed_in, light, packed, points
from labutils.coursework import grading, process, report
from labutils.coursework.export import gradescope
from labutils.coursework.grading import STATUSES
from labutils.coursework.judge import asked
from labutils.coursework.lab import Lab, load
from labutils.coursework.pages import feedback
from labutils.coursework.preload import _KEPT, Preloaded
from labutils.coursework.probing import probe
from places import ROOT

TOKEN = "canary-5f1c0e9d7b"
HELPERS = """
import os, sys
loot = []
def attempt(action):
    try:
        loot.append(repr(action())[:2000])
    except BaseException as error:
        loot.append(type(error).__name__)
def entropy(p):
    return "; ".join(loot)
"""
FORGED = '{"question": "q2", "status": "answered", "points": 6, "score": 6, "results": [{"value": true}]}'
ATTACKS = {
    "reads the hidden checks": """
for top, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if name not in ("proc", "sys", "torch", "lib")]
    for name in files:
        if name.endswith("_checks.py") or "canary" in name or name.endswith(".ipynb"):
            attempt(lambda: open(os.path.join(top, name)).read())
""",
    "patches the comparison": """
import labutils.coursework.cases as cases, labutils.checks.answers as answers, labutils.coursework.judge as judge
cases.equal = answers.same = answers.compare = judge.equal = judge.mark = lambda *a, **k: True
import numpy as np
np.allclose = np.isclose = lambda *a, **k: True
""",
    "equals everything": """
class Any(float):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __abs__(self): return 0.0
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __le__(self, other): return True
    __hash__ = float.__hash__
def entropy(p): return Any(7.0)
""",
    "equals everything as an array": """
import numpy as np
class Any(np.ndarray):
    def __array__(self, *a, **k): raise RuntimeError("caught")
    def __eq__(self, other): return True
def entropy(p): return np.zeros(()).view(Any)
""",
    "writes outside": """
import pathlib
for name in ("CANARY", "/etc/passwd", "/usr/x", "/x", "/book/x", "/book/labutils/x", "/root/x", "/dev/x", "/proc/sys/kernel/hostname"):
    attempt(lambda: pathlib.Path(name).write_text("written"))
attempt(lambda: os.remove("CANARY"))
attempt(lambda: os.rename("/book/labutils", "/book/other"))
""",
    "reads the file by its name": 'attempt(lambda: open("CANARY").read())\nattempt(lambda: open("/proc/1/root" + "CANARY").read())',
    "reads the environment": """
attempt(lambda: dict(os.environ))
for pid in os.listdir("/proc"):
    if pid.isdigit():
        for name in ("environ", "cmdline", "maps"):
            attempt(lambda: open(f"/proc/{pid}/{name}").read())
attempt(lambda: os.popen("env; ps aux").read())
""",
    "opens sockets": """
import socket
for host in ("127.0.0.1", "localhost", "::1", "10.0.0.1", "169.254.169.254", "192.168.0.1"):
    attempt(lambda: socket.create_connection((host, PORT), 1).recv(100))
attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).bind((0, 0)))
attempt(lambda: socket.gethostbyname("example.org"))
""",
    "abstract sockets": """
import socket
s = socket.socket(socket.AF_UNIX)
attempt(lambda: s.connect(chr(0) + "ABSTRACT"))
attempt(lambda: s.recv(100))
""",
    "fork bomb": """
import time
def bomb():
    for _ in range(200):
        try:
            os.fork()
        except OSError:
            time.sleep(0.2)
bomb()
""",
    "thread bomb": """
import threading, time
for _ in range(5000):
    attempt(lambda: threading.Thread(target=time.sleep, args=(100,), daemon=True).start())
loot.clear()
""",
    "30 GB at once": "x = bytearray(30_000_000_000)",
    "30 GB by children": """
import time
for _ in range(50):
    if os.fork() == 0:
        x = b"x" * 600_000_000
        time.sleep(60)
        os._exit(0)
time.sleep(60)
""",
    "leaves at once": "os._exit(0)",
    "leaves in the function": "def entropy(p): os._exit(0)",
    "kills its parents": """
import signal
def entropy(p):
    for pid in (os.getppid(), 1, -1):
        attempt(lambda: os.kill(pid, signal.SIGKILL))
    return 0
""",
    "stops its parents": """
import signal
def entropy(p):
    for pid in (os.getppid(), 1, -1):
        attempt(lambda: os.kill(pid, signal.SIGSTOP))
    return 0
""",
    "forges results on every channel": """
for number in range(64):
    attempt(lambda: os.write(number, b'\\n' + FORGED.encode() * 3 + b'\\n' + FORGED.encode() + b'\\n'))
loot.clear()
def entropy(p):
    for number in range(64):
        attempt(lambda: os.write(number, b'\\n' + FORGED.encode() + b'\\n'))
    return 0
""",
    "forges true for every case": """
line = b'\\n{"question": "q2", "status": "answered", "results": [' + b", ".join([b'{"value": true}'] * 4) + b']}\\n'
for number in range(64):
    attempt(lambda: os.write(number, line))
loot.clear()
""",
    "forges a result file": """
import json
for name in ("result.json", "results.json", "/scratch/results.json", "grades.csv"):
    attempt(lambda: open(name, "w").write(json.dumps({"score": 20, "points": 20, "status": "graded"})))
loot.clear()
""",
    "symlinks as results": """
for name in ("result.json", "results", "feedback.html", "out"):
    attempt(lambda: os.symlink("CANARY", name))
    attempt(lambda: open(name).read())
attempt(lambda: os.link("/book/labutils/__init__.py", "hard"))
""",
    "symlinks where folders are mounted": """
for name in ("/usr", "/book", "/scratch", "/tmp", "/proc", "/dev/shm", "/book/labutils"):
    attempt(lambda: os.rmdir(name))
    attempt(lambda: os.symlink("/", name))
    attempt(lambda: os.rename(name, name + "-old"))
attempt(lambda: os.symlink("/", "/scratch/usr"))
attempt(lambda: os.listdir("/scratch/usr/root"))
""",
    "FIFOs": """
attempt(lambda: os.mkfifo("result.json"))
os.mkfifo("pipe")
open("pipe").read()
""",
    "deep JSON": """
for number in range(64):
    attempt(lambda: os.write(number, b'\\n' + b'[' * 60000 + b'\\n'))
loot.clear()
x = []
for _ in range(100_000): x = [x]
def entropy(p): return x
""",
    "gigantic JSON": """
line = b'{"question": "q2", "status": "answered", "results": [{"value": "' + b'x' * (1 << 16)
for number in range(3, 64):
    try:
        for _ in range(5000): os.write(number, line)
    except OSError: pass
""",
    "a gigantic answer": "def entropy(p): return ['x' * 1000] * 10_000_000",
    "a gigantic array": "import numpy as np\ndef entropy(p): return np.zeros(200_000_000, dtype=np.uint8)",
    "a gigantic number": "def entropy(p): return 10 ** 50_000",
    "NaN": "def entropy(p): return float('nan')",
    "infinities": "import numpy as np\ndef entropy(p): return np.array([np.inf, -np.inf])",
    "arrays whose shape lies": """
for shape in ("[1000000000, 1000000000]", "[-1]", "[true]", "[1e9]", '"x"'):
    line = '\\n{"question": "q2", "status": "answered", "results": [' + ", ".join(['{"value": {"$": "array", "dtype": "float64", "shape": %s, "of": "AAAA"}}' % shape] * 4) + ']}\\n'
    for number in range(3, 20):
        attempt(lambda: os.write(number, line.encode()))
loot.clear()
""",
    "pickle bombs": """
import pickle
class Bomb:
    def __reduce__(self): return (os.system, ("touch CANARY-ran",))
for number in range(3, 64):
    attempt(lambda: os.write(number, pickle.dumps(Bomb()) + b'\\n'))
loot.clear()
def entropy(p): return Bomb()
""",
    "script in the name of an error": """
Evil = type("<script>alert(1)</script>", (Exception,), {})
def entropy(p): raise Evil("<script>alert(1)</script>")
""",
    "an error that cannot be told": """
class Evil(BaseException):
    def __str__(self): raise Evil()
    __repr__ = __str__
    @property
    def __traceback__(self): raise Evil()
def entropy(p): raise Evil()
raise Evil()
""",
    "attacks the next submission": """
import site, time
for folder in [*sys.path, *site.getsitepackages(), "/scratch", "/tmp", os.path.expanduser("~")]:
    for name in ("sitecustomize.py", "usercustomize.py", "evil.pth", "labutils.py", "numpy.py", ".config/matplotlib/matplotlibrc"):
        attempt(lambda: open(os.path.join(folder, name), "w").write("import os; os._exit(7)"))
loot.clear()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: time.sleep(1)
    os._exit(0)
""",
    "searches frames and closures": """
import gc, types
frame = sys._getframe()
while frame:
    attempt(lambda: [name for name in frame.f_globals if "reference" in name or "compare" in name or "secret" in name.lower()])
    frame = frame.f_back
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and thing.__name__.startswith(("reference_", "compare_", "inputs_")):
        attempt(lambda: thing())
""",
    "takes the runner over": """
import gc
for thing in gc.get_objects():
    if isinstance(thing, dict) and "apart" in thing and "run_cells" in thing:
        thing["apart"] = lambda question, value, seconds: {"status": "right", "points": 6, "results": [{"value": True, "right": True}]}
""",
    "reads its parent's memory": """
def entropy(p):
    attempt(lambda: open(f"/proc/{os.getppid()}/maps").read()[:100])
    attempt(lambda: open("/proc/1/mem", "rb").read(10))
    attempt(lambda: os.listdir("/proc/1/fd"))
    attempt(lambda: os.listdir("/proc/1/cwd"))
    return "; ".join(loot)
""",
    "attaches to its parents": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for pid in (os.getppid(), 1):
    attempt(lambda: open(f"/proc/{pid}/mem", "r+b").seek(0))
    attempt(lambda: os.listdir(f"/proc/{pid}/fd"))
    attempt(lambda: open(f"/proc/{pid}/fd/0").read(10))
    loot.append(f"ptrace {libc.ptrace(16, pid, 0, 0)}")
""",
    "stays for the next one": """
import signal, time
for _ in range(10):
    if os.fork() == 0:
        for number in range(1, 64):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        os.setsid()
        while True:
            for name in os.listdir("/proc"):
                if name.isdigit() and int(name) not in (1, os.getpid(), os.getppid()):
                    try: os.kill(int(name), signal.SIGSTOP)
                    except OSError: pass
            time.sleep(0.01)
""",
    "becomes root": """
import subprocess
attempt(lambda: os.setuid(0))
attempt(lambda: os.chmod("/usr/bin/env", 0o4755))
for command in ("su -c id", "sudo -n id", "unshare -r cat CANARY", "mount -t tmpfs none /usr", "chroot / id", "nsenter -t 1 -a id", "bwrap --ro-bind / / cat CANARY"):
    attempt(lambda: subprocess.run(command, shell=True, capture_output=True, timeout=5).stdout)
""",
    "opens devices": """
for name in ("/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/loop0", "/dev/fuse", "/sys/kernel/uevent_seqnum", "/proc/kcore", "/proc/sysrq-trigger"):
    attempt(lambda: open(name, "r+b").read(10))
attempt(lambda: os.mknod("/scratch/disk", 0o60666, os.makedev(254, 0)))
""",
    "types into the terminal": """
import fcntl, termios
for number in (0, 1, 2):
    attempt(lambda: fcntl.ioctl(number, termios.TIOCSTI, b"x"))
attempt(lambda: open("/dev/tty", "w").write("x"))
""",
    "fills the disk": """
for folder in ("/scratch", "/dev/shm", "/dev", "/tmp", "/"):
    try:
        for n in range(100):
            with open(f"{folder}/big-{n}", "wb") as file: file.write(bytes(50_000_000))
    except OSError: pass
""",
    "prints for ever": "while True: print('x' * 100_000)",
    "ignores every alarm": """
import signal
for number in range(1, 64):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
""",
    "leaves the way that exceptions go": "def entropy(p): raise GeneratorExit",
    "replaces what Python is made of": """
import builtins, json, numpy
builtins.isinstance = lambda *a: True
builtins.len = lambda x: 4
json.dumps = lambda *a, **k: FORGED
""",
    "breaks the stack": "sys.setrecursionlimit(10**9)\ndef entropy(p): return entropy(p)",
}


@dataclass
class Canary:
    file: Path
    port: int
    connections: list[Any]


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    folder = Path(tempfile.mkdtemp(prefix="labutils-canary-", dir="/var/tmp"))
    folder.chmod(0o777)
    file = folder / "canary.txt"
    file.write_text(TOKEN, encoding="utf-8")
    file.chmod(0o666)
    server = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0{abstract_name()}")
    abstract.listen()
    connections: list[Any] = []

    def accept(listening: socket.socket) -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            connections.append(one)
            one.sendall(TOKEN.encode())
            one.close()

    for listening in (server, abstract):
        threading.Thread(target=accept, args=(listening,), daemon=True).start()
    os.environ["LABUTILS_CANARY"] = TOKEN
    yield Canary(file, server.getsockname()[1], connections)
    del os.environ["LABUTILS_CANARY"]
    for listening in (server, abstract):
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    lab = light(tmp_path_factory.mktemp("lab"))
    return replace(lab, limits=replace(lab.limits, seconds=20, cell_seconds=1.0, question_seconds=0.7))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every line that leaves the sandbox."""
    kept: list[Any] = []

    def recorded(*args: Any, **kwargs: Any) -> process.Outcome:
        outcome = process.execute(*args, **kwargs)
        kept.extend([*outcome.lines, outcome.words])
        return outcome

    def recorded_too(self: Preloaded, *args: Any) -> process.Outcome:
        outcome = real(self, *args)
        kept.extend(outcome.lines)
        return outcome

    real = Preloaded.execute
    monkeypatch.setattr(Preloaded, "execute", recorded_too)
    monkeypatch.setattr(grading, "execute", recorded)
    return kept


def abstract_name() -> str:
    return f"labutils-canary-{os.getpid()}"


def attack(source: str, canary: Canary) -> str:
    source = source.replace("CANARY", str(canary.file)).replace("PORT", str(canary.port))
    source = source.replace("ABSTRACT", abstract_name())
    return HELPERS + f"FORGED = {FORGED!r}\n" + source


def ours() -> set[int]:
    """Processes that run as the user that sandboxes of this thread have, where root starts them."""
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and folder.stat().st_uid == 1_000_000_000 + threading.get_native_id():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("preload", [(), ("numpy",)], ids=["fresh", "preloaded"])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gains_nothing_and_reaches_nothing(
    lab: Lab, canary: Canary, lines: list[Any], name: str, preload: tuple[str, ...]
) -> None:
    notebook = handed_in(lab, {"q1": RIGHT["q1"], "q2": attack(ATTACKS[name], canary)})
    content = packed(notebook)
    began = time.monotonic()
    result = graded(lab, content, preload=preload)
    seconds = time.monotonic() - began
    assert result["status"] in STATUSES[:6], result
    assert points(result)["q2"] == 0, result
    assert result["points"] <= 4
    if name in ("patches the comparison", "equals everything", "NaN", "infinities", "a gigantic number"):
        assert result["points"] == 4  # what was right stays right

    out = json.dumps([lines, result])
    put = asked(lab, lab.question("q2"), SECRET, "anna", result["sha256"], "s1")
    right = {repr(lab.reference(put.question, case, put.personal)) for case in put.cases}
    assert TOKEN not in out
    assert SECRET.decode() not in out
    assert "<script>" not in json.dumps(result)
    assert [value for value in right - {"0.0", "-0.0"} if value in out] == []
    assert canary.file.read_text(encoding="utf-8") == TOKEN
    assert [path.name for path in canary.file.parent.iterdir()] == ["canary.txt"]
    assert canary.connections == []
    assert seconds < 2 * lab.limits.seconds + 15


def test_nothing_is_left_running_and_the_next_one_is_graded(lab: Lab, canary: Canary) -> None:
    assert graded(lab, handed_in(lab, RIGHT), preload=("numpy",))["points"] == 10
    assert ours() or os.getuid()  # the one that is pre-loaded
    for kept in _KEPT.values():
        kept.stop()
    deadline = time.monotonic() + 5
    while ours() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ours() == set()
    assert graded(lab, handed_in(lab, RIGHT))["points"] == 10


def test_without_a_sandbox_the_attacks_do_reach_what_they_want(
    lab: Lab, canary: Canary, lines: list[Any]
) -> None:
    """So that it is the sandbox that stops them, not a slip in the attack."""
    for name in ("reads the file by its name", "opens sockets", "abstract sockets"):
        lines.clear()
        content = packed(handed_in(lab, {"q2": attack(ATTACKS[name], canary)}))
        grading.grade(lab, content, "anna", SECRET, probe(unsafe=True))
        assert TOKEN in json.dumps(lines), name
    canary.connections.clear()


TELLS = """
import socket
said = "told by the one before"
for name in ("/scratch/told", "/tmp/told", "/dev/shm/told", os.path.expanduser("~/told"), "/var/tmp/told"):
    attempt(lambda: open(name, "w").write(said))
attempt(lambda: socket.socket(socket.AF_UNIX).bind(chr(0) + "told"))
import ctypes
libc = ctypes.CDLL(None)
attempt(lambda: libc.shmget(77, 4096, 0o1666))
"""
HEARS = """
import ctypes
for top, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if name not in ("proc", "sys", "usr", "book", "lib")]
    loot.extend(os.path.join(top, name) for name in files if name == "told")
attempt(lambda: ctypes.CDLL(None).shmget(77, 4096, 0) >= 0)
"""


@pytest.mark.parametrize("preload", [(), ("numpy",)], ids=["fresh", "preloaded"])
def test_a_submission_cannot_tell_the_next_one_anything(
    lab: Lab, canary: Canary, lines: list[Any], preload: tuple[str, ...]
) -> None:
    graded(lab, handed_in(lab, {"q2": attack(TELLS, canary)}), preload=preload)
    lines.clear()
    graded(lab, handed_in(lab, {"q2": attack(HEARS, canary)}), "ben", preload)
    values = [
        line["results"][0]["value"]
        for line in lines
        if isinstance(line, dict) and line.get("question") == "q2"
    ]
    assert values == ["False"]


def test_the_guide_says_how_many_attacks_there_are() -> None:
    assert f"{len(ATTACKS)} attacks" in (ROOT / "book/teaching.md").read_text(encoding="utf-8")


SMUGGLES = """
import time
told = []
def entropy(p):
    told.append(repr(list(p)))
    print(told)
    sys.stderr.write(told[-1])
    time.sleep(list(p)[0] / 10)
    if HOW == "raises":
        raise type(told[-1], (ValueError,), {"__doc__": told[-1]})(told[-1])
    return told[-1] if HOW == "returns" else {told[-1]: list(p)}
"""


@pytest.mark.parametrize("how", ["raises", "returns", "returns another type"])
def test_what_it_was_asked_is_in_nothing_that_a_student_gets(lab: Lab, canary: Canary, how: str) -> None:
    """Neither by output, errors and answers nor by the time it took: nobody can pass inputs on."""
    result = graded(lab, handed_in(lab, {"q2": f"HOW = {how!r}\n{attack(SMUGGLES, canary)}"})) | {
        "name": "Anna"
    }
    put = asked(lab, lab.question("q2"), SECRET, "anna", result["sha256"], "s1")
    numbers = {repr(float(number)) for case in put.cases for number in case.args[0]} - {"0.0", "1.0"}
    assert len(numbers) > 10
    shown = (
        feedback(lab.title, result),
        json.dumps(gradescope(result)),
        report.moodle({"k": result | {"ids": {}}})[0],
    )
    assert [number for number in numbers if number in str(shown)] == []
    assert "execution_time" not in gradescope(result)
    assert points(result)["q2"] == 0


def test_the_process_that_others_come_from_cannot_be_reached(
    lab: Lab, canary: Canary, lines: list[Any]
) -> None:
    """What a submission would change in it, all that come after would run."""
    result = graded(
        lab, handed_in(lab, {"q2": attack(ATTACKS["attaches to its parents"], canary)}), preload=("numpy",)
    )
    [said] = {line["results"][0]["value"] for line in lines if line.get("question") == "q2"}
    assert said == "; ".join([*["PermissionError"] * 3, "ptrace -1"] * 2)  # both are that process
    assert result["points"] == 0


def test_preloaded_gives_what_fresh_gives(lab: Lab) -> None:
    for answers in (
        RIGHT,
        {},
        {"q2": "def entropy(p): return 1"},
        {"q2": "1 / 0"},
        {"q2": "import os; os._exit(0)"},
    ):
        content = packed(handed_in(lab, answers))
        one, other = graded(lab, content), graded(lab, content, preload=("numpy",))
        assert one | {"seconds": 0} == other | {"seconds": 0}


def test_preloaded_is_much_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what labs begin with and what an optimizer loads late, both of which would like to write files."""
    late = "import labutils\nlabutils.start()\ntorch.optim.Adam(Gate(2).parameters())"
    lab = load(MASTER)
    content, seconds = packed(handed_in(lab, RIGHT | {"q3": f"{GATE}\n{late}"})), []
    for preload in ((), ("torch", "labutils.figures"), ("torch", "labutils.figures")):
        began = time.perf_counter()
        assert graded(lab, content, preload=preload)["points"] == 16
        seconds.append(time.perf_counter() - began)
        monkeypatch.setattr(grading, "execute", None)  # a second run in a fresh sandbox would fail
    assert seconds[2] < seconds[0] / 4
