"""Checks a role's variables against its argument_specs, more strictly than Ansible does.

Ansible makes a list of any text, takes every value for a text, and forgets what it converted. Here a value is
of its type or a text that says one, as every ``-e NAME=VALUE`` is; roles turn such texts with ``bool``,
``int`` and ``float`` where they use them.
"""

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

Option = dict[str, Any]


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
    "path": ("a path", _is_text),
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


class ActionModule(ActionBase):
    """Fails with all that is wrong with the variables of the role that the task is in, at once.

    Arguments: ``facts``, names of variables that are the role's own, though they look like settings.
    ``checks``, name of a variable with the role's further checks, each with ``passed`` and ``problem``. They
    are worked out only when all types are right.
    """

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result; ``msg`` tells what is wrong."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False}
        variables = task_vars or {}
        folder = Path(self._task._role._role_path)
        specification = yaml.safe_load((folder / "meta/argument_specs.yml").read_text())
        options: dict[str, Option] = specification["argument_specs"]["main"]["options"]
        strangers = {name for name in variables if name.startswith(f"{folder.name}_")} - set(options)
        strangers -= set(self._task.args.get("facts", []))
        problems = [unknown(name, list(options)) for name in sorted(strangers)]
        values = {name: variables[name] for name in options if name in variables}
        problems += [self._judge(name, options[name], value) for name, value in values.items()]
        problems = [problem for problem in problems if problem]
        if not problems and "checks" in self._task.args:
            problems = self._check(variables[self._task.args["checks"]])
        if problems:
            result |= {"failed": True, "msg": f"{variables['inventory_hostname']}: {' '.join(problems)}"}
        return result

    def _check(self, checks: list[dict[str, str]]) -> list[str]:
        """The problems of the checks that are not passed. A check may need that those before it are."""
        problems: list[str] = []
        for check in checks:
            try:
                found = self._templar.template(check)
            except AnsibleError:
                if problems:
                    continue
                raise
            problems += [] if found["passed"] else [found["problem"]]
        return problems

    def _judge(self, name: str, option: Option, value: Any) -> str:
        try:
            return judge(name, option, self._templar.template(value))
        except AnsibleError as error:
            return f"{name} can't be worked out: {error}"
