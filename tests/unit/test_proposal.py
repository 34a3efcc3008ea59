"""What the service before this one was set to, as variables of this one's inventory."""

from typing import Any

import pytest
from support.modules import load

plugin = load("plugins/plugin_utils/proposal.py", "hailo_proposal_filter")

PLACED = "/var/lib/hailo-vision/resources/Qwen2-VL-2B-Instruct.hef"
USED: dict[str, Any] = {
    "server": {"host": "0.0.0.0", "port": 11435, "shutdown_timeout": 30},
    "model": {"name": "qwen2-vl-2b-instruct", "hef_path": PLACED, "keep_alive": -1},
    "generation": {"temperature": 0.7, "max_tokens": 200},
    "resource_limits": {"memory_max": "3G", "cpu_quota": "80%"},
}


def test_only_what_this_service_would_have_otherwise_is_proposed() -> None:
    found = plugin.proposal(
        {
            "server": {"host": "0.0.0.0", "port": 11500},
            "model": {"name": "qwen2-vl-2b-instruct", "hef_path": None, "keep_alive": 300},
            "generation": {"temperature": 0.7, "max_tokens": 200, "top_p": 0.9, "seed": None},
            "resource_limits": {"memory_max": "4G", "cpu_quota": "80%"},
            "logging": {"level": "debug"},
        },
        USED,
    )
    variables = {
        "hailo_vision_port": 11500,
        "hailo_vision_keep_alive": 300,
        "hailo_vision_top_p": 0.9,
        "hailo_vision_memory_max": "4G",
    }
    assert found == {"variables": variables, "unknown": ["logging.level"]}


@pytest.mark.parametrize(
    ("value", "variables"),
    [
        ("Qwen2-VL-2B-Instruct", {}),
        ("/var/lib/hailo-vision/resources/models/hailo10h/Qwen2-VL-2B-Instruct.hef", {}),
        ("Qwen3-VL-2B-Instruct", {"hailo_model_name": "Qwen3-VL-2B-Instruct"}),
        ("/srv/Qwen2-VL-2B-Instruct.hef", {"hailo_vision_hef_path": "/srv/Qwen2-VL-2B-Instruct.hef"}),
    ],
)
def test_its_model_is_proposed_unless_it_is_the_one_that_is_used(
    value: str, variables: dict[str, str]
) -> None:
    assert plugin.proposal({"model": {"hef_path": value}}, USED)["variables"] == variables
