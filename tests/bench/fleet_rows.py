"""The second run of site.yml on emulated Pis. Needs root; the fleet is this measurement's own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.fleets import BENCH
from support.server import ROOT

from tests.bench.measure import median
from tests.bench.results import Row
from tests.bench.stage import Stage

_COUNTS = (1, 4, 8)


def measure(stage: Stage) -> tuple[list[Row], dict[str, Any]]:
    """Rows and curve over 1, 4 and 8 hosts, on a fleet that is booted for it and removed afterwards."""
    points = []
    with _fleet(stage, max(_COUNTS)) as inventory:
        stage.note("site.yml, the first run")
        _ansible(inventory, "ansible-playbook", str(ROOT / "playbooks/site.yml"))
        for count in _COUNTS:
            stage.note(f"site.yml again, {count} hosts")
            # The name of the group, not of hosts: the order is the inventory's.
            limit = ["--limit", f"hailo_nodes[0:{count - 1}]"]
            site, ping = [], []
            for _ in range(stage.rounds(3)):
                ping.append(_ansible(inventory, "ansible", "hailo_nodes", "-m", "ping", *limit)[0])
                seconds, output = _ansible(
                    inventory, "ansible-playbook", str(ROOT / "playbooks/site.yml"), *limit
                )
                if output.count("changed=0 ") != count:
                    raise RuntimeError(f"the run changed something:\n{output[-3000:]}")
                site.append(seconds)
            points.append({"hosts": count, "site_s": median(site), "ping_s": median(ping)})
    return _rows(points), {"points": points}


def _rows(points: list[dict[str, float]]) -> list[Row]:
    rows = [
        Row(
            f"second run of site.yml, {point['hosts']} host{'s' if point['hosts'] > 1 else ''}",
            "ansible -m ping on the same",
            point["site_s"] / point["ping_s"],
            f"{point['site_s']:.2f} s / {point['ping_s']:.2f} s",
            12,
        )
        for point in points
    ]
    four, eight = points[-2]["site_s"], points[-1]["site_s"]
    return [
        *rows,
        Row(
            "second run of site.yml, 8 hosts",
            "the same on 4 hosts",
            eight / four,
            f"{eight:.2f} s / {four:.2f} s",
            2,
        ),
    ]


@contextmanager
def _fleet(stage: Stage, hosts: int) -> Iterator[Path]:
    stage.note(f"booting {hosts} emulated Pis")
    command = [sys.executable, "-m", "emulator.fleet", *BENCH.options]
    try:
        subprocess.run(
            [*command, "up", "--hosts", str(hosts), "--time-scale", "0.1"],
            cwd=ROOT,
            check=True,
            stdout=sys.stderr,
        )
        yield BENCH.directory / "inventory"
    finally:
        subprocess.run([*command, "down"], cwd=ROOT, check=True, stdout=sys.stderr)


def _ansible(inventory: Path, program: str, *arguments: str) -> tuple[float, str]:
    """Run one of Ansible's programs from this interpreter's folder: its seconds and its output."""
    command = [str(Path(sys.executable).parent / program), "-i", str(inventory), *arguments]
    # Ansible refuses to run without UTF-8.
    environment = os.environ | {"LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - begun, done.stdout
