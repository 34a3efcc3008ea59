#!/usr/bin/python
"""Install Debian packages from files, all at once."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hailo_debs
short_description: Install Debian packages from files, all at once
description:
  - M(ansible.builtin.apt) installs one file at a time, in which packages that need each other fail. This
    gives all of them to apt, which fetches what else they need from the host's archives.
options:
  paths:
    description: Files on the host.
    type: list
    elements: path
    required: true
  allow_downgrade:
    description: Whether a file may be older than the installed package.
    type: bool
    default: false
  lock_timeout:
    description: Seconds to wait for another apt.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Install driver and runtime
  hailo_debs:
    paths: [/root/hailort_5.1.1_arm64.deb, /root/hailort-pcie-driver_5.1.1_all.deb]
"""

RETURN = r"""
packages:
  description: Name and version of each package.
  returned: always
  type: dict
"""


def field(module: AnsibleModule, path: str, name: str) -> str:
    """A field of a package file."""
    code, out, err = module.run_command(["dpkg-deb", "--field", path, name])
    if code != 0:
        module.fail_json(msg=f"{path} is no Debian package: {err.strip()}")
    return out.strip()


def installed(module: AnsibleModule, name: str) -> str:
    """Version of an installed package, empty if it is not."""
    form = "${db:Status-Status} ${Version}"
    _, out, _ = module.run_command(["dpkg-query", "--show", f"--showformat={form}", name])
    status, _, version = out.partition(" ")
    return version.strip() if status == "installed" else ""


def older(module: AnsibleModule, one: str, other: str) -> bool:
    """Whether a version comes before another."""
    return module.run_command(["dpkg", "--compare-versions", one, "lt", other])[0] == 0


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "required": True},
            "allow_downgrade": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    params = module.params
    packages, wanted = {}, []
    for path in params["paths"]:
        name, version = field(module, path, "Package"), field(module, path, "Version")
        present = installed(module, name)
        packages[name] = version
        if present != version:
            wanted.append(path)
        if present and older(module, version, present) and not params["allow_downgrade"]:
            module.fail_json(
                msg=f"{name} {present} is installed, and {path} is the older {version}. "
                f"Set hailo_driver_allow_downgrade to true if that is meant."
            )
    if wanted and not module.check_mode:
        options = ["--yes", "--no-install-recommends", "--allow-change-held-packages", "--allow-downgrades"]
        options += ["--option", f"DPkg::Lock::Timeout={params['lock_timeout']}"]
        options += ["--option", "Dpkg::Options::=--force-confold"]
        code, out, err = module.run_command(
            ["apt-get", *options, "install", *wanted], environ_update={"DEBIAN_FRONTEND": "noninteractive"}
        )
        if code != 0:
            module.fail_json(msg=f"apt refused {', '.join(wanted)}: {(err or out).strip()[-1500:]}")
    module.exit_json(changed=bool(wanted), packages=packages)


if __name__ == "__main__":
    main()
