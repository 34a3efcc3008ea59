"""The alerts and the dashboard in docs/monitoring, by promtool and by what the service serves."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.modules import TOP
from support.server import Server

FOLDER = TOP / "docs/monitoring"
ALERTS = FOLDER / "alerts.yml"
NAME = re.compile(r"\bhailo_vision_\w+")


def rules() -> list[dict[str, Any]]:
    """The alerts of all groups."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[str]:
    """What the dashboard asks Prometheus for."""
    board = json.loads((FOLDER / "dashboard.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def promtool(*arguments: str) -> str:
    """Run Debian's promtool, which must be content."""
    result = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_every_name_is_one_that_the_service_serves(server: Server) -> None:
    served = set(NAME.findall(server.http.get("/metrics").text))
    used = {name for text in [*queries(), *(rule["expr"] for rule in rules())] for name in NAME.findall(text)}
    kinds = ("", "_bucket")
    known = {name + kind for name in served for kind in kinds}
    assert len(used) > 10
    assert used - known == set()


def test_prometheus_takes_the_alerts_and_the_queries(tmp_path: Path) -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", str(ALERTS))
    filled = [query.replace("$__rate_interval", "5m").replace("$instance", ".*") for query in queries()]
    found = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(filled)]
    recorded = tmp_path / "queries.yml"
    recorded.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": found}]}))
    assert f"{len(found)} rules found" in promtool("check", "rules", str(recorded))


def series(name: str, values: str) -> dict[str, str]:
    """A series of one value a minute, in promtool's notation."""
    return {"series": name.replace("{", "{instance='pi01:11435',job='hailo-vision',"), "values": values}


@pytest.mark.parametrize(
    ("alert", "minute", "given"),
    [
        ("HailoVisionDown", 5, series("up{}", "0x30")),
        ("HailoVisionFailed", 5, series("hailo_vision_engine_state{state='failed'}", "1x30")),
        ("HailoVisionNotReady", 15, series("hailo_vision_engine_state{state='loading'}", "1x30")),
        ("HailoVisionDeviceErrors", 16, series("hailo_vision_device_errors_total{code='lost'}", "0+1x30")),
        ("HailoVisionReloads", 61, series("hailo_vision_model_loads_total{}", "1+1x70")),
        ("HailoVisionRefuses", 15, series("hailo_vision_rejected_total{code='queue_full'}", "0+3x30")),
    ],
)
def test_an_alert_fires_when_it_should_and_is_silent_otherwise(
    alert: str, minute: int, given: dict[str, str], tmp_path: Path
) -> None:
    kind = given["series"].partition("{")[0]
    quiet = given | {"values": "1x80" if kind == "up" else "0x80"}
    rule = next(rule for rule in rules() if rule["alert"] == alert)
    labels = {"alertname": alert, "alertstate": "firing", "instance": "pi01:11435", "job": "hailo-vision"}
    labels |= rule["labels"] | ({"state": "failed"} if alert == "HailoVisionFailed" else {})
    fired = f"ALERTS{{{','.join(f'{name}={json.dumps(value)}' for name, value in labels.items())}}}"
    tests = [
        {
            "interval": "1m",
            "input_series": [one],
            "promql_expr_test": [
                {"expr": f"ALERTS{{alertname='{alert}',alertstate='firing'}}", "eval_time": f"{minute}m"}
                | {"exp_samples": samples}
            ],
        }
        for one, samples in ((given, [{"labels": fired, "value": 1}]), (quiet, []))
    ]
    path = tmp_path / "test.yml"
    path.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", str(path))
