"""What pybind11 accepts for a native parameter, and what it makes of it.

Source: pybind11's casters, as libhailort/bindings/python/src of hailo-ai/hailort uses them.
"""

import operator
from typing import Any

import numpy as np

_UINT32_MAX = 0xFFFFFFFF


def as_float(name: str, value: Any) -> float:
    """A float of 32 bits. Raises TypeError for text and what has no number."""
    if isinstance(value, str | bytes) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise _mismatch(name, "float")
    return float(np.float32(value))


def as_bool(name: str, value: Any) -> bool:
    """None and what has a truth value of its own, such as a number. Raises TypeError for the rest."""
    if value is None:
        return False
    if not hasattr(type(value), "__bool__"):
        raise _mismatch(name, "bool")
    return bool(value)


def as_uint32(name: str, value: Any) -> int:
    """A whole number of 32 bits. Raises TypeError for a float, and beyond the range."""
    if isinstance(value, float) or not hasattr(value, "__index__"):
        raise _mismatch(name, "int")
    number = operator.index(value)
    if not 0 <= number <= _UINT32_MAX:
        raise TypeError(f"{name}: incompatible function arguments: {number} does not fit 32 bits")
    return number


def as_text(name: str, value: Any) -> str:
    """Text, or the bytes of one. Raises TypeError for the rest, UnicodeEncodeError for a lone surrogate."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise _mismatch(name, "str")
    value.encode()
    return value


def _mismatch(name: str, wanted: str) -> TypeError:
    return TypeError(f"{name}: incompatible function arguments: expected {wanted}")
