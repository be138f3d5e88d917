"""An allow-list and an address of the public Internet: no other test reaches one, here a neighbour has it."""

import pytest

from machine.guest import Machine
from machine.service import Service

pytestmark = [pytest.mark.machine, pytest.mark.timeout(1200)]

PUBLIC, PRIVATE, METADATA = "93.184.216.34", "10.99.0.2", "169.254.169.254"
NEIGHBOUR = f"""
ip netns add internet
ip link add inside type veth peer name outside netns internet
ip address add 93.184.216.1/24 dev inside
ip address add 10.99.0.1/24 dev inside
ip address add 169.254.169.1/24 dev inside
ip link set inside up
for address in {PUBLIC} {PRIVATE} {METADATA}; do
    ip netns exec internet ip address add $address/24 dev outside
    for port in 80 81; do
        systemd-run --quiet --property=NetworkNamespacePath=/run/netns/internet \\
            python3 -m http.server --directory /var/www --bind $address $port
    done
done
ip netns exec internet ip link set outside up
mkdir -p /var/www && echo reached > /var/www/index.html
echo '{PUBLIC} site.test' >> /etc/hosts
echo '{PRIVATE} inner.test' >> /etc/hosts
echo '{METADATA} metadata.test' >> /etc/hosts
for address in {PUBLIC} {PRIVATE} {METADATA}; do
    until curl -s http://$address/ http://$address:81/; do sleep 0.2; done
done
"""
SCRIPT = f"""
# /// script
# [tool.automa]
# network = ["site.test:80", "inner.test:80", "metadata.test:80"]
# ///
import urllib.request

def get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read().decode().strip()
    except OSError as error:
        return "refused"

def main() -> dict[str, str]:
    names = ("site.test", "site.test:81", "inner.test", "metadata.test", "127.0.0.1:8080", "{PUBLIC}")
    return {{name: get(f"http://{{name}}/") for name in names}}
"""


@pytest.fixture(scope="module", params=["root", "ada"])
def service(request: pytest.FixtureRequest, machine: Machine) -> Service:
    return Service(machine, request.param).start()


@pytest.fixture(scope="module", autouse=True)
def neighbour(machine: Machine) -> None:
    machine.run(NEIGHBOUR)


def test_only_the_public_host_that_is_listed_is_reached(service: Service) -> None:
    run = service.submit(service.script(SCRIPT))
    ended = service.wait(run, "succeeded", "failed", "start_failed", "timed_out")
    assert ended["state"] == "succeeded", service.get(f"/runs/{run}/log")
    found = service.get(f"/runs/{run}/result")["result"]
    assert [name for name, got in found.items() if got == "reached"] == ["site.test"]
    refused = {(one["host"], one["port"]) for one in service.get(f"/runs/{run}/connections")["items"]}
    assert {("site.test", 81), ("inner.test", 80), ("metadata.test", 80), (PUBLIC, 80)} <= refused
