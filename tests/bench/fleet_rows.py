"""The second run of site.yml on emulated Pis. Needs root; boots a fleet of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ansible_mitogen
from support.fleets import BENCH
from support.server import ROOT

from tests.bench.measure import median
from tests.bench.results import Row
from tests.bench.stage import Stage

_COUNTS = (1, 4, 8)


def site_again(stage: Stage) -> tuple[list[Row], dict[str, Any]]:
    """Rows and curve over 1, 4 and 8 hosts."""
    with booted(stage, max(_COUNTS), scale=0.1) as inventory:
        stage.note("site.yml, the first run")
        site(inventory)
        points = [_again(stage, inventory, count) for count in _COUNTS]
        stage.note("site.yml with one changed setting")
        changed, _ = site(inventory, "-e", "hailo_vision_max_tokens=150")
    return _rows(points, changed), {"points": points}


def _again(stage: Stage, inventory: Path, count: int) -> dict[str, float]:
    """Seconds of site.yml on so many hosts where nothing changes, and of what it is compared with."""
    stage.note(f"site.yml again, {count} hosts")
    # The name of the group, not of hosts: the order is the inventory's.
    limit = ["--limit", f"hailo_nodes[0:{count - 1}]"]
    seconds: dict[str, list[float]] = {"ping_s": [], "site_s": [], "mitogen_s": []}
    tasks = 0
    for _ in range(stage.rounds(3)):
        seconds["ping_s"].append(_ansible(inventory, {}, "ansible", "hailo_nodes", "-m", "ping", *limit)[0])
        for kind, strategy in (("site_s", {}), ("mitogen_s", _mitogen())):
            duration, output = site(inventory, *limit, **strategy)
            if output.count("changed=0 ") != count:
                raise RuntimeError(f"the run changed something:\n{output[-3000:]}")
            seconds[kind].append(duration)
            tasks = output.count("\nTASK [")
    return {"hosts": count, "tasks": tasks} | {kind: median(values) for kind, values in seconds.items()}


def _mitogen() -> dict[str, str]:
    plugins = Path(ansible_mitogen.__file__).parent / "plugins/strategy"
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}


def _rows(points: list[dict[str, float]], changed: float) -> list[Row]:
    four, eight = points[-2]["site_s"], points[-1]["site_s"]
    return [
        *(_against_ping(point, "site_s", "second run of site.yml", 8) for point in points),
        Row(
            "second run of site.yml, 8 hosts",
            "the same on 4 hosts",
            eight / four,
            f"{eight:.2f} s / {four:.2f} s; {points[-1]['tasks']:.0f} tasks for each host",
            2,
        ),
        *(_against_ping(point, "mitogen_s", "with Mitogen: second run of site.yml") for point in points),
        Row(
            "site.yml with one changed setting, 8 hosts",
            "second run of site.yml, 8 hosts",
            changed / eight,
            f"{changed:.2f} s / {eight:.2f} s",
        ),
    ]


def _against_ping(point: dict[str, float], kind: str, what: str, target: float | None = None) -> Row:
    return Row(
        f"{what}, {point['hosts']:.0f} host{'s' if point['hosts'] > 1 else ''}",
        "ansible -m ping on the same",
        point[kind] / point["ping_s"],
        f"{point[kind]:.2f} s / {point['ping_s']:.2f} s",
        target,
    )


@contextmanager
def booted(stage: Stage, hosts: int, scale: float) -> Iterator[Path]:
    """The inventory of a fleet that is removed afterwards; scale 1 is as fast as a Hailo-10H."""
    stage.note(f"booting {hosts} emulated Pis")
    command = [sys.executable, "-m", "emulator.fleet", *BENCH.options]
    try:
        subprocess.run(
            [*command, "up", "--hosts", str(hosts), "--time-scale", str(scale)],
            cwd=ROOT,
            check=True,
            stdout=sys.stderr,
        )
        yield BENCH.inventory
    finally:
        subprocess.run([*command, "down"], cwd=ROOT, check=True, stdout=sys.stderr)


def site(inventory: Path, *arguments: str, **variables: str) -> tuple[float, str]:
    """Run site.yml: its seconds and its output."""
    return _ansible(inventory, variables, "ansible-playbook", str(ROOT / "playbooks/site.yml"), *arguments)


def _ansible(inventory: Path, variables: dict[str, str], program: str, *arguments: str) -> tuple[float, str]:
    """Run one of Ansible's programs from this interpreter's folder: its seconds and its output."""
    command = [str(Path(sys.executable).parent / program), "-i", str(inventory), *arguments]
    # Ansible refuses to run without UTF-8.
    environment = os.environ | {"LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")} | variables
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - begun, done.stdout
