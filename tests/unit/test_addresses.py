"""Which links may be followed."""

import contextlib
import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailo_vision.allow_list import AllowList
from hailo_vision.images.addresses import Malformed, Url, is_public, parse_url


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://example.com", Url("http", "example.com", 80, "/")),
        ("HTTPS://Example.COM/a%20b?c=d&e=[1]#f", Url("https", "example.com", 443, "/a%20b?c=d&e=[1]")),
        ("http://example.com:8080?q", Url("http", "example.com", 8080, "/?q")),
        ("http://192.168.1.9/snap.jpg", Url("http", "192.168.1.9", 80, "/snap.jpg")),
        ("http://[2001:DB8:0::1]:8443/", Url("http", "2001:db8::1", 8443, "/")),
        ("http://camera.lan:1024/", Url("http", "camera.lan", 1024, "/")),
        ("http://my_camera.lan/x", Url("http", "my_camera.lan", 80, "/x")),
        (
            "http://example.com/a b/ü?q=a b&r=%20ä#f g",
            Url("http", "example.com", 80, "/a%20b/%C3%BC?q=a%20b&r=%20%C3%A4"),
        ),
        ("http://example.com?ü", Url("http", "example.com", 80, "/?%C3%BC")),
        ("http://example.com/\udcfc", Url("http", "example.com", 80, "/%FC")),  # a byte of a Location
        ("http://bücher.example/", Url("http", "xn--bcher-kva.example", 80, "/")),
        ("http://ex\u0430mple.com/", Url("http", "xn--exmple-4nf.com", 80, "/")),
        ("https://xn--bcher-kva.example/~u/{1}", Url("https", "xn--bcher-kva.example", 443, "/~u/{1}")),
    ],
)
def test_a_plain_link_is_read(text: str, parts: Url) -> None:
    assert parse_url(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "ftp://example.com/",
        "//example.com/",
        "http:/example.com",
        "http://",
        "http:///x",
        "http://example.com\\@127.0.0.1/",
        "http://example.com\\.evil.org/",
        "http://127.0.0.1#@example.com/\\",
        "http://example.com./",
        "http://example..com/",
        "http://.example.com/",
        "http://-x.com/",
        "http://exa mple.com/",
        "http://example.com/\r\nX: y",
        "http://example.com/\t",
        "\nhttp://example.com/",
        "http://example.com/\x00",
        "http://127。0。0。1/",
        "http://8。8。8。8/",
        "http://a\u2100b.com/",
        "http://b\u00fccher.example./",
        "http://" + "ü" * 70 + ".example/",
        "http://example.com/\ud83d",
        "http://a@b@example.com/",
        "http://a:b@c@example.com/",
        "http://a%0d%0ab:c@example.com/",
        "http://a:\ud83d@example.com/",
        "http://a:b@/",
        "rtsp://camera.lan/stream",
        "C:\\photo.jpg",
        "http://2130706433/",
        "http://017700000001/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://127.0.0.01/",
        "http://0177.0.0.1/",
        "http://127.0.0.0x1/",
        "http://1.2.3.4.5/",
        "http://256.0.0.1/",
        "http://[::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[::g]/",
        "http://[127.0.0.1]/",
        "http://[::1/",
        "http://::1/",
        "http://example.com:/",
        "http://example.com:0/",
        "http://example.com:22/",
        "http://example.com:25/",
        "http://example.com:1023/",
        "http://example.com:65536/",
        "http://example.com:80:80/",
        "http://example.com:+80/",
        "http://example.com:\uff18\uff10/",
        "http://example.com/" + "a" * 9000,
        "http://" + "a." * 130 + "com/",
    ],
)
def test_any_other_link_is_told_what_was_expected(text: str) -> None:
    with pytest.raises(Malformed, match=r"^Expected .*\.$"):
        parse_url(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file:///etc/passwd", "http:// or https://"),
        ("RTSP://admin:secret@10.0.0.7:554/stream", "snapshots.*latest.jpg.*frame.jpeg"),
        ("http://2130706433/", "four decimal numbers"),
        ("http://[::1/", "as in http://camera.lan:8080/snapshot.jpg"),
        ("http://camera.lan:554/", "port of a link to be 80, 443"),
        ("http://a\\b/", "without backslashes"),
        ("http://admin:p@ss@camera.lan/", "%40"),
    ],
)
def test_what_was_expected_fits_what_is_wrong(text: str, expected: str) -> None:
    with pytest.raises(Malformed, match=expected) as caught:
        parse_url(text)
    assert not re.search("secret|p@ss|passwd", str(caught.value))


def test_a_link_may_name_a_user_and_a_password() -> None:
    url = parse_url("http://home%5Cad min:p%40ss%3Aw:%C3%B6rd@camera.lan:8080/snap")
    assert url[:4] == ("http", "camera.lan", 8080, "/snap")
    assert url.login == "home%5Cad%20min:p%40ss%3Aw%3A%C3%B6rd"
    assert repr(url) == "http://camera.lan:8080/snap"
    assert parse_url("http://admin@camera.lan/").login == "admin:"


@given(
    st.sampled_from(["", "http://", "https://a@", "http://[", "//", "http://camera.lan:"]),
    st.text(st.characters(), max_size=40),
    st.sampled_from(["", "/", "]", ".lan/ä", ":80/?", "@x.lan"]),
)
def test_any_text_is_a_link_or_told(start: str, middle: str, end: str) -> None:
    with contextlib.suppress(Malformed):
        url = parse_url(start + middle + end)
        # Whoever reads the parts again finds the same.
        assert parse_url(str(url)) == url._replace(login=None)
        assert url.target.isascii()


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.9",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd12:3456::1",
        "4000::1",
        "5f00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450::1"]
)
def test_addresses_that_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


def test_the_operator_allows_names_addresses_and_networks() -> None:
    allowed = AllowList(["Camera.lan", "192.168.1.0/24", "10.0.0.7", "fd00::/8"])
    assert allowed.has_name("camera.lan")
    assert not allowed.has_name("other.lan")
    for inside in ("192.168.1.200", "10.0.0.7", "fd00::1"):
        assert allowed.has_address(ipaddress.ip_address(inside))
    for outside in ("192.168.2.1", "10.0.0.8", "::ffff:10.0.0.7", "127.0.0.1"):
        assert not allowed.has_address(ipaddress.ip_address(outside))


@pytest.mark.parametrize("entry", ["", "http://camera.lan", "192.168.1.7/24", "192.168.1", "a b", "*.lan"])
def test_an_entry_that_is_none_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match="expected a host name"):
        AllowList([entry])
