"""Which packages a host is to get, and which are to be held, by one look at it."""

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

ALL = "hailo-h10-all"
# hailo-h10-all depends on any version of these, so that a release of it is a release of them, too.
CORE = ["h10-hailort", "h10-hailort-pcie-driver", "python3-h10-hailort"]
_VERSIONED = re.compile(r"hailo-h10-all$|h10-|python3-h10-")
# Of the kernel's packages, those without a version in their name are the ones that bring new kernels.
_HOLDABLE = re.compile(r"(python3-)?(hailo-|h10-)|hailort|linux-(image|headers)-[a-z]")


def plan(host: Mapping[str, Any], wish: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be installed and held.

    Args:
        host: what hailo_facts found.
        wish: ``packages`` and ``build``, those that the operator wants; ``version``, their release, or empty;
            ``hold``, ``upgrade``; ``files``, what the operator supplies in place of the packages, and
            ``judged``, what hailo_supplied made of it; ``madison``, lines of ``apt-cache madison``;
            ``known``, what else the archives have.

    Returns:
        ``wanted`` and, of that, ``missing``; ``versioned``, the packages that have releases; ``offers``, what
        the archives have of these; ``pins``, what of that is the wanted release; ``files``, those to be sent,
        and ``requires``, the packages that they need; ``names``, what apt is told besides the files;
        ``to_install``, all that is missing or other; ``to_hold``, and ``holds``, what the role holds then;
        ``to_release``, whether the role's holds go; ``waiting``, updates behind the hold.
    """
    installed, asked, judged = host["packages"], wish["packages"], wish["judged"]
    versioned = [name for name in _union(asked, CORE if ALL in asked else []) if _VERSIONED.match(name)]
    pinned = versioned if wish["version"] else []
    release = re.compile(rf"([0-9]+:)?{re.escape(wish['version'])}([-+~]|$)")
    wanted = [*(["python3-pip"] if wish["files"] else asked), *wish["build"], "python3-venv"]
    missing = [name for name in wanted if name not in installed]
    others = [name for name in pinned if name in installed and not release.match(installed[name])]
    holdable = [name for name in installed if _HOLDABLE.match(name)]
    # Driver and kernel go to their newest together.
    newest = [name for name in _union(wanted, holdable) if name not in pinned] if wish["upgrade"] else []
    rows = [[part.strip() for part in line.split("|")[:2]] for line in wish["madison"]]
    # The newest comes first.
    pins = {name: version for name, version in reversed(rows) if release.match(version)}
    files = wish["files"] if wish["files"] and _is_stale(host, judged) else []
    requires = [name for name in judged["requires"] if name in wish["known"]] if files else []
    pins_of_release = [f"{name}={version}" for name, version in pins.items()] if wish["version"] else []
    to_hold = [name for name in holdable if name not in host["held"]] if wish["hold"] else []
    return {
        "wanted": wanted,
        "missing": missing,
        "versioned": versioned,
        "offers": _union(f"{name}={version}" for name, version in rows),
        "pins": pins_of_release,
        "files": files,
        "requires": requires,
        "names": _union((name for name in missing if name not in pinned), pins_of_release, requires, newest),
        "to_install": _union(missing, others, files, newest),
        "to_hold": to_hold,
        "holds": sorted({*host["held_for_driver"]} & {*holdable} | {*to_hold}),
        "to_release": bool(host["held_for_driver"]) and not wish["hold"],
        "waiting": [f"{name} {version}" for name, version in host["waiting"].items() if name not in pinned],
    }


def _is_stale(host: Mapping[str, Any], judged: Mapping[str, Any]) -> bool:
    """Whether what was installed from the operator's files is no longer there, or from other files."""
    record, installed = host["supplied"], host["packages"]
    return (
        judged["digests"] != record["digests"]
        or not record["importable"]
        or any(installed.get(name) != version for name, version in record["packages"].items())
        or any(name not in installed for name in record["requires"])
    )


def _union(*lists: Iterable[str]) -> list[str]:
    """Each once, in this order."""
    return list(dict.fromkeys(chain(*lists)))
