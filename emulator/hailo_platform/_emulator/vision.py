"""What the emulated model sees of a frame: named colours by place, light, contrast, texture, symmetry.

Everything is measured on the pixels as the chip gets them (RGB), so a frame with swapped channels, wrong
strides or a lost part is seen differently.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "centre", "right")
_CELL = 4

# Hue limits in degrees and the names for vivid, dark and pale shades of each hue.
_HUES = (
    (15, "red", "maroon", "pink"),
    (42, "orange", "brown", "beige"),
    (68, "yellow", "olive", "cream"),
    (90, "lime", "olive", "pale green"),
    (152, "green", "dark green", "pale green"),
    (184, "teal", "dark teal", "mint"),
    (206, "cyan", "dark teal", "pale blue"),
    (256, "blue", "navy", "pale blue"),
    (290, "violet", "indigo", "lavender"),
    (335, "magenta", "plum", "pink"),
    (361, "red", "maroon", "pink"),
)
_GREYS = ((0.12, "black"), (0.35, "charcoal"), (0.62, "grey"), (0.88, "silver"), (1.01, "white"))
NAMES = tuple(dict.fromkeys([*(n for h in _HUES for n in h[1:]), *(g for _, g in _GREYS)]))
_INDEX = {name: index for index, name in enumerate(NAMES)}


@dataclass(frozen=True)
class Percept:
    """The measurements of one frame.

    `shares` are (colour name, percent) from the largest; `grid` holds nine colour names row by row;
    brightness and contrast are 0 to 255; texture is the mean step between neighbours, 0 to 255;
    `light_at` and `detail_at` are (across, down) in percent, the centres of light and of texture.
    """

    identity: str
    shares: tuple[tuple[str, int], ...]
    grid: tuple[str, ...]
    brightness: float
    contrast: float
    texture: float
    warmth: float
    symmetric: bool
    light_at: tuple[int, int]
    detail_at: tuple[int, int]

    @property
    def main(self) -> str:
        """The commonest colour."""
        return self.shares[0][0]


def see(data: bytes, shape: tuple[int, int, int]) -> Percept:
    """Measure a frame of `shape` (height, width, 3), uint8 RGB in row order.

    Raises ValueError if the bytes do not fill the shape.
    """
    pixels = np.frombuffer(data, dtype=np.uint8).reshape(shape).astype(np.float32)
    height, width, _ = shape
    small = pixels[: height // _CELL * _CELL, : width // _CELL * _CELL]
    small = small.reshape(height // _CELL, _CELL, width // _CELL, _CELL, 3).mean(axis=(1, 3))
    names = _name_indices(small)
    light = small @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    across = np.abs(np.diff(light, axis=1))
    down = np.abs(np.diff(light, axis=0))
    detail = np.zeros_like(light)
    detail[:, 1:] += across
    detail[1:, :] += down
    mirrored = float(np.abs(light - light[:, ::-1]).mean())
    return Percept(
        identity=hashlib.sha256(data).hexdigest(),
        shares=_shares(names),
        grid=tuple(
            _commonest(part) for row in np.array_split(names, 3) for part in np.array_split(row, 3, axis=1)
        ),
        brightness=float(light.mean()),
        contrast=float(light.std()),
        texture=float((across.mean() + down.mean()) / 2),
        warmth=float((small[..., 0] - small[..., 2]).mean()),
        symmetric=mirrored < 0.35 * float(light.std()) + 1.0,
        light_at=_centre((light - light.min()) ** 2 + 1e-3),
        detail_at=_centre(detail + 1e-3),
    )


def _name_indices(pixels: Pixels) -> NDArray[np.intp]:
    """For each pixel the index of its colour name; shape (h, w, 3) to (h, w)."""
    unit = pixels / 255.0
    value, least = unit.max(axis=2), unit.min(axis=2)
    spread = value - least
    saturation = spread / np.maximum(value, 1e-6)
    red, green, blue = unit[..., 0], unit[..., 1], unit[..., 2]
    safe = np.maximum(spread, 1e-6)
    hue = (
        np.where(
            value == red,
            (green - blue) / safe % 6.0,
            np.where(value == green, (blue - red) / safe + 2.0, (red - green) / safe + 4.0),
        )
        * 60.0
    )
    column = np.searchsorted(np.array([limit for limit, *_ in _HUES]), hue, side="right")
    shade = np.where(value < 0.5, 1, np.where((saturation < 0.45) & (value > 0.6), 2, 0))
    table = np.array([[_INDEX[name] for name in names] for _, *names in _HUES])
    coloured = table[np.minimum(column, len(_HUES) - 1), shade]
    level = np.searchsorted(np.array([limit for limit, _ in _GREYS]), value, side="right")
    greys = np.array([_INDEX[name] for _, name in _GREYS])[level]
    plain = (saturation < 0.16) | (value < 0.10)
    chosen: NDArray[np.intp] = np.where(plain, greys, coloured)
    return chosen


def _shares(names: NDArray[np.intp]) -> tuple[tuple[str, int], ...]:
    counts = np.bincount(names.ravel(), minlength=len(NAMES))
    order = np.argsort(-counts, kind="stable")
    percents = [(NAMES[i], round(100 * int(counts[i]) / names.size)) for i in order if counts[i]]
    return tuple(
        (name, percent) for place, (name, percent) in enumerate(percents) if percent >= 3 or place == 0
    )[:6]


def _commonest(names: NDArray[np.intp]) -> str:
    return NAMES[int(np.bincount(names.ravel(), minlength=len(NAMES)).argmax())]


def _centre(weights: NDArray[Any]) -> tuple[int, int]:
    total = float(weights.sum()) or 1.0
    height, width = weights.shape
    x = float((weights.sum(axis=0) * np.arange(width)).sum()) / total / max(1, width - 1)
    y = float((weights.sum(axis=1) * np.arange(height)).sum()) / total / max(1, height - 1)
    return round(100 * x), round(100 * y)


def blend(frames: Sequence[bytes]) -> bytes:
    """The mean of several frames of equal size, as bytes."""
    stack = np.stack([np.frombuffer(frame, dtype=np.uint8).astype(np.uint16) for frame in frames])
    mean: NDArray[np.uint8] = (stack.sum(axis=0) // len(frames)).astype(np.uint8)
    return mean.tobytes()
