"""The variables of the deployment, as the roles' argument_specs have them."""

from typing import Any

import yaml

from support.modules import TOP

ROLES = ("hailo_driver", "hailo_apps", "hailo_model", "hailo_vision", "hailo_gateway")


def options() -> dict[str, dict[str, Any]]:
    """What the roles take, of which type."""
    found: dict[str, dict[str, Any]] = {}
    for role in ROLES:
        specification = yaml.safe_load((TOP / "roles" / role / "meta/argument_specs.yml").read_text())
        found |= specification["argument_specs"]["main"]["options"]
    return found
