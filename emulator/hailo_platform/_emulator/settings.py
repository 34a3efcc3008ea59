"""Settings of the emulator: one TOML file, read again whenever it changes.

Found by $HAILO_EMULATOR_SETTINGS, else /etc/hailo-emulator.toml, else defaults. A few environment
variables override single keys (see ENVIRONMENT), for tests.
"""

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from hailo_platform._emulator.release import RELEASE

DEFAULT_FILE = "/etc/hailo-emulator.toml"
ENVIRONMENT = {
    "HAILO_EMULATOR_DEVICE": ("device", str),
    "HAILO_EMULATOR_VERSION": ("version", str),
    "HAILO_EMULATOR_TIME_SCALE": ("time_scale", float),
    "HAILO_EMULATOR_JOURNAL": ("journal", str),
    "HAILO_EMULATOR_STATE_DIR": ("state_dir", str),
}
VERSIONS = ("5.1.0", "5.1.1", "5.2.0", "5.3.0")


class SettingsError(ValueError):
    """The settings file can't be used; the text names the file and the key."""


@dataclass(frozen=True)
class Timing:
    """Seconds at time_scale 1, as published for 5.1.1 (hailo_model_zoo_genai docs/MODELS.rst)."""

    vdevice_open: float = 0.1
    contention_wait: float = 5.0
    load: float = 9.7
    frame_encode: float = 0.33
    prefill_chunk: float = 0.30
    token: float = 0.119
    clear_context: float = 0.01
    tokenize: float = 0.002
    context_io: float = 2.0
    identify: float = 0.05
    server_restart: float = 1.0
    wakeup_timeout: float = 10.0
    transfer_limit: float = 120.0
    abort_waits_for: str = "prefill"


# Published in hailo_model_zoo's docs: 5.1.0 loads in 21.55 s, 5.2.0 in 6.226 s and gives 6.73 tokens/s,
# 5.3.0 7.21 s and 7.04.
TIMING_BY_VERSION = {
    "5.1.0": Timing(load=21.55),
    "5.1.1": Timing(),
    "5.2.0": Timing(load=6.226, token=0.149),
    "5.3.0": Timing(load=7.21, token=0.142),
}
# hailort-drivers 5.3.0 renamed the node (common/hailo_ioctl_common.h).
_DEVICE_FROM_5_3_0 = "/dev/h1x-0"


@dataclass(frozen=True)
class Faults:
    """Faults to inject. Counts of tokens: -1 is never; 0 is before the first token."""

    device_absent: bool = False
    device_busy: bool = False
    permission_denied: bool = False
    vdevice_status: int = 0
    open_loses_wakeup: bool = False
    release_loses_wakeup: bool = False
    load_status: int = 0
    storage_mb_s: float = 0.0
    load_hang: bool = False
    load_extra_s: float = 0.0
    encoder_status: int = 0
    poison: bool = False
    generate_hang: bool = False
    read_hang_after_tokens: int = -1
    decode_fails_after_tokens: int = -1
    stall_after_tokens: int = -1
    link_lost_after_tokens: int = -1
    link_recovers: bool = False
    crash_after_tokens: int = -1
    crash_in_load: bool = False
    abort_in_release: bool = False
    orphan_hangs: bool = False
    model_release_hang: bool = False
    stray_tail: bool = False
    firmware_version: str = ""
    times: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """All settings; see emulator/README.md for the meaning of each key."""

    version: str = RELEASE
    time_scale: float = 1.0
    hold_gil: bool = True
    device: str = "/dev/hailo0"
    journal: str = ""
    state_dir: str = "/dev/shm"
    loads_until_cma_is_gone: int = 0
    context_capacity: int = 2048
    tokens: str = "auto"
    cpu_dtype: str = "float32"
    timing: Timing = field(default_factory=Timing)
    faults: Faults = field(default_factory=Faults)
    stamp: str = ""

    def version_tuple(self) -> tuple[int, ...]:
        """The emulated version as numbers, e.g. (5, 1, 1)."""
        return tuple(int(part) for part in self.version.split("."))


def _typed(where: str, value: object, example: object) -> object:
    wanted = type(example)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not wanted:
        raise SettingsError(f"{where}: expected {wanted.__name__}, got {value!r}")
    return value


def _checked(base: Any, table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of one table, checked against the dataclass instance `base`."""
    known = {f.name: getattr(base, f.name) for f in fields(base) if f.name != "stamp"}
    out: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise SettingsError(f"{where}{key}: unknown key; known: {', '.join(sorted(known))}")
        if key in ("timing", "faults", "times"):
            if not isinstance(value, dict):
                raise SettingsError(f"{where}{key}: expected a table, got {value!r}")
            out[key] = value
        else:
            out[key] = _typed(where + key, value, known[key])
    return out


def _checked_times(times: Mapping[str, Any]) -> Mapping[str, int]:
    names = {f.name for f in fields(Faults)} - {"times"}
    for name, count in times.items():
        if name not in names:
            raise SettingsError(f"faults.times.{name}: no such fault")
        _typed(f"faults.times.{name}", count, 1)
    return dict(times)


def _build(table: Mapping[str, Any], environment: Mapping[str, str], stamp: str) -> Settings:
    top = _checked(Settings(), table, "")
    for name, (key, convert) in ENVIRONMENT.items():
        if environment.get(name):
            try:
                top[key] = convert(environment[name])
            except ValueError:
                raise SettingsError(f"{name}: expected {convert.__name__}") from None
    version = top.get("version", Settings.version)
    if version not in VERSIONS:
        raise SettingsError(f"version: {version!r} is not emulated; known: {', '.join(VERSIONS)}")
    if top.get("tokens", "auto") not in ("auto", "stand-in"):
        raise SettingsError("tokens: expected 'auto' or 'stand-in'")
    if version == "5.3.0":
        top.setdefault("device", _DEVICE_FROM_5_3_0)
    timing_base = TIMING_BY_VERSION[version]
    timing = replace(timing_base, **_checked(timing_base, top.pop("timing", {}), "timing."))
    if timing.abort_waits_for not in ("chunk", "prefill"):
        raise SettingsError("timing.abort_waits_for: expected 'chunk' or 'prefill'")
    fault_values = _checked(Faults(), top.pop("faults", {}), "faults.")
    if "times" in fault_values:
        fault_values["times"] = _checked_times(fault_values["times"])
    return Settings(**top, timing=timing, faults=Faults(**fault_values), stamp=stamp)


class SettingsSource:
    """Reads the settings file and notices its changes (by inode, size and time of change)."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._named = environment.get("HAILO_EMULATOR_SETTINGS")
        self._path = self._named or DEFAULT_FILE
        self._seen: tuple[int, ...] | None = None
        self._current = Settings()
        self._held = False

    def current(self) -> Settings:
        """The settings as of now.

        Raises SettingsError if the very first reading fails; a file that becomes bad later is
        reported on stderr once and the last good settings stay.
        """
        if self._held:
            return self._current
        key = self._key()
        if key == self._seen:
            return self._current
        first = self._seen is None
        self._seen = key
        try:
            self._current = self._read(Path(self._path))
        except (SettingsError, tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            if first:
                raise SettingsError(f"{self._path}: {error}") from error
            print(f"hailo emulator: {self._path}: {error}; keeping the former settings", file=sys.stderr)
        return self._current

    def hold(self) -> None:
        """Look for a change now, and not again until let_go()."""
        self.current()
        self._held = True

    def let_go(self) -> None:
        """Look for a change each time again."""
        self._held = False

    def _key(self) -> tuple[int, ...]:
        """What changes with the file; empty while there is none."""
        try:
            stat = os.stat(self._path)
        except OSError:
            return ()
        return (stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def _read(self, path: Path) -> Settings:
        if not path.exists() and not self._named:
            return _build({}, self._environment, "")
        stamp = str(path.stat().st_mtime_ns)
        return _build(tomllib.loads(path.read_text("utf-8")), self._environment, stamp)


source = SettingsSource()


def settings() -> Settings:
    """The process's current settings."""
    return source.current()
