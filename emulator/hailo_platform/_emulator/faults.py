"""Asking whether an injected fault strikes now, with its limit of times counted over all processes."""

from typing import Any

from hailo_platform._emulator.journal import record
from hailo_platform._emulator.settings import Faults, settings
from hailo_platform._emulator.shared import update_state

_NEVER = -1
_NONE = Faults()


def _value(name: str) -> Any:
    return getattr(settings().faults, name)


def is_set(name: str) -> bool:
    """Whether the fault is switched on at all, whatever its limit of times."""
    return bool(_value(name) != getattr(_NONE, name))


def strikes(name: str) -> bool:
    """Whether the fault strikes now; each yes is counted against `[faults.times]` and recorded.

    The count starts anew with each change of the settings file.
    """
    if not is_set(name):
        return False
    limit = settings().faults.times.get(name)
    if limit is not None and not _take(name, limit):
        return False
    record("fault", name=name, value=_value(name))
    return True


def strikes_at(name: str, tokens: int) -> bool:
    """Whether a fault that waits for a number of produced tokens strikes after `tokens` of them."""
    after = _value(name)
    return after != _NEVER and tokens == after and strikes(name)


def _take(name: str, limit: int) -> bool:
    taken = False

    def change(state: dict[str, Any]) -> None:
        nonlocal taken
        key = f"{name}@{settings().stamp}"
        fired = state.setdefault("fired", {})
        if fired.get(key, 0) < limit:
            fired[key] = fired.get(key, 0) + 1
            taken = True

    update_state(change)
    return taken
