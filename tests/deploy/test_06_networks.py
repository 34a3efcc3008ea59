"""hailo_vision_allow_from: which networks reach the port, seen from three places."""

import json

import httpx
import pytest

from tests.deploy.conftest import Pi, changes, limit, playbook


def deploy(pi: Pi, networks: list[str]) -> int:
    """Deploy with these networks; how many tasks changed something."""
    variables = json.dumps({"hailo_vision_allow_from": networks})
    result = playbook("site.yml", "--limit", limit(pi), "--extra-vars", variables)
    assert result.returncode == 0, result.stdout[-3000:]
    return changes(result, pi)


def asks(pi: Pi, address: str) -> str:
    """The status by which a host's question to a Pi's service is answered, or 000."""
    question = f"curl --silent --output /dev/null --write-out %{{http_code}} http://{address}:11435/health"
    return pi.run(question, check=False)


def test_only_the_networks_that_are_named_reach_the_port(pi: Pi, pis: list[Pi]) -> None:
    other = pis[1]
    serving = pi.property("MainPID")
    assert deploy(pi, [other.address]) > 0
    pi.run("nft flush ruleset; systemctl disable hailo-vision-firewall.service")
    assert deploy(pi, [other.address]) > 0
    assert deploy(pi, [other.address]) == 0
    assert [asks(other, pi.address), asks(pi, pi.address), asks(pi, "127.0.0.1")] == ["200", "200", "200"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{pi.url}/health")
    # Other ports are not concerned, and rules of the operator's own that begin anew do not open this one.
    for verb in ("start", "reload", "restart", "stop"):
        pi.run(f"systemctl {verb} nftables.service")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{pi.url}/health")
    assert pi.run("systemctl is-enabled hailo-vision-firewall.service") == "enabled"
    # Another port is closed with the switch to it: who goes back to the former one is not open there.
    wrong = {"hailo_vision_port": 12000, "hailo_vision_hef_path": "/srv/none"}
    wrong |= {"hailo_vision_allow_from": [other.address]}
    assert playbook("site.yml", "--limit", limit(pi), "--extra-vars", json.dumps(wrong)).returncode != 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{pi.url}/health")
    assert asks(other, pi.address) == "200"
    serving = pi.property("MainPID")
    assert deploy(pi, []) > 0
    assert pi.health()["state"] == "ready"
    assert deploy(pi, []) == 0
    assert pi.property("MainPID") == serving
    assert "hailo_vision" not in pi.run("nft list tables; ls /etc/hailo/*.nft", check=False)


def test_what_is_no_network_is_refused(pi: Pi) -> None:
    variables = json.dumps({"hailo_vision_allow_from": ["192.0.2.7/24", "pi.local"]})
    result = playbook("site.yml", "--limit", limit(pi), "--extra-vars", variables)
    assert result.returncode != 0
    assert "hailo_vision_allow_from has 192.0.2.7/24, pi.local, and addresses or networks" in result.stdout
