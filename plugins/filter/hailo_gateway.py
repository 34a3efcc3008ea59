"""Where the gateway finds its Pis."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

_WILDCARDS = ("0.0.0.0", "::")


def members(names: list[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Name, address, port and kind of listening of each Pi, by the settings that its service has in the end.

    Args:
        names: the Pis, as the inventory calls them.
        hostvars: the variables of each, as Ansible has them.

    Returns:
        Dictionaries with ``name``, ``address``, ``port``, ``tls`` (whether it speaks HTTPS), ``local``
        (whether it listens for its own host alone), and ``deaf`` (whether the address is of IPv6, and it
        listens to IPv4 alone).
    """
    return [_member(name, hostvars[name]) for name in names if name in hostvars]


def _member(name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    server = variables.get("hailo_vision_config", {}).get("server", {})
    host = server.get("host", variables.get("hailo_vision_host", "0.0.0.0"))
    address = variables.get("ansible_host", name) if host in _WILDCARDS else host
    return {
        "name": name,
        "address": address,
        "port": int(server.get("port", variables.get("hailo_vision_port", 11435))),
        "tls": bool(server.get("tls_cert") or variables.get("hailo_vision_tls_key")),
        "local": _is_local(host),
        "deaf": host == "0.0.0.0" and ":" in address,
    }


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {"hailo_members": members}
