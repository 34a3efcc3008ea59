"""The power fails at any moment of a deployment: what is on the disk is the old or the new, never a mixture.

And the next run brings about the new. powercut.py says what is taken to be lost.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from support.mirror import hef

from emulator.fleet import mirror
from tests.abuse import writers
from tests.abuse.powercut import Recording, Tree, lay, read

TOP = Path(__file__).resolve().parents[2]
OLD_MODEL = hef(b"\nsdk-version: 5.1.1\n" + bytes(range(255, -1, -1)) * 900)
# What is made beside the file that it becomes; the next run takes it over.
_UNFINISHED = (".new", ".part", ".part.json", ".next", ".next.json", ".former", ".former.json")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder as an earlier deployment left it."""
    root = tmp_path / "root"
    root.mkdir()
    files = {"config": "model: old\n", "config~": "model: older\n", "former": "", "keys": "old-key\n"}
    for name, text in files.items():
        (root / name).write_text(text)
        (root / name).chmod(0o640)
    (root / "credentials").mkdir(mode=0o700)
    (root / "credentials" / "keys").write_text("old-key\n")
    (root / "firmware").mkdir()
    (root / "firmware" / "config.txt").write_text("[cm5]\n")
    (root / "firmware" / "cmdline.txt").write_text("console=tty1\n")
    folder = root / "releases" / "1"
    folder.mkdir(parents=True)
    (folder / "module.py").write_text("old = 1\n")
    Path(writers.tree.seal_path(str(folder))).write_text(writers.tree.fingerprint(str(folder)) + "\n")
    (root / "current").symlink_to("releases/1")
    return root


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server that has the new model."""
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "model.hef").write_bytes(writers.NEW_MODEL)
    with mirror.Server(("127.0.0.1", 0), tmp_path / "mirror") as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/model.hef"
        server.shutdown()
        thread.join()


def record(root: Path, name: str, *arguments: str) -> Recording:
    command = [sys.executable, "-m", "tests.abuse.writers", name, str(root), *arguments]
    return Recording(root, command, root.parent / "trace", {"PYTHONPATH": f"{TOP}:{TOP / 'tests'}"})


def mixtures(recording: Recording, state: Tree) -> list[str]:
    """The paths that are neither as before nor as after."""
    before, after = recording.before, recording.after
    return [
        path
        for path in {**before, **after, **state}
        if state.get(path) not in (before.get(path), after.get(path)) and not path.endswith(_UNFINISHED)
    ]


def finished(tree: Tree) -> Tree:
    """A folder without what a finished transfer may leave: the record of where it could be resumed."""
    return {path: entry for path, entry in tree.items() if not path.endswith(".part.json")}


@pytest.mark.parametrize(
    "name", ["configure", "archive", "keep", "keep first", "restore", "model", "firmware"]
)
def test_every_file_is_the_old_or_the_new_and_the_next_run_completes_it(
    name: str, root: Path, address: str
) -> None:
    name, _, first = name.partition(" ")
    arguments = [address] if name == "model" else []
    if name in ("keep", "restore") and not first:
        writers.keep(root)
        writers.configure(root)
        (root / "keys").unlink()
        (root / "new-unit").write_text("[Unit]\n")
    if name == "model":
        (root / "model.hef").write_bytes(OLD_MODEL)
        (root / ".model.hef.json").write_text(json.dumps({"identity": "v1", "size": len(OLD_MODEL)}))
    recording = record(root, name, *arguments)
    assert recording.after != recording.before
    if name in ("configure", "restore"):
        assert {"config", "keys", "current"} in recording.together()
    states = list(recording.cuts())
    assert len(states) > 5
    for state in states:
        assert mixtures(recording, state) == []
        lay(root, state)
        if name == "model" and not writers.why_no_model(root, address):
            assert (root / "model.hef").read_bytes() == writers.NEW_MODEL
        writers.WRITERS[name](root, *arguments)
        assert finished(read(root)) == finished(recording.after)


def test_a_release_that_is_switched_to_or_vouched_for_is_whole(root: Path) -> None:
    """Also where an earlier installation of the same release was cut."""
    (root / "releases" / "2").mkdir()
    (root / "releases" / "2" / "module.py").write_text("half")
    recording = record(root, "release")
    part = "releases/2"
    whole = {path: entry for path, entry in recording.after.items() if path.startswith(part)}
    switched = vouched = 0
    for state in recording.cuts():
        lay(root, state, recording.times)
        found = {path: entry for path, entry in state.items() if path.startswith(part)}
        if state["current"][1] == part.encode():
            switched += 1
            assert found == whole
        if writers.tree.is_intact(str(root / part)):
            vouched += 1
            assert found == whole
        writers.release(root)
        assert writers.tree.is_intact(str(root / part))
        assert {path: entry for path, entry in read(root).items() if path.startswith(part)} == whole
    assert switched
    assert vouched > switched


@pytest.mark.parametrize(
    "program",
    [
        "open(config, 'w').write('x')",
        "open(new, 'w').write('x'); os.replace(new, config)",
        "f = open(new, 'w'); f.write('x'); os.fsync(f.fileno()); f.close(); os.replace(new, config)",
        "f = open(new, 'wb', 0); f.write(b'x'); os.fsync(f); os.chmod(new, 0o600); os.replace(new, config)",
        "os.unlink(current); os.symlink('releases/2', current)",
    ],
    ids=["in place", "not waited for", "waited for too early", "mode too late", "link in two steps"],
)
def test_careless_writers_are_found_out(program: str, root: Path) -> None:
    names = [str(root / name) for name in ("config", ".new", "current")]
    start = f"import os; config, new, current = {names}"
    recording = Recording(root, [sys.executable, "-c", f"{start}; {program}"], root.parent / "trace")
    assert any(mixtures(recording, state) for state in recording.cuts())
