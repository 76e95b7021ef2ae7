"""``tipstaff who``: whose an address was at a moment, and how we know."""

from datetime import UTC, datetime

import click
import orjson

from tipstaff.attribution import elsewhere, queries
from tipstaff.attribution.matching import State
from tipstaff.attribution.queries import Answer, Holding
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, Problem


@click.command()
@click.argument("address", metavar="ADDRESS[:PORT]")
@click.option("--host", metavar="NAME", help="Host name or URL's host: decides where several share the address.")
@click.option("--mailbox", metavar="MAILBOX", help="Sender's mailbox: decides where several share the address.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, where it is not written after the address.")
@click.option("--at", "at", metavar="TIME", help="When (RFC 3339; without a zone it is UTC). Without it: now.")
@click.option("--until", metavar="TIME", help="With --at: some moment between the two, both included.")
@click.option("--as-known-at", metavar="TIME", help="Answer with what was known then.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def who(
    address: str, host: str | None, mailbox: str | None, port: int | None, at: str | None, until: str | None,
    as_known_at: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say whose ADDRESS was at that time: customer and service, not assigned then, not ours, or ambiguous.

    An IPv6 address with a port is written [2001:db8::1]:443. A host name instead of an address asks for its holder.
    """
    ip, written_port, name = split_address(address)
    moment = read_time("--at", at) if at else clock.now()
    answer = queries.who(
        ip=ip,
        at=moment,
        until=read_time("--until", until) if until else None,
        port=port if port is not None else written_port,
        host=host or name,
        mailbox=mailbox,
        as_known_at=read_time("--as-known-at", as_known_at) if as_known_at else None,
    )
    if answer.state == State.NOT_OURS and ip and not answer.abuse_contact:
        elsewhere.ask(address=ip, now=clock.now())
    if as_json:
        asked = {"address": ip, "port": port if port is not None else written_port, "host": host or name,
                 "mailbox": mailbox, "at": moment.astimezone(UTC).isoformat().replace("+00:00", "Z")}  # fmt: skip
        click.echo(orjson.dumps(asked | answer.as_json()).decode())
    else:
        click.echo("\n".join(lines(address, moment, answer)))


def split_address(text: str) -> tuple[str | None, int | None, str | None]:
    """(address, port, host name) of what was typed; exactly one of address and host name is given."""
    text = text.strip()
    if text.startswith("["):
        ip, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise InputError(Problem(text, "the brackets do not close around the address", "write it like [2001:db8::1]:443"))
        return ip, _port(text, rest[1:]) if rest.startswith(":") else None, None
    if text.count(":") == 1:
        ip, _, port = text.partition(":")
        return (ip, _port(text, port), None) if _numeric(ip) else (None, _port(text, port), ip)
    return (text, None, None) if ":" in text or _numeric(text) else (None, None, text)


def _numeric(text: str) -> bool:
    return all(letter.isdigit() or letter in "./" for letter in text)


def _port(text: str, port: str) -> int:
    if port.isdecimal() and int(port) < 65536:
        return int(port)
    raise InputError(Problem(text, f"{port!r} is no port", "give a number up to 65535"))


def read_time(option: str, text: str) -> datetime:
    """An aware moment of what was typed; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(Problem(option, f"{text!r} is no time", "write it like 2026-03-31T14:00:00Z")) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def lines(address: str, moment: datetime, answer: Answer) -> list[str]:
    """The answer for people."""
    found = [f"{address} at {_shown(moment)}: {queries.STATE_NAMES[answer.state]}"]
    if answer.service:
        owner = answer.service.customer
        found.append(f"  customer   {owner.name}{_number(owner.external_id)}")
        found.append(f"  service    {answer.service.name}{_number(answer.service.external_id)}")
        found.append(f"  decided by {queries.FACT_NAMES[answer.fact]}")
    if answer.held:
        found.append(f"  assigned   {_tenancy(answer.held)}")
    if answer.state == State.NOT_OURS:
        found.append(f"  abuse contact: {answer.abuse_contact or 'unknown; ask the registry (RDAP)'}")
    for candidate in answer.candidates:
        found.append(f"  candidate  {_party(candidate)}, {_tenancy(candidate)}")
    if answer.before:
        found.append(f"  before     {_party(answer.before)}, {_tenancy(answer.before)}")
    if answer.after:
        found.append(f"  after      {_party(answer.after)}, {_tenancy(answer.after)}")
    if answer.provisional:
        found.append("  provisional: newer than the last word of its source, which may still say otherwise")
    return found


def _party(holding: Holding) -> str:
    return f"{holding.service.customer.name}, {holding.service.name}"


def _number(external_id: str | None) -> str:
    return f" ({external_id})" if external_id else ""


def _tenancy(holding: Holding) -> str:
    ports = f" ports {holding.ports[0]}-{holding.ports[1]}" if holding.ports else ""
    shared = ", shared" if holding.shared else ""
    period = f"{_shown(holding.since) if holding.since else 'always'} to {_shown(holding.to) if holding.to else 'now'}"
    known = f", {holding.source}" if holding.source else ""
    return f"{holding.prefix}{ports} {period}{shared}{known}"


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
