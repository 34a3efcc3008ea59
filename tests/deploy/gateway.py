"""The gateway of the scenario's Pis: its inventory, its figures, and runs of site.yml with it."""

import csv
import json
import subprocess
import time
from dataclasses import dataclass

from support.fleets import SCENARIO

from tests.deploy.conftest import POLL, Pi, playbook

INVENTORY = SCENARIO.directory / "gateway"


@dataclass(frozen=True)
class Gateway:
    """The gateway on one of the Pis."""

    pi: Pi

    @property
    def url(self) -> str:
        """Where clients ask."""
        return f"http://{self.pi.address}:8080"

    @property
    def statistics(self) -> str:
        """Its page for operators."""
        return f"http://{self.pi.address}:8404"

    def rows(self) -> dict[str, dict[str, str]]:
        """HAProxy's figures of each Pi."""
        lines = POLL.get(f"{self.statistics}/;csv").text.lstrip("# ").splitlines()
        return {row["svname"]: row for row in csv.DictReader(lines) if row["pxname"] == "hailo_nodes"}

    def given(self) -> int:
        """How many requests the Pis were given."""
        return sum(int(row["stot"]) for name, row in self.rows().items() if name != "BACKEND")

    def wait_for(self, figure: str, value: str, seconds: float = 20) -> None:
        """Wait until a figure of all Pis together has a value."""
        limit = time.monotonic() + seconds
        while self.rows()["BACKEND"][figure] != value:
            assert time.monotonic() < limit, self.rows()["BACKEND"]
            time.sleep(0.05)

    def wait_up(self, names: list[str], seconds: float = 60, status: str = "UP") -> None:
        """Wait until the gateway uses these Pis, or sees them in another status."""
        limit = time.monotonic() + seconds
        while not all(self.rows()[name]["status"] == status for name in names):
            assert time.monotonic() < limit, {name: row["status"] for name, row in self.rows().items()}
            time.sleep(0.2)


def deploy(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run site.yml with the inventory of the Pis and that of the gateway."""
    result = playbook("site.yml", "-i", str(INVENTORY), *arguments)
    assert result.returncode == 0, result.stdout[-3000:]
    return result


def settings(**variables: object) -> None:
    """Write the gateway's group_vars."""
    variables = {"hailo_gateway_statistics_host": "0.0.0.0"} | variables
    (INVENTORY / "group_vars" / "hailo_gateway.yml").write_text(json.dumps(variables))


def place(pi: Pi, **others: dict[str, object]) -> None:
    """Write an inventory that wants the gateway on a Pi; others are hosts of no group, by their variables."""
    (INVENTORY / "group_vars").mkdir(parents=True, exist_ok=True)
    groups = {"hailo_gateway": {"hosts": {pi.name: {}}}, "ungrouped": {"hosts": others}}
    (INVENTORY / "hosts.yml").write_text(json.dumps(groups))
    settings()
