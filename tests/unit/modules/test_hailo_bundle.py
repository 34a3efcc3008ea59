"""What a support bundle must not hold."""

import base64
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from support.modules import load

from .conftest import Run

bundle = load("plugins/modules/hailo_bundle.py", "hailo_bundle")
KEY = "sk-of-the-kitchen"
PEM = "-----BEGIN PRIVATE KEY-----\nTUlJQmFzZTY0b2ZhcHJpdmF0ZWtleQ==\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"key {KEY}!", "key (secret)!"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer (secret)"),
        ("url: https://me:pass@files.example/x.hef", "url: https://(secret)@files.example/x.hef"),
        ("url: https://files.example/x.hef?sig=1&b=2", "url: https://files.example/x.hef?(secret)"),
        ("Environment=HF_TOKEN=abc", "Environment=HF_TOKEN=(secret)"),
        ('"api_key": "abc"', '"api_key": (secret)'),
        (f"before\n{PEM}\nafter", "before\n(secret)\nafter"),
        ("max_tokens: 200", "max_tokens: 200"),
        ("hailo_vision_prompt_tokens_total 12.0", "hailo_vision_prompt_tokens_total 12.0"),
    ],
)
def test_secrets_are_cut_out_and_nothing_else(text: str, left: str) -> None:
    assert bundle.cut_out(text, [KEY]) == left


def test_the_models_order_is_no_secret_but_for_its_address(tmp_path: Path) -> None:
    address = "https://me:pass@mirror.example/x.hef?sig=1"
    (tmp_path / "model.json").write_text(f'{{\n "url": "{address}",\n "retries": 3,\n "path": "/srv/x"\n}}\n')
    (tmp_path / "keys").write_text(f"{KEY}\n")
    assert bundle.secrets_in(str(tmp_path)) == [KEY, address]


def test_no_member_holds_a_secret_of_the_host(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "hailo-vision.api-keys").write_text(f"{KEY}\n")
    (credentials / "hailo-vision.tls-key").write_text(f"{PEM}\n")
    (tmp_path / "config.yaml").write_text(f"# {KEY}\nserver: {{port: 1}}\n")
    given: list[str] = []

    def ask(url: str, key: str) -> str:
        given.append(key)
        return f"{url} {key}\n"

    monkeypatch.setattr(bundle, "ask", ask)
    said = f"{PEM.splitlines()[1]} another-secret\n"
    monkeypatch.setattr(bundle.AnsibleModule, "run_command", lambda module, command: (1, said, KEY))
    result: dict[str, Any] = run(
        bundle,
        url="http://127.0.0.1:11435",
        config=str(tmp_path / "config.yaml"),
        credentials=str(credentials),
        secrets=["another-secret"],
        facts={"os": KEY},
    )
    assert given == [KEY, KEY]
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(result["archive"]))) as archive:
        members = {entry.name: archive.extractfile(entry) for entry in archive}
        texts = {name: file.read().decode() for name, file in members.items() if file}
    assert set(texts) == set(result["members"])
    assert "port: 1" in texts["configuration.yaml"]
    assert "(status 1)" in texts["journal.txt"]
    for name, text in texts.items():
        assert "(secret)" in text, name
        for secret in (KEY, "another-secret", PEM.splitlines()[1]):
            assert secret not in text, name
