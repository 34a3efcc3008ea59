"""Rules of nftables in the form in which nft prints them: closed is only what is so for certain."""

from typing import Any

import pytest

from hailo_vision.cli.firewall import is_closed

PORT = 11435
TABLE = {"family": "inet", "table": "filter"}
IPV4 = {"family": "ip", "table": "filter"}
IPV6 = {"family": "ip6", "table": "filter"}
ACCEPT, DROP, RETURN = {"accept": None}, {"drop": None}, {"return": None}


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def dport(right: Any, protocol: str = "tcp", op: str = "==") -> dict[str, Any]:
    return match({"payload": {"protocol": protocol, "field": "dport"}}, right, op)


def protocol(right: Any) -> dict[str, Any]:
    return match({"meta": {"key": "l4proto"}}, right)


def interface(right: Any, op: str = "==") -> dict[str, Any]:
    return match({"meta": {"key": "iifname"}}, right, op)


LOOPBACK = [match({"meta": {"key": "iif"}}, "lo"), ACCEPT]
ESTABLISHED = [match({"ct": {"key": "state"}}, ["established", "related"], "in"), ACCEPT]
STATES = [{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["invalid", DROP]]}}}]
ICMP = [protocol({"set": ["icmp", "ipv6-icmp"]}), ACCEPT]
ICMPV6 = [match({"payload": {"protocol": "ip6", "field": "nexthdr"}}, "ipv6-icmp"), ACCEPT]
SSH = [dport({"set": [22, {"range": [80, 90]}]}), {"counter": {"packets": 1, "bytes": 9}}, ACCEPT]
USUAL = [LOOPBACK, ESTABLISHED, STATES, ICMP, ICMPV6, SSH, [dport(5353, "udp"), ACCEPT]]
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
    ]
    for chain, own in {"input": list(rules), **chains}.items():
        entries += [{"rule": {**TABLE, "chain": chain, "expr": rule}} for rule in own]
    return {"nftables": entries}


@pytest.mark.parametrize(
    "closed",
    [
        ruleset("drop"),
        ruleset("drop", *USUAL),
        ruleset("drop", [interface("lo"), ACCEPT]),
        {"nftables": [{"chain": {**IPV4, "name": "input", "hook": "input", "policy": "drop"}}]},
        ruleset("accept", *USUAL, [{"counter": {}}, {"log": None}, {"reject": {"type": "icmpx"}}]),
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
        ruleset("drop", [dport({"set": [22, {"range": [11000, PORT]}]}), ACCEPT]),
        ruleset("drop", [dport({"range": [PORT, 12000]}), ACCEPT]),
        ruleset("accept", [dport("the-name-of-a-port"), DROP]),
        ruleset("accept", [dport(PORT, op="!="), DROP]),
        ruleset("drop", [protocol("tcp"), ACCEPT]),
        ruleset("drop", [protocol(6), ACCEPT]),
        ruleset("drop", [match({"ct": {"key": "state"}}, ["established", "new"], "in"), ACCEPT]),
        ruleset("drop", [LAN, ACCEPT]),
        ruleset("drop", [LAN, dport(PORT), ACCEPT]),
        ruleset("drop", [interface("eth0"), ACCEPT]),
        ruleset("drop", [interface({"set": ["lo", "eth0"]}), ACCEPT]),
        ruleset("drop", [interface("lo", "!="), ACCEPT]),
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
