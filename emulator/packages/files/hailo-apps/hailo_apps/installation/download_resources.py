"""Downloads models into the resources folder."""

import argparse
from pathlib import Path
from urllib.request import urlretrieve

from hailo_apps.config import config_manager
from hailo_apps.python.core.common.defines import (
    HAILO10H_ARCH,
    HAILO_FILE_EXTENSION,
    RESOURCES_ROOT_PATH_DEFAULT,
)

MODEL_ZOO_VERSION = "v5.1.1"


def download_resources(arch: str, model: str) -> None:
    """Fetch one model.

    Raises:
        OSError: the server or the folder refused.
    """
    folder = Path(RESOURCES_ROOT_PATH_DEFAULT) / "models" / arch
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{model}.tmp"
    server = config_manager.endpoint("gen-ai-mz")
    urlretrieve(f"{server}/{MODEL_ZOO_VERSION}/blob/{model}{HAILO_FILE_EXTENSION}", partial)
    partial.replace(folder / f"{model}{HAILO_FILE_EXTENSION}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", default=HAILO10H_ARCH)
    parser.add_argument("--model", required=True)
    options = parser.parse_args()
    download_resources(options.arch, options.model)


if __name__ == "__main__":
    main()
