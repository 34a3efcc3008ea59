"""The unit's own script against a mirror on loopback that misbehaves as asked."""

import hashlib
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.mirror import MODEL, Mirror, serve
from support.model_script import Script

HEADER = "bytes=0-199999"
OLD = MODEL.replace(b"5.1.1", b"5.1.0", 1)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A server of models."""
    with serve() as mirror:
        yield mirror


@pytest.fixture
def script(mirror: Mirror, tmp_path: Path) -> Script:
    """The script with the order of a model that is missing."""
    return Script(tmp_path / "resources" / "model.hef", url=mirror.url, retries=1)


@pytest.fixture
def replacing(script: Script) -> Script:
    """The script with the order of a model in whose place there is another one: it does not try for ever."""
    script.path.write_bytes(OLD)
    record = {"identity": "v5.1.0/blob/model.hef", "size": len(OLD)}
    script.beside("json").write_text(json.dumps(record))
    return script


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def end(process: subprocess.Popen[str]) -> str:
    """Stop a script; what it had said."""
    process.terminate()
    output, errors = process.communicate(timeout=30)
    return output + errors


def test_a_missing_model_is_fetched_once_for_everybody_to_read(script: Script, mirror: Mirror) -> None:
    script.run("fetch", umask=0o077)
    assert script.path.read_bytes() == MODEL
    assert sorted(script.path.parent.iterdir()) == [script.beside("json"), script.path]
    assert [path.stat().st_mode & 0o777 for path in script.path.parent.iterdir()] == [0o644, 0o644]
    mirror.asked.clear()
    script.fetch()
    assert script.ask("look") == {"reason": "", "waits": False}
    # As somebody leaves it who copies a model there.
    script.path.chmod(0o600)
    assert [script.ask("follow", "9")["changed"] for _ in range(2)] == [True, False]
    assert script.path.stat().st_mode & 0o777 == 0o644
    assert mirror.asked == []


def test_a_mirror_that_dies_at_every_tenth_percent_still_gives_the_whole(
    replacing: Script, mirror: Mirror
) -> None:
    tenth = len(MODEL) // 10
    mirror.cut = [tenth] * 9
    replacing.fetch()
    assert replacing.beside("next").read_bytes() == MODEL
    begun = [asked for asked in mirror.asked if asked != HEADER]
    assert begun == ["", *(f"bytes={number * tenth}-" for number in range(1, 10))]


def test_half_a_file_is_told_and_a_later_run_goes_on(replacing: Script, mirror: Mirror) -> None:
    replacing.change(retries=0)
    mirror.cut = [1_000_000, 500_000]
    assert f"The transfer ended at 1000000 of {len(MODEL)} bytes." in replacing.refusal()
    assert replacing.path.read_bytes() == OLD
    assert replacing.state["problem"]["cure"] == "It goes on from there."
    mirror.asked.clear()
    mirror.cut = []
    replacing.fetch()
    assert mirror.asked == [HEADER, "bytes=1000000-"]
    assert replacing.beside("next").read_bytes() == MODEL


def test_a_transfer_goes_on_after_it_was_stopped(script: Script, mirror: Mirror) -> None:
    mirror.pause = 0.05
    process = script.start("fetch")
    wait_for(lambda: script.beside("part").exists() and script.beside("part").stat().st_size > 100_000)
    end(process)
    assert "was stopped" in script.state["problem"]["message"]
    script.run("begin")
    assert script.state["problem"] is None
    mirror.pause = 0
    script.fetch()
    assert re.fullmatch(r"bytes=[1-9]\d+-", mirror.asked[-1])
    assert script.path.read_bytes() == MODEL


def test_what_is_longer_than_the_file_is_begun_anew(replacing: Script, mirror: Mirror) -> None:
    replacing.change(retries=0)
    mirror.cut = [1_000_000]
    replacing.refusal()
    replacing.beside("part").write_bytes(MODEL + MODEL)
    replacing.fetch()
    assert replacing.beside("next").read_bytes() == MODEL


@pytest.mark.parametrize("same_length", [True, False])
def test_a_file_exchanged_at_the_mirror_is_not_mixed(
    same_length: bool, replacing: Script, mirror: Mirror
) -> None:
    replacing.change(retries=0)
    mirror.cut = [1_000_000]
    replacing.refusal()
    tail = MODEL[100:][::-1]
    mirror.content, mirror.etag = MODEL[:100] + (tail if same_length else tail * 2), '"two"'
    replacing.fetch()
    assert replacing.beside("next").read_bytes() == mirror.content


def test_of_two_that_fetch_the_same_the_second_finds_it_there(script: Script, mirror: Mirror) -> None:
    mirror.pause = 0.01
    both = [script.start("fetch"), script.start("fetch")]
    assert [process.communicate(timeout=30)[1] for process in both] == ["", ""]
    assert mirror.asked == [HEADER, ""]
    assert script.path.read_bytes() == MODEL


def test_a_mirror_without_ranges_is_asked_for_all_of_it(script: Script, mirror: Mirror) -> None:
    mirror.ranges = False
    mirror.cut = [1_000_000]
    script.fetch()
    assert script.path.read_bytes() == MODEL


@pytest.mark.parametrize(
    ("content", "start"),
    [(b"<!DOCTYPE html><title>Login</title>" * 9000, "b'<!DOCTYPE html>"), (b"", "b''")],
    ids=["web page", "Content-Length: 0"],
)
def test_what_is_no_model_is_refused_before_it_is_fetched(
    content: bytes, start: str, replacing: Script, mirror: Mirror
) -> None:
    mirror.content = content
    assert f"is no HEF: it starts with {start}" in replacing.refusal()
    assert mirror.asked == [HEADER]
    assert replacing.path.read_bytes() == OLD


def test_while_a_model_is_missing_a_web_page_is_told_until_the_mirror_is_mended(
    script: Script, mirror: Mirror
) -> None:
    mirror.content = b"<!DOCTYPE html><title>Login</title>"
    process = script.start("fetch")
    wait_for(lambda: script.state.get("problem"))
    assert "is no HEF" in script.state["problem"]["message"]
    assert not script.path.exists()
    mirror.content = MODEL
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert script.path.read_bytes() == MODEL


def test_without_a_network_it_waits_for_one(script: Script, mirror: Mirror) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/model.hef"
    script.change(url=address, retries=0)
    process = script.start("fetch")
    wait_for(lambda: script.state.get("problem"))
    assert f"{address} can't be had" in script.state["problem"]["message"]
    with serve(port=int(address.rpartition(":")[2].partition("/")[0])):
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert script.path.read_bytes() == MODEL


def test_an_unknown_address_fails_at_once_where_a_model_is_in_place(
    replacing: Script, mirror: Mirror
) -> None:
    mirror.status = 404
    assert f"{mirror.url} answered 404." in replacing.refusal()
    assert mirror.asked == [HEADER]


@pytest.mark.parametrize("url", ["http://[::1/x.hef", "http://127.0.0.1:99999/x.hef", "nonsense://x/y.hef"])
def test_what_is_no_address_is_told(url: str, replacing: Script) -> None:
    replacing.change(url=url)
    assert f"{url} is no address of a file" in replacing.refusal()


@pytest.mark.parametrize(
    ("content", "order", "sentence"),
    [
        (MODEL.replace(b"5.1.1", b"5.2.0", 1), {}, "compiled by 5.2.0 and HailoRT 5.1.1 refuses"),
        (MODEL.replace(b"\x03", b"\x02", 1), {}, "a HEF of format 2"),
        (MODEL[:-1], {}, f"has {len(MODEL) - 1} of the {len(MODEL)} bytes"),
        (MODEL, {"sha256": "0" * 64}, f"and not {'0' * 64}."),
    ],
    ids=["newer release", "older format", "half of it", "other checksum"],
)
def test_a_model_that_does_not_fit_is_refused_and_not_asked_for_again(
    content: bytes, order: dict[str, Any], sentence: str, script: Script, mirror: Mirror
) -> None:
    mirror.content = content
    script.change(**order)
    assert sentence in script.refusal()
    assert script.state["problem"]["unfit"] is True
    assert list(script.path.parent.glob("*.hef")) == []
    assert not script.beside("part").exists()


def test_the_right_checksum_is_accepted_and_costs_nothing_later(script: Script, mirror: Mirror) -> None:
    script.fetch()
    mirror.asked.clear()
    script.change(sha256=hashlib.sha256(MODEL).hexdigest().upper())
    assert script.ask("look")["reason"] == ""
    assert mirror.asked == []


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(MODEL[:-1]), "its length changed"),
        (lambda path: path.write_bytes(b"x" * len(MODEL)), "it is no HEF"),
        (lambda path: path.unlink(), "it is missing"),
    ],
)
def test_a_damaged_model_is_fetched_again(script: Script, damage: Callable[[Path], Any], reason: str) -> None:
    script.fetch()
    damage(script.path)
    assert script.ask("look")["reason"] == reason
    script.fetch()
    script.ask("place")
    assert script.path.read_bytes() == MODEL


def test_a_model_put_there_by_hand_is_verified_and_kept(script: Script, mirror: Mirror) -> None:
    script.path.write_bytes(MODEL)
    script.fetch()
    assert mirror.asked == [HEADER]
    assert script.ask("look") == {"reason": "", "waits": False}


@pytest.mark.parametrize("url", ["the mirror", "http://127.0.0.1:1/model.hef", None])
def test_a_model_that_another_program_brought_is_not_fetched(
    script: Script, mirror: Mirror, tmp_path: Path, url: str | None
) -> None:
    """Linked from a folder below the model's own, copied from elsewhere; also where nobody can be asked."""
    script.change(**({} if url == "the mirror" else {"url": url}))
    old, below = tmp_path / "old.hef", script.path.parent / "models" / "model.hef"
    below.parent.mkdir()
    for path, content in ((old, OLD), (below, MODEL)):
        path.write_bytes(content)
    assert script.ask("take", str(tmp_path / "none.hef"), str(old), str(below)) is True
    assert script.path.samefile(below)
    assert script.ask("take", str(below)) is False
    assert script.ask("look") == {"reason": "", "waits": False}
    script.path.unlink()
    elsewhere = below.rename(tmp_path / "model.hef")
    assert script.ask("take", str(elsewhere)) is True
    assert not script.path.samefile(elsewhere)
    assert script.path.read_bytes() == MODEL
    assert "" not in mirror.asked


def test_what_another_program_brought_is_left_if_it_is_no_whole_model(script: Script, tmp_path: Path) -> None:
    cut, link = tmp_path / "cut.hef", script.path.parent / "models" / "model.hef"
    cut.write_bytes(MODEL[:-1])
    link.parent.mkdir()
    (tmp_path / "model.hef").write_bytes(MODEL)
    link.symlink_to(tmp_path / "model.hef")
    assert script.ask("take", str(cut), str(link)) is False
    assert not script.beside("part").exists()
    assert not script.path.exists()


def test_another_model_waits_for_its_turn_and_can_be_taken_back(replacing: Script) -> None:
    replacing.fetch()
    assert replacing.path.read_bytes() == OLD
    assert replacing.ask("look") == {"reason": "", "waits": True}
    assert replacing.ask("place") is True
    assert replacing.ask("place") is False
    assert replacing.path.read_bytes() == MODEL
    assert replacing.ask("restore") is True
    assert replacing.path.read_bytes() == OLD
    assert replacing.ask("restore") is False
    assert replacing.ask("look") == {"reason": "", "waits": True}
    assert replacing.ask("place") is True
    # A run that was killed here is finished by the next.
    assert replacing.ask("follow", "30") == {"changed": False, "reason": "", "waits": True}
    assert replacing.path.read_bytes() == MODEL


def test_what_waits_takes_the_place_of_a_model_that_has_gone(replacing: Script, mirror: Mirror) -> None:
    replacing.fetch()
    replacing.path.unlink()
    mirror.asked.clear()
    replacing.fetch()
    assert mirror.asked == []
    assert replacing.path.read_bytes() == MODEL


def test_a_model_that_was_handed_over_needs_no_network(script: Script, mirror: Mirror) -> None:
    script.change(url=None)
    assert "Run the playbook again." in script.refusal()
    script.beside("part").write_bytes(b"x" * 100)
    assert "is no HEF" in script.refusal()
    script.beside("part").write_bytes(MODEL)
    script.fetch()
    assert script.path.read_bytes() == MODEL
    assert mirror.asked == []


def test_what_is_secret_is_in_no_process_list_no_message_and_no_file_for_others(
    script: Script, mirror: Mirror
) -> None:
    mirror.status = 503
    script.change(url=mirror.url.replace("//", "//bob:s3cret@") + "?token=s3cret")
    process = script.start("fetch")
    wait_for(lambda: script.state.get("problem"))
    mirror.status, mirror.pause = 0, 0.05
    wait_for(lambda: script.beside("part").exists())
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "curl --disable --config" in listed
    assert "s3cret" not in listed
    mirror.pause = 0
    output, errors = process.communicate(timeout=30)
    assert "answered 503" in output
    told = output + errors + script.beside("json").read_text()
    assert "s3cret" not in told


def test_a_transfer_takes_no_more_than_it_may(script: Script, mirror: Mirror) -> None:
    mirror.content *= 20  # as curl lets a short one pass
    script.change(limit_rate="100K")
    done, total = script.ask("follow", "3")["progress"]
    assert 0 < done < total / 2


def test_a_proxy_is_used(script: Script, mirror: Mirror) -> None:
    proxy = mirror.url.partition("/v5")[0]
    script.change(url="http://far.example/v5.1.1/blob/model.hef", proxy=proxy)
    script.fetch()
    assert script.path.read_bytes() == MODEL


def test_silence_is_an_interruption(replacing: Script) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, and nobody answers
        replacing.change(url=f"http://127.0.0.1:{silent.getsockname()[1]}/x.hef", timeout=1, retries=0)
        assert "can't be had" in replacing.refusal()


def test_who_follows_hears_how_far_it_is_and_then_that_it_is_there(script: Script, mirror: Mirror) -> None:
    mirror.pause = 0.1  # the whole takes longer than any of these looks; a loaded machine is slow to begin
    looks = (script.ask("follow", seconds)["progress"] for seconds in ("1", "2", "4"))
    done, total = next(progress for progress in looks if progress[0])
    assert (done < total, total) == (True, len(MODEL))
    mirror.pause = 0
    assert script.ask("follow", "30") == {"changed": True, "reason": "it is missing", "waits": False}
    assert script.ask("follow", "30") == {"changed": False, "reason": "", "waits": False}


def test_who_follows_hears_why_it_failed(script: Script, mirror: Mirror) -> None:
    mirror.status = 403
    said = script.ask("follow", "30")
    assert said == {"failed": True, "msg": f"{mirror.url} answered 403. Is the mirror's address right?"}


def test_what_other_orders_left_goes_when_the_model_in_place_is_wanted_again(replacing: Script) -> None:
    url = replacing.order["url"]
    replacing.change(sha256="0" * 64, url=f"{url}/none")
    assert replacing.ask("follow", "30")["failed"]
    replacing.change(sha256=None, url=url)
    assert replacing.ask("follow", "30")["waits"]
    replacing.beside("part").write_bytes(MODEL[:9])
    replacing.beside("part.json").write_text("{}")
    assert replacing.ask("follow", "30") == {"changed": True, "reason": "", "waits": True}
    replacing.change(identity="v5.1.0/blob/model.hef")
    assert replacing.ask("follow", "30") == {"changed": True, "reason": "", "waits": False}
    assert sorted(replacing.path.parent.iterdir()) == [replacing.beside("json"), replacing.path]
    assert replacing.ask("follow", "30") == {"changed": False, "reason": "", "waits": False}
