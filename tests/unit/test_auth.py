"""API keys: who gets in, and what happens when the file of keys changes."""

import base64
import contextlib
import os
from pathlib import Path

import pytest

from hailo_vision.http.auth import Keys, keys_file
from hailo_vision.http.errors import HttpError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("# of the kitchen\nsk-kitchen\n\n  # of the hall\n  sk-hall  \n")
    return path


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        ("Bearer sk-kitchen", ""),
        ("bearer   sk-hall ", ""),
        ("  Bearer sk-hall", ""),
        ("", " sk-hall "),
        ("Digest x", "sk-hall"),
        (basic("anybody:sk-kitchen"), ""),
        (basic("sk-kitchen:"), ""),
        (basic("sk-kitchen"), ""),
        (basic("sk-kitchen").replace("Basic", "basic  "), ""),
    ],
)
def test_a_key_gets_in(authorization: str, api_key: str, path: Path) -> None:
    everybody = Keys(None)
    known = [everybody.check("", key) for key in ("sk-kitchen", "sk-hall")]
    assert Keys(path).check(authorization, api_key) in known


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        ("", ""),
        ("Bearer", ""),
        ("Bearer sk-kitchen2", ""),
        ("Bearer sk-kitche", ""),
        ("Bearer # of the kitchen", ""),
        ("Bearer sk-kitchen\udcff", ""),  # a byte that is no ASCII
        ("sk-kitchen", ""),
        ("Basic sk-kitchen", ""),
        (basic("sk-kitchen:wrong"), ""),
        ("Basic /w==", ""),
        ("Bearer wrong", "sk-hall"),
    ],
)
def test_nothing_else_does(authorization: str, api_key: str, path: Path) -> None:
    with pytest.raises(HttpError) as caught:
        Keys(path).check(authorization, api_key)
    assert caught.value.headers == {"WWW-Authenticate": "Bearer"}
    assert "kitchen" not in caught.value.message


@pytest.mark.parametrize("given", ["sk-kitchen", "sk-hall", "wrong", ""])
def test_the_time_taken_tells_nothing(given: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is given is compared with every key, as a hash and in constant time."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("hailo_vision.http.auth.hmac.compare_digest", compare)
    with contextlib.suppress(HttpError):
        Keys(path).check(f"Bearer {given}", "")
    assert len(compared) == len({other for _, other in compared}) == 2
    assert {len(digest) for pair in compared for digest in pair} == {32}


@pytest.mark.parametrize(("given", "told"), [("Bearer wrong", "is not valid"), ("", "is required")])
def test_who_gave_none_is_told_how(given: str, told: str, path: Path) -> None:
    with pytest.raises(HttpError, match=told):
        Keys(path).check(given, "")


def test_a_byte_order_mark_is_no_part_of_a_key(path: Path) -> None:
    path.write_text("sk-kitchen\n", encoding="utf-8-sig")
    Keys(path).check("Bearer sk-kitchen", "")


def test_without_a_file_everybody_gets_in() -> None:
    keys = Keys(None)
    assert keys.check("Bearer dummy", "") == keys.check("", "dummy") != keys.check("", "")


def test_a_changed_file_is_read_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    keys = Keys(path)
    for _ in range(3):
        keys.check("Bearer sk-kitchen", "")
    assert caplog.messages == [f"API keys read from {path}: 2"]
    path.write_text("sk-new\n")
    keys.check("Bearer sk-new", "")
    with pytest.raises(HttpError):
        keys.check("Bearer sk-kitchen", "")


def test_a_file_that_looks_like_the_one_before_is_read_again(path: Path) -> None:
    """Also if its owner or mode has changed, which its time of change alone tells."""
    keys = Keys(path)
    for key in ("sk-1", "sk-2"):
        path.write_text(key)
        os.utime(path, (1, 1))
        keys.check(f"Bearer {key}", "")


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe"])
def test_a_spoilt_file_lets_nobody_in(content: bytes, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = Keys(path)
    keys.check("Bearer sk-kitchen", "")
    path.write_bytes(content)
    for _ in range(3):
        with pytest.raises(HttpError):
            keys.check("Bearer sk-kitchen", "")
    assert keys.problem.startswith(f"{path} ")
    assert len([line for line in caplog.messages if "every request is refused" in line]) == 1


def test_a_missing_file_lets_nobody_in_until_it_is_back(path: Path) -> None:
    keys = Keys(path)
    keys.check("Bearer sk-kitchen", "")
    away = path.rename(path.with_name("away"))
    with pytest.raises(HttpError):
        keys.check("Bearer sk-kitchen", "")
    assert "No such file or directory" in keys.problem
    away.rename(path)
    assert keys.problem == ""
    keys.check("Bearer sk-kitchen", "")


def test_the_file_is_the_configured_one_or_systemds_credential(path: Path, tmp_path: Path) -> None:
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert keys_file(None, {}) is None
    assert keys_file(None, environment) is None
    credential = tmp_path / "api-keys"
    credential.touch()
    assert keys_file(None, environment) == credential
    assert keys_file(str(path), environment) == path


def test_keys_are_not_kept_in_memory(path: Path) -> None:
    keys = Keys(path)
    keys.check("Bearer sk-kitchen", "")
    assert "sk-kitchen" not in repr(vars(keys))
