"""The operator's file: what it may hold, and how its mistakes are told."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailo_vision import config
from hailo_vision.durations import FOREVER


def parse(text: str) -> config.Config:
    return config.parse(text, "hailo-vision.yaml")


def test_every_key_is_optional() -> None:
    assert parse("") == parse("# nothing\n") == parse("server:\nmodel:\n") == config.Config()


def test_values_are_read() -> None:
    read = parse("server: {port: 8080}\nmodel: {keep_alive: 5m}\ngeneration: {temperature: 0}\n")
    assert (read.server.port, read.model.keep_alive_seconds, read.generation.temperature) == (8080, 300, 0)


def test_the_model_stays_loaded_unless_told_otherwise() -> None:
    assert config.Config().model.keep_alive_seconds == FOREVER


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("server:\n  prot: 1\n", "hailo-vision.yaml:2: server.prot: unknown key; the nearest .* server.port"),
        ("port: 1\n", "hailo-vision.yaml:1: port: unknown key; the nearest known key is server.port"),
        ("zzz: 1\n", "hailo-vision.yaml:1: zzz: unknown key; known keys at the top are server, model"),
        ("# comment\nserver:\n  host: x\n  port: '1'\n", "yaml:4: server.port: expected `int`, got `str`"),
        ("server:\n  port: 70000\n", "yaml:2: server.port: expected `int` <= 65535"),
        ("generation:\n  temperature: .nan\n", "yaml:2: generation.temperature: expected"),
        ("model:\n  keep_alive: soon\n", "yaml:2: model.keep_alive: expected seconds or a duration"),
        ("resource_limits:\n  cpu_quota: 80\n", "yaml:2: resource_limits.cpu_quota: expected `str`"),
        ("resource_limits:\n  memory_max: lots\n", "yaml:2: resource_limits.memory_max: expected"),
        ("server:\n  port: 1\n  port: 2\n", "yaml:3: port: the key is given twice"),
        ("server: [\n", "yaml:2: not valid YAML"),
        ("- server\n", "yaml:1: .the whole file.: expected `object`, got `array`"),
        ("server: 5\n", "yaml:1: server: expected `object`, got `int`"),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_expectation(text: str, told: str) -> None:
    with pytest.raises(config.ConfigError, match=told):
        parse(text)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="No such file"):
        config.load(tmp_path / "absent.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(config.ConfigError, match="not UTF-8"):
        config.load(binary)


def test_every_known_key_is_accepted() -> None:
    for key in config.known_keys():
        section, _, name = key.partition(".")
        if name:
            default = getattr(getattr(config.Config(), section), name)
            value = list(default) if isinstance(default, tuple) else default
            shown = "null" if value is None else repr(value)
            parse(f"{section}:\n  {name}: {re.sub('True|False', lambda m: m[0].lower(), shown)}\n")


@given(st.text(max_size=200))
def test_any_text_gives_a_configuration_or_a_config_error(text: str) -> None:
    with contextlib.suppress(config.ConfigError):
        assert isinstance(parse(text), config.Config)
