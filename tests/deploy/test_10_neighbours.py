"""The gateway beside somebody's HAProxy, in the place of one of the earlier kind, and gone again."""

from collections.abc import Iterator

import httpx
import pytest

from tests.deploy.conftest import Pi, changes, playbook
from tests.deploy.gateway import INVENTORY, Gateway, deploy, place

TAGGED = ("-i", str(INVENTORY), "--tags", "hailo_gateway")
FOREIGN = """
defaults
  mode http
  timeout connect 3s
  timeout client 9s
  timeout server 9s
frontend theirs
  bind :9000
  http-request return status 200 content-type text/plain string theirs
"""
EARLIER = """
defaults
  mode http
  timeout connect 3s
  timeout client 9s
  timeout server 9s
frontend hailo
  bind :8080
  http-request return status 200 content-type text/plain string earlier
backend hailo_nodes
"""


def install(pi: Pi, configuration: str) -> None:
    """HAProxy with a configuration, as an operator or an earlier version of the role left it."""
    pi.run(f"""
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends haproxy >/dev/null
        cat > /etc/haproxy/haproxy.cfg <<'END'{configuration}END
        systemctl restart haproxy.service
    """)


def state(pi: Pi) -> str:
    """How far the package is installed."""
    return pi.run("dpkg-query --show --showformat='${db:Status-Status}' haproxy", check=False)


def uninstall(pi: Pi) -> None:
    """Uninstall the gateway, twice."""
    for wanted in (True, False):
        result = playbook("uninstall.yml", *TAGGED)
        assert result.returncode == 0, result.stdout[-3000:]
        assert (changes(result, pi) > 0) == wanted
    found = "find /etc /usr/local /run -name 'hailo-vision-gateway*' -o -path /etc/hailo/gateway"
    assert pi.run(found) == ""


@pytest.fixture
def free(pis: list[Pi]) -> Iterator[Pi]:
    """A Pi without HAProxy, before and after."""
    pi = pis[1]
    place(pi)
    yield pi
    pi.run("apt-get purge -qq --yes haproxy >/dev/null; rm -rf /etc/haproxy")


def test_somebodys_haproxy_goes_on_beside_the_gateway_and_after_it(free: Pi, pis: list[Pi]) -> None:
    install(free, FOREIGN)
    before = free.run("sha256sum /etc/haproxy/haproxy.cfg; systemctl show --property=MainPID haproxy.service")
    result = playbook("site.yml", *TAGGED, "--extra-vars", "hailo_gateway_port=9000")
    assert result.returncode != 0
    assert f"{free.name} can't be the gateway on port 9000, held by haproxy (process " in result.stdout
    deploy("--tags", "hailo_gateway")
    Gateway(free).wait_up([pi.name for pi in pis])
    assert httpx.get(f"http://{free.address}:9000/").text == "theirs"
    uninstall(free)
    assert httpx.get(f"http://{free.address}:9000/").text == "theirs"
    after = free.run("sha256sum /etc/haproxy/haproxy.cfg; systemctl show --property=MainPID haproxy.service")
    assert after == before


def test_a_gateway_of_the_earlier_kind_is_replaced(free: Pi, pis: list[Pi]) -> None:
    install(free, EARLIER)
    free.run("mkdir /etc/haproxy/hailo; cp /etc/haproxy/haproxy.cfg /etc/haproxy/haproxy.cfg~")
    assert httpx.get(f"http://{free.address}:8080/").text == "earlier"
    deploy("--tags", "hailo_gateway")
    Gateway(free).wait_up([pi.name for pi in pis])
    assert httpx.get(f"http://{free.address}:8080/v1/models").json()["object"] == "list"
    assert free.run("ls -d /etc/haproxy/hailo* /etc/haproxy/haproxy.cfg* 2>/dev/null", check=False) == ""
    assert free.property("ActiveState", "haproxy.service") == "inactive"
    assert changes(deploy("--tags", "hailo_gateway"), free) == 0
    uninstall(free)
    # Who installed it nobody knows.
    assert state(free) == "installed"
