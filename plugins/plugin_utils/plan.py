"""What is to be done on a host, by one look at it.

The host's state counts, not this run's changes alone: what an interrupted run left is done by the next.
"""

from collections.abc import Mapping
from typing import Any

SOCKET = "hailo-vision.socket"
SERVICE = "hailo-vision.service"
JOURNAL = "systemd-journald.service"
RELEASES = "/opt/hailo-vision/releases"


def _seconds(timestamp: str) -> int:
    """A time as systemd tells it, 0 for never."""
    return int(timestamp.lstrip("@") or 0)


def _is_up(unit: Mapping[str, str]) -> bool:
    return unit["ActiveState"] in ("active", "activating", "reloading")


def plan(host: Mapping[str, Any], files: Mapping[str, Any], model_waits: bool = False) -> dict[str, Any]:
    """What brings the service to the files that are there.

    Args:
        host: what hailo_facts found.
        files: what hailo_paths returned for the service's files.
        model_waits: whether the model is about to be exchanged.

    Returns:
        ``reload``, whether systemd must read its units again; ``restart``, the units that run with something
        older than what is there; ``down``, the units to be enabled and started; ``to_do``, whether there is
        anything at all.
    """
    units, newest, changed = host["units"], files["newest"], files["changed_paths"]
    socket, service = units[SOCKET], units[SERVICE]
    since = {
        SOCKET: _seconds(socket["ActiveEnterTimestamp"]),
        SERVICE: _seconds(service["ExecMainStartTimestamp"]),
        JOURNAL: _seconds(host["journal_since"]),
    }
    stale = {unit: newest.get(unit, 0) > start for unit, start in since.items()}
    # The service goes and comes with its socket.
    stale[SOCKET] &= socket["ActiveState"] == "active"
    stale[SERVICE] |= model_waits or host["runtime_since"] > since[SERVICE]
    # It has given up, or waits ever longer, and does not see whether the cause is gone.
    stale[SERVICE] |= service["StatusText"].startswith(("failed", "restarting"))
    stale[SERVICE] &= _is_up(service) and not stale[SOCKET]
    found = {
        "reload": any(path.startswith("/etc/systemd/system/") for path in changed)
        or any(unit["NeedDaemonReload"] == "yes" for unit in units.values()),
        "restart": [unit for unit, is_stale in stale.items() if is_stale],
        "down": [
            unit["Id"] for unit in (socket, service) if not _is_up(unit) or unit["UnitFileState"] != "enabled"
        ],
    }
    unsettled = not host["good"]["current"] or host["predecessor"]["remains"]
    return found | {"to_do": bool(changed or unsettled) or any(found.values())}


def is_stale(unit: Mapping[str, str], *files: Mapping[str, Any]) -> bool:
    """Whether a unit has not read the newest of its files since it was last started or reloaded.

    Args:
        unit: its properties.
        files: what hailo_paths returned for them.
    """
    newest = [time for found in files for time in found["newest"].values()]
    return max(newest) > _seconds(unit["StateChangeTimestamp"])


def leftovers(host: Mapping[str, Any], release: str) -> list[str]:
    """Paths that nothing needs: what a predecessor left, and releases but the present and the last good one.

    Args:
        host: what hailo_facts found.
        release: the one in use.
    """
    good = host["good"]
    kept = {release, good["previous"] if good["last"] == release else good["last"]}
    names = [name for name in host["trees"]["vision"]["present"] if name not in kept]
    releases = [f"{RELEASES}/{path}" for name in names for path in (name, f".{name}.sealed")]
    return releases + list(host["predecessor"]["remains"])
