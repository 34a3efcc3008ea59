"""Where an application finds its model."""

from pathlib import Path

from dotenv import load_dotenv
from hailo_apps.config import config_manager
from hailo_apps.python.core.common.defines import HAILO_FILE_EXTENSION, RESOURCES_ROOT_PATH_DEFAULT


def load_environment(env_file: str = f"{RESOURCES_ROOT_PATH_DEFAULT}/.env") -> bool:
    """Read the installation's ``.env``, if there is one."""
    return bool(load_dotenv(env_file))


def resolve_hef_path(hef_path: str | None, app_name: str, arch: str) -> Path | None:
    """Find a HEF by path or name; a listed model that is missing is downloaded first.

    Returns:
        the file; None if there is none of that name.
    """
    listed = [model["name"] for model in config_manager.models(app_name, arch)]
    if hef_path is None:
        if not listed:
            print(f"⚠️ no default model for {app_name} on {arch}")
            return None
        hef_path = listed[0]
    given = Path(hef_path)
    if given.is_absolute() and given.is_file():
        return given
    if given.suffix != HAILO_FILE_EXTENSION:
        given = given.with_name(given.name + HAILO_FILE_EXTENSION)
    installed = Path(RESOURCES_ROOT_PATH_DEFAULT) / "models" / arch / given.name
    for candidate in (given, installed):
        if candidate.is_file():
            return candidate
    name = given.name.removesuffix(HAILO_FILE_EXTENSION)
    if name in listed and _download_model(name, arch) and installed.is_file():
        return installed
    print(f"⚠️ {hef_path}: no such model")
    return None


def _download_model(name: str, arch: str) -> bool:
    from hailo_apps.installation.download_resources import download_resources

    try:
        download_resources(arch, model=name)
    except OSError as error:
        print(f"⚠️ {name} could not be downloaded: {error}")
    return True
