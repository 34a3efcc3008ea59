#!/usr/bin/python
"""Download or install Debian packages all at once, and leave dpkg whole where one of them does not build.

M(ansible.builtin.apt) installs files one at a time, in which packages that need each other fail; it can't
just download; and of a package whose driver does not build it leaves half.
"""

from __future__ import annotations

import glob
import os
import platform
import re
import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.hailo_text import read

DOCUMENTATION = r"""
module: hailo_apt
short_description: Download or install Debian packages all at once
description:
  - What is to be installed is fetched first, so that a later call needs no network.
  - Packages that are held stay so.
  - When apt fails, every package goes back to the version that it had, as far as the archives have it, and
    what is still half installed is removed. Where a driver did not build, the failure shows the end of the
    build log.
options:
  names:
    description: Packages of the archives, with C(=VERSION) where another than the newest is meant.
    type: list
    elements: str
    default: []
  files:
    description: Packages in files on the host.
    type: list
    elements: path
    default: []
  state:
    description: Whether the packages are only fetched, or installed.
    type: str
    choices: [downloaded, present]
    default: present
  allow_downgrade:
    description: Whether an older version may replace an installed one.
    type: bool
    default: false
  lock_timeout:
    description: Seconds to wait for another apt.
    type: int
    default: 300
"""

RETURN = r"""
versions:
  description: The packages that are to change, or did, with their new versions.
  returned: always
  type: dict
former:
  description: The versions that these had; those that were not installed are left out.
  returned: always
  type: dict
"""

BUILD_LOGS = "/var/lib/dkms/*/*/build/make.log"
LINES = 12
CHANGE = re.compile(r"^Inst (\S+?)(?::\S+)? (?:\[[^]]*\] )?\((\S+)", re.MULTILINE)
WHOLE = ("installed", "config-files", "not-installed")


class Packages:
    """The packages of this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._timeout = module.params["lock_timeout"]
        self._held = module.run_command(["apt-mark", "showhold"])[1].split()

    def apt(self, *words: str, downgrade: bool) -> tuple[int, str]:
        """Run apt-get; its status and what it said."""
        options = ["--yes", "--no-install-recommends", "--allow-change-held-packages"]
        options += ["--option", f"DPkg::Lock::Timeout={self._timeout}"]
        options += ["--option", "Dpkg::Options::=--force-confold"]
        options += ["--allow-downgrades"] if downgrade else []
        code, out, err = self._module.run_command(
            ["apt-get", *options, *words], environ_update={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        )
        if "install" in words and "--simulate" not in words and self._held:
            # apt lets go of what it is told to change.
            self._module.run_command(["apt-mark", "hold", *self._held])
        return code, out + err

    def states(self) -> dict[str, tuple[str, str]]:
        """Status and version of every package that dpkg knows."""
        form = "${binary:Package} ${db:Status-Status} ${Version}\n"
        _, out, _ = self._module.run_command(["dpkg-query", "--show", f"--showformat={form}"])
        rows = (line.split(" ") for line in out.splitlines())
        return {row[0].partition(":")[0]: (row[1], row[2]) for row in rows}

    def older(self, one: str, other: str) -> bool:
        """Whether a version comes before another."""
        return self._module.run_command(["dpkg", "--compare-versions", one, "lt", other])[0] == 0

    def file(self, path: str) -> tuple[str, str]:
        """Name and version of the package in a file."""
        code, out, err = self._module.run_command(
            ["dpkg-deb", "--show", "--showformat=${Package} ${Version}", path]
        )
        if code != 0:
            self._module.fail_json(msg=f"{path} is no Debian package: {err.strip()}")
        name, _, version = out.strip().partition(" ")
        return name, version

    def take_back(self, before: dict[str, tuple[str, str]]) -> str:
        """Go back to what was installed before; what became of that, as a sentence."""
        now = self.states()
        former = [
            f"{name}={version}"
            for name, (status, version) in before.items()
            if status == "installed" and now.get(name) != (status, version)
        ]
        halves = [
            f"{name}-"
            for name, (status, _) in now.items()
            if status not in WHOLE and before.get(name, ("",))[0] != "installed"
        ]
        if former or halves:
            code, _ = self.apt("install", *former, *halves, downgrade=True)
            if code == 0:
                return f"The host went back to {' '.join(former)}." if former else "It was removed again."
        broken = [name for name, (status, _) in self.states().items() if status not in WHOLE]
        if broken:
            force = ["--force-depends", "--force-remove-reinstreq"]
            self._module.run_command(["dpkg", *force, "--remove", *broken])
            return (
                f"{' '.join(broken)} had to be removed, as no archive has the former version. What runs goes "
                "on until the next boot."
            )
        return "Nothing was changed."


def build_log(since: float) -> str:
    """Why DKMS did not build a driver, empty if that is not what failed."""
    found = [path for path in glob.glob(BUILD_LOGS) if os.stat(path).st_mtime >= since]
    if not found:
        return ""
    path = max(found, key=os.path.getmtime)
    end = "\n".join(read(path).splitlines()[-LINES:])
    return (
        f"The driver does not build for the kernel {platform.release()}; {path} ends with:\n{end}\n"
        "Stay with the release that was installed (hailo_driver_version), wait for one that builds for this "
        "kernel, or boot a kernel that it builds for. "
    )


def reason(said: str) -> str:
    """The lines in which apt or dpkg says what is wrong."""
    lines = [line for line in said.splitlines() if re.match(r"(E:|dpkg: error| \S+ : |Error)", line)]
    return "; ".join(dict.fromkeys(line.strip() for line in lines)) or said.strip()[-1500:]


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "path", "default": []},
            "state": {"type": "str", "choices": ["downloaded", "present"], "default": "present"},
            "allow_downgrade": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    params, packages = module.params, Packages(module)
    before, downgrade = packages.states(), params["allow_downgrade"]
    wanted = list(params["names"])
    supplied = {path: packages.file(path) for path in params["files"]}
    for path, (name, version) in supplied.items():
        status, present = before.get(name, ("", ""))
        if status == "installed" and present == version:
            continue
        if status == "installed" and packages.older(version, present) and not downgrade:
            module.fail_json(
                msg=f"{name} {present} is installed, and {path} is the older {version}. "
                f"Set hailo_driver_allow_downgrade to true if that is meant."
            )
        wanted.append(path)
    code, said = packages.apt("--simulate", "install", *wanted, downgrade=downgrade)
    if code != 0:
        module.fail_json(msg=f"apt can't install {' '.join(wanted)}: {reason(said)}")
    versions = dict(CHANGE.findall(said))
    former = {name: before[name][1] for name in versions if before.get(name, ("",))[0] == "installed"}
    if versions and not module.check_mode:
        began, fetch = time.time() - 1, params["state"] == "downloaded"
        code, said = packages.apt(*["--download-only"] * fetch, "install", *wanted, downgrade=downgrade)
        if code != 0:
            told = "" if fetch else build_log(began) + packages.take_back(before)
            module.fail_json(msg=f"apt refused {' '.join(wanted)}: {reason(said)}. {told}")
    module.exit_json(
        changed=bool(versions) and params["state"] == "present",
        versions=versions,
        former=former,
        supplied=dict(supplied.values()),
    )


if __name__ == "__main__":
    main()
