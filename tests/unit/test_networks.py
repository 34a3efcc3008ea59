"""Networks as people write them."""

from support.modules import load

networks = load("plugins/filter/hailo_networks.py", "hailo_networks_filter")


def test_addresses_and_networks_are_told_apart_by_family() -> None:
    found = networks.networks(["192.0.2.7", "192.0.2.0/24", "2001:db8::/64", "::1"])
    assert found == {"ip": ["192.0.2.7/32", "192.0.2.0/24"], "ip6": ["2001:db8::/64", "::1/128"], "wrong": []}


def test_what_is_none_is_named() -> None:
    wrong = ["192.0.2.7/24", "pi.local", "192.0.2.0-9", "", "any"]
    assert networks.networks(wrong) == {"ip": [], "ip6": [], "wrong": wrong}
