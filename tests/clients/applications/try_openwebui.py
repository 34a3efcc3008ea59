"""Open WebUI, asked about a photo in a real browser, by either API: FOLDER with its environment, and PHOTO.

`make try-openwebui`. The service beside it has an emulated NPU. Ends with what was asked and answered, how
many requests that took, and where the screenshots are.
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

QUESTION = "What is in this picture?"
QUIET = ("RETRIEVAL_QUERY", "SEARCH_QUERY", "TITLE", "TAGS", "FOLLOW_UP", "AUTOCOMPLETE")
START_SECONDS = 300
# Small beside what people wait for, and as slow as the chip.
SPEED = {"time_scale": 1.0, "timing": {"load": 0.5}}


@contextlib.contextmanager
def open_webui(folder: Path, data: Path, **settings: str) -> Iterator[str]:
    """A running Open WebUI; gives its address."""
    port = free_port()
    environment = {
        "HOME": str(data), "DATA_DIR": str(data), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "WEBUI_AUTH": "False", "HF_HUB_OFFLINE": "1", "RAG_EMBEDDING_ENGINE": "openai",
        "ENABLE_VERSION_UPDATE_CHECK": "False", "WEBUI_SECRET_KEY": "try",
        **{f"ENABLE_{name}_GENERATION": "False" for name in QUIET}, **settings,
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


def ask(browser: Chrome, url: str, model: str, photo: Path, screenshot: Path) -> str:
    """The answer to a question about a photo, as the page shows it."""
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

    said = [""]

    def settled(page: Chrome) -> str:
        """The answer once it does not grow any more."""
        parts = page.find_elements(By.CSS_SELECTOR, "#response-content-container")
        said.append(parts[-1].text if parts else "")
        return said[-1] if said[-1] == said[-2] else ""

    answer = WebDriverWait(browser, 120, poll_frequency=3).until(settled)
    browser.save_screenshot(str(screenshot))
    return str(answer)


def main() -> None:
    folder, photo = (Path(word).resolve() for word in sys.argv[1:])
    with tempfile.TemporaryDirectory() as scratch:
        server = Server(Path(scratch, "service"), emulator=SPEED)
        server.start()
        ways = {
            "ollama": {"OLLAMA_BASE_URL": server.url, "ENABLE_OPENAI_API": "False"},
            "openai": {
                "OPENAI_API_BASE_URL": server.api, "OPENAI_API_KEY": "any", "ENABLE_OLLAMA_API": "False"
            },
        }  # fmt: skip
        try:
            for way, settings in ways.items():
                data = Path(scratch, way)
                data.mkdir()
                screenshot = folder.parent / f"openwebui-{way}.png"
                model = f"{MODEL}:latest" if way == "ollama" else MODEL
                before = len(re.findall("route=/(?:api|v1)/chat", server.log()))
                # A new browser each time: cookies are a host's, whatever the port.
                with open_webui(folder, data, **settings) as url, chromium() as browser:
                    answer = ask(browser, url, model, photo, screenshot)
                requests = len(re.findall("route=/(?:api|v1)/chat", server.log())) - before
                print(f"Open WebUI by {way}: {QUESTION}\n  {answer!r}\n  requests: {requests}, {screenshot}")
        finally:
            server.close()


if __name__ == "__main__":
    main()
