"""One address for both Pis, HAProxy on one of them, while a Pi loads, restarts, or loses its power."""

import itertools
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import httpx
import pytest
from support.certificates import issue
from support.fleets import SCENARIO

from tests.deploy import power
from tests.deploy.conftest import TOP, Pi, changes, playbook
from tests.deploy.gateway import INVENTORY, Gateway, deploy, place, settings
from tests.deploy.load import PHOTO, Load, question

KEY = "a-key-for-the-gateway"
CHAT = "/v1/chat/completions"
CHANGED = ("--extra-vars", "hailo_vision_max_tokens=34")
SETTINGS = "/etc/hailo-emulator.toml"
LATE = {"ansible_host": "pi-late.example", "hailo_vision_port": 18999}


@pytest.fixture(scope="module")
def wanted(pis: list[Pi]) -> None:
    """An inventory that wants the gateway on the first Pi."""
    place(pis[0])


@pytest.mark.usefixtures("wanted")
def test_check_mode_shows_a_new_gateway_and_touches_nothing(pis: list[Pi]) -> None:
    result = deploy("--check", "--diff", "--tags", "hailo_gateway")
    assert changes(result, pis[0]) > 0
    assert "+backend hailo_nodes" in result.stdout
    assert pis[0].run("ls -d /etc/haproxy /etc/hailo/gateway 2>/dev/null", check=False) == ""


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
    gateway.pi.run("touch /etc/hailo/gateway/haproxy.cfg")
    result = deploy("--tags", "hailo_gateway")
    assert "RUNNING HANDLER [hailo_vision.deploy.hailo_gateway : Reload HAProxy]" in result.stdout
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


def test_requests_wait_in_one_queue_in_their_order_and_each_pi_gets_two_at_a_time(gateway: Gateway) -> None:
    """One to work on and one that is on its way meanwhile."""
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
        assert int(after[name]["smax"]) == 2
        assert int(after[name]["stot"]) - int(before[name]["stot"]) >= 3


def test_clients_that_leave_give_their_places_to_others(gateway: Gateway) -> None:
    """Also those that wait in the gateway's queue: none of them reaches a Pi."""
    before = gateway.given()
    body = json.dumps(question(500, stream=True)).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {len(body)}\r\n\r\n"

    def come(clients: ExitStack, count: int) -> None:
        for _ in range(count):
            connection = clients.enter_context(socket.create_connection((gateway.pi.address, 8080)))
            connection.sendall(head.encode() + body)

    with ExitStack() as served, ExitStack() as waiting:
        come(served, 4)
        gateway.wait_for("scur", "4")
        come(waiting, 2)
        gateway.wait_for("qcur", "2")
        waiting.close()
        gateway.wait_for("qcur", "0")
        assert gateway.given() - before == 4
    assert httpx.post(gateway.url + CHAT, json=question(4, stream=False), timeout=60).status_code == 200
    assert gateway.given() - before == 4 + 1


def test_figures_are_offered_to_people_and_to_prometheus(gateway: Gateway) -> None:
    assert "pi02" in httpx.get(gateway.statistics).text
    metrics = httpx.get(f"{gateway.statistics}/metrics").text
    assert 'haproxy_server_status{proxy="hailo_nodes",server="pi02"' in metrics
    # What docs/monitoring asks for.
    texts = [path.read_text() for path in (TOP / "docs/monitoring").iterdir()]
    used = {name for text in texts for name in re.findall(r"haproxy_\w+", text)}
    assert len(used) >= 3
    assert [name for name in used if f"# TYPE {name} " not in metrics] == []


def test_a_pi_that_loads_gets_nothing(gateway: Gateway, pis: list[Pi]) -> None:
    pi = pis[1]
    whole = pi.run(f"cat {SETTINGS}")
    with Load(gateway.url) as load:
        load.wait(4)
        pi.run(f"printf '\\n[faults]\\nload_extra_s = 15.0\\n' >> {SETTINGS}")
        pi.run("systemctl restart --no-block hailo-vision.service")
        gateway.wait_up([pi.name], status="DOWN")
        # It finishes first what it has.
        while pi.health().get("state") != "loading":
            time.sleep(0.1)
        given = gateway.rows()[pi.name]["stot"]
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
        "import socket; admin = socket.socket(socket.AF_UNIX);"
        "admin.connect('/run/hailo-vision-gateway/admin.sock');"
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
        try:
            load.wait(20)
            assert gateway.rows()[pi.name]["status"] == "DOWN"
        finally:
            power.restore(SCENARIO, 2)
    assert load.answered(cut) >= 20
    assert len(load.failures) <= 1, load.failures
    assert all(failure.begun < cut for failure in load.failures), load.failures
    pi.wait_ready()
    gateway.wait_up([pi.name])


STUB = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer(200)
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(int(sys.argv[1]))
    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.ThreadingHTTPServer(("", 18999), Handler).serve_forever()
"""


@pytest.fixture
def late(gateway: Gateway, pis: list[Pi]) -> Iterator[Pi]:
    """A member whose name nobody knows, and the Pi on which a stand-in for it will listen."""
    place(pis[0], pi_late=dict(LATE))
    settings(hailo_gateway_members=[*(pi.name for pi in pis), "pi_late"])
    deploy("--tags", "hailo_gateway")
    gateway.pi.run(f"cat > /run/stub.py <<'END'\n{STUB}\nEND")
    yield pis[0]
    gateway.pi.run("systemctl stop stub.service; sed -i /pi-late/d /etc/hosts; rm /run/stub.py", check=False)
    place(pis[0])
    deploy("--tags", "hailo_gateway")


def test_a_pi_whose_name_nobody_knows_keeps_no_other_from_serving_and_what_it_refuses_goes_elsewhere(
    gateway: Gateway, late: Pi
) -> None:
    gateway.pi.run("systemctl restart hailo-vision-gateway.service")
    gateway.wait_up(["pi01", "pi02"])
    gateway.wait_up(["pi_late"], status="DOWN")
    assert httpx.post(gateway.url + CHAT, json=question(4, stream=False), timeout=60).status_code == 200
    # What follows a JPEG's end is ignored.
    large = PHOTO.ljust(3_000_000, b"\0")
    # It is least busy all the time, as it refuses everything at once.
    for status in (429, 503):
        late.run(f"systemd-run --collect --unit=stub python3 /run/stub.py {status}")
        late.run("grep -q pi-late /etc/hosts || echo 127.0.0.1 pi-late.example >> /etc/hosts")
        gateway.wait_up(["pi_late"])
        given = int(gateway.rows()["pi_late"]["stot"])
        with Load(gateway.url, photo=large) as load:
            load.wait(12)
        assert load.failures == []
        assert int(gateway.rows()["pi_late"]["stot"]) > given
        late.run("systemctl stop stub.service")


@pytest.fixture
def guarded(gateway: Gateway, tmp_path: Path) -> Iterator[ssl.SSLContext]:
    """The gateway with a key, HTTPS and a short queue; what a client must trust."""
    certificate = issue(tmp_path, f"IP:{gateway.pi.address}")
    settings(
        hailo_gateway_queue_size=1,
        hailo_gateway_api_keys=[KEY],
        hailo_gateway_tls_pem=certificate.chain.read_text() + certificate.key.read_text(),
    )
    result = deploy("--tags", "hailo_gateway", "--diff")
    assert KEY not in result.stdout + result.stderr
    assert "PRIVATE KEY" not in result.stdout + result.stderr
    assert gateway.pi.run(f"journalctl --boot --output=cat | grep -cF {KEY}", check=False) == "0"
    yield certificate.trusted()
    settings()
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
    # A stranger's photo is not waited for.
    with (
        socket.create_connection((gateway.pi.address, 8080), timeout=30) as plain,
        guarded.wrap_socket(plain, server_hostname=gateway.pi.address) as stranger,
    ):
        stranger.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 3000000\r\n\r\n".encode())
        assert stranger.recv(4096).startswith(b"HTTP/1.1 401 ")
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


def test_new_keys_and_a_new_certificate_cost_no_request(
    gateway: Gateway, guarded: ssl.SSLContext, tmp_path: Path
) -> None:
    url = gateway.url.replace("http:", "https:")
    folder = tmp_path / "new"
    folder.mkdir()
    certificate = issue(folder, f"IP:{gateway.pi.address}")
    settings(
        hailo_gateway_api_keys=[KEY, f"{KEY}-2"],
        hailo_gateway_tls_pem=certificate.chain.read_text() + certificate.key.read_text(),
    )
    with Load(url, key=KEY) as load:
        load.wait(4)
        deploy("--tags", "hailo_gateway")
        load.wait(4)
    assert load.failures == []
    fresh = {"Authorization": f"Bearer {KEY}-2"}
    assert httpx.get(url + "/v1/models", verify=certificate.trusted(), headers=fresh).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(url + "/v1/models", verify=guarded)


def test_uninstalling_the_gateway_leaves_the_pis_alone(gateway: Gateway, pis: list[Pi]) -> None:
    tagged = ("-i", str(INVENTORY), "--tags", "hailo_gateway")
    result = playbook("uninstall.yml", *tagged)
    assert result.returncode == 0, result.stdout[-3000:]
    with pytest.raises(httpx.ConnectError):
        httpx.get(gateway.url)
    assert pis[0].run("ls -d /etc/haproxy /etc/hailo/gateway 2>/dev/null", check=False) == ""
    left = pis[0].run("dpkg-query --show --showformat='${db:Status-Status}' haproxy", check=False)
    assert left in ("", "not-installed")
    for pi in pis:
        assert pi.ask("coffee.jpg")
    again = playbook("uninstall.yml", *tagged)
    assert again.returncode == 0, again.stdout[-3000:]
    assert changes(again, pis[0]) == 0
