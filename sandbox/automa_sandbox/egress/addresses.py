"""Where in its sandbox a run finds what it may reach: loopback addresses, /etc/hosts, and its environment."""

from automa.sdk.runs import Network
from automa_sandbox.egress.policy import Entry

PROXY = ("127.1.0.1", 3128)
HOSTS = "hosts"
"""The run's /etc/hosts, in the folder of its attempt."""


def named(network: Network) -> list[Entry]:
    """Entries that any program can reach by their name. Raises ValueError."""
    if network.mode != "allow":
        return []
    return [entry for entry in map(Entry.parse, network.allow) if entry.is_name]


def addresses(network: Network) -> dict[str, str]:
    """The address of each named host."""
    hosts = dict.fromkeys(entry.host for entry in named(network))
    return {host: f"127.1.{number // 250}.{number % 250 + 2}" for number, host in enumerate(hosts)}


def places(network: Network) -> list[tuple[str, int]]:
    """Where sockets listen: that of the proxy, then those of the named entries in their order."""
    found = addresses(network)
    return [PROXY, *((found[entry.host], entry.port) for entry in named(network))]


def hosts(network: Network) -> str:
    lines = ["127.0.0.1 localhost automa", "::1 localhost automa"]
    return "".join(
        f"{line}\n" for line in (*lines, *(f"{at} {host}" for host, at in addresses(network).items()))
    )


def environment(network: Network) -> dict[str, str]:
    """What programs that know of proxies look for."""
    if network.mode != "allow":
        return {}
    proxy = f"http://{PROXY[0]}:{PROXY[1]}"
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    own = "localhost,127.0.0.1,::1"
    return {**dict.fromkeys(names, proxy), "no_proxy": own, "NO_PROXY": own}
