"""Which hosts a run may reach, and which addresses are nobody's to reach unless an entry names them."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What leads to IPv4 addresses by another road, or what Python's `is_global` has not always known.
_NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15",
        "224.0.0.0/3", "::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
        "2002::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip

UNLISTED = "it is not in the list of what this script may reach"
BY_PROXY = "it is in the list, and is reached through the proxy only"


@dataclass(frozen=True, slots=True)
class Entry:
    """A host and a port that may be reached; `*.example.org` stands for every name below it."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Entry":
        """`host:port`; an IPv6 address is in brackets. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
            raise ValueError(f"{text!r} is no host:port")
        return cls(normalized(host), int(port))

    @property
    def is_wildcard(self) -> bool:
        return self.host.startswith("*.")

    @property
    def is_name(self) -> bool:
        """Whether it is the exact name of a host, and no pattern and no address."""
        return not self.is_wildcard and as_address(self.host) is None

    def covers(self, host: str, port: int) -> bool:
        if self.port != port:
            return False
        return host.endswith(self.host[1:]) if self.is_wildcard else host == self.host


@dataclass(frozen=True, slots=True)
class Policy:
    """What one run may reach."""

    entries: tuple[Entry, ...]
    private: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    """Networks that are not public and may be reached all the same."""

    @classmethod
    def parse(cls, allow: Iterable[str], private: Iterable[str] = ()) -> "Policy":
        """Raises ValueError."""
        networks = tuple(ipaddress.ip_network(text) for text in private)
        return cls(tuple(Entry.parse(text) for text in allow), networks)

    def allows(self, host: str, port: int) -> bool:
        """Whether an entry covers this normalized host."""
        if as_address(host) is not None:
            return any(entry.host == host and entry.port == port for entry in self.entries)
        return any(entry.covers(host, port) for entry in self.entries)

    def why_no_address(self, host: str) -> str:
        """Why a program that looks up this host, which is no exact name of an entry, is told of none."""
        if any(entry.is_wildcard and entry.covers(host, entry.port) for entry in self.entries):
            return BY_PROXY
        return UNLISTED

    def why_not_direct(self, host: str, port: int, is_datagram: bool) -> str:
        """Why what is sent to this address goes nowhere."""
        if is_datagram:
            return "only TCP leaves the sandbox"
        return BY_PROXY if self.allows(host, port) else UNLISTED

    def permits(self, host: str, address: str) -> bool:
        """Whether what an allowed host has resolved to may be connected to."""
        found = as_address(address)
        if found is None:
            return False
        if found == as_address(host):  # the entry names it
            return True
        return is_public(found) or any(
            found in network for network in self.private if network.version == found.version
        )


def normalized(host: str) -> str:
    """In lower case, without brackets and final dot; an address in its shortest form. Raises ValueError."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    address = as_address(bare)
    if address is not None:
        return str(address)
    name = bare.lower().removesuffix(".")
    checked = name.removeprefix("*.")
    labels = checked.split(".")
    if len(checked) > 253 or not all(_is_label(label) for label in labels):
        raise ValueError(f"{host[:100]!r} is no name of a host")
    return name


def as_address(text: str) -> Address | None:
    """None for what is no address, and for one with a zone, which is of one machine only."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if "%" in text else found


def is_public(address: Address) -> bool:
    """Whether it is a single machine's on the internet, and stands for no other address."""
    if any(address in network for network in _NEVER if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_label(label: str) -> bool:
    return (
        0 < len(label) <= 63
        and label.isascii()
        and label.replace("-", "").replace("_", "").isalnum()
        and not label.startswith("-")
        and not label.endswith("-")
    )
