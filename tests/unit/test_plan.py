"""What is to be done on a host, by its units and the files that they read."""

from copy import deepcopy
from typing import Any

import pytest
from support.modules import load

plans = load("plugins/plugin_utils/plan.py", "hailo_plan_filter")

SOCKET, SERVICE, JOURNAL = plans.SOCKET, plans.SERVICE, plans.JOURNAL
STARTED = 1000


def unit(name: str) -> dict[str, str]:
    """A unit that runs since STARTED."""
    times = dict.fromkeys(("ActiveEnterTimestamp", "ExecMainStartTimestamp"), f"@{STARTED}")
    return {
        "Id": name,
        "ActiveState": "active",
        "UnitFileState": "enabled",
        "NeedDaemonReload": "no",
        "StatusText": "ready",
        **times,
    }


HOST: dict[str, Any] = {
    "units": {name: unit(name) for name in (SOCKET, SERVICE)},
    "journal_since": f"@{STARTED}",
    "runtime_since": STARTED - 1,
    "good": {"current": True, "last": "b", "previous": "a"},
    "predecessor": {"remains": []},
    "trees": {"vision": {"present": ["a", "b", "c", "d"]}},
}
FILES: dict[str, Any] = {"changed_paths": [], "newest": {SOCKET: 1, SERVICE: STARTED, JOURNAL: 0}}


def plan(
    units: dict[str, dict[str, str]] | None = None, waits: bool = False, **changes: Any
) -> dict[str, Any]:
    """The plan for a host in order but for some changes."""
    host, files = deepcopy(HOST), deepcopy(FILES)
    for name, properties in (units or {}).items():
        host["units"][name] |= properties
    files["newest"] |= changes.pop("newest", {})
    files |= {key: changes.pop(key) for key in ("changed_paths",) if key in changes}
    return dict(plans.plan(host | changes, files, waits))


def test_nothing_is_to_be_done_where_all_runs_with_what_is_there() -> None:
    assert plan() == {"reload": False, "restart": [], "down": [], "to_do": False}


@pytest.mark.parametrize(
    ("changes", "restarted"),
    [
        ({"newest": {SERVICE: STARTED + 1}}, [SERVICE]),
        ({"units": {SERVICE: {"StatusText": "failed: /srv/m.hef can't be opened."}}}, [SERVICE]),
        ({"units": {SERVICE: {"StatusText": "restarting: /dev/hailo0 can't be opened."}}}, [SERVICE]),
        ({"newest": {SOCKET: STARTED + 1}}, [SOCKET]),
        ({"newest": {SOCKET: STARTED + 1, SERVICE: STARTED + 1}}, [SOCKET]),
        ({"newest": {JOURNAL: STARTED + 1}}, [JOURNAL]),
        ({"runtime_since": STARTED + 1}, [SERVICE]),
        ({"waits": True}, [SERVICE]),
        ({"newest": {SERVICE: STARTED + 1}, "units": {SERVICE: {"ActiveState": "activating"}}}, [SERVICE]),
    ],
)
def test_what_runs_with_something_older_is_restarted(changes: dict[str, Any], restarted: list[str]) -> None:
    found = plan(**changes)
    assert (found["restart"], found["to_do"]) == (restarted, True)


@pytest.mark.parametrize(
    ("units", "down"),
    [
        ({SERVICE: {"ActiveState": "failed"}}, [SERVICE]),
        ({SOCKET: {"UnitFileState": "disabled"}}, [SOCKET]),
        ({SOCKET: {"ActiveState": "inactive"}, SERVICE: {"UnitFileState": "disabled"}}, [SOCKET, SERVICE]),
    ],
)
def test_what_does_not_run_or_not_at_boot_is_started(
    units: dict[str, dict[str, str]], down: list[str]
) -> None:
    found = plan(units)
    assert (found["down"], found["restart"], found["to_do"]) == (down, [], True)


def test_a_host_without_the_units_is_to_have_them_started() -> None:
    nothing = {"ActiveState": "inactive", "UnitFileState": "", "ActiveEnterTimestamp": ""}
    units = {name: {**nothing, "ExecMainStartTimestamp": ""} for name in (SOCKET, SERVICE)}
    written = {SOCKET: STARTED + 1, SERVICE: STARTED + 1}
    found = plan(units, newest=written, changed_paths=["/etc/systemd/system/hailo-vision.socket"])
    assert found == {"reload": True, "restart": [], "down": [SOCKET, SERVICE], "to_do": True}


def test_systemd_reads_again_what_an_interrupted_run_wrote() -> None:
    found = plan({SERVICE: {"NeedDaemonReload": "yes"}})
    assert (found["reload"], found["to_do"]) == (True, True)


def test_a_state_that_was_not_kept_yet_is_to_be_proved() -> None:
    assert plan(good=HOST["good"] | {"current": False})["to_do"]


def test_a_predecessor_goes() -> None:
    remains = {"remains": ["/etc/xdg/hailo-vision"]}
    assert plan(predecessor=remains)["to_do"]
    assert plans.leftovers(HOST | {"predecessor": remains}, "b")[-1:] == remains["remains"]


@pytest.mark.parametrize(("release", "gone"), [("b", ["c", "d"]), ("c", ["a", "d"])])
def test_releases_go_but_for_the_one_in_use_and_the_one_before(release: str, gone: list[str]) -> None:
    assert plans.leftovers(HOST, release) == [
        f"/opt/hailo-vision/releases/{path}" for name in gone for path in (name, f".{name}.sealed")
    ]


def test_a_unit_is_stale_if_one_of_its_files_is_newer() -> None:
    old, new = {"newest": {"a": 7, "b": STARTED}}, {"newest": {"a": STARTED + 1}}
    running = {"StateChangeTimestamp": f"@{STARTED}"}
    assert [plans.is_stale(running, *files) for files in ((old,), (old, new))] == [False, True]
    assert plans.is_stale({"StateChangeTimestamp": ""}, old)
