"""The evidence of a case as its customer sees it: one view for the desk's preview, the portal and the notices."""

from datetime import datetime

from tipstaff.accounts import lookups as accounts
from tipstaff.cases.models import Case
from tipstaff.evidence.access import Grant
from tipstaff.evidence.models import Blob
from tipstaff.evidence.services import read
from tipstaff.intake.reading.open import open_message
from tipstaff.kernel.errors import Refused
from tipstaff.reports import queries as reports
from tipstaff.reports.models import Report
from tipstaff.reports.redaction import Section, as_customer_sees
from tipstaff.reports.scrubbing import Scope, networks

MOST_BYTES = 32 * 1024 * 1024  # evidence that is opened on a page; more is a matter for the command line


def fits(blob: Blob) -> None:
    """Raise Refused for evidence that is too much for a page."""
    if blob.size > MOST_BYTES:
        size = blob.size // 1024 // 1024
        raise Refused(f"This evidence has {size} MB: too much for a page. Its events are on the case; the bytes are kept.")


def customer_view(*, case: Case, found: Report, blob: Blob, grant: Grant, now: datetime) -> list[Section]:
    """The redacted copy, made on the server from the bytes. The opening is recorded."""
    fits(blob)
    content = read(blob=blob, grant=grant, view="customer", now=now)
    return as_customer_sees(open_message(content), scope_of(case, found, now))


def scope_of(case: Case, found: Report, now: datetime) -> Scope:
    """What is this customer's in this case, what is ours, and who must stay unnamed."""
    addresses = [address for address, _ in reports.addresses_of_case(case.pk)]
    names = [row.value.rpartition("@")[2] for row in accounts.names_of(case.customer_id, now)]
    hosts = [case.headline.lower()] if "." in case.headline and not _is_address(case.headline) else []
    if _is_address(case.headline):
        addresses.append(case.headline)
    reporter = found.reporter
    domain = reporter.email.rpartition("@")[2].lower()
    return Scope(
        networks=networks(addresses),
        domains=tuple(dict.fromkeys([*names, *hosts])),
        own_networks=tuple(accounts.own_prefixes()),
        names=(reporter.name, reporter.organisation),
        mail_domains=tuple(filter(None, (domain, reporter.authenticated_as))),
    )


def _is_address(text: str) -> bool:
    try:
        networks([text])
    except ValueError:
        return False
    return True
