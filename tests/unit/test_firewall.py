"""Rules of nftables in the form in which nft prints them: closed is only what is so for certain."""

from typing import Any

import pytest

from hailo_vision.cli.firewall import is_closed

PORT = 11435
TABLE = {"family": "inet", "table": "filter"}
IPV6 = {"family": "ip6", "table": "filter"}
ACCEPT, DROP, RETURN = {"accept": None}, {"drop": None}, {"return": None}


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def dport(right: Any, protocol: str = "tcp") -> dict[str, Any]:
    return match({"payload": {"protocol": protocol, "field": "dport"}}, right)


LOOPBACK = [match({"meta": {"key": "iif"}}, "lo"), ACCEPT]
ESTABLISHED = [match({"ct": {"key": "state"}}, ["established", "related"], "in"), ACCEPT]
STATES = [{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["invalid", DROP]]}}}]
ICMP = [match({"meta": {"key": "l4proto"}}, {"set": ["icmp", "ipv6-icmp"]}), ACCEPT]
SSH = [dport({"set": [22, {"range": [80, 90]}]}), {"counter": {"packets": 1, "bytes": 9}}, ACCEPT]
USUAL = [LOOPBACK, ESTABLISHED, STATES, ICMP, SSH, [dport(5353, "udp"), ACCEPT]]
LAN = match({"payload": {"protocol": "ip", "field": "saddr"}}, {"prefix": {"addr": "10.0.0.0", "len": 8}})


def ruleset(
    policy: str, *rules: list[dict[str, Any]], **chains: list[list[dict[str, Any]]]
) -> dict[str, Any]:
    """An entrance with a policy and rules, and further chains."""
    entries: list[dict[str, Any]] = [
        {"metainfo": {"json_schema_version": 1}},
        {"chain": {**TABLE, "name": "input", "hook": "input", "type": "filter", "prio": 0, "policy": policy}},
        {
            "chain": {
                **TABLE,
                "name": "output",
                "hook": "output",
                "type": "filter",
                "prio": 0,
                "policy": "drop",
            }
        },
        {"rule": {**TABLE, "chain": "output", "expr": [ACCEPT]}},
    ]
    for chain, own in {"input": list(rules), **chains}.items():
        entries += [{"rule": {**TABLE, "chain": chain, "expr": rule}} for rule in own]
    return {"nftables": entries}


@pytest.mark.parametrize(
    "closed",
    [
        ruleset("drop"),
        ruleset("drop", *USUAL),
        ruleset("accept", *USUAL, [{"counter": {}}, {"reject": {"type": "icmpx"}}]),
        ruleset("accept", [dport(PORT), DROP]),
        ruleset("drop", [{"jump": {"target": "more"}}], more=USUAL),
        ruleset("accept", [{"goto": {"target": "more"}}], more=[*USUAL, [DROP]]),
        ruleset("drop", [dport({"range": [1, 1024]}), {"jump": {"target": "more"}}], more=[[ACCEPT]]),
        ruleset("drop", [RETURN], [ACCEPT]),
        ruleset("drop", [LAN, RETURN], [DROP]),
        ruleset("accept", [{"jump": {"target": "more"}}], [DROP], more=[[LAN, RETURN], [DROP]]),
    ],
)
def test_closed(closed: dict[str, Any]) -> None:
    assert is_closed(closed, PORT)


@pytest.mark.parametrize(
    "open_",
    [
        {},
        ruleset("accept"),
        ruleset("accept", *USUAL),
        ruleset("drop", *USUAL, [dport(PORT), ACCEPT]),
        ruleset("drop", [dport({"set": [22, {"range": [11000, 12000]}]}), ACCEPT]),
        ruleset("drop", [LAN, ACCEPT]),
        ruleset("drop", [LAN, dport(PORT), ACCEPT]),
        ruleset("drop", [match({"meta": {"key": "iifname"}}, "eth0"), ACCEPT]),
        ruleset("drop", [{"xt": {"type": "match", "name": "tcp"}}, ACCEPT]),
        ruleset("accept", [{"xt": {"type": "match", "name": "tcp"}}, DROP]),
        ruleset("accept", [LAN, DROP]),
        ruleset("drop", [{"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "data": {}}}]),
        ruleset("drop", [{"jump": {"target": "more"}}], more=[*USUAL, [dport(PORT), ACCEPT]]),
        ruleset("drop", [dport(22, "udp"), DROP], [ACCEPT]),
        ruleset("accept", [LAN, RETURN], [DROP]),
        ruleset("drop", [LAN, RETURN], [{"counter": {}}], [ACCEPT]),
        ruleset("accept", [LAN, {"goto": {"target": "more"}}], [DROP], more=USUAL),
        ruleset("accept", [{"goto": {"target": "more"}}], [DROP], more=USUAL),
        {"nftables": [{"chain": {**IPV6, "name": "input", "hook": "input", "policy": "drop"}}]},
    ],
)
def test_open_or_not_certain(open_: dict[str, Any]) -> None:
    assert not is_closed(open_, PORT)
