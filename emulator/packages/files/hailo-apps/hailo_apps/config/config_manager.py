"""Reads ``resources_config.yaml``."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def load() -> dict[str, Any]:
    """The whole file."""
    content = yaml.safe_load((Path(__file__).parent / "resources_config.yaml").read_text())
    return dict(content)


def models(app_name: str, arch: str) -> list[dict[str, str]]:
    """The models that an application lists for an architecture, the default first."""
    groups = load().get(app_name, {}).get("models", {}).get(arch, {})
    return [model for group in groups.values() for model in group]


def endpoint(source: str) -> str:
    """The server that a kind of model is fetched from."""
    return str(load()["metadata"]["s3_endpoints"][source.replace("-", "_")])
