r"""Half of a surrogate pair, such as "\ud83d": JSON's grammar allows it in a text, and UTF-8 has no such
character. JavaScript makes it by cutting strings, and a model may write it."""

import re

# An escape is found by its first two characters, which is quick; then it is looked at what stands beside it.
_BEGIN = rb"\\u[dD]"
_HIGH = rb"[89abAB][0-9a-fA-F]{2}"
_LOW = rb"[c-fC-F][0-9a-fA-F]{2}"
_HALF = re.compile(
    b"%b(?:%b(?!%b%b)|(?<!%b%b%b)%b)" % (_BEGIN, _HIGH, _BEGIN, _LOW, _BEGIN, _HIGH, _BEGIN, _LOW)
)
_MOST = 100_000  # of the escapes that matter: far more than fit any context, and gone through in 50 ms
_IN_NO_UTF8 = b"\xff"


def without_halves(json_text: bytes) -> bytes:
    """The text with U+FFFD, the sign for a character that is lost, in the place of every half.

    A text that is not UTF-8, or has too many of them, stays as it is: a decoder refuses it.
    """
    escapes = sum(json_text.count(begin) for begin in (rb"\ud", rb"\uD", rb"\\"))
    if escapes > _MOST or _IN_NO_UTF8 in json_text:
        return json_text
    marked = json_text.replace(rb"\\", _IN_NO_UTF8)  # an escaped backslash begins no other escape
    return _HALF.sub(rb"\\ufffd", marked).replace(_IN_NO_UTF8, rb"\\")
