"""Asks the vision model once: an application of the tree, here only for its shape."""

from hailo_apps.python.core.common.core import resolve_hef_path
from hailo_apps.python.core.common.defines import HAILO10H_ARCH, VLM_CHAT_APP


def main() -> None:
    """Tell which model would be used."""
    print(resolve_hef_path(None, VLM_CHAT_APP, HAILO10H_ARCH))


if __name__ == "__main__":
    main()
