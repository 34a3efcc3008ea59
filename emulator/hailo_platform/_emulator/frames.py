"""The bytes that the bindings hand to the chip for an array.

libhailort/bindings/python/src/vlm_api.cpp of hailo-ai/hailort takes the start and the size of a writable
array and ignores its strides: what is not contiguous arrives scrambled.
"""

import ctypes

import numpy as np
from numpy.typing import NDArray

from hailo_platform._emulator.journal import record
from hailo_platform._emulator.shared import count


def raw_bytes(array: object) -> bytes:
    """`nbytes` bytes from the first element's address on.

    Raises TypeError for what is no ndarray, ValueError for a read-only array. Bytes past the end of the
    array's memory, which the native code would read all the same, are given as zeros.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError("generate(): incompatible function arguments: frames must be numpy arrays")
    if not array.flags.writeable:
        raise ValueError("array is not writeable")
    if array.flags.c_contiguous:
        return array.tobytes()
    record("non_contiguous", shape=list(array.shape), strides=list(array.strides))
    count("non_contiguous")
    return _from_memory(array)


def _from_memory(array: NDArray[np.generic]) -> bytes:
    owner: NDArray[np.generic] = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    start = array.__array_interface__["data"][0]
    there = max(0, min(array.nbytes, _end_of(owner) - start))
    return ctypes.string_at(start, there).ljust(array.nbytes, b"\0")


def _end_of(array: NDArray[np.generic]) -> int:
    """The address behind an array's last byte."""
    end: int = array.__array_interface__["data"][0]
    steps = ((size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True))
    return end + sum(int(step) for step in steps if step > 0) + int(array.itemsize)
