"""The egress proxy's judgement: entries, addresses, and the heads of requests."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.sdk.runs import Network
from automa_sandbox.egress import addresses
from automa_sandbox.egress.policy import Entry, Policy, is_public, normalized
from automa_sandbox.egress.refusals import MOST, Refusals
from automa_sandbox.egress.requests import BadRequest, parse

NOT_PUBLIC = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "192.168.1.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::",
    "2001:0:7f00::1", "2001:db8::1", "fc00::1", "fe80::1", "fec0::1", "ff02::1",
]  # fmt: skip


class TestAddresses:
    @pytest.mark.parametrize("text", NOT_PUBLIC)
    def test_addresses_that_are_not_public(self, text: str) -> None:
        assert not is_public(ipaddress.ip_address(text))
        assert not Policy.parse(["a.example.org:443"]).permits("a.example.org", text)

    @pytest.mark.parametrize("text", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450::1"])
    def test_addresses_that_are(self, text: str) -> None:
        assert Policy.parse([]).permits("a.example.org", text)

    @given(st.ip_addresses())
    def test_nothing_is_public_that_python_calls_private(self, address: ipaddress.IPv4Address) -> None:
        if is_public(address):
            assert address.is_global
            assert not any((address.is_private, address.is_loopback, address.is_link_local))

    @given(st.ip_addresses(v=4))
    def test_no_ipv4_address_hides_in_an_ipv6_one(self, address: ipaddress.IPv4Address) -> None:
        for text in (f"::ffff:{address}", f"64:ff9b::{address}", f"::{address}"):
            assert not is_public(ipaddress.ip_address(text))

    def test_an_entry_that_names_an_address_permits_it_and_no_other(self) -> None:
        policy = Policy.parse(["10.0.0.1:5432", "[fd00::1]:22"])
        assert policy.allows("10.0.0.1", 5432)
        assert policy.allows("fd00::1", 22)
        assert policy.permits("10.0.0.1", "10.0.0.1")
        assert not policy.permits("10.0.0.1", "10.0.0.2")

    def test_a_network_that_was_opened_is_permitted(self) -> None:
        policy = Policy.parse([], ["10.0.0.0/8"])
        assert policy.permits("db.example.org", "10.9.9.9")
        assert not policy.permits("db.example.org", "192.168.0.1")
        assert not policy.permits("db.example.org", "::ffff:10.9.9.9")


class TestEntries:
    def test_a_pattern_covers_every_name_below_and_not_the_name_itself(self) -> None:
        policy = Policy.parse(["*.example.org:443"])
        assert policy.allows("a.example.org", 443)
        assert policy.allows("a.b.example.org", 443)
        for host, port in (("example.org", 443), ("aexample.org", 443), ("a.example.org", 80),
                           ("a.example.org.evil.net", 443)):  # fmt: skip
            assert not policy.allows(host, port)

    @pytest.mark.parametrize(
        "text",
        [
            "a",
            "a:",
            ":1",
            "a:0",
            "a:65536",
            "a b:1",
            "a..b:1",
            "-a:1",
            "ä:1",
            "*:1",
            "a\n:1",
            "a:1\n",
            "fe80::1%lo:1",
            "[::1:1",
            "a/b:1",
            "a@b:1",
        ],
    )
    def test_what_is_no_entry(self, text: str) -> None:
        with pytest.raises(ValueError):
            Entry.parse(text)

    @given(st.text(max_size=40))
    def test_a_normalized_host_stays_as_it_is(self, text: str) -> None:
        try:
            once = normalized(text)
        except ValueError:
            return
        assert normalized(once) == once
        assert once == once.lower()
        assert not set(once) & set(" /@\r\n\0%")

    def test_each_named_host_has_an_address_of_its_own(self) -> None:
        names = tuple(f"h{number}.example.org:{port}" for number in range(600) for port in (80, 443))
        network = Network("allow", (*names, "*.example.net:443", "10.0.0.1:22"))
        found = addresses.addresses(network)
        assert len(set(found.values())) == 600
        assert addresses.PROXY[0] not in found.values()
        assert len(addresses.places(network)) == 1201
        assert all(ipaddress.ip_address(one).is_loopback for one in found.values())


class TestRequests:
    def test_a_tunnel(self) -> None:
        found = parse(b"CONNECT API.example.org.:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (found.host, found.port, found.head) == ("api.example.org", 443, None)
        assert parse(b"CONNECT [2001:DB8::1]:443 HTTP/1.1\r\n\r\n").host == "2001:db8::1"

    def test_a_request_is_written_anew_without_what_concerns_this_connection(self) -> None:
        found = parse(
            b"POST http://a.example.org/x?y HTTP/1.1\r\nHost: evil\r\nProxy-Authorization: s\r\nConnection: "
            b"X-A, keep-alive\r\nX-A: 1\r\nTE: trailers\r\nX-B:  2 \r\nContent-Length: 3\r\n\r\n"
        )
        assert (found.host, found.port, found.body_bytes) == ("a.example.org", 80, 3)
        assert found.head == (
            b"POST /x?y HTTP/1.1\r\nHost: a.example.org\r\n"
            b"Connection: close\r\nX-B: 2\r\nContent-Length: 3\r\n\r\n"
        )

    @pytest.mark.parametrize(
        "head",
        [
            b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET https://a/ HTTP/1.1\r\n\r\n",
            b"GET http://user@a/ HTTP/1.1\r\n\r\n",
            b"GET http://a:b/ HTTP/1.1\r\n\r\n",
            b"GET http://*.a/ HTTP/1.1\r\n\r\n",
            b"GET  http://a/ HTTP/1.1\r\n\r\n",
            b"GET http://a/ HTTP/2\r\n\r\n",
            b"GET http://a/\nX: y HTTP/1.1\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\nX : y\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\n folded: y\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\nX: y\nZ: 1\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\nX: \0\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
            b"GET http://a/ HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
            b"CONNECT a HTTP/1.1\r\n\r\n",
            b"CONNECT a:0 HTTP/1.1\r\n\r\n",
            b"CONNECT a:99999999999 HTTP/1.1\r\n\r\n",
        ],
    )
    def test_what_is_not_forwarded(self, head: bytes) -> None:
        with pytest.raises(BadRequest):
            parse(head)

    @given(st.binary(max_size=200), st.lists(st.binary(max_size=60), max_size=5))
    def test_whatever_comes_is_forwarded_as_one_request_or_refused(
        self, target: bytes, fields: list[bytes]
    ) -> None:
        head = b"GET http://a.example.org/" + target + b" HTTP/1.1\r\n"
        try:
            found = parse(head + b"".join(field + b"\r\n" for field in fields) + b"\r\n")
        except BadRequest:
            return
        assert found.head is not None
        assert found.head.count(b"\r\n\r\n") == 1
        assert found.head.endswith(b"\r\n\r\n")
        assert found.head.count(b"\n") == found.head.count(b"\r\n")
        assert found.head.lower().count(b"\r\nhost:") == 1


class TestRefusals:
    def test_they_are_counted_and_told_when_they_have_changed(self) -> None:
        refusals = Refusals()
        assert refusals.add("a", 1, "no")
        assert not refusals.add("a", 1, "no")
        assert [one.count for one in refusals.take()] == [2]
        assert refusals.take() == []

    def test_there_is_an_end_to_them(self) -> None:
        refusals = Refusals()
        assert sum(refusals.add("a", port, "no") for port in range(1, 1000)) == MOST
