"""The pages as they are seen and heard: axe-core, a phone's width, dark and light, in every state."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys
from support.browser import DESKTOP, PHONE, Page, chromium, complaints
from support.pictures import photo, plain
from support.server import ROOT, Server

from hailo_vision.http.status import Health

AXE = next((ROOT / ".build/clients").glob("lib/python*/site-packages/axe_playwright_python/axe.min.js"))

# Contrast, names, roles, order: all rules, of which the page itself must break none.
_RUN_AXE = """
const done = arguments[0];
axe.run({resultTypes: ['violations']}).then(({violations}) => done(
  violations.map(({id, nodes}) => [id, ...nodes.map((node) => node.html.slice(0, 120))])));
"""

# What the page gets, as the test wants it: a report of the service's, no service, or no answer yet.
_NETWORK = """
const fetched = window.fetch;
window.fetch = (path, ...rest) => {
  if (window.gone) return Promise.reject(new TypeError('gone'));
  if (window.silent && path === 'v1/chat/completions') {
    const {signal} = rest[0];
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  }
  if (window.report && path === 'health') return Promise.resolve(new Response(JSON.stringify(window.report)));
  return fetched(path, ...rest);
};
"""

_CUT_OFF = """
return [...document.querySelectorAll('html, #banner, #log, dialog')]
  .filter((one) => one.scrollWidth > one.clientWidth)
  .map((one) => one.outerHTML.slice(0, 120))
"""

# As the page does when it comes to the front again.
_SHOW = """
[window.report, window.gone] = [arguments[0], !arguments[0]];
document.dispatchEvent(new Event('visibilitychange'));
"""


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with chromium() as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _NETWORK})
        yield driver


def check(page: Page, metrics: dict[str, Any], scheme: str) -> None:
    """In this window and scheme: axe-core finds nothing, and nothing is cut off at the side."""
    page.look(metrics, scheme)
    if page.chrome.execute_script("return typeof axe") == "undefined":
        page.chrome.execute_script(AXE.read_text())
    assert page.chrome.execute_async_script(_RUN_AXE) == []
    assert page.chrome.execute_script(_CUT_OFF) == []
    background = page.chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in background[4:-1].split(",")) < 3 * 128) == (scheme == "dark")


def check_all(page: Page) -> None:
    check(page, DESKTOP, "light")
    check(page, PHONE, "light")
    check(page, PHONE, "dark")


def test_a_conversation(chrome: Chrome, server: Server) -> None:
    page = Page(chrome, server.url)
    page.until_says("#state", "ready")
    assert page.find("#emulated").is_displayed()
    check_all(page)  # the welcome
    page.hand_over("drop", ("chelsea.jpg", "image/jpeg", photo("chelsea")))
    page.attach("paste", plain("red"), plain("green"))
    check_all(page)  # pictures of the next question
    page.hand_over("dragenter")
    page.until(lambda: page.find("#drop").is_displayed())
    check_all(page)
    page.hand_over("drop")
    page.ask("What do these show?")
    page.find("#json summary").click()
    page.find("#example").click()
    page.ask("Describe this.")
    check_all(page)  # answers, a schema
    page.find("#schema").send_keys("}")
    page.hand_over("drop", ("notes.txt", "text/plain", b"text"))
    check_all(page)  # what is wrong
    page.find("#earlier").click()
    page.until(lambda: page.find("#history").is_displayed())
    check_all(page)
    page.find("#history-close").click()
    page.find("#no-schema").click()
    page.chrome.execute_script("window.silent = true")
    page.find("#question").send_keys("And now?", Keys.ENTER)
    page.until(lambda: page.find("#stop").is_displayed())
    check_all(page)  # the answer is awaited
    page.press(Keys.ESCAPE)
    page.until(lambda: "Stopped." in page.answers()[-1])
    page.find("#camera").click()
    page.until(lambda: page.find("#viewfinder").is_displayed())
    check_all(page)
    assert complaints(chrome) == []


def _fetching(done: int) -> dict[str, Any]:
    return {"fetch": {"bytes_done": done, "bytes_total": 2_400_000_000}}


_PATH = "/srv/" + 60 * "long" + ".hef"
_PROBLEM = {
    "code": "x",
    "message": f"{_PATH} is bad.",
    "cure": "Replace it.\n" * 30,
    "detail": "a line of stderr " * 20,
}
STATES: list[tuple[dict[str, Any], list[str]]] = [
    ({"state": "starting"}, ["The service is starting."]),
    ({"state": "fetching", **_fetching(0)}, ["The model file is being fetched", "0 % of 2.4 GB"]),
    ({"state": "fetching", **_fetching(1_020_000_000)}, ["42 % of 2.4 GB"]),
    (
        {"state": "fetching", **_fetching(1), "problem": _PROBLEM},
        ["being fetched", f"{_PATH} is bad.\nWhat to do: Replace it."],
    ),
    ({"state": "loading"}, ["being loaded onto the NPU", "1 s"]),
    ({"state": "unloaded", "model_loaded": False}, ["Your next question loads it"]),
    ({"state": "unloading"}, ["is being unloaded"]),
    (
        {"state": "restarting", "problem": _PROBLEM},
        [f"is being restarted. {_PATH} is bad.\nWhat to do: Replace it."],
    ),
    (
        {"state": "failed", "problem": _PROBLEM},
        [f"The NPU can't work. {_PATH} is bad.\nWhat to do: Replace it."],
    ),
    ({"state": "stopped"}, ["The service is stopping."]),
    ({"state": "generating", "queue": {"running": 1, "waiting": 2, "size": 3}}, []),
]


def test_every_state_has_its_sentence(chrome: Chrome, server: Server) -> None:
    page = Page(chrome, server.url)
    page.until_says("#state", "ready")
    for number, (change, sentences) in enumerate(STATES):
        report = server.health() | change
        msgspec.convert(report, Health, strict=True)  # as the service would say it
        chrome.execute_script(_SHOW, report)
        page.until_says("#state", report["state"])
        page.until_says("#banner", *sentences)
        check(page, PHONE, ("light", "dark")[number % 2])
    page.until_says("#state", "2 waiting")
    assert page.text("#banner") == ""
    chrome.execute_script(_SHOW, None)
    page.until_says("#sentence", "can't be reached", "Check that the Pi is on")
    assert "can't be reached" in page.ask("Hello?")
    check_all(page)
    page.chrome.execute_script("import('/assets/state.js').then(({askForKey}) => askForKey('No.'))")
    page.until_says("#key-note", "No.")
    check_all(page)


def test_docs_show_every_route(chrome: Chrome, server: Server) -> None:
    page = Page(chrome, f"{server.url}/docs")
    page.until_says("main", "chat/completions")
    for path in server.http.get("/openapi.json").json()["paths"]:
        assert path in page.text("main")
    assert "max_completion_tokens" in page.text("main")
    # It is long: axe-core takes its time, and one opened type is like the others.
    check(page, PHONE, "light")
    page.find("summary").click()
    check(page, DESKTOP, "dark")
    assert complaints(chrome) == []
