"""What a check of `hailo-vision doctor` found."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One check's outcome; the cure is empty where nothing is wrong."""

    check: str
    ok: bool
    message: str
    cure: str = ""


def good(check: str, message: str) -> Finding:
    return Finding(check, True, message)


def bad(check: str, message: str, cure: str) -> Finding:
    return Finding(check, False, message, cure)
