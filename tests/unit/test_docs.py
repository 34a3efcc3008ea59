"""What README and the other pages name exists: make targets, commands, variables, settings, files."""

import re

import pytest
import yaml
from support.modules import TOP

from hailo_vision import __version__, cli, config
from hailo_vision.errors import Kind
from hailo_vision.http.errors import STATUS

PAGES = "\n".join(path.read_text() for path in [TOP / "README.md", *TOP.glob("docs/*.md")])


def named(pattern: str) -> set[str]:
    """What the pages name in this form; a form that none of them has any more is an error."""
    found = set(re.findall(pattern, PAGES, re.MULTILINE))
    assert found
    return found


def test_make_targets() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(), re.MULTILINE))
    assert named(r"(?:`|&& |^ *)make ([a-z-]+)") <= targets


def test_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    commands = set(re.findall(r"^    ([a-z-]+)(?:  |$)", capsys.readouterr().out, re.MULTILINE))
    assert named(r"(?:`|sudo |-u hailo-vision |^ *)hailo-vision ([a-z][a-z-]+)") <= commands


def test_variables() -> None:
    sources = [*TOP.glob("roles/*/meta/argument_specs.yml"), *TOP.glob("playbooks/**/*.yml")]
    known = {word for path in sources for word in re.findall(r"\bhailo_\w+", path.read_text())}
    assert named(r"(?:`|^|-e )(hailo_\w*[a-z0-9])[`:=]") - {"hailo_platform"} <= known


def test_settings() -> None:
    sections = [key for key in config.known_keys() if "." not in key]
    assert named(rf"`((?:{'|'.join(sections)})\.\w+)`") <= set(config.known_keys())
    examples = named(rf"(?s)^```yaml\n((?:{'|'.join(sections)}):\n.*?)^```$")
    assert all(config.parse(example, "an example") != config.Config() for example in examples)


def test_every_code_of_an_error_is_told() -> None:
    api = (TOP / "docs/api.md").read_text()
    assert [code for code in {*Kind, *STATUS} if f"`{code}`" not in api] == []


def test_files() -> None:
    folders = "docs|emulator|hailo_vision|inventory/example|playbooks|roles|templates|tests"
    missing = {name for name in named(rf"(?:`| )((?:{folders})/[\w./-]*\w)") if not (TOP / name).exists()}
    assert missing == set()


def test_tests_of_the_deployment_are_all_described() -> None:
    written = {path.stem for path in TOP.glob("tests/deploy/test_*.py")}
    assert set(re.findall(r"^\| `(test_\w+)`", (TOP / "docs/tests.md").read_text(), re.MULTILINE)) == written


def test_the_collection_has_the_version_of_the_library() -> None:
    assert yaml.safe_load((TOP / "galaxy.yml").read_text())["version"] == __version__
