"""The service's pages in a Chromium, as their user works them."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

# 360 px is the narrowest phone that is common.
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
DESKTOP = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}

# As a page that is dropped or pasted on sees it: files that are not on this disk.
_HAND_OVER = """
const [kind, files] = arguments;
const data = new DataTransfer();
for (const [name, type, base64] of files) {
  data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, {type}));
}
const event = kind === 'paste'
  ? new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})
  : new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
document.activeElement.dispatchEvent(event);
"""


@contextmanager
def chromium() -> Iterator[Chrome]:
    """A headless Chromium with a camera that shows a test picture; its complaints are logged."""
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
    try:
        yield driver
    finally:
        driver.quit()


def complaints(chrome: Chrome) -> list[str]:
    """What the browser complained of since the last time: errors of the script, breaches of the policy."""
    entries = chrome.get_log("browser")  # type: ignore[no-untyped-call]
    return [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]


class Page:
    """The page at /."""

    def __init__(self, chrome: Chrome, url: str) -> None:
        """Open it; a page before it goes on asking for the state of a service that may be gone."""
        self.chrome = chrome
        self.look(DESKTOP)
        chrome.get("about:blank")
        complaints(chrome)
        chrome.get(url)

    def look(self, metrics: dict[str, Any], scheme: str = "light") -> None:
        """Change the window and whether the user likes it dark."""
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def find(self, selector: str) -> WebElement:
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What of an element is to be seen; read in one go, as the page changes by itself."""
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self.chrome.execute_script(script, selector))

    def until(self, condition: Callable[[], bool]) -> None:
        WebDriverWait(self.chrome, 30, 0.02).until(lambda _: condition())

    def until_says(self, selector: str, *words: str) -> None:
        """Wait until an element's text has all of the words."""
        self.until(lambda: all(word in self.text(selector) for word in words))

    def press(self, *keys: str) -> None:
        """Keys go where the focus is, as from a keyboard."""
        self.chrome.switch_to.active_element.send_keys(*keys)

    def focused(self) -> str:
        return str(self.chrome.switch_to.active_element.get_attribute("id"))

    def hand_over(self, kind: str, *files: tuple[str, str, bytes]) -> None:
        """Drop or paste files: name, media type, content."""
        encoded = [(name, media_type, base64.b64encode(data).decode()) for name, media_type, data in files]
        self.chrome.execute_script(_HAND_OVER, kind, encoded)

    def attach(self, kind: str, *pictures: bytes) -> None:
        """Drop or paste pictures at once."""
        wanted = len(self.all("#pictures li")) + len(pictures)
        self.hand_over(kind, *(("a.png", "image/png", picture) for picture in pictures))
        self.until(lambda: len(self.all("#pictures li")) == wanted)

    def answers(self) -> list[str]:
        """The complete answers so far, with what is told below them."""
        script = (
            "return [...document.querySelectorAll('.assistant:not(.waiting)')].map((turn) => turn.innerText)"
        )
        return list(self.chrome.execute_script(script))

    def ask(self, text: str) -> str:
        """Ask; returns the answer with what is told below it."""
        before = len(self.answers())
        self.find("#question").send_keys(text, Keys.ENTER)
        self.until(lambda: len(self.answers()) == before + 1 and not self.find("#stop").is_displayed())
        return self.answers()[-1]
