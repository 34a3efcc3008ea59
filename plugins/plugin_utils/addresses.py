"""Where a Pi's service is asked, by itself, the controller and the gateway; and who may ask it."""

import ipaddress
from collections.abc import Mapping
from typing import Any

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def url(server: Mapping[str, Any], name: str = "") -> str:
    """Address of a service.

    Args:
        server: the section `server` of its settings.
        name: by which the Pi is reached if it listens on all its addresses; by itself if empty.
    """
    host = name or _LOOPBACK[server["host"]] if server["host"] in _LOOPBACK else server["host"]
    scheme = "https" if server.get("tls_cert") else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{server['port']}"


def members(
    names: list[str], hostvars: Mapping[str, Mapping[str, Any]], gateway: str
) -> list[dict[str, Any]]:
    """Name, address, port and kind of listening of each Pi, by the settings that its service has in the end.

    Args:
        names: the Pis, as the inventory calls them.
        hostvars: the variables of each, as Ansible has them.
        gateway: who asks them. One that deploys itself may have a name that nobody knows.

    Returns:
        Dictionaries with ``name``, ``address``, ``port``, ``tls`` (whether it speaks HTTPS), ``local``
        (whether it listens for its own host alone), and ``deaf`` (whether the address is of IPv6, and it
        listens to IPv4 alone).
    """
    return [_member(name, hostvars[name], name == gateway) for name in names if name in hostvars]


def _member(name: str, variables: Mapping[str, Any], is_own: bool) -> dict[str, Any]:
    server = variables.get("hailo_vision_config", {}).get("server", {})
    if not isinstance(server, Mapping):  # its own check tells
        server = {}
    host = server.get("host", variables.get("hailo_vision_host", "0.0.0.0"))
    address = variables.get("ansible_host", name)
    if host not in _LOOPBACK:
        address = host
    elif is_own:
        address = _LOOPBACK[host]
    return {
        "name": name,
        "address": address,
        "port": server.get("port", variables.get("hailo_vision_port", 11435)),
        "tls": bool(server.get("tls_cert") or variables.get("hailo_vision_tls_key")),
        "local": _is_local(host),
        "deaf": host == "0.0.0.0" and ":" in address,
    }


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def networks(entries: list[str]) -> dict[str, list[str]]:
    """Addresses and networks by family, ``ip`` and ``ip6`` as nftables has them; ``wrong`` for the rest.

    None is part of another, which nftables takes for a conflict.
    """
    found: dict[int, list[Any]] = {4: [], 6: []}
    wrong = []
    for entry in entries:
        try:
            network = ipaddress.ip_network(entry)
            found[network.version].append(network)
        except ValueError:
            wrong.append(entry)
    ip, ip6 = ([str(one) for one in ipaddress.collapse_addresses(found[family])] for family in (4, 6))
    return {"ip": ip, "ip6": ip6, "wrong": wrong}
