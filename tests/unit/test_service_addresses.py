"""Where the service of a Pi is asked, by the settings that it has in the end."""

from typing import Any

import pytest
from support.modules import load

addresses = load("plugins/plugin_utils/addresses.py", "hailo_addresses_filter")
PLAIN = {"name": "pi01", "address": "pi01", "port": 11435, "tls": False, "local": False, "deaf": False}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"ansible_host": "192.0.2.1"}, {"address": "192.0.2.1"}),
        ({"ansible_host": "2001:db8::1", "hailo_vision_host": "::"}, {"address": "2001:db8::1"}),
        ({"ansible_host": "2001:db8::1"}, {"address": "2001:db8::1", "deaf": True}),
        ({"hailo_vision_port": "80"}, {"port": "80"}),
        ({"hailo_vision_port": 80, "hailo_vision_config": {"server": {"port": 81}}}, {"port": 81}),
        ({"hailo_vision_config": {"server": {"tls_cert": "/etc/x.crt"}}}, {"tls": True}),
        ({"hailo_vision_tls_key": "-----BEGIN"}, {"tls": True}),
        ({"ansible_host": "192.0.2.1", "hailo_vision_host": "10.0.0.1"}, {"address": "10.0.0.1"}),
        ({"hailo_vision_config": {"server": {"host": "127.0.0.1"}}}, {"address": "127.0.0.1", "local": True}),
        ({"hailo_vision_host": "::1"}, {"address": "::1", "local": True}),
        ({"ansible_host": "pi.local"}, {"address": "pi.local"}),
        ({"hailo_vision_config": {"server": None}}, {}),
    ],
)
def test_a_pi_is_asked_where_it_listens(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    assert addresses.members(["pi01"], {"pi01": variables}, "gateway") == [PLAIN | expected]


@pytest.mark.parametrize(
    ("host", "address"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.7", "192.0.2.7")]
)
def test_a_gateway_asks_itself_without_its_name(host: str, address: str) -> None:
    """One that deploys itself may have a name that no name server knows."""
    own = addresses.members(["pi01"], {"pi01": {"hailo_vision_host": host}}, "pi01")
    assert own == [PLAIN | {"address": address}]


@pytest.mark.parametrize(
    ("server", "name", "url"),
    [
        ({"host": "0.0.0.0"}, "192.0.2.1", "http://192.0.2.1:80"),
        ({"host": "::"}, "2001:db8::1", "http://[2001:db8::1]:80"),
        ({"host": "0.0.0.0", "tls_cert": None}, "", "http://127.0.0.1:80"),
        ({"host": "::"}, "", "http://[::1]:80"),
        ({"host": "10.0.0.1"}, "192.0.2.1", "http://10.0.0.1:80"),
        ({"host": "2001:db8::2", "tls_cert": "/x"}, "192.0.2.1", "https://[2001:db8::2]:80"),
    ],
)
def test_a_service_is_asked_where_it_listens(server: dict[str, Any], name: str, url: str) -> None:
    assert addresses.url({**server, "port": 80}, name) == url
