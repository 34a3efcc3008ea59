r"""Half of a surrogate pair, such as "\ud83d": JSON's grammar allows it in a text, and UTF-8 has no such
character. JavaScript makes it by cutting strings, and a model may write it."""

import re

# Any escape of a JSON string; the first group is the second half of a whole pair.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)",
    re.DOTALL,
)


def without_halves(json_text: bytes) -> bytes:
    """The text with U+FFFD, the sign for a character that is lost, in the place of every half."""
    return _ESCAPE.sub(_whole, json_text)


def _whole(escape: re.Match[bytes]) -> bytes:
    is_half = escape[0][1:2] == b"u" and escape[1] is None
    return rb"\ufffd" if is_half else escape[0]
