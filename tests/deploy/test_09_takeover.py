"""A Pi on which another installation script put hailo-vision: taken over by one run.

It leaves what install.sh in system_services/hailo-vision does at 0ec609a of
gregm123456/raspberry_pi_hailo_ai_services.
"""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.deploy.conftest import Pi, changes, limit, playbook

FILE = "Qwen2-VL-2B-Instruct.hef"
PLACED = f"/var/lib/hailo-vision/resources/{FILE}"
BROUGHT = f"/var/lib/hailo-vision/resources/models/hailo10h/{FILE}"
MANAGER = "hailo-device-manager.service"
SETTINGS = {
    "server": {"host": "0.0.0.0", "port": 11435},
    "model": {"name": "qwen2-vl-2b-instruct", "hef_path": None, "keep_alive": -1},
    "generation": {"temperature": 0.7, "max_tokens": 200, "top_p": 0.9, "seed": None},
    "resource_limits": {"memory_max": "4G", "cpu_quota": "80%"},
}
PLANT = f"""
systemctl disable --quiet --now hailo-vision.socket hailo-vision.service
rm -r /opt/hailo-vision /etc/hailo /usr/local/lib/hailo-model /usr/local/bin/hailo-vision \\
    /var/lib/hailo-vision/state /etc/systemd/system/hailo*
mkdir -p /opt/hailo-vision/venv/bin /opt/hailo-vision/vendor/hailo-apps /etc/hailo /etc/xdg/hailo-vision \\
    /var/lib/hailo-vision/cache $(dirname {BROUGHT})
mv {PLACED} {BROUGHT}
rm -f /var/lib/hailo-vision/resources/.*.json
ln -s /usr/bin/python3 /opt/hailo-vision/venv/bin/python3
touch /opt/hailo-vision/vendor/hailo-apps/setup.py /opt/hailo-vision/render_config.py
cat > /opt/hailo-vision/hailo_vision_server.py <<'END'
from http.server import HTTPServer, SimpleHTTPRequestHandler
HTTPServer(("0.0.0.0", 11435), SimpleHTTPRequestHandler).serve_forever()
END
echo '{json.dumps(SETTINGS)}' | tee /etc/hailo/hailo-vision.yaml > /etc/xdg/hailo-vision/hailo-vision.json
usermod --append --groups root hailo-vision
chown --recursive --no-dereference hailo-vision: /opt/hailo-vision /var/lib/hailo-vision
cat > /etc/systemd/system/{MANAGER} <<'END'
[Service]
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
END
cat > /etc/systemd/system/hailo-vision.service <<'END'
[Unit]
Requires={MANAGER}
[Service]
User=hailo-vision
Group=hailo-vision
WorkingDirectory=/var/lib/hailo-vision
StateDirectory=hailo-vision
ExecStart=/opt/hailo-vision/venv/bin/python3 /opt/hailo-vision/hailo_vision_server.py
Restart=always
ReadWritePaths=/var/lib/hailo-vision /etc/xdg/hailo-vision
ProtectSystem=strict
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --quiet --now {MANAGER} hailo-vision.service
"""
NEVER_READY = {"hailo_vision_ready_timeout": 1, "hailo_vision_config": {"model": {"load_timeout": 0.001}}}
REMAINS = (
    "/opt/hailo-vision/*.py /etc/xdg/hailo-vision /var/lib/hailo-vision/*/models /var/lib/hailo-vision/cache"
)


@pytest.fixture
def other(pi: Pi) -> Iterator[Pi]:
    """A Pi with the other installation, which serves."""
    pi.run(PLANT)
    yield pi
    pi.run(f"rm /etc/systemd/system/{MANAGER}; systemctl daemon-reload")


def test_it_is_taken_over_by_one_run_with_its_model_and_a_proposal_of_its_settings(other: Pi) -> None:
    model = other.run(f"stat --format=%i {BROUGHT}")
    refused = playbook("site.yml", "--limit", limit(other))
    assert refused.returncode != 0
    told = " ".join(refused.stdout.split())
    assert f"The chip is held by {MANAGER} of the installation that is to be taken over" in told
    assert '"sudo systemctl disable --now hailo-device-manager"' in told.replace("\\", "")
    assert httpx.get(other.url).status_code == 200

    # Its service needs the manager, and serves without it in this test.
    other.run("sed -i /Requires/d /etc/systemd/system/hailo-vision.service; systemctl daemon-reload")
    other.run(f"systemctl disable --quiet --now {MANAGER}")
    failed = playbook("site.yml", "--limit", limit(other), "--extra-vars", json.dumps(NEVER_READY))
    assert failed.returncode != 0
    assert "The installation that was to be taken over does not serve any more" in failed.stdout
    result = playbook("site.yml", "--limit", limit(other))
    assert result.returncode == 0, result.stdout[-3000:]
    assert "hailo_vision_top_p: 0.9" in result.stdout
    assert "hailo_vision_memory_max: 4G" in result.stdout
    assert f"{MANAGER} of it is left as it was" in result.stdout
    assert other.run(f"stat --format='%i %U %a' {PLACED}") == f"{model} root 644"
    assert other.run(f"ls -d {REMAINS} 2>/dev/null", check=False) == ""
    assert other.run("id --name --groups hailo-vision") == "hailo-vision"
    assert other.run("find /opt/hailo-vision ! -user root") == ""
    other.wait_ready()
    assert other.ask("coffee.jpg")
    again = playbook("site.yml", "--limit", limit(other))
    assert changes(again, other) == 0, again.stdout[-3000:]


def test_a_model_that_hailo_apps_has_put_elsewhere_is_not_fetched(pi: Pi) -> None:
    folder = "/usr/local/hailo/resources/models/hailo10h"
    pi.run(f"mkdir -p {folder}; mv {PLACED} {folder}; rm /var/lib/hailo-vision/resources/.*.json")
    begun = "journalctl --unit=hailo-model --output=cat | grep --count Fetching"
    before = pi.run(begun, check=False)
    result = playbook("site.yml", "--tags", "hailo_model", "--limit", limit(pi))
    assert result.returncode == 0, result.stdout[-3000:]
    assert pi.run(begun, check=False) == before
    assert pi.run(f"cmp {PLACED} {folder}/{FILE} && stat --format='%U %a' {PLACED}") == "root 644"
    pi.run("rm -r /usr/local/hailo")
