"""The page at / in a Chromium: pictures in every way, answers, what goes wrong, what is kept."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from support.browser import Page, chromium, complaints
from support.pictures import plain
from support.server import MODEL, Server
from support.slow import LONG, SLOW, generations, idle


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that takes its time, and lets one request wait."""
    unhurried = SLOW | {"time_scale": 3.0}  # an answer outlasts what the browser does meanwhile
    server = Server(tmp_path_factory.mktemp("slow") / "run", {"server": {"queue_size": 1}}, unhurried)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def page(chrome: Chrome, server: Server) -> Iterator[Page]:
    opened = Page(chrome, server.url)
    opened.until_says("#state", MODEL, "ready")
    yield opened
    assert complaints(chrome) == []


def test_a_dropped_picture_is_asked_about_and_followed_up(page: Page) -> None:
    page.attach("drop", plain("red"))
    answer = page.ask("Which colour is this?")
    assert "red" in answer
    cost = r"First word after [\d.]+ s · \d+ tokens, [\d.]+ a second · 0 of \d+ prompt tokens reused"
    assert re.fullmatch(cost, answer.splitlines()[-1])
    assert len(page.all("#pictures li")) == 0
    assert len(page.all(".turn.user img")) == 1
    reused = page.ask("And what did I ask before?").splitlines()[-1].split(" · ")[-1]
    assert 0 < int(reused.split()[0]) < int(reused.split()[2])


def test_several_pictures_are_dropped_pasted_chosen_and_removed(page: Page, tmp_path: Path) -> None:
    page.attach("drop", plain("yellow"), plain("blue"))
    page.attach("paste", plain("red"))
    (tmp_path / "green.png").write_bytes(plain("green"))
    page.find("#file").send_keys(str(tmp_path / "green.png"))
    page.until(lambda: len(page.all("#pictures li")) == 4)
    page.find('[aria-label="Remove picture 1"]').click()
    answer = page.ask("Which colours are these?")
    assert answer.index("blue") < answer.index("red") < answer.index("green")
    assert "yellow" not in answer


def test_a_large_photo_is_made_small_before_it_is_sent(page: Page) -> None:
    page.attach("drop", plain("red", (3000, 2000)))
    picture = "const image = document.querySelector('#pictures img');"
    size = f"{picture} return [image.naturalWidth, image.naturalHeight]"
    page.until(lambda: page.chrome.execute_script(size) == [1024, 683])


def test_what_is_no_picture_is_told(page: Page) -> None:
    page.hand_over("drop", ("notes.txt", "text/plain", b"text"))
    page.until_says("#note", "notes.txt is no picture")
    page.attach("drop", b"not really an image")
    assert "image" in page.ask("What is this?")
    assert len(page.all(".turn.failed")) == 1
    complaints(page.chrome)  # the browser tells a 400


def test_the_whole_page_by_keyboard(page: Page) -> None:
    assert page.focused() == "question"
    page.press("First line", Keys.SHIFT + Keys.ENTER + Keys.NULL, "second")
    assert page.find("#question").get_property("value") == "First line\nsecond"
    for control in ("choose", "camera", "send"):
        page.press(Keys.TAB)
        assert page.focused() == control
    page.press(Keys.ENTER)
    page.until(lambda: len(page.answers()) == 1)
    page.until(lambda: page.find("#send").is_displayed())
    assert page.focused() == "question"  # the button under it was away for a while
    page.press(Keys.SHIFT + Keys.TAB)
    assert page.focused() == "log"  # which the arrow keys scroll
    page.press(Keys.SHIFT + Keys.TAB)
    assert page.focused() == "fresh"
    page.press(Keys.ENTER)
    assert (page.answers(), page.focused()) == ([], "question")


def test_the_camera(page: Page) -> None:
    assert page.find("#snap").get_attribute("capture") == "environment"  # where there is no live view
    page.find("#camera").click()
    video = "const video = document.querySelector('video'); return video.videoWidth"
    page.until(lambda: bool(page.chrome.execute_script(video)))
    page.find('#viewfinder [value="take"]').click()
    page.until(lambda: len(page.all("#pictures li")) == 1)
    assert not page.find("#viewfinder").is_displayed()
    assert page.ask("What is this?")


def test_chats_are_kept_on_this_device_until_they_are_forgotten(page: Page) -> None:
    page.attach("drop", plain("red"))
    answer = page.ask("My boat is green.")
    page.chrome.refresh()
    page.until(lambda: page.answers() == [answer])
    assert len(page.all(".turn.user img")) == 1
    assert "boat" in page.ask("What did I say?")
    page.find("#fresh").click()
    assert page.find("#welcome").is_displayed()
    assert "boat" not in page.ask("What did I say?").lower()
    page.chrome.refresh()
    page.until(lambda: len(page.answers()) == 1)
    page.find("#earlier").click()
    page.until(lambda: page.find("#history").is_displayed())
    page.chrome.find_element(By.XPATH, "//*[@id='chats']//button[contains(., 'boat')]").click()
    page.until(lambda: len(page.answers()) == 2)
    page.find("#earlier").click()
    page.until(lambda: page.find("#forget").is_displayed())
    page.find("#forget").click()
    page.until(lambda: page.answers() == [])
    page.chrome.refresh()
    page.until_says("#state", "ready")
    page.find("#earlier").click()
    page.until(lambda: page.find("#no-chats").is_displayed())
    assert page.all("#chats li") == []


def test_an_answer_in_json(page: Page) -> None:
    page.attach("drop", plain("red"))
    page.find("#json summary").click()
    page.find("#example").click()
    assert page.text("#json-state") == "on"
    page.ask("Describe this.")
    answered = json.loads(page.text(".assistant .text"))
    assert sorted(answered) == ["outdoors", "people", "summary"]
    assert page.all(".assistant .problem") == []
    page.chrome.refresh()
    page.until(lambda: len(page.answers()) == 1)
    assert json.loads(str(page.find("#schema").get_property("value")))["type"] == "object"
    page.find("#json summary").click()
    page.find("#no-schema").click()
    assert page.text("#json-state") == "off"
    assert not page.ask("What is this?").startswith("{")


def test_a_bad_schema_is_told_before_it_is_sent(page: Page) -> None:
    page.find("#json summary").click()
    page.find("#schema").send_keys('{"type": "object", "required": "summary"}')
    page.find("#question").send_keys("Describe this.", Keys.ENTER)
    page.until_says("#schema-problem", '"required" must be a list of names')
    assert (page.all(".turn"), page.focused()) == ([], "schema")
    assert page.find("#schema").get_attribute("aria-invalid") == "true"


_TELL = """
const [schemas, done] = arguments;
import('/assets/schema.js').then(({problemOf}) => done(schemas.map(problemOf)));
"""


def test_what_is_wrong_with_a_schema(page: Page) -> None:
    wrong = {
        '{"type": "object"': "not JSON",
        '"object"': "expected an object",
        '{"type": "string"}': 'the schema\'s type is "string"'.capitalize(),
        '{"type": ["object", "text"]}': 'type "text" is none of',
        '{"properties": {"a": {"type": "int"}}}': 'In "a" of the schema: type "int"',
        '{"properties": ["a"]}': '"properties" must be an object of schemas',
        '{"anyOf": {"a": true}}': '"anyOf" must be a list of schemas',
        '{"items": {"enum": "red"}}': 'In "items" of the schema: "enum" must be a list',
        '{"not": 3}': 'In "not" of the schema: expected an object',
        '{"required": [1]}': '"required" must be a list of names',
    }
    told = page.chrome.execute_async_script(_TELL, list(wrong))
    for said, expected in zip(told, wrong.values(), strict=True):
        assert expected.lower() in said.lower()
    right = [
        "{}",
        "true",
        '{"type": "array", "items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"type": ["string", "null"]}}}',
        '{"properties": {"type": {"const": 1}, "required": {"enum": [1, null]}}, "additionalProperties": {}}',
        '{"anyOf": [{"type": "object"}, {"type": "array", "items": [true, {"minimum": 3}]}]}',
    ]
    assert page.chrome.execute_async_script(_TELL, right) == [""] * len(right)


@pytest.mark.parametrize(
    "stop", [lambda page: page.press(Keys.ESCAPE), lambda page: page.find("#stop").click()]
)
def test_the_answer_streams_and_can_be_stopped(
    stop: Callable[[Page], None], chrome: Chrome, slow: Server
) -> None:
    slow.forget()
    page = Page(chrome, slow.url)
    page.until_says("#state", "ready")
    page.find("#question").send_keys(str(LONG["content"]), Keys.ENTER)
    words: list[str] = []
    for _ in range(3):
        page.until(lambda: page.text(".assistant .text") not in ("", *words))
        words.append(page.text(".assistant .text"))
    assert words[0] < words[1] < words[2]
    page.find("#earlier").click()
    page.until(lambda: page.find("#history").is_displayed())
    page.press(Keys.ESCAPE)  # this closes the dialog only
    page.until(lambda: not page.find("#history").is_displayed())
    assert page.find("#stop").is_displayed()
    stop(page)
    page.until(lambda: "Stopped." in "".join(page.answers()))
    slow.wait_for(lambda: generations(slow)[-1:] == [("release", True)], 5)
    assert page.find("#send").is_displayed()


def test_a_full_queue_is_told_and_asked_again(chrome: Chrome, slow: Server) -> None:
    slow.wait_for(idle(slow))
    page = Page(chrome, slow.url)
    page.until_says("#state", "ready")
    body = json.dumps({"model": MODEL, "messages": [LONG]})
    request = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    others = [socket.create_connection(("127.0.0.1", slow.port)) for _ in range(2)]
    for other in others:
        other.sendall(request.encode())
    slow.wait_for(lambda: slow.health()["queue"] == {"running": 1, "waiting": 1, "size": 1})
    answer = page.ask("Hello?")
    assert "queue is full" in answer
    assert "Try again in" in answer
    for other in others:
        other.close()
    slow.wait_for(idle(slow))
    page.find(".assistant button").click()
    assert page.focused() == "question"  # the button is gone
    page.until(lambda: "First word" in "".join(page.answers()))
    assert page.all(".turn.failed") == []
    complaints(chrome)  # the browser tells a 429


def test_faults_are_told_with_their_cure(chrome: Chrome, make_server: Callable[..., Server]) -> None:
    server = make_server().start()
    page = Page(chrome, server.url)
    page.until_says("#state", "ready", MODEL)
    server.inject(crash_after_tokens=2, load_status=93)
    assert "not available" in page.ask("Hello")
    page.until_says("#state", "failed")
    problem = server.health()["problem"]
    page.until_says("#sentence", problem["message"], problem["cure"])
    server.stop(9)
    page.until_says("#sentence", "can't be reached", "Check that the Pi is on")
    assert "can't be reached" in page.ask("Hello?")
    server.inject()
    server.start()
    page.until_says("#state", "ready")
    assert page.text("#sentence") == ""
    page.all(".assistant button")[-1].click()
    page.until(lambda: "First word" in page.answers()[-1])
    complaints(chrome)  # the browser tells what it could not reach


def test_a_key_is_asked_for_and_kept(chrome: Chrome, make_server: Callable[..., Server]) -> None:
    server = make_server()
    keys = server.directory / "keys"
    keys.write_text("sk-one\n")
    server.configure({"auth": {"keys_file": str(keys)}})
    server.start()
    page = Page(chrome, server.url)
    page.until(lambda: page.focused() == "key-value")
    page.press("sk-wrong", Keys.ENTER)
    page.until_says("#key-note", "not valid")
    page.press(Keys.CONTROL + "a" + Keys.NULL, "sk-one", Keys.ENTER)
    page.until(lambda: not page.find("#key").is_displayed())
    page.until_says("#state", "ready")
    page.attach("paste", plain("red"))
    assert "red" in page.ask("Which colour is this?")
    page.chrome.refresh()
    page.until(lambda: len(page.answers()) == 1)
    assert "red" in page.ask("And now?")
    # It is changed while the page is open: what was asked is answered once the new one is given.
    keys.write_text("sk-two\n")
    server.wait_for(lambda: server.http.get("/v1/models", headers={"x-api-key": "sk-two"}).status_code == 200)
    assert "not valid" in page.ask("And once more?")
    page.until(lambda: page.focused() == "key-value")
    page.press("sk-two", Keys.ENTER)
    page.until(lambda: not page.find("#key").is_displayed())
    page.until(lambda: "red" in page.answers()[-1])
    complaints(chrome)  # the browser tells each 401
