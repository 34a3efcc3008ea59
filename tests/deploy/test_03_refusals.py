"""What must not happen: a bad file in place, a deployment to a machine that is not supported."""

import json

from tests.deploy.conftest import Pi, changes, limit, playbook

CONFIG = "/etc/hailo/hailo-vision.yaml"


def test_a_bad_configuration_never_lands(pi: Pi) -> None:
    before = pi.run(f"sha256sum {CONFIG}"), pi.property("MainPID")
    bad = json.dumps({"hailo_vision_config": {"server": {"prot": 11435}}})
    result = playbook("site.yml", "--extra-vars", bad)
    assert result.returncode != 0
    assert "server.prot" in result.stdout
    assert (pi.run(f"sha256sum {CONFIG}"), pi.property("MainPID")) == before
    assert pi.ask("coffee.jpg")


def test_a_machine_that_is_no_debian_is_refused_with_a_sentence(pis: list[Pi]) -> None:
    pi = pis[1]
    pi.run("cp --dereference /etc/os-release /root/os-release && rm /etc/os-release")
    pi.run("printf 'ID=fedora\\nPRETTY_NAME=\"Fedora Linux 43\"\\n' > /etc/os-release")
    try:
        result = playbook("site.yml", "--limit", limit(pi))
    finally:
        pi.run("cp /root/os-release /etc/os-release")
    assert result.returncode != 0
    assert f"{pi.name} can't be deployed to" in result.stdout
    assert "Fedora Linux 43" in result.stdout
    assert changes(result, pi) == 0
