"""docs/api.md and README: their examples run, the page's lists are complete."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.pictures import DATA
from support.server import ROOT, Server

from hailo_vision.errors import Kind
from hailo_vision.http.errors import STATUS

PAGE = (ROOT / "docs/api.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
RUN = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, photo in (("photo.jpg", "coffee.jpg"), ("second.jpg", "chelsea.jpg")):
        shutil.copy(DATA / photo, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(("language", "code"), [block for block in BLOCKS if block[0] in RUN])
def test_examples_run(language: str, code: str, folder: Path, server: Server) -> None:
    assert "http://127.0.0.1:11435" in code
    code = code.replace("http://127.0.0.1:11435", server.url)
    done = subprocess.run([*RUN[language], code], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout) > 20


def test_the_example_of_readme_runs(server: Server) -> None:
    page = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert "http://pi-workshop:11435" in code
    code = code.replace("http://pi-workshop:11435", server.url)
    done = subprocess.run([*RUN["python"], code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert len(done.stdout) > 20, done.stderr


def test_every_error_code_is_listed() -> None:
    # Without faults of the service's and of HTTP itself.
    codes = {*map(str, Kind), *map(str, STATUS)} - {"internal_error", "bad_request"}
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()


def test_every_metric_is_listed(server: Server) -> None:
    families = re.findall(r"^# TYPE hailo_vision_(\w+)", server.http.get("/metrics").text, re.MULTILINE)
    known = [name for name in families if not name.endswith(("_created", "build_info", "uptime_seconds"))]
    unlisted = [name for name in known if f"`{name}" not in PAGE]
    assert unlisted == []
