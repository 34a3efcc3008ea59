"""Qwen3-VL-2B-Instruct on a host with HailoRT 5.3."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from support.fleets import QWEN3
from support.pictures import photo, user

from emulator.packages import content, deb, wheel
from emulator.packages.catalogue import SUPPLIED
from tests.deploy.conftest import TOP, Pi, booted, playbook

RELEASE = "5.3.0"
NAME = "Qwen3-VL-2B-Instruct"


@pytest.fixture
def pi() -> Iterator[Pi]:
    """A freshly booted host, gone after the test."""
    with booted(QWEN3, 1, "--suite", "bookworm", "--time-scale", "0.2") as hosts:
        yield hosts[0]


@pytest.fixture
def supplied(tmp_path: Path) -> dict[str, object]:
    """Packages, bindings and model of the release, as variables name them."""
    runtime, driver = SUPPLIED
    former = runtime.version
    debs = [replace(runtime, version=RELEASE)]
    depends = driver.depends.replace(former, RELEASE)
    debs += [replace(driver, version=RELEASE, depends=depends, fill=partial(content.driver, RELEASE))]
    for package in debs:
        deb.build(package, tmp_path)
    hef = tmp_path / f"{NAME}.hef"
    maker = [sys.executable, "-m", "hailo_platform._emulator.hef", "make", str(hef)]
    environment = os.environ | {"PYTHONPATH": str(TOP / "emulator")}
    subprocess.run([*maker, "--model", NAME, "--sdk-version", RELEASE], env=environment, check=True)
    return {
        "hailo_driver_debs": [str(path) for path in tmp_path.glob("*.deb")],
        "hailo_driver_wheel": str(wheel.build(RELEASE, "311", tmp_path)),
        "hailo_model_source": "path",
        "hailo_model_path": str(hef),
    }


def test_it_is_deployed_by_its_name_and_answers(pi: Pi, supplied: dict[str, object]) -> None:
    pi.run("echo 'device = \"/dev/h1x-0\"' >> /etc/hailo-emulator.toml")
    settings = supplied | {"hailo_model_name": NAME}
    result = playbook("site.yml", "--extra-vars", json.dumps(settings), fleet=QWEN3)
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.health()["versions"]["hailort"] == RELEASE
    with httpx.Client(base_url=pi.url, timeout=60) as http:
        assert [model["id"] for model in http.get("/v1/models").json()["data"]] == [NAME.lower()]
        assert [model["name"] for model in http.get("/api/tags").json()["models"]] == [
            f"{NAME.lower()}:latest"
        ]
        body = {"model": NAME.lower(), "messages": [user(photo("chelsea"), "What is in this picture?")]}
        answer = http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["prompt_tokens_details"]["image_tokens"] == 144
    assert answer.json()["choices"][0]["message"]["content"]
