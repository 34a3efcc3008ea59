"""Where a JPEG ends."""

from hailo_vision.images import jpeg


def test_the_end_is_found_where_two_pieces_meet() -> None:
    """A JPEG is searched piece by piece: a marker may begin with the last byte of one."""
    for before in range(jpeg._PIECE - 3, jpeg._PIECE + 3):
        assert jpeg.outline(b"\xff\xd8" + bytes(before) + jpeg.END, 9, 9) == (0, 0, True)
