"""How a host and an operator learn of the mirror: an apt source in the image, ordinary role variables."""

from pathlib import Path

from emulator.fleet.layout import Layout
from emulator.packages import archive
from emulator.packages.build import Mirror

_FILES = Path(__file__).resolve().parent / "files"
_KEYRING = f"usr/share/keyrings/{archive.KEYRING}"


def image_files(layout: Layout, content: Mirror, suite: str, time_scale: float) -> dict[str, str | bytes]:
    """The files that an SD card image of the vendor has and Debian's has not.

    Raspberry Pi OS names its archive in raspi.sources and brings the key along.  The folder ``files``
    has its boot partition, and what stands in for the firmware that reads that.
    """
    source = (
        f"Types: deb\nURIs: {layout.mirror_url}/apt/\nSuites: {suite}\nComponents: main\n"
        f"Signed-By: /{_KEYRING}\n"
    )  # fmt: skip
    tree = {
        str(path.relative_to(_FILES)): path.read_bytes()
        for path in _FILES.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return {
        **tree,
        "etc/apt/sources.list.d/raspi.sources": source,
        _KEYRING: content.keyring,
        "etc/hailo-emulator.toml": f"# How the emulated NPU behaves.\ntime_scale = {time_scale}\n",
    }


def role_variables(layout: Layout, content: Mirror, suite: str) -> dict[str, object]:
    """What a site with a mirror of its own sets for the roles."""
    supplied = {
        "hailo_driver_debs": [str(path) for path in content.debs],
        "hailo_driver_wheel": str(content.wheel),
    }
    return {
        **(supplied if suite == "bookworm" else {}),
        "hailo_model_mirror": layout.mirror_url,
        "hailo_apps_repository": f"{layout.mirror_url}/hailo-apps.git",
        "hailo_apps_version": content.commits[0],
    }
