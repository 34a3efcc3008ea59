"""The picture of the page in the README: page_picture.py docs/page.png

A service with the emulated NPU is asked about a photo in Chromium, in the time that the chip would take.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from support.browser import Page, chromium
from support.pictures import photo
from support.server import Server

WINDOW = {"width": 960, "height": 700, "deviceScaleFactor": 1.25, "mobile": False}


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, chromium() as chrome:
        server = Server(Path(folder, "run"), emulator={"time_scale": 1.0})
        try:
            page = Page(chrome, server.start().url)
            page.look(WINDOW)
            page.hand_over("drop", ("chelsea.jpg", "image/jpeg", photo("chelsea")))
            page.until(lambda: len(page.all("#pictures img")) == 1)
            page.ask("What is in this picture, in one sentence?")
            page.until_says("#state", "ready")
            screenshot = Image.open(io.BytesIO(chrome.get_screenshot_as_png())).convert("RGB")
            screenshot.save(target, optimize=True)
        finally:
            server.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
