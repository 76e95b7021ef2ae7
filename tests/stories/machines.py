"""Customers' machines behind a gateway, for stories in which packets say what is blocked."""

import subprocess
import sys
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.enforcement.servers import namespaces, run
from tests.enforcement.test_nftables import Net

DESK = "192.0.2.201"  # from where the provider looks at machines on its own network


@contextmanager
def beside(net: Net, *addresses: str) -> Iterator[None]:
    """A way from the provider's own network to the customers' machines that does not pass the gateway: what retests use."""
    name = f"ts{uuid.uuid4().hex[:6]}d"
    run("ip", "link", "add", name, "type", "veth", "peer", "name", "desk", "netns", net.customer)
    try:
        run("ip", "address", "add", f"{DESK}/32", "dev", name)
        run("ip", "link", "set", name, "up")
        run("ip", "-n", net.customer, "link", "set", "desk", "up")
        run("ip", "-n", net.customer, "route", "add", f"{DESK}/32", "dev", "desk")
        for address in addresses:
            run("ip", "route", "add", f"{address}/32", "dev", name, "src", DESK)
        yield
    finally:
        subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)


@contextmanager
def customers_machines(addresses: Collection[str], sites: dict[str, Path]) -> Iterator[Net]:
    """Customers' machines behind the gateway; all answer at 443, those of ``sites`` serve that directory at port 80."""
    with namespaces("customer", "gateway", "world") as names:
        net = Net(names)
        servers: list[subprocess.Popen[bytes]] = []
        try:
            net.build()
            for address in addresses:
                run("ip", "-n", net.customer, "address", "add", f"{address}/24", "dev", "ca")
            net.listen(net.customer, *(f"{address},443" for address in addresses))
            servers.extend(serve(net, address, directory) for address, directory in sites.items())
            with beside(net, *sites):
                yield net
        finally:
            for server in servers:
                server.kill()
                server.wait()
            net.close()


def serve(net: Net, address: str, directory: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "http.server", "80", "--bind", address, "--directory", str(directory)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(["ip", "netns", "exec", net.customer, *words], stdout=quiet, stderr=quiet)
