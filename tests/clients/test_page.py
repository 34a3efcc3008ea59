"""The page at / in a real Chromium: pictures in every way, streaming, follow-up, keyboard, camera."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from support.pictures import plain
from support.server import Server
from support.slow import LONG, SLOW, generations

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
DESKTOP = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}

# As a page that is dropped or pasted on sees it: a file that is not on this disk.
_HAND_OVER = """
const [kind, name, type, base64] = arguments;
const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], name, {type}));
const event = kind === 'paste'
  ? new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})
  : new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
document.activeElement.dispatchEvent(event);
"""


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def complaints(chrome: Chrome) -> list[str]:
    """What the browser complained of since the last time: errors of the script, breaches of the policy."""
    entries = chrome.get_log("browser")  # type: ignore[no-untyped-call]
    return [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]


class Page:
    """The page as its user works it."""

    def __init__(self, chrome: Chrome, url: str) -> None:
        self.chrome = chrome
        self.size(DESKTOP)
        # The page before goes on asking for the state of a service that may be gone.
        chrome.get("about:blank")
        complaints(chrome)
        chrome.get(url)
        self.until(lambda: "ready" in self.find("#state").text or "generating" in self.find("#state").text)

    def size(self, metrics: dict[str, Any], scheme: str = "light") -> None:
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def find(self, selector: str) -> WebElement:
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def count(self, selector: str) -> int:
        return len(self.chrome.find_elements(By.CSS_SELECTOR, selector))

    def until(self, condition: Callable[[], bool]) -> None:
        WebDriverWait(self.chrome, 15, 0.02).until(lambda _: condition())

    def press(self, *keys: str) -> None:
        """Keys go where the focus is, as from a keyboard."""
        self.chrome.switch_to.active_element.send_keys(*keys)

    def hand_over(
        self, kind: str, picture: bytes, name: str = "a.png", media_type: str = "image/png"
    ) -> None:
        data = base64.b64encode(picture).decode()
        self.chrome.execute_script(_HAND_OVER, kind, name, media_type, data)

    def attach(self, kind: str, picture: bytes) -> None:
        before = self.count("#pictures li")
        self.hand_over(kind, picture)
        self.until(lambda: self.count("#pictures li") == before + 1)

    def answers(self) -> list[str]:
        """The complete answers so far."""
        turns = self.chrome.find_elements(By.CSS_SELECTOR, ".turn.assistant:not(.waiting) p")
        return [turn.text for turn in turns]

    def ask(self, text: str) -> str:
        before = len(self.answers())
        self.press(text, Keys.ENTER)
        self.until(lambda: len(self.answers()) == before + 1)
        return self.answers()[-1]


@pytest.fixture
def page(chrome: Chrome, server: Server) -> Iterator[Page]:
    opened = Page(chrome, server.url)
    yield opened
    assert complaints(opened.chrome) == []


def test_a_dropped_picture_is_asked_about_and_followed_up(page: Page) -> None:
    page.attach("drop", plain("red"))
    assert "red" in page.ask("Which colour is this?")
    assert page.count("#pictures li") == 0
    assert page.count(".turn.user img") == 1
    assert "tokens" in page.find(".turn.assistant .figures").text
    assert page.ask("And what did I ask before?")
    assert "remembered" in page.chrome.find_elements(By.CSS_SELECTOR, ".figures")[-1].text


def test_pictures_are_pasted_chosen_and_removed(page: Page, tmp_path: Path) -> None:
    page.attach("paste", plain("blue"))
    (tmp_path / "green.png").write_bytes(plain("green"))
    page.find("#file").send_keys(str(tmp_path / "green.png"))
    page.until(lambda: page.count("#pictures li") == 2)
    page.chrome.find_elements(By.CSS_SELECTOR, "#pictures button")[1].click()
    assert page.count("#pictures li") == 1
    assert "blue" in page.ask("Which colour is this?")


def test_a_large_photo_is_made_small_before_it_is_sent(page: Page) -> None:
    page.attach("drop", plain("red", (3000, 2000)))
    picture = "const image = document.querySelector('#pictures img');"
    size = f"{picture} return [image.naturalWidth, image.naturalHeight]"
    page.until(lambda: page.chrome.execute_script(size) == [1024, 683])


def test_what_is_no_picture_is_told(page: Page) -> None:
    page.hand_over("drop", b"text", "notes.txt", "text/plain")
    page.until(lambda: "notes.txt is no picture" in page.find("#note").text)
    page.attach("drop", b"not really an image")
    assert "image" in page.ask("What is this?")
    assert page.count(".turn.failed") == 1
    complaints(page.chrome)  # the browser tells a 400


def test_the_whole_page_by_keyboard(page: Page) -> None:
    assert page.chrome.switch_to.active_element.get_attribute("id") == "question"
    page.press("First line", Keys.SHIFT + Keys.ENTER + Keys.NULL, "second")
    assert page.find("#question").get_property("value") == "First line\nsecond"
    page.press(Keys.TAB)
    assert page.chrome.switch_to.active_element.get_attribute("id") == "choose"
    page.press(Keys.TAB)
    assert page.chrome.switch_to.active_element.get_attribute("id") == "camera"
    page.press(Keys.TAB)
    assert page.chrome.switch_to.active_element.get_attribute("id") == "send"
    page.press(Keys.ENTER)
    page.until(lambda: len(page.answers()) == 1)


def test_the_camera(page: Page) -> None:
    page.find("#camera").click()
    video = "const video = document.querySelector('video'); return video.videoWidth"
    page.until(lambda: bool(page.chrome.execute_script(video)))
    page.find('#viewfinder [value="take"]').click()
    page.until(lambda: page.count("#pictures li") == 1)
    assert not page.find("#viewfinder").is_displayed()
    assert page.ask("What is this?")


def test_a_new_chat_forgets(page: Page) -> None:
    page.ask("My boat is green.")
    page.find("#fresh").click()
    assert page.count(".turn") == 0
    assert page.find("#welcome").is_displayed()
    page.ask("What did I say?")
    assert page.count(".turn") == 2


def test_the_answer_streams_and_can_be_stopped(chrome: Chrome, make_server: Callable[..., Server]) -> None:
    server = make_server(emulator=SLOW).start()
    page = Page(chrome, server.url)
    page.press(str(LONG["content"]), Keys.ENTER)
    words: list[str] = []
    for _ in range(3):
        page.until(lambda: page.find(".turn.assistant p").text not in ("", *words))
        words.append(page.find(".turn.assistant p").text)
    assert words[0] < words[1] < words[2]
    page.press(Keys.ESCAPE)
    page.until(lambda: page.count(".turn.waiting") == 0)
    server.wait_for(lambda: generations(server)[-1:] == [("release", True)], 5)
    assert page.find("#send").is_displayed()


def test_faults_are_told(chrome: Chrome, make_server: Callable[..., Server]) -> None:
    server = make_server(faults={"crash_after_tokens": 2}).start()
    page = Page(chrome, server.url)
    answer = page.ask("Hello")
    assert "not available" in answer
    server.stop(9)
    page.press("Hello?", Keys.ENTER)
    page.until(lambda: "can't be reached" in page.answers()[-1])
    page.until(lambda: "can't be reached" in page.find("#state").text)
    complaints(page.chrome)  # the browser tells what it could not reach


def test_a_key_is_asked_for_once_as_a_password(chrome: Chrome, make_server: Callable[..., Server]) -> None:
    server = make_server()
    keys = server.directory / "keys"
    keys.write_text("sk-one\n")
    server.configure({"auth": {"keys_file": str(keys)}})
    server.start()
    # What the browser's own dialog does: it keeps the password for everything of this origin.
    chrome.get(server.url.replace("http://", "http://me:sk-one@") + "/assets/icon.svg")
    page = Page(chrome, server.url)
    page.attach("paste", plain("red"))
    assert "red" in page.ask("Which colour is this?")
    # A picture has no link to its icon, so for the first address the browser looks for one by itself.
    assert [complaint for complaint in complaints(chrome) if "favicon.ico" not in complaint] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("metrics", [PHONE, DESKTOP])
@pytest.mark.parametrize("path", ["", "/docs"])
def test_nothing_is_cut_off(
    path: str, metrics: dict[str, Any], scheme: str, chrome: Chrome, server: Server
) -> None:
    chrome.get(server.url + path)
    page = Page(chrome, server.url) if not path else None
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    if page:
        page.attach("paste", plain("red"))
        page.ask("Which colour is this?")
    else:
        WebDriverWait(chrome, 10).until(lambda _: "chat/completions" in chrome.page_source)
    overflow = "return document.documentElement.scrollWidth - innerWidth"
    assert chrome.execute_script(overflow) <= 0
    dark = "return getComputedStyle(document.body).backgroundColor"
    brightness = sum(int(part) for part in chrome.execute_script(dark)[4:-1].split(","))
    assert (brightness < 3 * 128) == (scheme == "dark")


def test_docs_show_every_route(chrome: Chrome, server: Server) -> None:
    chrome.get("about:blank")
    complaints(chrome)
    chrome.get(f"{server.url}/docs")
    WebDriverWait(chrome, 10).until(lambda _: "chat/completions" in chrome.page_source)
    text = chrome.find_element(By.TAG_NAME, "body").text
    for path in server.http.get("/openapi.json").json()["paths"]:
        assert path in text
    assert "max_completion_tokens" in text
    assert complaints(chrome) == []
