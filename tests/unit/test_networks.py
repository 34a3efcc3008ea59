"""Networks as people write them."""

from support.modules import load

networks = load("plugins/plugin_utils/addresses.py", "hailo_networks_filter")


def test_addresses_and_networks_are_told_apart_by_family() -> None:
    found = networks.networks(["192.0.2.7", "198.51.100.0/24", "2001:db8::/64", "::1"])
    assert found == {
        "ip": ["192.0.2.7/32", "198.51.100.0/24"], "ip6": ["::1/128", "2001:db8::/64"], "wrong": [],
    }  # fmt: skip


def test_what_is_part_of_another_is_not_named_again() -> None:
    found = networks.networks(["192.0.2.7", "192.0.2.0/24", "192.0.2.0/24", "2001:db8::1", "2001:db8::/64"])
    assert found == {"ip": ["192.0.2.0/24"], "ip6": ["2001:db8::/64"], "wrong": []}


def test_what_is_none_is_named() -> None:
    wrong = ["192.0.2.7/24", "pi.local", "192.0.2.0-9", "", "any"]
    assert networks.networks(wrong) == {"ip": [], "ip6": [], "wrong": wrong}
