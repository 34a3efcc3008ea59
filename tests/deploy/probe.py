"""Run in place of the service, under the very settings of its unit: tries what the unit must not allow.

Writes a JSON object to its working directory: for each attempt null if it succeeded, else the error.
"""

import contextlib
import ctypes
import json
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
_PTRACE_ATTACH, _CLONE_NEWUSER, _CLONE_NEWNS, _CLONE_NEWNET = 16, 0x10000000, 0x00020000, 0x40000000


def call(name: str, *arguments: object) -> None:
    """A function of libc; its failure as an OSError."""
    if getattr(libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def attach() -> None:
    with subprocess.Popen(["sleep", "5"]) as child:
        try:
            call("ptrace", _PTRACE_ATTACH, child.pid, None, None)
        finally:
            child.kill()


def write(path: str) -> Callable[[], object]:
    return lambda: Path(path, "probe").write_text("x")


def appending(path: str) -> Callable[[], object]:
    return lambda: os.close(os.open(path, os.O_WRONLY | os.O_APPEND))


def read(path: str) -> Callable[[], object]:
    return lambda: Path(path).open("rb").read(1)


def listing(path: str) -> None:
    if not os.listdir(path):
        raise OSError("it is empty")


def endless_memory_that_runs() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def sees(path: str) -> None:
    if not os.path.exists(path):
        raise OSError("it is not seen")


def write_to_a_control_group() -> None:
    """Of version 2, or of systemd's own where they are of version 1."""
    top = Path("/sys/fs/cgroup")
    group = top if (top / "cgroup.procs").exists() else top / "systemd"
    appending(str(group / "cgroup.procs"))()


def set_uid_bit() -> None:
    tool = Path("tool")
    tool.write_text("x")
    try:
        tool.chmod(0o4755)
    finally:
        tool.unlink()


def another_process() -> None:
    if not any(name.isdigit() and int(name) in (1, 2) for name in os.listdir("/proc")):
        raise OSError("it is not seen")


ALLOWED: dict[str, Callable[[], object]] = {
    "write to the state directory": lambda: Path("probe.written").write_text("x"),
    "write to /tmp": write("/tmp"),
    "open the NPU": lambda: os.close(os.open("/dev/hailo0", os.O_RDWR)),
    "open a TCP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
    "read its own program": read("/opt/hailo-vision/venv/bin/hailo-vision"),
}
FORBIDDEN: dict[str, Callable[[], object]] = {
    "open a device of root's": lambda: os.close(os.open("/dev/probe0", os.O_RDWR)),
    "make a device": lambda: os.mknod("probe.node", 0o20600, os.makedev(1, 1)),
    "read the kernel's log": lambda: call("klogctl", 3, ctypes.create_string_buffer(64), 64),
    "list /home": lambda: listing("/home/pi"),
    "list /root": lambda: listing("/root"),
    "read /etc/shadow": read("/etc/shadow"),
    "write to /etc": write("/etc"),
    "write to /usr": write("/usr"),
    "write to /opt": write("/opt/hailo-vision"),
    "write to /var/lib": write("/var/lib"),
    "write to /run": write("/run"),
    "write beside its state directory": write("/var/lib/hailo-vision"),
    "write beside the model": write("/var/lib/hailo-vision/resources"),
    "write to its configuration": appending("/etc/hailo/hailo-vision.yaml"),
    "see the kernel's settings": lambda: sees("/proc/sys"),
    "write to a control group": write_to_a_control_group,
    "trace a process": attach,
    "see another process": another_process,
    "make a user namespace": lambda: call("unshare", _CLONE_NEWUSER),
    "make a mount namespace": lambda: call("unshare", _CLONE_NEWNS),
    "make a network namespace": lambda: call("unshare", _CLONE_NEWNET),
    "open a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "open a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "become root": lambda: os.setuid(0),
    "set the clock": lambda: call("clock_settime", 0, ctypes.create_string_buffer(16)),
    "run at real-time priority": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "run memory that it wrote": endless_memory_that_runs,
    "set a set-uid bit": set_uid_bit,
    "load a kernel module": lambda: call("syscall", 175, None, 0, b""),
    "reboot": lambda: call("reboot", 0),
}


# Forbidden by DevicePolicy alone, which needs the kernel's help.
EVERYBODYS_DEVICE = "open a device that everybody may open"


def attempt(action: Callable[[], object]) -> str | None:
    try:
        action()
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return None


def main() -> None:
    found = {name: attempt(action) for name, action in (ALLOWED | FORBIDDEN).items()}
    found[EVERYBODYS_DEVICE] = attempt(lambda: os.close(os.open("/dev/probe1", os.O_RDWR)))
    with contextlib.suppress(FileNotFoundError):
        Path("probe.written").unlink()
    Path("probe.json").write_text(json.dumps(found))
    sys.exit(0)


if __name__ == "__main__":
    main()
