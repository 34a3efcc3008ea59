"""One address for both Pis, HAProxy on one of them, while a Pi loads, restarts, or loses its power."""

import csv
import itertools
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import pytest
from support.certificates import issue
from support.fleets import SCENARIO

from tests.deploy import power
from tests.deploy.conftest import Pi, changes, playbook
from tests.deploy.load import Load, question

INVENTORY = SCENARIO.directory / "gateway"
KEY = "a-key-for-the-gateway"
CHAT = "/v1/chat/completions"
CHANGED = ("--extra-vars", "hailo_vision_max_tokens=34")
SETTINGS = "/etc/hailo-emulator.toml"


@dataclass(frozen=True)
class Gateway:
    """The gateway on one of the Pis."""

    pi: Pi

    @property
    def url(self) -> str:
        """Where clients ask."""
        return f"http://{self.pi.address}:8080"

    @property
    def statistics(self) -> str:
        """Its page for operators."""
        return f"http://{self.pi.address}:8404"

    def rows(self) -> dict[str, dict[str, str]]:
        """HAProxy's figures of each Pi."""
        lines = httpx.get(f"{self.statistics}/;csv").text.lstrip("# ").splitlines()
        return {row["svname"]: row for row in csv.DictReader(lines) if row["pxname"] == "hailo_nodes"}

    def wait_up(self, names: list[str], seconds: float = 60) -> None:
        """Wait until the gateway uses these Pis."""
        limit = time.monotonic() + seconds
        while not all(self.rows()[name]["status"] == "UP" for name in names):
            assert time.monotonic() < limit, {name: row["status"] for name, row in self.rows().items()}
            time.sleep(0.2)


def deploy(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run site.yml with the inventory of the Pis and that of the gateway."""
    result = playbook("site.yml", "-i", str(INVENTORY), *arguments)
    assert result.returncode == 0, result.stdout[-3000:]
    return result


def settings(**variables: object) -> None:
    """Write the gateway's group_vars."""
    (INVENTORY / "group_vars" / "hailo_gateway.yml").write_text(json.dumps(variables))


@pytest.fixture(scope="module")
def wanted(pis: list[Pi]) -> None:
    """An inventory that wants the gateway on the first Pi."""
    (INVENTORY / "group_vars").mkdir(parents=True, exist_ok=True)
    (INVENTORY / "hosts.yml").write_text(json.dumps({"hailo_gateway": {"hosts": {pis[0].name: {}}}}))
    settings(hailo_gateway_statistics_host="0.0.0.0")


@pytest.mark.usefixtures("wanted")
def test_check_mode_shows_a_new_gateway_and_touches_nothing(pis: list[Pi]) -> None:
    result = deploy("--check", "--diff", "--tags", "hailo_gateway")
    assert changes(result, pis[0]) > 0
    assert "+backend hailo_nodes" in result.stdout
    assert pis[0].run("ls -d /etc/haproxy 2>/dev/null", check=False) == ""


@pytest.fixture(scope="module")
def gateway(wanted: None, pis: list[Pi]) -> Gateway:
    """HAProxy on the first Pi, in front of both."""
    deploy()
    found = Gateway(pis[0])
    found.wait_up([pi.name for pi in pis])
    return found


def test_a_text_in_place_of_the_keys_is_refused(gateway: Gateway) -> None:
    """HAProxy would take each of its letters for a key."""
    arguments = ("--tags", "hailo_gateway", "--extra-vars", f"hailo_gateway_api_keys={KEY}")
    result = playbook("site.yml", "-i", str(INVENTORY), *arguments)
    assert result.returncode != 0
    assert "hailo_gateway_api_keys is a text, and a list is needed" in result.stdout
    assert KEY not in result.stdout + result.stderr
    assert httpx.get(gateway.url + "/v1/models").status_code == 200


def test_a_second_run_changes_nothing(gateway: Gateway, pis: list[Pi]) -> None:
    result = deploy()
    assert [changes(result, pi) for pi in pis] == [0, 0]


def test_a_run_that_was_killed_before_the_reload_is_repaired(gateway: Gateway) -> None:
    """It leaves a configuration that is newer than what HAProxy has read."""
    gateway.pi.run("touch /etc/haproxy/haproxy.cfg")
    result = deploy("--tags", "hailo_gateway")
    assert "RUNNING HANDLER [hailo_gateway : Reload HAProxy]" in result.stdout
    assert changes(deploy("--tags", "hailo_gateway"), gateway.pi) == 0


def test_an_answer_is_passed_on_piece_by_piece(gateway: Gateway) -> None:
    arrivals = []
    with httpx.stream("POST", gateway.url + CHAT, json=question(40, stream=True), timeout=60) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            if line.startswith("data: {"):
                arrivals.append(time.monotonic())
    assert len(arrivals) > 20
    # A token takes 24 ms on these Pis. What is held back arrives in lumps.
    assert arrivals[-1] - arrivals[0] > 0.012 * len(arrivals)
    assert median(after - before for before, after in itertools.pairwise(arrivals)) < 0.1


def test_requests_wait_in_one_queue_in_their_order_and_each_pi_gets_one_at_a_time(gateway: Gateway) -> None:
    before = gateway.rows()
    begun: list[int] = []

    def ask(number: int) -> None:
        time.sleep(0.25 * number)
        with client.stream("POST", gateway.url + CHAT, json=question(40, stream=True)) as response:
            assert response.status_code == 200
            for line in response.iter_lines():
                if line.startswith("data: {") and number not in begun:
                    begun.append(number)

    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    # Two Pis begin with two neighbours at nearly the same time.
    assert all(abs(place - number) <= 1 for place, number in enumerate(begun)), begun
    after = gateway.rows()
    for name in ("pi01", "pi02"):
        assert int(after[name]["smax"]) == 1
        assert int(after[name]["stot"]) - int(before[name]["stot"]) >= 3


def test_figures_are_offered_to_people_and_to_prometheus(gateway: Gateway) -> None:
    assert "pi02" in httpx.get(gateway.statistics).text
    metrics = httpx.get(f"{gateway.statistics}/metrics").text
    assert 'haproxy_server_status{proxy="hailo_nodes",server="pi02"' in metrics


def test_a_pi_that_loads_gets_nothing(gateway: Gateway, pis: list[Pi]) -> None:
    pi = pis[1]
    whole = pi.run(f"cat {SETTINGS}")
    with Load(gateway.url) as load:
        load.wait(4)
        pi.run(f"printf '\\n[faults]\\nload_extra_s = 6.0\\n' >> {SETTINGS}")
        pi.run("systemctl restart --no-block hailo-vision.service")
        while gateway.rows()[pi.name]["status"] != "DOWN":
            time.sleep(0.1)
        given = gateway.rows()[pi.name]["stot"]
        assert pi.health()["state"] == "loading"
        load.wait(4)
        assert pi.health()["state"] == "loading"
        assert gateway.rows()[pi.name]["stot"] == given
        pi.run(f"cat > {SETTINGS} <<'END'\n{whole}\nEND")
        gateway.wait_up([pi.name])
        load.wait(6)
        assert int(gateway.rows()[pi.name]["stot"]) > int(given)
    assert load.failures == []


def test_a_changed_setting_is_rolled_out_without_a_failed_request(gateway: Gateway, pis: list[Pi]) -> None:
    with watching(gateway) as seen, Load(gateway.url) as load:
        load.wait(4)
        result = deploy(*CHANGED)
        load.wait(4)
    assert load.failures == []
    assert [changes(result, pi) > 0 for pi in pis] == [True, True]
    assert all((pi.name, "DRAIN") in seen for pi in pis)
    assert [row["status"] for name, row in gateway.rows().items() if name != "BACKEND"] == ["UP", "UP"]


@contextmanager
def watching(gateway: Gateway) -> Iterator[set[tuple[str, str]]]:
    """Which Pi had which status at the gateway while the block ran."""
    seen: set[tuple[str, str]] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            seen.update((name, row["status"]) for name, row in gateway.rows().items())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_a_pi_that_was_left_drained_is_put_back(gateway: Gateway, pis: list[Pi]) -> None:
    script = (
        "import socket; admin = socket.socket(socket.AF_UNIX); admin.connect('/run/haproxy/admin.sock');"
        "admin.sendall(b'set server hailo_nodes/pi02 state drain\\n'); admin.recv(9)"
    )
    pis[0].run(f'python3 -c "{script}"')
    assert gateway.rows()["pi02"]["status"].startswith("DRAIN")
    result = deploy(*CHANGED)
    assert [changes(result, pi) for pi in pis] == [1, 0]
    gateway.wait_up(["pi02"], 5)


def test_no_request_fails_when_a_pi_loses_its_power_but_the_one_that_it_had_begun(
    gateway: Gateway, pis: list[Pi]
) -> None:
    pi = pis[1]
    with Load(gateway.url) as load:
        load.wait(6)
        power.cut(pi)
        cut = time.monotonic()
        load.wait(20)
        assert gateway.rows()[pi.name]["status"] == "DOWN"
    assert load.answered(cut) >= 20
    assert len(load.failures) <= 1, load.failures
    assert all(failure.begun < cut for failure in load.failures), load.failures
    power.restore()
    pi.wait_ready()
    gateway.wait_up([pi.name])


@pytest.fixture
def guarded(gateway: Gateway, tmp_path: Path) -> Iterator[ssl.SSLContext]:
    """The gateway with a key, HTTPS and a short queue; what a client must trust."""
    certificate = issue(tmp_path, f"IP:{gateway.pi.address}")
    settings(
        hailo_gateway_statistics_host="0.0.0.0",
        hailo_gateway_queue_size=1,
        hailo_gateway_api_keys=[KEY],
        hailo_gateway_tls_pem=certificate.chain.read_text() + certificate.key.read_text(),
    )
    result = deploy("--tags", "hailo_gateway", "--diff")
    assert KEY not in result.stdout + result.stderr
    assert "PRIVATE KEY" not in result.stdout + result.stderr
    yield certificate.trusted()
    settings(hailo_gateway_statistics_host="0.0.0.0")
    deploy("--tags", "hailo_gateway")


def test_the_edge_asks_for_a_key_over_https_and_turns_away_what_would_wait_too_long(
    gateway: Gateway, guarded: ssl.SSLContext
) -> None:
    url = gateway.url.replace("http:", "https:")
    with pytest.raises(httpx.TransportError):
        httpx.get(gateway.url + "/v1/models")
    assert httpx.get(url + "/v1/models", verify=guarded).status_code == 401
    wrong = {"Authorization": "Bearer a-key-for-the-gatewa"}
    assert httpx.get(url + "/v1/models", verify=guarded, headers=wrong).status_code == 401
    with httpx.Client(verify=guarded, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client:
        assert client.get(url + "/v1/models").status_code == 200
        with ThreadPoolExecutor(12) as pool:
            body = question(20, stream=False)
            answers = list(pool.map(lambda number: client.post(url + CHAT, json=body), range(12)))
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) > 0
    assert refused.json()["error"]["code"] == "queue_full"
    assert sum(answer.status_code == 200 for answer in answers) >= 4


def test_uninstalling_the_gateway_leaves_the_pis_alone(gateway: Gateway, pis: list[Pi]) -> None:
    tagged = ("-i", str(INVENTORY), "--tags", "hailo_gateway")
    result = playbook("uninstall.yml", *tagged)
    assert result.returncode == 0, result.stdout[-3000:]
    with pytest.raises(httpx.ConnectError):
        httpx.get(gateway.url)
    assert pis[0].run("ls -d /etc/haproxy 2>/dev/null", check=False) == ""
    left = pis[0].run("dpkg-query --show --showformat='${db:Status-Status}' haproxy", check=False)
    assert left in ("", "not-installed")
    for pi in pis:
        assert pi.ask("coffee.jpg")
    again = playbook("uninstall.yml", *tagged)
    assert again.returncode == 0, again.stdout[-3000:]
    assert changes(again, pis[0]) == 0
