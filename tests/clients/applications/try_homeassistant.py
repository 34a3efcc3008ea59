"""Home Assistant itself on a booted Trixie, asking the service on another emulated Pi: PHOTO.

`make try-homeassistant`, as root. Boots two emulated Pis: site.yml deploys the service to one, Home Assistant
is installed on the other. Its own integration "ollama" is set up through its own dialogues (REST); a camera
that shows PHOTO is described by an AI Task into a structure, by REST and by WebSocket, and there is a
conversation. Ends with what was asked and answered, and without the Pis.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from support.server import MODEL
from websockets.sync.client import connect

from emulator.fleet import fleet
from emulator.fleet.console import say
from emulator.fleet.host import Host, ssh_command
from emulator.fleet.layout import REPOSITORY, make_layout

LAYOUT = make_layout("ha", "198.18.1.0/24")
START_SECONDS = 300
PORT = 8123
FLOWS = "/api/config/config_entries"
CONFIGURATION = f"""\
homeassistant:
  allowlist_external_dirs: [/srv/pictures]
http:
  server_port: {PORT}
api:
config:
onboarding:
auth:
conversation:
media_source:
websocket_api:
"""
STRUCTURE = {
    "summary": {"description": "One sentence", "required": True, "selector": {"text": {}}},
    "animals": {"description": "How many animals there are", "required": True, "selector": {"number": {}}},
}
# By which this machine has names and packages.
SETTINGS = "etc/resolv.conf", "etc/pip.conf", "etc/xdg/pip", "etc/ssl/certs/ca-certificates.crt"


def run(host: Host, command: str, stdin: bytes = b"") -> str:
    """What a shell command, run there as root, prints."""
    words = [*ssh_command(host), "sudo", "sh", "-c", f"'{command}'"]
    done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode(errors="replace")


@contextlib.contextmanager
def pis() -> Iterator[tuple[Host, Host]]:
    """Two booted Pis, the first with the service."""
    try:
        service, assistant = fleet.up(LAYOUT, 2, "trixie", 1.0)
        playbook = ["ansible-playbook", "-i", str(LAYOUT.inventory), "playbooks/site.yml"]
        subprocess.run([*playbook, "--limit", f"{service.name},localhost"], check=True, cwd=REPOSITORY)
        yield service, assistant
    finally:
        fleet.down(LAYOUT)


def install(host: Host) -> None:
    say(f"Installing Home Assistant on {host.name}")
    there = [name for name in SETTINGS if Path("/", name).exists()]
    packed = subprocess.run(["tar", "-chC", "/", *there], stdout=subprocess.PIPE, check=True).stdout
    run(host, "tar -xC /", packed)
    run(host, "sh -s", (REPOSITORY / "tests/tools/homeassistant.sh").read_bytes())


def start(host: Host, photo: Path) -> None:
    run(host, "mkdir -p /srv/config /srv/pictures && cat > /srv/pictures/door.jpg", photo.read_bytes())
    run(host, "cat > /srv/config/configuration.yaml", CONFIGURATION.encode())
    run(host, "systemd-run --unit=home-assistant /srv/ha/bin/hass --config /srv/config")


@contextlib.contextmanager
def home_assistant(host: Host) -> Iterator[httpx.Client]:
    """A client that is logged in as its owner."""
    with httpx.Client(base_url=f"http://{host.address}:{PORT}", timeout=120) as client:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _onboarding(client):
                if time.monotonic() > deadline:
                    raise TimeoutError("Home Assistant did not start")
                time.sleep(0.5)
            _log_in(client)
            yield client
        except Exception:
            print(run(host, "journalctl --unit=home-assistant --lines=60 --output=cat"), file=sys.stderr)
            raise


def _onboarding(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/api/onboarding").status_code == 200
    return False


def _log_in(client: httpx.Client) -> None:
    here = f"{client.base_url}/"
    owner = {"client_id": here, "name": "Owner", "username": "owner", "password": "owner", "language": "en"}
    code = post(client, "/api/onboarding/users", owner)["auth_code"]
    form = {"grant_type": "authorization_code", "code": code, "client_id": here}
    token = client.post("/auth/token", data=form).json()["access_token"]
    client.headers["authorization"] = f"Bearer {token}"


def post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post(path, json=body)
    if response.is_error:
        raise RuntimeError(f"{path}: {response.status_code} {response.text}")
    found: dict[str, Any] = response.json()
    return found


def fill_in(
    client: httpx.Client, flow: str, start: dict[str, Any], *answers: dict[str, Any]
) -> dict[str, Any]:
    """Go through a dialogue; returns what it made."""
    deadline = time.monotonic() + 60
    # After each change the integration is loaded anew.
    while (step := post(client, flow, start)).get("reason") == "entry_not_loaded":
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    for answer in answers:
        if step["type"] != "form":
            raise RuntimeError(f"{flow}: {step}")
        step = post(client, f"{flow}/{step['flow_id']}", answer)
    if step["type"] != "create_entry":
        raise RuntimeError(f"{flow}: {step}")
    return step


def entities(client: httpx.Client, domain: str) -> list[str]:
    found = [str(state["entity_id"]) for state in client.get("/api/states").json()]
    return [name for name in found if name.startswith(f"{domain}.")]


def entity(client: httpx.Client, domain: str, wanted: str) -> str:
    """The name of an entity, once it is there."""
    deadline = time.monotonic() + 30
    while not (names := [name for name in entities(client, domain) if wanted in name]):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no {domain} with {wanted} in {entities(client, domain)}")
        time.sleep(0.2)
    return names[0]


def set_up(client: httpx.Client, service: str) -> None:
    """The integration with its two uses, and a camera."""
    flow = fill_in(client, f"{FLOWS}/flow", {"handler": "ollama"}, {"url": service})
    entry = flow["result"]["entry_id"]
    camera = {"name": "Door", "file_path": "/srv/pictures/door.jpg"}
    fill_in(client, f"{FLOWS}/flow", {"handler": "local_file"}, camera)
    talk = {"name": "Talk", "model": f"{MODEL}:latest", "num_ctx": 8192, "keep_alive": -1, "think": False}
    look = {**talk, "name": "Look"}
    subentries = f"{FLOWS}/subentries/flow"
    fill_in(client, subentries, {"handler": [entry, "conversation"]}, {**talk, "max_history": 20})
    fill_in(client, subentries, {"handler": [entry, "ai_task_data"]}, look)


def call_by_websocket(client: httpx.Client, *commands: dict[str, Any]) -> list[Any]:
    """The results of commands, one after the other, of one connection."""
    with connect(str(client.base_url.copy_with(scheme="ws", path="/api/websocket"))) as socket:
        socket.recv()
        token = client.headers["authorization"].removeprefix("Bearer ")
        socket.send(json.dumps({"type": "auth", "access_token": token}))
        socket.recv()
        results = []
        for number, command in enumerate(commands, 1):
            socket.send(json.dumps({"id": number, **command}))
            answer = json.loads(socket.recv(120))
            if not answer["success"]:
                raise RuntimeError(f"{command}: {answer}")
            results.append(answer["result"])
        return results


def ask(client: httpx.Client) -> None:
    """Each question by both its APIs; prints them and what was answered."""
    task = {
        "entity_id": entity(client, "ai_task", "look"),
        "task_name": "Door",
        "instructions": "What is in the picture of the camera?",
        "attachments": {
            "media_content_id": f"media-source://camera/{entity(client, 'camera', 'door')}",
            "media_content_type": "image/jpeg",
        },
        "structure": STRUCTURE,
    }
    said = {"text": "What can you do?", "agent_id": entity(client, "conversation", "talk")}
    service = {"domain": "ai_task", "service": "generate_data", "service_data": task, "return_response": True}
    described, talk = call_by_websocket(
        client, {"type": "call_service", **service}, {"type": "conversation/process", **said}
    )
    answers = {
        "REST": (
            post(client, "/api/services/ai_task/generate_data?return_response", task)["service_response"],
            post(client, "/api/conversation/process", said),
        ),
        "WebSocket": (described["response"], talk),
    }
    for way, (data, speech) in answers.items():
        print(f"AI Task by {way}, {task['entity_id']}: {task['instructions']}\n  {json.dumps(data['data'])}")
        words = speech["response"]["speech"]["plain"]["speech"]
        print(f"Conversation by {way}, {said['agent_id']}: {said['text']}\n  {words!r}")


def main() -> None:
    photo = Path(sys.argv[1])
    with pis() as (service, assistant):
        install(assistant)
        start(assistant, photo)
        with home_assistant(assistant) as client:
            version = client.get("/api/config").json()["version"]
            python = run(assistant, "/srv/ha/bin/python --version").strip()
            print(f"Home Assistant {version} ({python}) at {assistant.address}, asking {service.address}")
            set_up(client, f"http://{service.address}:11435")
            ask(client)


if __name__ == "__main__":
    main()
