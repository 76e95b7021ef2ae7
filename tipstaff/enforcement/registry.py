"""The connectors there are: one line each; others may join by the entry point group ``tipstaff.connectors``."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from tipstaff.enforcement.connectors.contract import Connector, missing
from tipstaff.enforcement.rails import Bounds
from tipstaff.kernel.errors import InputError, Problem

CONNECTORS = {
    "http": "tipstaff.enforcement.connectors.http:Http",
    "dns": "tipstaff.enforcement.connectors.dns:Dns",
    "nftables": "tipstaff.enforcement.connectors.nftables:Nftables",
    "bgp": "tipstaff.enforcement.connectors.bgp:Bgp",
    "webhook": "tipstaff.enforcement.connectors.webhook:Webhook",
    "journal": "tipstaff.enforcement.connectors.journal:Journal",
    "person": "tipstaff.enforcement.connectors.person:Person",
}
GROUP = "tipstaff.connectors"


def names() -> list[str]:
    """Names of the connectors that are part of this installation."""
    own = [name for name, place in CONNECTORS.items() if find_spec(place.partition(":")[0])]
    return own + sorted(one.name for one in entry_points(group=GROUP) if one.name not in CONNECTORS)


def connector_class(name: str) -> type[Any]:
    """The class behind a name. Raises InputError naming those there are."""
    if name in CONNECTORS:
        module, _, attribute = CONNECTORS[name].partition(":")
        if find_spec(module):
            found: type[Any] = getattr(import_module(module), attribute)
            return found
    for one in entry_points(group=GROUP, name=name):
        loaded: type[Any] = one.load()
        return loaded
    raise InputError(Problem("connector", f"there is no {name!r}", f"there are {', '.join(names())}"))


def build(name: str, settings: Mapping[str, str], bounds: Bounds, secret: Callable[[str], str]) -> Connector:
    """A connector ready to be used. Raises InputError naming the settings that it lacks or does not know."""
    made = connector_class(name)
    known = {field.name for field in made.form}
    problems = [Problem(one, "is not set", "see `tipstaff connector kinds`") for one in missing(made.form, settings)]
    problems += [
        Problem(one, f"is no setting of {name}", f"known are {', '.join(sorted(known))}") for one in settings if one not in known
    ]
    if problems:
        raise InputError(problems)
    connector: Connector = made(settings, bounds, secret)
    return connector
