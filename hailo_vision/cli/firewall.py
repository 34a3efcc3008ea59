"""Whether the firewall lets other machines reach a port: nftables, which iptables, ufw and firewalld use."""

from typing import Any

Expression = dict[str, Any]
Chains = dict[tuple[str, ...], list[list[Expression]]]

_VERDICTS = ("accept", "drop", "reject", "jump", "goto", "return")
_NO_CONDITION = (*_VERDICTS, "counter", "log")


def is_closed(ruleset: dict[str, Any], port: int) -> bool:
    """Whether a ruleset refuses new TCP connections from other machines to a port, by IPv4 at least.

    Only what is certain counts: a rule that may let some of them through makes the port open.

    Args:
        ruleset: what `nft --json list ruleset` prints, libnftables-json(5).
    """
    entries = ruleset.get("nftables", [])
    chains: Chains = {}
    for rule in (entry["rule"] for entry in entries if "rule" in entry):
        chains.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule["expr"])
    for chain in (entry["chain"] for entry in entries if "chain" in entry):
        if chain.get("hook") == "input" and chain["family"] in ("inet", "ip"):
            end = _follow(chains, (chain["family"], chain["table"]), chain["name"], port)
            if end == "refused" or (end == "through" and chain.get("policy") == "drop"):
                return True
    return False


def _follow(chains: Chains, table: tuple[str, str], chain: str, port: int) -> str:
    """What becomes of a connection in a chain: "open" if it may be let in, "refused", or "through"."""
    some_left = False
    for expressions in chains.get((*table, chain), []):
        conditions = [one for one in expressions if next(iter(one)) not in _NO_CONDITION]
        if any(_excludes(one["match"], port) for one in conditions if "match" in one):
            continue
        conditions = [one for one in conditions if not ("match" in one and _is_port(one["match"], port))]
        for name, value in (item for one in expressions for item in one.items()):
            end = "through"
            if name == "vmap":
                end = "open" if value["key"] != {"ct": {"key": "state"}} else "through"
            elif name in ("jump", "goto"):
                end = _follow(chains, table, value["target"], port)
            elif name in ("accept", "drop", "reject"):
                end = "open" if name == "accept" else "refused"
            if end == "open":
                return end
            if name in ("return", "goto") and end == "through":
                if not conditions:
                    return end
                some_left = True
            elif end == "refused" and not conditions:
                return "through" if some_left else end
    return "through"


def _excludes(condition: dict[str, Any], port: int) -> bool:
    """Whether a new TCP connection from another machine can't meet a condition."""
    if condition["op"] not in ("==", "in") or not isinstance(condition["left"], dict):
        return False
    right = condition["right"]
    values = right["set"] if isinstance(right, dict) and "set" in right else right
    values = values if isinstance(values, list) else [values]
    subject = next(iter(condition["left"].values()))
    key = (subject.get("key") or subject.get("field")) if isinstance(subject, dict) else None
    if key in ("iif", "iifname"):
        return values == ["lo"]
    if key == "state":
        return "new" not in values
    if key in ("l4proto", "protocol", "nexthdr"):
        return "tcp" not in values and 6 not in values
    if key == "dport":
        return subject.get("protocol") == "udp" or not any(_covers(value, port) for value in values)
    return subject.get("protocol") in ("icmp", "icmpv6") if isinstance(subject, dict) else False


def _is_port(condition: dict[str, Any], port: int) -> bool:
    """Whether a condition is that the connection is to this TCP port."""
    tcp_port = {"payload": {"protocol": "tcp", "field": "dport"}}
    return bool(condition["op"] == "==" and condition["left"] == tcp_port and condition["right"] == port)


def _covers(value: Any, port: int) -> bool:
    """Whether a value in a condition about ports has the port in it; a name may."""
    if isinstance(value, dict) and "range" in value:
        low, high = value["range"]
        return bool(low <= port <= high)
    return not isinstance(value, int) or value == port
