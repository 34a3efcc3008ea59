"""The server program on the chip: its incarnations, its absence while it starts anew, and the lost link.

It dies of a model that is released while a completion generates (llm_server.cpp: LLM_RELEASE resets what the
next read uses), and systemd starts it again at once (hailort_server.service: Restart=always, RestartSec=0).
Every connection belongs to one incarnation.
"""

import os
import time
from typing import Any, NoReturn

from hailo_platform._emulator import clock, faults, log
from hailo_platform._emulator.errors import Status, failure
from hailo_platform._emulator.journal import record
from hailo_platform._emulator.settings import settings
from hailo_platform._emulator.shared import read_state, update_state


def incarnation() -> int:
    """Which server since the last power cycle answers now, from 0."""
    return int(read_state().get("incarnation", 0))


def is_lost() -> bool:
    """Whether the link to the chip was lost for good since the last power cycle."""
    return bool(read_state().get("lost"))


def is_gone(since: int) -> bool:
    """Whether a connection made to that incarnation is dead."""
    state = read_state()
    return bool(state.get("lost")) or state.get("incarnation", 0) != since


def restart() -> None:
    """Cut every connection; for `timing.server_restart` nobody is let in."""
    until = time.monotonic() + settings().timing.server_restart * settings().time_scale

    def change(state: dict[str, Any]) -> None:
        state["incarnation"] = state.get("incarnation", 0) + 1
        state["away_until"] = until

    update_state(change)


def lose_link() -> None:
    """Cut every connection; unless the settings let it recover, the chip is lost until a power cycle."""
    recovers = settings().faults.link_recovers
    record("link_lost", recovers=recovers)
    if recovers:
        restart()
    else:
        update_state(lambda state: state.update(lost=True))


def refuse_while_away() -> None:
    """Raise status 89 while the server starts anew, 36 if the link is lost."""
    state = read_state()
    if state.get("lost"):
        log.write("error", "Failed ioctl, the device does not answer")
        raise failure(Status.DRIVER_OPERATION_FAILED)
    if time.monotonic() < state.get("away_until", 0.0):
        log.write("error", "Connection refused by the server on the chip")
        raise failure(Status.CONNECTION_REFUSED)


def die_with_client(reason: str) -> NoReturn:
    """The server dies of a dangling generation; its client aborts, or hangs with the GIL (by setting)."""
    record("server_died", reason=reason)
    restart()
    if faults.strikes("orphan_hangs"):
        clock.hang()
    record("sigabrt", reason=reason)
    os.abort()
