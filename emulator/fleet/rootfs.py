"""The "SD card image" that all hosts boot from: a Debian root file system, built once and then only read."""

import hashlib
import json
import os
from pathlib import Path

from emulator.fleet.console import run_shown, say
from emulator.fleet.layout import BUILD
from emulator.fleet.machine import delete_tree

# What Raspberry Pi OS Lite brings that a minimal Debian does not.
_PACKAGES = (
    "systemd,systemd-sysv,dbus,udev,python3,python3-venv,python3-apt,sudo,iproute2,ca-certificates,"
    "openssh-server,procps,less,curl"
)
_EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

_CUSTOMISE = """
set -eu
root="$1"
chroot "$root" useradd --create-home --shell /bin/bash --groups sudo,adm --uid 1000 pi
echo 'pi ALL=(ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/010_pi-nopasswd"
chmod 0440 "$root/etc/sudoers.d/010_pi-nopasswd"
install -d -m 0700 -o 1000 -g 1000 "$root/home/pi/.ssh"
echo LANG=C.UTF-8 > "$root/etc/default/locale"
printf 'UseDNS no\\nPasswordAuthentication no\\n' > "$root/etc/ssh/sshd_config.d/fleet.conf"
echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/fleet"
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/etc/machine-id" "$root/var/lib/dbus/machine-id"
chroot "$root" systemctl --quiet enable systemd-networkd ssh
chroot "$root" systemctl --quiet mask systemd-networkd-wait-online.service systemd-firstboot.service \\
    apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer console-getty.service
"""


SUITES = ("trixie", "bookworm")
ARCHIVE = "http://deb.debian.org/debian"  # what mmdebstrap takes by itself, with the security archive


def path(suite: str) -> Path:
    """Where the image of a Debian suite by the present recipe lies, or will lie."""
    recipe = hashlib.sha256(json.dumps([suite, _PACKAGES, _EXCLUDED, _CUSTOMISE]).encode()).hexdigest()[:8]
    return BUILD / "rootfs" / f"{suite}-{recipe}"


def ensure(suite: str) -> Path:
    """Return the image of a Debian suite, building it when there is none by the present recipe.

    A finished image is never changed: running hosts have it as the lower layer of their overlays.

    Raises:
        FleetError: mmdebstrap failed.
    """
    image = path(suite)
    images = image.parent
    if image.exists():
        return image
    images.mkdir(parents=True, exist_ok=True)
    for old in images.glob(f"{suite}-*.part"):
        delete_tree(old)
    _build(suite, image)
    _drop_unused(images, suite, image)
    return image


def _build(suite: str, image: Path) -> None:
    part = image.with_suffix(".part")
    hook = image.with_suffix(".hook")
    hook.write_text(_CUSTOMISE)
    command = ["mmdebstrap", "--variant=minbase", "--mode=root", f"--include={_PACKAGES}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _EXCLUDED]
    command += ['--aptopt=Acquire::Languages "none"', f'--customize-hook=sh {hook} "$1"', suite, str(part)]
    log = BUILD / "log" / f"mmdebstrap-{suite}.log"
    run_shown(command, f"Building the Debian {suite} image with mmdebstrap (about a minute)", log)
    hook.unlink()
    # mmdebstrap creates the top folder as it would a private one; a service's user must get through it.
    part.chmod(0o755)
    os.sync()
    part.rename(image)
    say(f"Image ready: {image}")


def _drop_unused(images: Path, suite: str, keep: Path) -> None:
    """Delete images of older recipes that no overlay uses."""
    mounts = Path("/proc/self/mountinfo").read_text()
    for old in images.glob(f"{suite}-*"):
        if old != keep and str(old) not in mounts:
            delete_tree(old) if old.is_dir() else old.unlink()
