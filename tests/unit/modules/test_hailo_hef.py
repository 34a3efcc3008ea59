"""Fetching the model, from a server on loopback that misbehaves as asked."""

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.mirror import MODEL, Mirror, serve
from support.modules import load

from .conftest import Run

hef = load("roles/hailo_model/library/hailo_hef.py", "hailo_hef")
action = load("roles/hailo_model/action_plugins/hailo_hef.py", "hailo_hef_action")


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A server of models."""
    with serve() as mirror:
        yield mirror


@pytest.fixture
def arguments(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the role passes."""
    monkeypatch.setattr(hef.time, "sleep", lambda seconds: None)
    return {
        "path": str(tmp_path / "resources" / "model.hef"),
        "url": mirror.url,
        "identity": "v5.1.1/blob/model.hef",
        "runtime": "5.1.1",
        "retries": 1,
    }


def test_a_missing_model_is_fetched_once(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    first = run(hef, **arguments)
    assert (first["changed"], first["size"], first["sdk_version"]) == (True, len(MODEL), "5.1.1")
    assert Path(arguments["path"]).read_bytes() == MODEL
    mirror.asked.clear()
    assert run(hef, **arguments)["changed"] is False
    assert mirror.asked == []


def test_check_mode_tells_and_touches_nothing(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    result = run(hef, check=True, **arguments)
    assert (result["changed"], result["reason"]) == (True, "it is missing")
    assert not Path(arguments["path"]).parent.exists()
    assert mirror.asked == []


def test_a_transfer_that_breaks_is_resumed(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    mirror.cut = [1_500_000]
    result = run(hef, **arguments)
    assert result["resumed_at"] == 1_500_000
    assert mirror.asked == [("GET", ""), ("GET", "bytes=1500000-")]
    assert Path(arguments["path"]).read_bytes() == MODEL


def test_a_later_run_resumes_what_an_earlier_left(
    run: Run, mirror: Mirror, arguments: dict[str, Any]
) -> None:
    mirror.cut = [1_000_000, 500_000]
    assert "ended at 1500000 of" in run(hef, **arguments)["msg"]
    assert not Path(arguments["path"]).exists()
    assert run(hef, **arguments)["resumed_at"] == 1_500_000
    assert Path(arguments["path"]).read_bytes() == MODEL


def test_a_file_exchanged_meanwhile_is_not_mixed(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    mirror.cut = [1_000_000, 0]
    run(hef, **arguments)
    mirror.content, mirror.etag = MODEL[:100] + MODEL[100:][::-1], '"two"'
    assert run(hef, **arguments)["resumed_at"] == 0
    assert Path(arguments["path"]).read_bytes() == mirror.content


def test_a_web_page_is_refused_at_its_first_bytes(
    run: Run, mirror: Mirror, arguments: dict[str, Any]
) -> None:
    mirror.content = b"<!DOCTYPE html><title>Login</title>" * 1000
    assert "is no HEF: it starts with b'<!DOCTYPE html>" in run(hef, **arguments)["msg"]
    assert not Path(arguments["path"]).exists()


def test_an_unknown_address_fails_at_once(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    mirror.status = 404
    assert "answered 404 Not Found" in run(hef, **arguments)["msg"]
    assert len(mirror.asked) == 1


def test_a_model_for_a_newer_runtime_is_refused(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    mirror.content = MODEL.replace(b"5.1.1", b"5.2.0", 1)
    assert "compiled by 5.2.0 and HailoRT 5.1.1 refuses" in run(hef, **arguments)["msg"]
    assert list(Path(arguments["path"]).parent.glob("*.hef")) == []


def test_a_wrong_checksum_keeps_the_old_model(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    run(hef, **arguments)
    result = run(hef, **arguments, sha256="0" * 64)
    assert result["failed"] is True
    assert "SHA-256" in result["msg"]
    assert Path(arguments["path"]).read_bytes() == MODEL


def test_the_right_checksum_of_what_is_there_costs_nothing(
    run: Run, mirror: Mirror, arguments: dict[str, Any]
) -> None:
    run(hef, **arguments)
    mirror.asked.clear()
    digest = hashlib.sha256(MODEL).hexdigest()
    assert run(hef, **arguments, sha256=digest.upper())["changed"] is False
    assert mirror.asked == []


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(MODEL[:-1]), "its length changed"),
        (lambda path: path.write_bytes(b"x" * len(MODEL)), "it is no HEF"),
        (lambda path: path.unlink(), "it is missing"),
    ],
)
def test_a_damaged_model_is_fetched_again(
    run: Run, arguments: dict[str, Any], damage: Any, reason: str
) -> None:
    run(hef, **arguments)
    damage(Path(arguments["path"]))
    result = run(hef, **arguments)
    assert (result["changed"], result["reason"]) == (True, reason)
    assert Path(arguments["path"]).read_bytes() == MODEL


def test_a_new_runtime_brings_its_model(run: Run, mirror: Mirror, arguments: dict[str, Any]) -> None:
    run(hef, **arguments)
    mirror.content = MODEL.replace(b"5.1.1", b"5.2.0", 1)
    newer = {**arguments, "identity": "v5.2.0/blob/model.hef", "runtime": "5.2.0"}
    assert run(hef, **newer)["sdk_version"] == "5.2.0"


@pytest.fixture
def put_there(arguments: dict[str, Any]) -> Path:
    """A model that is there before the first call."""
    path = Path(arguments["path"])
    path.parent.mkdir()
    path.write_bytes(MODEL)
    return path


@pytest.mark.usefixtures("put_there")
def test_a_model_put_there_by_hand_is_verified_and_kept(
    run: Run, mirror: Mirror, arguments: dict[str, Any]
) -> None:
    result = run(hef, **arguments)
    assert (result["changed"], result["reason"]) == (True, "it was verified")
    assert mirror.asked == [("HEAD", "")]
    assert run(hef, **arguments)["changed"] is False


def test_a_full_disk_is_told_before_the_transfer(
    run: Run, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr(hef.shutil, "disk_usage", lambda path: usage)
    assert "0.0 GB free and the model needs" in run(hef, **arguments)["msg"]


def test_a_model_handed_over_by_the_controller_needs_no_network(
    run: Run, mirror: Mirror, arguments: dict[str, Any], put_there: Path
) -> None:
    assert run(hef, **arguments, trusted=True)["changed"] is True
    assert run(hef, **arguments, trusted=True)["changed"] is False
    put_there.write_bytes(b"x" * 100)
    assert "is no HEF" in run(hef, **arguments, trusted=True)["msg"]
    assert mirror.asked == []


def test_a_call_whose_time_is_over_tells_how_far_it_is(
    run: Run, mirror: Mirror, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(0, 10)
    monkeypatch.setattr(hef.time, "monotonic", lambda: next(ticks))
    path, results = Path(arguments["path"]), []
    while not path.exists():
        results.append(run(hef, **arguments, seconds=5))
    assert [result.get("progress") for result in results] == [
        [1 << 20, len(MODEL)],
        [2 << 20, len(MODEL)],
        None,
    ]
    assert path.read_bytes() == MODEL
    assert mirror.asked == [("GET", ""), ("GET", "bytes=1048576-"), ("GET", "bytes=2097152-")]


def test_the_services_own_copy_goes_once_the_model_is_in_place(
    run: Run, arguments: dict[str, Any], tmp_path: Path
) -> None:
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    (fetched / "model.hef").write_bytes(MODEL)
    run(hef, **arguments, obsolete=str(fetched))
    assert not fetched.exists()
    fetched.mkdir()
    assert run(hef, check=True, **arguments, obsolete=str(fetched))["changed"] is True
    assert fetched.exists()
    result = run(hef, **arguments, obsolete=str(fetched))
    assert (result["changed"], result["reason"]) == (True, f"{fetched} is obsolete")
    assert run(hef, **arguments, obsolete=str(fetched))["changed"] is False


def test_what_is_secret_in_an_address_is_not_told(
    run: Run, mirror: Mirror, arguments: dict[str, Any]
) -> None:
    mirror.status = 403
    told = run(hef, **{**arguments, "url": f"{mirror.url}?token=s3cret"})["msg"]
    assert "answered 403" in told
    assert "s3cret" not in told


def test_the_task_shows_how_far_it_is_until_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action.ActionBase, "run", lambda *_: {})
    shown: list[str] = []
    results: list[dict[str, Any]] = [
        {"progress": [10**9, 2 * 10**9]},
        {"progress": [15 * 10**8, 2 * 10**9]},
        {"changed": True},
    ]

    task = object.__new__(action.ActionModule)
    task._task = SimpleNamespace(delegate_to=None)
    task._display = SimpleNamespace(display=shown.append)
    task._execute_module = lambda **_: results.pop(0)
    assert task.run(task_vars={"inventory_hostname": "pi01"}) == {"changed": True}
    assert shown == ["pi01: 50% of 2.0 GB", "pi01: 75% of 2.0 GB, less than a minute to go"]
    assert action.left(10**9, 15 * 10**8, 45 * 10**8, 30) == ", 3 min to go"
