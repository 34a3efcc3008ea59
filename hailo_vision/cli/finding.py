"""What a check of `hailo-vision doctor` found."""

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One check's outcome; the cure is empty where nothing is wrong."""

    check: str
    message: str
    cure: str = ""

    @property
    def ok(self) -> bool:
        return not self.cure
