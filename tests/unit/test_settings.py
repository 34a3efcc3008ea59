"""Every variable of every role with every wrong type: converted or refused, with a sentence about it."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from support.modules import TOP, load
from support.variables import options

settings = load("plugins/action/hailo_settings.py", "hailo_settings_action")

VALUES: list[Any] = [
    None, "", True, False, 0, 3, -1, 2.5, float("nan"),
    "word", "/a/path", "3", "-1", "2.5", "nan", "true", "NO", "3; rm",
    [], ["word"], ["/a/path"], [3], [None], [["word"]], [{}], {}, {"key": "value"},
]  # fmt: skip
# What is right for a type: of that type, or a text that says it.
RIGHT: dict[str, list[Any]] = {
    "str": ["word", "/a/path", "3", "-1", "2.5", "nan", "true", "NO", "3; rm"],
    "path": ["/a/path"],
    "bool": [True, False, "true", "NO"],
    "int": [0, 3, -1, "3", "-1"],
    "float": [0, 3, -1, 2.5, "3", "-1", "2.5"],
    "dict": [{}, {"key": "value"}],
    "raw": [0, 3, -1, 2.5, "word", "/a/path", "3", "-1", "2.5", "nan", "true", "NO", "3; rm"],
}


def right(option: dict[str, Any]) -> list[Any]:
    """What an option takes."""
    if option["type"] == "list":
        return [[], *([one] for one in RIGHT[option["elements"]])]
    return list(option.get("choices", RIGHT[option["type"]]))


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of one type; True is not 1 here."""
    return type(one) is type(other) and json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize("name", options())
def test_each_type_is_accepted_or_refused_by_name(name: str) -> None:
    option = options()[name]
    for value in VALUES:
        said = settings.judge(name, option, value)
        fits = any(same(value, one) for one in right(option))
        assert (said == "") == fits, (value, said)
        if not fits:
            assert re.fullmatch(rf"{name}(\[0\])? is .+, and .+ is needed\..*", said), said


@pytest.mark.parametrize("name", [name for name, option in options().items() if option.get("no_log")])
def test_a_refusal_shows_no_secret(name: str) -> None:
    for value in ("a-secret", 73317331, ["a-secret", 73317331], {"a-secret": "73317331"}):
        said = settings.judge(name, options()[name], value)
        assert "a-secret" not in said
        assert "73317331" not in said


@pytest.mark.parametrize("name", [name for name, option in options().items() if "default" in option])
def test_a_default_is_right(name: str) -> None:
    assert settings.judge(name, options()[name], options()[name]["default"]) == ""


def test_a_refusal_tells_how_it_is_written() -> None:
    option = {"type": "list", "elements": "str"}
    assert settings.judge("a_list", option, "word") == (
        'a_list is the text "word", and a list is needed. Write a_list: ["..."] in an inventory, '
        'and -e \'{"a_list": ["..."]}\' as an argument.'
    )
    assert "Put it in quotes" in settings.judge("a_version", {"type": "str"}, 5.1)
    assert "Leave it out" in settings.judge("a_version", {"type": "str"}, None)


def test_a_misspelt_variable_is_told_with_the_one_that_may_be_meant() -> None:
    said = settings.unknown("hailo_vision_prot", list(options()))
    assert said.startswith("hailo_vision_prot is no setting of this role. Is hailo_vision_port meant?")


def run(found: dict[str, Any] | AnsibleError, asks: str = "packages", **variables: Any) -> dict[str, Any]:
    """The result of the action where a look at the host ends so."""

    def look(**_: object) -> dict[str, Any]:
        if isinstance(found, AnsibleError):
            raise found
        return found

    checks = [
        {"passed": "{{ host.cores > 1 }}", "problem": "It has {{ host.cores }} core."},
        {"passed": "{{ host.room > 5 }}", "problem": "It has no room."},
    ]
    known: dict[str, Any] = {
        "inventory_hostname": "pi01",
        "ansible_facts": {},
        "host": "{{ ansible_facts.hailo }}",
    }
    known |= {"the_checks": checks, "packages": ["dkms"], **variables}
    names = {asks: "packages", "checks": "the_checks", "once": ["host"], "find": {"model": "host"}}
    action = object.__new__(settings.ActionModule)
    action._execute_module = look
    role = SimpleNamespace(_role_path=str(TOP / "roles/hailo_apps"))
    action._task = SimpleNamespace(args=names, _role=role, async_val=0, check_mode=False)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="none"))
    known = {name: trusted(value) for name, value in known.items()}
    action._templar = Templar(DataLoader(), known)
    return dict(action.run(task_vars=known))


def trusted(value: Any) -> Any:
    """A variable as an inventory or a role has it."""
    if isinstance(value, list):
        return [trusted(item) for item in value]
    if isinstance(value, dict):
        return {name: trusted(item) for name, item in value.items()}
    return trust_as_template(value) if isinstance(value, str) else value


def test_a_host_is_looked_at_before_what_the_deployment_needs_is_checked() -> None:
    host = {"cores": 4, "room": 9}
    result = run({"ansible_facts": {"hailo": host}})
    assert (result.get("failed"), result["model"], result["ansible_facts"]) == (None, host, {"hailo": host})
    # The second check can't be worked out, which the first one's problem explains.
    result = run({"ansible_facts": {"hailo": {"cores": 1}}})
    assert result == {"failed": True, "msg": "pi01 can't be deployed to: It has 1 core."}
    with pytest.raises(AnsibleError):
        run({"ansible_facts": {"hailo": {"cores": 4}}})


def test_facts_that_ansible_has_kept_from_an_earlier_run_are_not_used() -> None:
    """Its cache of facts may be days old."""
    now = {"cores": 4, "room": 9}
    for run_of, looked in ((None, True), (1, True), (os.getppid(), False)):
        known = {"cores": 2, "room": 9, "run": run_of}
        result = run({"ansible_facts": {"hailo": dict(now)}}, asks="look", ansible_facts={"hailo": known})
        assert (result["model"]["cores"] == 4) is looked, run_of


def test_what_keeps_ansible_from_a_host_is_told_with_the_cure() -> None:
    for found in (
        AnsibleError("Missing sudo password"),
        {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "sudo: no"},
    ):
        result = run(found)
        assert result["failed"]
        assert result["msg"].startswith("pi01 can't be looked at: ")
        assert "sudo usermod" in result["msg"]


def test_an_error_of_the_look_itself_is_ansibles_to_tell() -> None:
    found = {"failed": True, "exception": "what Ansible has of it"}
    assert run(found) == {**found, "changed": False}


def test_a_host_is_not_looked_at_with_wrong_settings() -> None:
    result = run({}, hailo_apps_version=7)
    assert result["msg"].startswith("pi01: hailo_apps_version is the number 7, and a text is needed.")


def places() -> Iterator[tuple[Path, str]]:
    """Lines of the deployment, without those of the specifications and defaults themselves."""
    for pattern in ("roles/*/tasks/*", "roles/*/vars/*", "playbooks/*.yml", "templates/*"):
        for path in TOP.glob(pattern):
            yield from ((path, line) for line in path.read_text().splitlines())


def test_a_boolean_is_turned_into_one_where_it_is_used() -> None:
    """The text "false" is true to Jinja."""
    booleans = "|".join(name for name, option in options().items() if option["type"] == "bool")
    used = re.compile(rf"\b({booleans})\b(?! (\| default\(false\) )?\| bool\b)")
    # The only thing in a module's argument, which the module turns; or words of a message.
    argument = re.compile(r'^ +\w+: "\{\{ \w+ \}\}"$')
    wrong = [
        f"{path.name}: {line}"
        for path, line in places()
        if used.search(line) and not argument.match(line)
        and not re.search(rf"({booleans})( to | is |=)(true|false)", line)
    ]  # fmt: skip
    assert wrong == []
