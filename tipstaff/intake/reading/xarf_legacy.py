"""XARF v1, v2 and v3: ``{Version, ReporterInfo, Report}`` in the dialects that are really sent, checked and flattened. Pure.

Sources: the schemas and samples of abusix/xarf (versions alpha, 1, 2, 3: flat ``SourceIp``, ``Samples``), and of xarf-spec
(v3 with ``Source``, ``Attachment`` and ``AdditionalInfo``). Read tolerantly: what identifies the source, the time and the
type must be right; everything else is kept as it came.
"""

from dataclasses import dataclass, field
from typing import Any

from tipstaff.intake.reading.contradictions import named
from tipstaff.intake.reading.indicators import find_mailboxes, host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.reading.xarf_v4 import Findings, decoded
from tipstaff.kernel.errors import Problem

_OF_SOURCE = ("Report.SourceUrl", "Report.Source.URL")
MAX_FIELDS = 200  # unknown fields of one report that are kept
_READ = {
    "reportclass",
    "reporttype",
    "reportsubtype",
    "date",
    "firstseen",
    "sourceip",
    "sourceport",
    "sourceurl",
    "source",
    "url",
    "samples",
    "attachment",
    "attachments",
    "additionalinfo",
    "reportercaseid",
    "reporternotes",
    "attackdescription",
    "account",
}


@dataclass(slots=True)
class Legacy:
    """One report flattened: texts as written, '' or None where absent. ``other`` keeps every field that has no place here."""

    version: str
    kind: str
    subtype: str = ""
    ip: str | None = None
    ip_written: str = ""
    port: int | None = None
    url: str | None = None
    domain: str | None = None
    mailbox: str | None = None
    date: str = ""
    first_seen: str = ""
    case_id: str | None = None
    notes: str | None = None
    reporter: dict[str, str] = field(default_factory=dict)
    behalf: dict[str, str] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    found_in: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)  # every address that is stated as the source, with its place


def is_legacy(document: Any) -> bool:
    """Whether a JSON value has the shape of XARF v1–v3."""
    if not isinstance(document, dict):
        return False
    low = {str(key).lower() for key in document}
    return "report" in low and ("reporterinfo" in low or ("reportertype" in low and "version" in low))


def examine_legacy(document: dict) -> Findings:
    """What is wrong with a XARF v1–v3 document, with the field and what to do; see ``xarf_v4.Findings``."""
    report, info = _part(document, "Report"), _part(document, "ReporterInfo")
    problems, doubts = [], []
    version = _version(document)
    if version not in ("", "0", "1", "2", "3"):
        problems.append(
            Problem(
                "Version",
                f"{_text(_get(document, 'Version'))[:40]!r} is no XARF version",
                "write 1, 2 or 3; version 4 has xarf_version",
            )
        )
    if not report:
        problems.append(Problem("Report", "is missing or empty", "add the object Report"))
    if not info:
        problems.append(Problem("ReporterInfo", "is missing or empty", "name the reporting organisation and its mail address"))
    elif not any(
        _text(_get(info, name)) for name in ("ReporterOrg", "ReporterOrgEmail", "ReporterContactEmail", "ReporterContactName")
    ):
        problems.append(Problem("ReporterInfo", "names nobody", "add ReporterOrg and ReporterOrgEmail"))
    if report:
        problems += _report_problems(report)
        doubts += _detail_doubts(report, info) + _sample_doubts(report)
    return Findings(tuple(problems), tuple(doubts[:50]))


def _report_problems(report: dict) -> list[Problem]:
    problems = []
    if not _text(_get(report, "ReportType")):
        problems.append(Problem("Report.ReportType", "is missing", "name the type of abuse, for example Spam"))
    date = _text(_get(report, "Date"))
    moment = read_time(date) if date else None
    if not date:
        problems.append(
            Problem("Report.Date", "is missing", "write an RFC 3339 time with its offset, for example 2024-01-15T14:30:25Z")
        )
    elif moment is None or moment.at is None:
        problems.append(
            Problem(
                "Report.Date",
                f"{date[:60]!r} is not a time with an offset",
                "write an RFC 3339 time with its offset, for example 2024-01-15T14:30:25Z",
            )
        )
    flat = flatten({"Report": report})
    if not (flat.ip or flat.url or flat.domain or flat.mailbox):
        if flat.ip_written:
            where = flat.found_in.get("ip", "Report.SourceIp")
            problems.append(
                Problem(where, f"{flat.ip_written[:60]!r} is not an IP address", "write one IPv4 or IPv6 address, unmasked")
            )
        elif not _get(report, "Account"):
            problems.append(Problem("Report.SourceIp", "is missing", "name the source: SourceIp, SourceUrl or Source"))
    port = _written_port(report)
    if port not in (None, "") and _port(port) is None:
        problems.append(Problem("Report.SourcePort", f"{_text(port)[:20]!r} is no port", "write a number from 1 to 65535"))
    return problems


def _detail_doubts(report: dict, info: dict) -> list[Problem]:
    """Fields that neither name the source nor date the act: told, not refused."""
    doubts = []
    for name in ("DestinationIp", "AttackerIp"):
        stated = _get(report, name)
        for one in stated if isinstance(stated, list) else [stated]:
            if one is not None and normal_ip(one if isinstance(one, str) else "") is None:
                doubts.append(
                    Problem(f"Report.{name}", f"{_text(one)[:60]!r} is not an IP address", "write one IPv4 or IPv6 address")
                )
    first = _text(_get(report, "FirstSeen"))
    if first and ((moment := read_time(first)) is None or moment.at is None):
        doubts.append(
            Problem("Report.FirstSeen", f"{first[:60]!r} is not a time with an offset", "write an RFC 3339 time with its offset")
        )
    for name in ("ReporterOrgEmail", "ReporterContactEmail"):
        email = _text(_get(info, name))
        if email and not find_mailboxes(email):
            doubts.append(Problem(f"ReporterInfo.{name}", f"{email[:60]!r} is no mail address", "write one mail address"))
    return doubts


def _sample_doubts(report: dict) -> list[Problem]:
    doubts = []
    for name in ("Samples", "Attachment", "Attachments"):
        samples = _get(report, name)
        for index, sample in enumerate(samples[:50] if isinstance(samples, list) else []):
            if not isinstance(sample, dict):
                continue
            flag = _get(sample, "Base64Encoded")
            content = _get(sample, "Payload") if _get(sample, "Payload") is not None else _get(sample, "Data")
            if isinstance(content, str) and flag is not False and (flag or name != "Samples") and decoded(content) is None:
                doubts.append(
                    Problem(f"Report.{name}[{index}]", "is not base64 (RFC 4648)", "encode the sample as base64 with padding")
                )
    return doubts


def flatten(document: dict) -> Legacy:
    """The facts of a XARF v1–v3 document, whatever its dialect; call after ``examine_legacy`` found no problem."""
    report, info = _part(document, "Report"), _part(document, "ReporterInfo")
    flat = Legacy(
        version=_version(document) or "1",
        kind=_text(_get(report, "ReportType")),
        subtype=_text(_get(report, "ReportSubType")),
        date=_text(_get(report, "Date")),
        first_seen=_text(_get(report, "FirstSeen")),
        case_id=_text(_get(report, "ReporterCaseID") or _get(document, "ReportID")) or None,
        notes=_text(_get(report, "ReporterNotes") or _get(report, "AttackDescription"))[:2000] or None,
        reporter={key: _text(value) for key, value in info.items() if isinstance(value, str)},
        behalf={key: _text(value) for key, value in _part(document, "OnBehalfOf").items() if isinstance(value, str)},
    )
    _read_source(report, flat)
    flat.port = _port(_written_port(report))
    account = _part(report, "Account")
    flat.mailbox = next((value for key, value in account.items() if isinstance(value, str) and "@" in value), None)
    extra = _part(report, "AdditionalInfo")
    flat.first_seen = flat.first_seen or _text(_get(extra, "FirstSeen"))
    kept = [(key, value) for key, value in report.items() if str(key).lower() not in _READ] + list(extra.items())
    flat.other = {
        str(key)[:80]: value for key, value in kept[:MAX_FIELDS] if isinstance(value, str | int | float | bool | list | dict)
    }
    return flat


def _read_source(report: dict, flat: Legacy) -> None:
    source = _get(report, "Source")
    inside = source if isinstance(source, dict) else {}
    candidates = [
        ("Report.SourceIp", _get(report, "SourceIp")),
        ("Report.Source.IP", _get(inside, "IP")),
        ("Report.SourceUrl", _get(report, "SourceUrl")),
        ("Report.Source.URL", _get(inside, "URL")),
        ("Report.Url", _get(report, "Url")),
        ("Report.Source.Domain", _get(inside, "Domain")),
        ("Report.SourceDomain", _get(report, "SourceDomain")),
        ("Report.Source.Value", _get(inside, "Value")),
        ("Report.Source", source),
    ]
    urls = [
        (where, host_of(normal_url(value) or "")) for where, value in candidates if where in _OF_SOURCE and isinstance(value, str)
    ]
    flat.named = named([*_stated(report, inside), *urls])
    for where, value in candidates:
        text = value.strip() if isinstance(value, str) else ""
        if not text:
            continue
        if flat.ip is None and (ip := normal_ip(text)):
            flat.ip, flat.ip_written, flat.found_in["ip"] = ip, text, where
        elif flat.url is None and (url := normal_url(text)):
            flat.url, flat.found_in["url"] = url, where
        elif where.lower().endswith("ip") and not flat.ip_written:
            flat.ip_written, flat.found_in["ip"] = text, where
        elif flat.domain is None and (domain := normal_domain(text)):
            flat.domain, flat.found_in["domain"] = domain, where
    flat.found_in["occurred_at"] = "Report.Date"


def _stated(report: dict, inside: dict) -> list[tuple[str, str | None]]:
    """Every field that states the source's address, also those that differ from another in upper and lower case alone."""
    fields = [(f"Report.{key}", value) for key, value in report.items() if str(key).lower() in ("sourceip", "source")]
    fields += [(f"Report.Source.{key}", value) for key, value in inside.items() if str(key).lower() in ("ip", "value")]
    return [(where, value if isinstance(value, str) else None) for where, value in fields]


def _written_port(report: dict) -> Any:
    """The source's port; where two are stated and differ, neither: on a shared address it would accuse somebody."""
    port, other = _get(report, "SourcePort"), _get(_part(report, "Source"), "Port")
    if port is None or other is None:
        return other if port is None else port
    return port if _port(port) == _port(other) else None


def _port(value: Any) -> int | None:
    if isinstance(value, str) and value.isdigit() and value.isascii() and len(value) < 6:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535 else None


def _version(document: dict) -> str:
    text = _text(_get(document, "Version")).strip()
    major, _, rest = text.partition(".")
    return major if not rest or rest.replace(".", "").isdigit() else text


def _part(document: dict, name: str) -> dict:
    value = _get(document, name)
    return value if isinstance(value, dict) else {}


def _get(document: dict, name: str) -> Any:
    """A field whatever its case: dialects write SourceIp, SourceIP and sourceIp."""
    if name in document:
        return document[name]
    low = name.lower()
    return next((value for key, value in document.items() if str(key).lower() == low), None)


def _text(value: Any) -> str:
    return (
        value.strip()
        if isinstance(value, str)
        else str(value)
        if isinstance(value, int | float) and not isinstance(value, bool)
        else ""
    )
