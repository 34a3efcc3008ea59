"""Looks at a host and checks a role's variables against its argument_specs, more strictly than Ansible does.

Ansible makes a list of any text, takes every value for a text, and forgets what it converted. Here a value is
of its type or a text that says one, as every ``-e NAME=VALUE`` is; roles turn such texts with ``bool``,
``int`` and ``float`` where they use them. All in one task: Ansible takes time for each task of each host.
"""

import contextlib
import difflib
import itertools
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase

Option = dict[str, Any]

TOP = Path(__file__).resolve().parents[2]

# What helps where Ansible can't work on a host as root, by a word of its reason.
CURES = {
    "interpreter": 'Install it there with "sudo apt install python3".',
    "sudo": 'The user that Ansible logs in as may do everything there by sudo: as in "sudo usermod --append '
    '--groups sudo USER", with --ask-become-pass if it asks for a password.',
}


def _says(kind: type, pattern: str) -> Callable[[Any], bool]:
    """A test whether a value is of a type, or a text that says one."""
    return lambda value: isinstance(value, kind | str) and bool(re.fullmatch(pattern, str(value).lower()))


def _is_float(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a text", _is_text),
    "path": ("a whole path, such as /srv/hailo,", lambda value: _is_text(value) and value.startswith("/")),
    "bool": ("true or false", _says(bool, "true|false|yes|no|on|off|1|0")),
    "int": ("a whole number", _says(int, "-?[0-9]+")),
    "float": ("a number", _is_float),
    "list": ("a list", lambda value: isinstance(value, list)),
    "dict": ("a mapping", lambda value: isinstance(value, Mapping)),
    "raw": ("a number or a text", lambda value: _is_text(value) or _is_float(value)),
}


def judge(name: str, option: Option, value: Any) -> str:
    """What is wrong with a value: variable, value and what is needed, in sentences; empty if nothing is."""
    expected, fits = _KINDS[option["type"]]
    if not fits(value):
        return f"{name} is {_describe(value, option)}, and {expected} is needed.{_hint(name, option, value)}"
    if "choices" in option and value not in option["choices"]:
        return f"{name} is {_describe(value, option)}, and one of {', '.join(option['choices'])} is needed."
    if option["type"] == "list":
        element = {"type": option["elements"], "no_log": option.get("no_log", False)}
        found = (judge(f"{name}[{place}]", element, entry) for place, entry in enumerate(value))
        return next(filter(None, found), "")
    return ""


def unknown(name: str, known: list[str]) -> str:
    """The sentence about a variable that the role does not have, with the one that may be meant."""
    close = difflib.get_close_matches(name, known, 1)
    meant = f" Is {close[0]} meant?" if close else ""
    return f"{name} is no setting of this role.{meant} docs/variables.md lists all."


def _describe(value: Any, option: Option) -> str:
    match value:
        case None | "":
            return "empty"
        case bool():
            return str(value).lower()
        case str():
            return "a text" if option.get("no_log") else f"the text {json.dumps(value[:60])}"
        case int() | float():
            return "a number" if option.get("no_log") else f"the number {value}"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def _hint(name: str, option: Option, value: Any) -> str:
    if value in (None, ""):
        return " Leave it out to have the default."
    if isinstance(value, bool | int | float) and option["type"] in ("str", "path"):
        return " Put it in quotes: YAML makes numbers and booleans of some texts."
    if option["type"] in ("list", "dict"):
        example = '["..."]' if option["type"] == "list" else '{"...": "..."}'
        return f" Write {name}: {example} in an inventory, and -e '{{\"{name}\": {example}}}' as an argument."
    return ""


def specification(folder: Path) -> dict[str, Option]:
    """The variables of a role, or of the playbooks, by their names."""
    options: dict[str, Option] = yaml_load((folder / "meta/argument_specs.yml").read_text("utf-8"))
    return dict(options["argument_specs"]["main"]["options"])


class ActionModule(ActionBase):
    """Fails with all that is wrong with the variables of the role that the task is in, at once.

    Arguments:
        ``hosts``, of which the variables of all roles and playbooks are checked, by name and type alone: for
        a playbook's first task, before any host is connected to;
        ``look``, whether hailo_facts looks at the host, if this run has not yet;
        ``packages``, name of a variable with Debian packages to look for, for which it looks again;
        ``checks``, name of a variable with further checks, each with ``passed`` and ``problem``, worked out
        when all types are right, after the look;
        ``once``, names of variables that the checks ask for again and again;
        ``find``, what else the result is to have: names there, each with the name of a variable.
    """

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result; ``msg`` tells what is wrong."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False}
        arguments, variables = self._task.args, task_vars or {}
        if "hosts" in arguments:
            problems = self._judge_hosts(variables["hostvars"], arguments["hosts"])
            return result | ({"failed": True, "msg": " ".join(problems)} if problems else {})
        host = variables["inventory_hostname"]
        if problems := self._judge_role(Path(self._task._role._role_path), variables):
            return result | {"failed": True, "msg": f"{host}: {' '.join(problems)}"}
        # Facts that Ansible has kept from an earlier run say nothing of now.
        looked = variables["ansible_facts"].get("hailo", {}).get("run") == os.getppid()
        if "packages" in arguments or (arguments.get("look") and not looked):
            result |= self._look(variables)
            if result.get("failed"):
                return result
            facts = {**variables["ansible_facts"], **result["ansible_facts"]}
            variables = {**variables, "ansible_facts": facts}
        self._templar.available_variables = variables = dict(variables)
        for name in arguments.get("once", []):
            with contextlib.suppress(AnsibleError):  # The check that needs it tells why.
                variables[name] = self._templar.template(variables[name])
        if problems := self._check(variables.get(arguments.get("checks"), [])):
            return {"failed": True, "msg": f"{host} can't be deployed to: {' '.join(problems)}"}
        found = {name: variables[variable] for name, variable in arguments.get("find", {}).items()}
        return result | self._templar.template(found)

    def _judge_hosts(self, hostvars: Mapping[str, Mapping[str, Any]], hosts: list[str]) -> list[str]:
        """What is wrong with the variables of some hosts, each problem once."""
        folders = [TOP / "playbooks", *sorted(TOP.glob("roles/*"))]
        found: dict[str, list[str]] = {}
        for host, folder in itertools.product(hosts, folders):
            for problem in self._judge_role(folder, hostvars[host], last=False):
                found.setdefault(problem, []).append(host)
        return [f"{', '.join(those)}: {problem}" for problem, those in found.items()]

    def _judge_role(self, folder: Path, variables: Mapping[str, Any], last: bool = True) -> list[str]:
        """What is wrong with a role's variables, by name and type.

        Args:
            last: whether one that can't be worked out is wrong; before a host was looked at it may be right.
        """
        options = specification(folder)
        strangers = {name for name in variables if name.startswith(f"{folder.name}_")} - set(options)
        problems = [unknown(name, list(options)) for name in sorted(strangers)]
        for name in (name for name in options if name in variables):
            try:
                problems.append(judge(name, options[name], self._templar.template(variables[name])))
            except AnsibleError as error:
                problems.append(f"{name} can't be worked out: {error}" if last else "")
        return [problem for problem in problems if problem]

    def _look(self, variables: dict[str, Any]) -> dict[str, Any]:
        """What hailo_facts finds, or why it can't look, with the cure."""
        names = self._templar.template(variables.get(self._task.args.get("packages"), []))
        try:
            found: dict[str, Any] = self._execute_module(
                module_name="hailo_vision.deploy.hailo_facts",
                module_args={"packages": names},
                task_vars=variables,
            )
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            found = {"failed": True, "msg": str(error)}
        if not found.get("failed"):
            found["ansible_facts"]["hailo"]["run"] = os.getppid()
            return {"ansible_facts": found["ansible_facts"]}
        if "msg" not in found:  # an error of the module's own, which Ansible tells
            return found
        reason = f"{found['msg']} {found.get('module_stderr', '')}"
        cures = [cure for word, cure in CURES.items() if word in reason]
        told = [f"{variables['inventory_hostname']} can't be looked at: {reason}", *cures]
        return {"failed": True, "msg": " ".join(told)}

    def _check(self, checks: list[dict[str, str]]) -> list[str]:
        """The problems of the checks that are not passed. A check may need that those before it are."""
        problems: list[str] = []
        for check in checks:
            try:
                if not self._templar.template(check["passed"]):
                    problems.append(self._templar.template(check["problem"]))
            except AnsibleError:
                if not problems:
                    raise
        return problems
