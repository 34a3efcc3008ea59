"""Where the gateway finds its Pis, by the settings that they have in the end."""

from typing import Any

import pytest
from support.modules import load

gateway = load("plugins/filter/hailo_gateway.py", "hailo_gateway_filter")
PLAIN = {"name": "pi01", "address": "pi01", "port": 11435, "tls": False, "local": False, "deaf": False}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"ansible_host": "192.0.2.1"}, {"address": "192.0.2.1"}),
        ({"ansible_host": "2001:db8::1", "hailo_vision_host": "::"}, {"address": "2001:db8::1"}),
        ({"ansible_host": "2001:db8::1"}, {"address": "2001:db8::1", "deaf": True}),
        ({"hailo_vision_port": "80"}, {"port": 80}),
        ({"hailo_vision_port": 80, "hailo_vision_config": {"server": {"port": 81}}}, {"port": 81}),
        ({"hailo_vision_config": {"server": {"tls_cert": "/etc/x.crt"}}}, {"tls": True}),
        ({"hailo_vision_tls_key": "-----BEGIN"}, {"tls": True}),
        ({"ansible_host": "192.0.2.1", "hailo_vision_host": "10.0.0.1"}, {"address": "10.0.0.1"}),
        ({"hailo_vision_config": {"server": {"host": "127.0.0.1"}}}, {"address": "127.0.0.1", "local": True}),
        ({"hailo_vision_host": "::1"}, {"address": "::1", "local": True}),
        ({"ansible_host": "pi.local"}, {"address": "pi.local"}),
    ],
)
def test_a_pi_is_asked_where_it_listens(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    assert gateway.members(["pi01"], {"pi01": variables}) == [PLAIN | expected]
