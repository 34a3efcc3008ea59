"""Home Assistant itself, with its own integration "ollama" set up through its own dialogues: ROOT and PHOTO.

`make try-homeassistant`, as root. ROOT is a Debian Trixie with Home Assistant in /srv/ha; the service beside
it has an emulated NPU. A camera that shows PHOTO is described by an AI Task into a structure, and there is a
conversation. Ends with what was asked and answered.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from support.server import MODEL, Server, free_port

START_SECONDS = 300
FLOWS = "/api/config/config_entries"
CONFIGURATION = """\
homeassistant:
  allowlist_external_dirs: [/srv/pictures]
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
config:
onboarding:
auth:
conversation:
media_source:
ai_task:
"""
STRUCTURE = {
    "summary": {"description": "One sentence", "required": True, "selector": {"text": {}}},
    "animals": {"description": "How many animals there are", "required": True, "selector": {"number": {}}},
}


@contextlib.contextmanager
def home_assistant(root: Path, photo: Path) -> Iterator[httpx.Client]:
    """A new Home Assistant; gives a client that is logged in as its owner."""
    port, config = free_port(), root / "srv/config"
    shutil.rmtree(config, ignore_errors=True)
    config.mkdir()
    (config / "configuration.yaml").write_text(CONFIGURATION.format(port=port))
    (root / "srv/pictures").mkdir(exist_ok=True)
    shutil.copy(photo, root / "srv/pictures/door.jpg")
    hass = "/srv/ha/bin/hass --config /srv/config"  # which installs what its integrations require
    # A mount and process namespace of its own: what it starts ends with it.
    inside = f"mount -t proc proc /proc && mount -t tmpfs tmpfs /dev/shm && exec {hass}"
    command = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "chroot",
        str(root),
        "sh",
        "-c",
        inside,
    ]
    with (config / "output").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            deadline = time.monotonic() + START_SECONDS
            while not _onboarding(client):
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"Home Assistant did not start:\n{(config / 'output').read_text()[-3000:]}")
                time.sleep(0.5)
            _log_in(client)
            try:
                yield client
            except Exception:
                print((config / "output").read_text()[-4000:], file=sys.stderr)
                raise
    finally:
        process.kill()  # unshare hears nothing else, and takes its child along
        process.wait(30)


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


def try_everything(client: httpx.Client, service: Server) -> None:
    entry = fill_in(client, f"{FLOWS}/flow", {"handler": "ollama"}, {"url": service.url})["result"][
        "entry_id"
    ]
    camera = {"name": "Door", "file_path": "/srv/pictures/door.jpg"}
    fill_in(client, f"{FLOWS}/flow", {"handler": "local_file"}, camera)
    for kind, name in (("conversation", "Talk"), ("ai_task_data", "Look")):
        options = {
            "name": name,
            "model": f"{MODEL}:latest",
            "num_ctx": 8192,
            "keep_alive": -1,
            "think": False,
        }
        if kind == "conversation":
            options["max_history"] = 20
        fill_in(client, f"{FLOWS}/subentries/flow", {"handler": [entry, kind]}, options)
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
    described = post(client, "/api/services/ai_task/generate_data?return_response", task)
    said = {"text": "What can you do?", "agent_id": entity(client, "conversation", "talk")}
    talk = post(client, "/api/conversation/process", said)["response"]["speech"]["plain"]["speech"]
    print(f"AI Task: {task['instructions']}\n  {json.dumps(described['service_response']['data'])}")
    print(f"Conversation: {said['text']}\n  {talk!r}")


def main() -> None:
    root, photo = (Path(word).resolve() for word in sys.argv[1:])
    with tempfile.TemporaryDirectory() as scratch:
        service = Server(Path(scratch, "service"))
        try:
            service.start()
            with home_assistant(root, photo) as client:
                print("Home Assistant", client.get("/api/config").json()["version"])
                try_everything(client, service)
        finally:
            service.close()


if __name__ == "__main__":
    main()
