"""Other computers than this one as controllers: other versions of Ansible, other folders, a Pi itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.fleets import SCENARIO
from support.modules import TOP
from support.variables import ROLES as ALL_ROLES

from tests.deploy.conftest import Pi, changes, environment, limit

ROLES = [role for role in ALL_ROLES if role != "hailo_gateway"]
# What the controller keeps of earlier runs.
KEPT = {
    "hailo_vision_wheelhouse": str(TOP / ".build/wheelhouse"),
    "hailo_apps_cache": str(TOP / ".build/hailo-apps"),
}


def uv(*arguments: str) -> None:
    """Run uv to its end."""
    subprocess.run([str(Path(sys.executable).parent / "uv"), "--quiet", *arguments], check=True)


def checkout(folder: Path) -> Path:
    """A copy of what git has of this checkout, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=TOP, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    archive = folder / "checkout.tar"
    subprocess.run(["tar", "-cf", archive, "-T", "-"], cwd=TOP, input=listed, text=True, check=True)
    return archive


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("2.18.*", "This is ansible-core 2.18."),
        ("2.19.*", "which runs Ansible, has no pip to collect the service's packages with."),
    ],
)
def test_a_controller_that_will_not_do_is_refused_by_the_first_task(
    version: str, sentence: str, tmp_path: Path
) -> None:
    """uv's environments have no pip."""
    uv("venv", "--python", sys.executable, str(tmp_path / "venv"))
    uv("pip", "install", "--python", str(tmp_path / "venv"), f"ansible-core=={version}")
    inventory = TOP / "inventory/example/one"
    result = subprocess.run(
        [tmp_path / "venv/bin/ansible-playbook", "-i", inventory, TOP / "playbooks/site.yml"],
        cwd="/", env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert sentence in result.stdout
    assert result.stdout.count("TASK [") == 1


def test_localhost_in_the_inventory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("hailo_nodes: {hosts: {localhost: {}}}\n")
    command = ["ansible-playbook", "-i", str(tmp_path), "playbooks/site.yml"]
    result = subprocess.run(command, cwd=TOP, env=environment(), capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "The inventory has a host localhost, by which Ansible means this computer." in result.stdout


def test_a_checkout_that_everybody_may_write_and_a_run_from_elsewhere(pi: Pi, tmp_path: Path) -> None:
    """Ansible does not read ansible.cfg of such a folder, as of every one that Windows has mounted."""
    top = tmp_path / "checkout"
    top.mkdir()
    subprocess.run(["tar", "-xf", checkout(tmp_path), "-C", top], check=True)
    top.chmod(0o777)
    arguments = ["--limit", limit(pi), "--extra-vars", json.dumps(KEPT)]
    for folder in (top, Path("/")):
        result = subprocess.run(
            ["ansible-playbook", "-i", SCENARIO.inventory, top / "playbooks/site.yml", *arguments],
            cwd=folder, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
        assert "changed=0 " in result.stdout


def test_another_repository_installs_the_collection_and_uses_its_roles(pi: Pi, tmp_path: Path) -> None:
    """The service's wheel is built from what was installed, and the release is the same."""
    source, other = tmp_path / "source", tmp_path / "other"
    source.mkdir()
    other.mkdir()
    subprocess.run(["tar", "-xf", checkout(tmp_path), "-C", source], check=True)
    author = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qmall"]):
        subprocess.run(["git", "-C", source, *words], check=True)
    (other / "ansible.cfg").write_text("[defaults]\ncollections_path = collections\n")
    roles = "".join(f"    - hailo_vision.deploy.{role}\n" for role in ROLES)
    (other / "pis.yml").write_text(f"- hosts: hailo_nodes\n  become: true\n  roles:\n{roles}")
    kept = {"hailo_apps_cache": KEPT["hailo_apps_cache"]}
    arguments = ["-i", str(SCENARIO.inventory), "--limit", limit(pi), "--extra-vars", json.dumps(kept)]
    for command, changed in (
        (["ansible-galaxy", "collection", "install", f"git+file://{source}", "-p", "collections"], None),
        # The wheel, on the controller.
        (["ansible-playbook", "pis.yml", *arguments], 1),
        (["ansible-playbook", "hailo_vision.deploy.site", *arguments], 0),
    ):
        result = subprocess.run(
            command, cwd=other, env=environment(), capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
        assert changed is None or changes(result, pi) == changed, result.stdout[-5000:]
    installed = other / "collections/ansible_collections/hailo_vision/deploy"
    assert not {"emulator", "tests"} & {path.name for path in installed.iterdir()}


@pytest.fixture
def controller(pi: Pi, tmp_path: Path) -> Pi:
    """A Pi with this checkout and ansible-core 2.20 and 2.21, whose inventory has the Pi itself."""
    choice = ["--only-binary=:all:", "--python-version=3.13", "--platform=manylinux2014_x86_64"]
    for version in ("2.20.*", "2.21.*"):
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", *choice, f"ansible-core=={version}",
             "hatchling==1.33.0", f"--dest={tmp_path}/wheels/{version[:4]}"], check=True,
        )  # fmt: skip
    (tmp_path / "inventory").mkdir()
    variables = (SCENARIO.inventory / "group_vars/hailo_nodes.yml").read_text()
    (tmp_path / "inventory/hosts.yml").write_text(
        f"hailo_nodes: {{hosts: {{{pi.name}: {{ansible_connection: local}}}}}}\n"
    )
    (tmp_path / "inventory/group_vars").mkdir()
    (tmp_path / "inventory/group_vars/hailo_nodes.yml").write_text(variables)
    checkout(tmp_path)
    send(pi, tmp_path, "checkout.tar", "wheels", "inventory")
    send(pi, TOP, ".build/wheelhouse", ".build/hailo-apps")
    pi.run("""
        cd /home/pi/deployer
        mkdir checkout && tar -xf checkout.tar -C checkout && mv .build checkout
        for version in 2.20 2.21; do
            python3 -m venv venv-$version
            venv-$version/bin/pip install --quiet --no-index --find-links=wheels/$version \\
                ansible-core hatchling
        done
        chown -R pi: .
    """)
    return pi


def send(pi: Pi, folder: Path, *names: str) -> None:
    """Copy files and folders into /home/pi/deployer."""
    packed = subprocess.run(["tar", "-cf", "-", *names], cwd=folder, capture_output=True, check=True).stdout
    ssh = ["ssh", "-i", str(pi.fleet.private_key), "-o", f"UserKnownHostsFile={pi.fleet.known_hosts}"]
    ssh += ["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", f"pi@{pi.address}"]
    remote = "mkdir -p deployer && tar -xf - -C deployer"
    subprocess.run([*ssh, remote], input=packed, check=True, env=os.environ)


def test_a_pi_deploys_itself_with_each_ansible(controller: Pi) -> None:
    def deploy(version: str, arguments: str = "") -> str:
        command = f"../venv-{version}/bin/ansible-playbook -i ../inventory playbooks/site.yml {arguments}"
        return controller.run(f"su - pi -c 'cd deployer/checkout; LC_ALL=C.UTF-8 NO_COLOR=1 {command}'")

    try:
        assert "changed=0 " in deploy("2.20").partition(f"\n{controller.name} ")[2]
        changed = deploy("2.21", "-e hailo_vision_max_tokens=51")
        assert "changed=0 " not in changed.partition(f"\n{controller.name} ")[2]
        assert "max_tokens: 51" in controller.run("cat /etc/hailo/hailo-vision.yaml")
        assert "WARNING" not in changed
        deploy("2.21")
        # It can't wait for its own reboot.
        controller.run("touch /var/lib/dpkg/info/*hailort-pcie-driver*.list")
        told = deploy("2.21")
        assert f"Reboot {controller.name} and run again" in told
    finally:
        controller.run("rm -rf /home/pi/deployer")
        controller.run("touch -d 2020-01-01 /var/lib/dpkg/info/*hailort-pcie-driver*.list")
