"""Open WebUI, asked about a photo in a real browser, by either API: FOLDER with its environment, and PHOTO.

`make try-openwebui`. The service beside it has an emulated NPU that is as slow as the chip. Ends with what
was asked and answered, where the screenshots are, and what the service's log says of each request that a
turn took: with the switches of docs/applications.md, then with Open WebUI's defaults.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from support.server import MODEL, Server, free_port
from support.slow import idle

QUESTION = "What is in this picture?"
SWITCHES = ("RETRIEVAL_QUERY", "SEARCH_QUERY", "TITLE", "TAGS", "FOLLOW_UP", "AUTOCOMPLETE")
START_SECONDS = 300
QUIET_SECONDS = 15  # in which nothing more is asked: the turn is over
# Small beside what people wait for, and as slow as the chip.
SPEED = {"time_scale": 1.0, "timing": {"load": 0.5}}


@contextlib.contextmanager
def open_webui(folder: Path, data: Path, **settings: str) -> Iterator[str]:
    """A running Open WebUI; gives its address."""
    port = free_port()
    environment = {
        "HOME": str(data), "DATA_DIR": str(data), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "WEBUI_AUTH": "False", "HF_HUB_OFFLINE": "1", "RAG_EMBEDDING_ENGINE": "openai",
        "ENABLE_VERSION_UPDATE_CHECK": "False", "WEBUI_SECRET_KEY": "try", **settings,
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    command = [str(folder / "bin/open-webui"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=data)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/health").status_code == 200:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"Open WebUI did not start:\n{(data / 'log').read_text()[-3000:]}")
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def chromium() -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,1000"):
        options.add_argument(argument)
    driver = Chrome(options, ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


def ask(browser: Chrome, url: str, model: str, photo: Path, screenshot: Path) -> tuple[str, float]:
    """The answer to a question about a photo as the page shows it, and the seconds to its first word."""
    browser.get(f"{url}/?models={model}")
    wait = WebDriverWait(browser, 120)
    box = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, "#chat-input"))
    with contextlib.suppress(Exception):  # what is new in this version, over the page
        WebDriverWait(browser, 5).until(
            lambda page: page.find_element(By.XPATH, '//button[contains(., "Let\'s Go")]')
        ).click()
    browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(photo))
    wait.until(
        lambda page: page.find_elements(By.CSS_SELECTOR, "img[src*='/files/'], img[src^='data:image']")
    )
    box.send_keys(QUESTION, Keys.ENTER)
    sent = time.monotonic()

    said = [""]

    def shown(page: Chrome) -> str:
        parts = page.find_elements(By.CSS_SELECTOR, "#response-content-container")
        return parts[-1].text if parts else ""

    def settled(page: Chrome) -> str:
        """The answer once it does not grow any more."""
        said.append(shown(page))
        return said[-1] if said[-1] == said[-2] else ""

    WebDriverWait(browser, 120, poll_frequency=0.1).until(shown)
    first_word = time.monotonic() - sent
    answer = WebDriverWait(browser, 120, poll_frequency=3).until(settled)
    browser.save_screenshot(str(screenshot))
    return str(answer), first_word


def requests_of(server: Server, known: int) -> list[str]:
    """What the log says of each request for an answer, after those known, once no other follows."""
    found: list[str] = []
    quiet_since = time.monotonic()
    while time.monotonic() < quiet_since + QUIET_SECONDS:
        lines = [line for line in server.log().splitlines() if re.search("route=/(?:api|v1)/chat", line)]
        if len(lines) - known > len(found) or not idle(server)():
            quiet_since = time.monotonic()
        found = lines[known:]
        time.sleep(0.5)
    figures = re.compile(r"\b(?:total_ms|queue_ms|prefill_ms|prompt_tokens|cached_tokens|tokens)=\d+")
    return [" ".join(figures.findall(line)) for line in found]


def main() -> None:
    folder, photo = (Path(word).resolve() for word in sys.argv[1:])
    with tempfile.TemporaryDirectory() as scratch:
        server = Server(Path(scratch, "service"), emulator=SPEED)
        server.start()
        ollama = {"OLLAMA_BASE_URL": server.url, "ENABLE_OPENAI_API": "False"}
        switches = {f"ENABLE_{name}_GENERATION": "False" for name in SWITCHES}
        ways = {
            "ollama": ollama | switches,
            "openai": {
                "OPENAI_API_BASE_URL": server.api, "OPENAI_API_KEY": "any", "ENABLE_OLLAMA_API": "False",
                **switches,
            },
            "ollama-defaults": ollama,
        }  # fmt: skip
        known = 0
        try:
            for way, settings in ways.items():
                data = Path(scratch, way)
                data.mkdir()
                screenshot = folder.parent / f"openwebui-{way}.png"
                model = MODEL if way == "openai" else f"{MODEL}:latest"
                # A new browser each time: cookies are a host's, whatever the port.
                with open_webui(folder, data, **settings) as url, chromium() as browser:
                    answer, first_word = ask(browser, url, model, photo, screenshot)
                    requests = requests_of(server, known)
                known += len(requests)
                print(f"Open WebUI by {way}: {QUESTION}\n  {answer!r}\n  {screenshot}")
                took = f"  first word after {first_word:.1f} s; requests: {len(requests)}"
                print(took, *requests, sep="\n    ", flush=True)
        finally:
            server.close()


if __name__ == "__main__":
    main()
