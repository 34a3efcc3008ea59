"""An upgrade that is killed at one task after the other, and the next run that repairs what they left.

Takes tasks that place files or start something; with EVERY_TASK=1 in the environment, all tasks.
"""

import itertools
import json
import os
from pathlib import Path

from tests.deploy import interruption, releases
from tests.deploy.conftest import Pi, changes, limit, playbook

TASKS = (
    "Let the unit know of another order",
    "Unpack the wheels",
    "Let the service read the release",
    "Write the configuration and the units",
    "Reload systemd",
    "Restart the service",
    "Keep the state that works",
)


def test_the_next_run_repairs_what_killed_ones_left(pi: Pi, tmp_path: Path) -> None:
    wheel = releases.wheel(tmp_path, "1.0.3")
    variables = {
        "hailo_vision_wheel": str(wheel), "hailo_vision_max_tokens": 77, "hailo_vision_memory_max": "2G",
        "hailo_model_resources_dir": "/srv/upgraded",
    }  # fmt: skip
    upgrade = ("--limit", limit(pi), "--extra-vars", json.dumps(variables))
    if os.environ.get("EVERY_TASK"):
        for number in itertools.count(1):
            if not interruption.kill_at_number(number, *upgrade):
                break
    else:
        for task in TASKS:
            interruption.kill_at(task, *upgrade)
    repaired = playbook("site.yml", *upgrade)
    assert repaired.returncode == 0, repaired.stdout[-3000:]
    pi.wait_ready(5)
    assert pi.health()["versions"]["hailo_vision"] == "1.0.3"
    assert "max_tokens: 77" in pi.run("cat /etc/hailo/hailo-vision.yaml")
    assert pi.property("MemoryMax", "hailo-vision.slice") == str(2 << 30)
    again = playbook("site.yml", *upgrade)
    assert changes(again, pi) == 0, again.stdout[-3000:]
    verified = playbook("verify.yml", *upgrade)
    assert verified.returncode == 0, verified.stdout[-3000:]
