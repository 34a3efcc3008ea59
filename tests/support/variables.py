"""The variables of the deployment, as the argument_specs of roles and playbooks have them."""

from typing import Any

import yaml

from support.modules import TOP

ROLES = ("hailo_driver", "hailo_apps", "hailo_model", "hailo_vision", "hailo_gateway")


def options() -> dict[str, dict[str, Any]]:
    """What roles and playbooks take, of which type."""
    found: dict[str, dict[str, Any]] = {}
    for folder in ("playbooks", *(f"roles/{role}" for role in ROLES)):
        specification = yaml.safe_load((TOP / folder / "meta/argument_specs.yml").read_text())
        found |= specification["argument_specs"]["main"]["options"]
    return found
