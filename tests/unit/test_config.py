"""The operator's file: what it may hold, and how its mistakes are told."""

import contextlib
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailo_vision import config
from hailo_vision.durations import FOREVER
from hailo_vision.http.openai.request_types import AnalyzeRequest


def parse(text: str) -> config.Config:
    return config.parse(text, "hailo-vision.yaml")


def test_every_key_is_optional() -> None:
    assert parse("") == parse("# nothing\n") == parse("server:\nmodel:\n") == config.Config()


def test_values_are_read() -> None:
    read = parse("server: {port: 8080}\nmodel: {keep_alive: 5m}\ngeneration: {temperature: 0}\n")
    assert (read.server.port, read.model.keep_alive_seconds, read.generation.temperature) == (8080, 300, 0)


def test_the_model_stays_loaded_unless_told_otherwise() -> None:
    assert config.Config().model.keep_alive_seconds == FOREVER


def test_the_predecessors_file_is_taken_as_it_stands() -> None:
    read = parse(
        """
server:
  host: 0.0.0.0
  port: 11435
model:
  # -1 = persistent (keep loaded indefinitely)
  name: "qwen2-vl-2b-instruct"
  hef_path: null
  keep_alive: -1
generation:
  temperature: 0.7
  max_tokens: 200
  top_p: 0.9
  seed: null  # null = random
resource_limits:
  memory_max: "4G"
  cpu_quota: "80%"
"""
    )
    assert read.resource_limits == config.ResourceLimits("4G", "80%")
    assert (read.model.hef_path, read.generation.seed) == (None, None)


@pytest.mark.parametrize(
    ("given", "seconds"), [('"-1"', FOREVER), ('"300"', 300), ("300", 300), ("1h", 3600)]
)
def test_keep_alive_may_be_a_number_in_quotes(given: str, seconds: float) -> None:
    assert parse(f"model: {{keep_alive: {given}}}\n").model.keep_alive_seconds == seconds


@pytest.mark.parametrize("name", [field.name for field in msgspec.structs.fields(config.GenerationConfig)])
def test_a_default_is_something_that_a_request_may_say(name: str) -> None:
    """Each request would fail for one that is out of range, or end the NPU process."""
    taken = 0
    for value in (-(2**63), -2, -1, 0, 0.01, 1, 1.5, 2, 2.1, 99_999, 100_001, 5 * 10**9, 2**63, 2**64, 2**70):
        try:
            parse(f"generation: {{{name}: {value}}}")
        except config.ConfigError:
            continue
        taken += 1
        asked = f'{{"prompt": "a", "images": ["a"], "{name}": {value}}}'
        msgspec.json.decode(asked, type=AnalyzeRequest)
    assert taken


@pytest.mark.parametrize(
    "origin", ["*", "null", "https://chat.example", "http://192.168.1.2:3000", "http://[fd00::1]:8000",
               "chrome-extension://abcdef", "app://obsidian.md", "file://", "capacitor://localhost"],
)  # fmt: skip
def test_origins_that_browsers_send_are_taken(origin: str) -> None:
    assert parse(f"server: {{cors_origins: ['{origin}']}}\n").server.cors_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    ["chat.example", "https://chat.example/", "https://Chat.example", "https://*.example",
     "https://chat.example:443", "http://chat.example:80", "https://",
     "https://bücher.example", "http://a b", "https://a/b", "http://[::1", "**"],
)  # fmt: skip
def test_an_origin_that_can_never_match_is_refused(origin: str) -> None:
    with pytest.raises(config.ConfigError, match=r"yaml:1: server.cors_origins: expected '\*' or origins"):
        parse(f"server: {{cors_origins: ['{origin}']}}\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'model:\n  hef_path: "a\\0b"\n',
            "yaml:2: model.hef_path: expected a text that is not empty and has no",
        ),
        ('model:\n  name: "\\ud800"\n', r"yaml:2: not valid YAML: '\\ud800' can't be read as str"),
        ('server:\n  port: "\\ud800"\n', r"yaml:2: not valid YAML: '\\ud800' can't be read as str"),
        ("media:\n  fit: cover\n", "yaml:2: media.fit: expected one of letterbox, crop, stretch"),
        ("media:\n  remote: off\n", "yaml:2: media.remote: expected one of public, allowed, off in quotes"),
        ("server:\n  host: http://pi\n", "yaml:2: server.host: expected an address or a host name"),
        ("server:\n  host: '*'\n", "yaml:2: server.host: expected an address or a host name"),
        ("server:\n  tls_cert: a\n", "yaml:1: server.tls_key: tls_cert and tls_key are given together"),
        ("server:\n  tls_key: a\n", "yaml:1: server.tls_cert: tls_cert and tls_key are given together"),
        ("media:\n  allow_hosts: ['10.0.0.1/8']\n", "yaml:2: media.allow_hosts: "),
        ("model:\n  name: ''\n", "yaml:2: model.name: expected a text that is not empty"),
        ("server:\n  allowed_hosts: ['http://pi']\n", "yaml:2: server.allowed_hosts: expected host names"),
        ("server:\n  allowed_hosts: ['pi:80']\n", "yaml:2: server.allowed_hosts: expected host names"),
        (f"server:\n  host: {'x' * 70}.example\n", "yaml:2: server.host: expected an address or a host name"),
        ("server:\n  request_timeout: .inf\n", "yaml:2: server.request_timeout: expected `float` <= "),
        (f"api:\n  max_batch_images: {10**400}\n", "yaml:2: api.max_batch_images: expected `int` <= "),
        ("npu:\n  device_nodes: []\n", "yaml:2: npu.device_nodes: expected `array` of length >= 1"),
        ("server:\n  prot: 1\n", "hailo-vision.yaml:2: server.prot: unknown key; the nearest .* server.port"),
        ("npu:\n  load_timeout: 1\n", "yaml:2: npu.load_timeout: .* known key is model.load_timeout"),
        ("port: 1\n", "hailo-vision.yaml:1: port: unknown key; the nearest known key is server.port"),
        ("zzz: 1\n", "hailo-vision.yaml:1: zzz: unknown key; known keys at the top are server, model"),
        ("zzz:\n", "hailo-vision.yaml:1: zzz: unknown key; known keys at the top are server, model"),
        ("# comment\nserver:\n  host: x\n  port: '1'\n", "yaml:4: server.port: expected `int`, got `str`"),
        ("server:\n  port: 70000\n", "yaml:2: server.port: expected `int` <= 65535"),
        ("generation:\n  top_k: 5000000000\n", "yaml:2: generation.top_k: expected `int` <= 100000"),
        (f"generation:\n  seed: {2**70}\n", "yaml:2: generation.seed: expected `int` <= "),
        ("generation:\n  temperature: .nan\n", "yaml:2: generation.temperature: expected"),
        ("model:\n  url: http://pi/x.hef\n", "yaml:2: model.url: unknown key; it is not needed any more"),
        (
            "server:\n  keep_alive_comment_interval: 5\n",
            "it is called server.heartbeat_interval now",
        ),
        ("model:\n  keep_alive: soon\n", "yaml:2: model.keep_alive: expected seconds or a duration"),
        ("resource_limits:\n  cpu_quota: 80\n", "yaml:2: resource_limits.cpu_quota: expected `str`"),
        ("resource_limits:\n  memory_max: lots\n", "yaml:2: resource_limits.memory_max: expected"),
        ("server:\n  port: 1\n  port: 2\n", "yaml:3: port: the key is given twice"),
        ("server: [\n", "yaml:2: not valid YAML"),
        ("api:\n  model_required: !!bool maybe\n", "yaml:2: not valid YAML: 'maybe' can't be read as bool"),
        ("model:\n  name: !!timestamp soon\n", "yaml:2: not valid YAML: 'soon' can't be read as timestamp"),
        ("model:\n  name: 2024-13-45\n", "yaml:2: not valid YAML: '2024-13-45' can't be read"),
        (f"generation:\n  seed: {'9' * 5000}\n", r"yaml:2: not valid YAML: '9{80}' can't be read as int\Z"),
        ("server:\n  port: 011435\n", "yaml:2: not valid YAML: '011435' would be read in base 8 or 60"),
        ("model:\n  keep_alive: 1:30\n", "yaml:2: not valid YAML: '1:30' would be read in base 8 or 60"),
        ("server:\n  host: 'a\0b'\n", r"yaml:2: not valid YAML: character U\+0000\Z"),
        ("server: " + "[" * 2000, "yaml:1: not valid YAML: it is nested too deeply"),
        ("server:\n  yes: 1\n", "yaml:2: yes: expected a key that is a text, got bool"),
        ("? [a]\n: 1\n", r"yaml:1: \(a key\): expected a key that is a text, got seq"),
        ('server:\n  "a\\nb": 1\n', r"yaml:2: server.'a\\nb': unknown key; the nearest"),
        ('server:\n  "\\e[2J": 1\n  "\\e[2J": 1\n', r"yaml:3: '\\x1b\[2J': the key is given twice"),
        ("- server\n", "yaml:1: .the whole file.: expected `object`, got `array`"),
        ("server: 5\n", "yaml:1: server: expected `object`, got `int`"),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_expectation(text: str, told: str) -> None:
    with pytest.raises(config.ConfigError, match=told):
        parse(text)


def test_what_is_merged_may_be_given_again() -> None:
    assert parse("media:\n  <<: {fit: crop, remote: off}\n  fit: stretch\n  remote: 'off'\n").media == (
        config.MediaConfig(fit="stretch", remote="off")
    )


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="No such file"):
        config.load(tmp_path / "absent.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(config.ConfigError, match="not UTF-8"):
        config.load(binary)


def test_only_a_missing_default_file_means_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "DEFAULT_PATH", tmp_path / "default.yaml")
    assert config.load_or_default(None) == config.Config()
    with pytest.raises(config.ConfigError, match="No such file"):
        config.load_or_default(tmp_path / "named.yaml")
    (tmp_path / "default.yaml").symlink_to("default.yaml")
    with pytest.raises(config.ConfigError, match="symbolic links"):
        config.load_or_default(None)


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
