"""What a check of `hailo-vision doctor` found."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One check's outcome; the cure is empty where nothing is wrong."""

    check: str
    ok: bool
    message: str
    cure: str = ""
