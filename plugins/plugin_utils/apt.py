"""What apt says, for those who are to act on it."""

import re
from collections.abc import Mapping
from typing import Any

_CHANGE = re.compile(r"^Inst (\S+?)(?::\S+)? (?:\[([^]]*)\] )?\((\S+)", re.MULTILINE)
_REASON = re.compile(r"(E:|Error|dpkg: error| \S+ : )")
_CURES = {
    "Could not get lock": (
        "Another program has held apt's lock for too long. See what it is (ps with that number), and run "
        "again when it is done."
    ),
    "--allow-downgrades": "Set hailo_driver_allow_downgrade to true if an older version is meant.",
    "don't have enough free space": "Make room on that disk.",
}


def changes(simulated: str) -> dict[str, Any]:
    """What an installation would change, by what ``apt-get --simulate install`` prints.

    Returns:
        ``versions``, the new version of each package that changes; ``former``, the version that it has, where
        it has one; ``added``, the packages that the host has not.
    """
    found = _CHANGE.findall(simulated)
    return {
        "versions": {name: version for name, _, version in found},
        "former": {name: former for name, former, _ in found if former},
        "added": [name for name, former, _ in found if not former],
    }


def refusal(result: Mapping[str, Any]) -> str:
    """The lines in which apt or dpkg says what is wrong, and what helps.

    Args:
        result: of a task with the module command.
    """
    lines = [line for line in result["stdout_lines"] + result["stderr_lines"] if _REASON.match(line)]
    reason = "; ".join(dict.fromkeys(line.strip() for line in lines)) or result["stderr"].strip()[-1500:]
    packages = [word for word in result["cmd"] if not re.match(r"-|apt-get$|(install|update)$", word)]
    cures = [cure for said, cure in _CURES.items() if said in reason]
    return " ".join([f"apt refused {' '.join(packages)}: {reason}.", *cures])


def broken(states: str) -> list[str]:
    """The packages that are neither whole nor away, by ``dpkg-query`` with status and name in each line."""
    rows = (line.split(" ", 1) for line in states.splitlines())
    return [name for state, name in rows if state not in ("installed", "config-files", "not-installed")]
