"""How a host and an operator learn of the mirror: an apt source in the image, ordinary role variables."""

from emulator.fleet.layout import Layout
from emulator.packages import archive
from emulator.packages.build import Mirror

_KEYRING = f"usr/share/keyrings/{archive.KEYRING}"


def image_files(
    layout: Layout, content: Mirror, suite: str, time_scale: float
) -> dict[str, str | bytes]:
    """The files that an SD card image of the vendor has and Debian's has not.

    Raspberry Pi OS names its archive in raspi.sources and brings the key along.
    """
    source = (
        f"Types: deb\nURIs: {layout.mirror_url}/apt/\nSuites: {suite}\nComponents: main\n"
        f"Signed-By: /{_KEYRING}\n"
    )  # fmt: skip
    return {
        "etc/apt/sources.list.d/raspi.sources": source,
        _KEYRING: content.keyring,
        "etc/hailo-emulator.toml": f"# How the emulated NPU behaves.\ntime_scale = {time_scale}\n",
    }


def role_variables(layout: Layout, content: Mirror) -> dict[str, str]:
    """What a site with a mirror of its own sets for the roles."""
    return {
        "hailo_model_mirror": layout.mirror_url,
        "hailo_apps_repository": f"{layout.mirror_url}/hailo-apps.git",
        "hailo_apps_version": content.commits[0],
    }
