"""The settings of the service before this one, as variables for the inventory."""

from typing import Any

MODELS = "/var/lib/hailo-vision/resources/"
VARIABLES = {
    "server.host": "hailo_vision_host",
    "server.port": "hailo_vision_port",
    "model.name": "hailo_vision_model_name",
    "model.keep_alive": "hailo_vision_keep_alive",
    "generation.temperature": "hailo_vision_temperature",
    "generation.max_tokens": "hailo_vision_max_tokens",
    "generation.top_p": "hailo_vision_top_p",
    "generation.seed": "hailo_vision_seed",
    "resource_limits.memory_max": "hailo_vision_memory_max",
    "resource_limits.cpu_quota": "hailo_vision_cpu_quota",
}


def proposal(settings: dict[str, Any], used: dict[str, Any]) -> dict[str, Any]:
    """What the predecessor had otherwise.

    Args:
        settings: the predecessor's file.
        used: this service's file as the inventory has it.

    Returns:
        ``variables`` with names and values; ``unknown``, keys that no variable stands for.
    """
    variables: dict[str, Any] = {}
    unknown = []
    for section, keys in settings.items():
        for key, value in keys.items():
            name = f"{section}.{key}"
            if value is None or used.get(section, {}).get(key) == value:
                continue
            if name == "model.hef_path":
                variables |= _model(str(value), used["model"]["hef_path"])
            elif name in VARIABLES:
                variables[VARIABLES[name]] = value
            else:
                unknown.append(name)
    return {"variables": variables, "unknown": unknown}


def _model(value: str, used: str) -> dict[str, str]:
    """Its file, or by the name of a model of hailo-apps; the one that is used anyway needs no variable."""
    file = value.rpartition("/")[2].removesuffix(".hef")
    own = "/" not in value or value.startswith(MODELS)
    if own and file == used.rpartition("/")[2].removesuffix(".hef"):
        return {}
    return {"hailo_vision_hef_path": value} if "/" in value else {"hailo_model_name": file}
