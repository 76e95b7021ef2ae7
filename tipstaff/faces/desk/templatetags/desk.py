"""Small pieces of pages: icons, times, clocks and ribbons."""

from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlencode

from django import template
from django.http import QueryDict
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from tipstaff.cases.models import Case, JournalEntry
from tipstaff.faces.desk import ribbon, taking, words
from tipstaff.intake import access
from tipstaff.intake.access import Shown
from tipstaff.intake.models import Submission
from tipstaff.policy import categories

register = template.Library()
_X = tuple(round(4 + 1.12 * place, 1) for place in ribbon.PLACES)


@register.simple_tag
def icon(name: str) -> SafeString:
    return format_html('<svg class="i" aria-hidden="true"><use href="#{}"/></svg>', name)


@register.simple_tag
def badge(name: str, text: str, tone: str = "") -> SafeString:
    """A shape and a word."""
    return format_html('<span class="st {}"><svg class="i" aria-hidden="true"><use href="#{}"/></svg>{}</span>', tone, name, text)


@register.simple_tag
def state(code: str) -> SafeString:
    text, shape, tone = words.state(code)
    return badge(shape, text, tone)


@register.simple_tag
def turn(waiting_on: str) -> SafeString:
    text, shape, tone = words.TURNS.get(waiting_on, (waiting_on, "ok", ""))
    return badge(shape, text, tone)


@register.simple_tag(takes_context=True)
def clock(context: Mapping[str, Any], case: Any) -> SafeString:
    if case.closed_at:
        return badge("done", "closed", "off")
    text, shape, tone = words.clock(case.next_due_at, context["now"], timezone.get_current_timezone())
    return badge(shape, text, tone)


@register.simple_tag(takes_context=True)
def when(context: Mapping[str, Any], at: datetime | None, style: str = "short", css: str = "") -> SafeString | str:
    """A moment in the viewer's zone, UTC on hover. Styles: short, plain, time, full, day, ago."""
    if at is None:
        return "—"
    zone = timezone.get_current_timezone()
    if style == "plain":  # text alone, for an attribute
        return words.moment(at, context["now"], zone)
    here = at.astimezone(zone)
    text = {
        "short": lambda: words.moment(at, context["now"], zone),
        "time": lambda: f"{here:%H:%M}",
        "full": lambda: words.full(at, zone),
        "day": lambda: f"{here.day} {words.MONTHS[here.month - 1]} {here.year}",
        "utc": lambda: f"{at.astimezone(UTC):%H:%M} UTC" if here.utcoffset() else "UTC",  # not the same hour twice
        "ago": lambda: words.length(context["now"] - at),
    }[style]()
    utc = at.astimezone(UTC)
    stamp, hover = f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    return format_html('<time class="{}" datetime="{}" title="{}">{}</time>', css, stamp, hover, text)


@register.simple_tag
def local(at: datetime | None) -> str:
    """A moment as an input of kind datetime-local has it, in the viewer's zone."""
    return f"{at.astimezone(timezone.get_current_timezone()):%Y-%m-%dT%H:%M}" if at else ""


@register.simple_tag(takes_context=True)
def now_text(context: Mapping[str, Any]) -> str:
    return f"{context['now'].astimezone(timezone.get_current_timezone()):%H:%M}"


@register.filter
def category(code: str) -> str:
    return categories.title(code) if code else "Not classified"


@register.filter
def long(period: Any) -> str:
    return words.length(period) if period is not None else "—"


@register.filter
def compact(detail: Any) -> str:
    """Details of an entry on one line, cut where they are long."""
    text = ", ".join(f"{name}: {value}" for name, value in detail.items()) if isinstance(detail, dict) else str(detail)
    return text if len(text) <= 240 else text[:239] + "…"


@register.filter
def minutes(period: Any) -> str:
    """A short length of work: '40 s', '7 min', '1 h 05'."""
    if period is None:
        return "—"
    seconds = round(period.total_seconds())
    return f"{seconds} s" if seconds < 60 else f"{round(seconds / 60)} min" if seconds < 3600 else words.length(period)


@register.filter
def percent(share: float | None) -> str:
    """A share as percent, with as many digits as small ones need: '12 %', '0.4 %', '0.03 %'."""
    if share is None:
        return "—"
    hundredths = share * 100
    digits = 0 if hundredths == round(hundredths) or hundredths >= 10 else 1 if hundredths >= 0.095 else 2
    return f"{hundredths:.{digits}f} %"


@register.filter
def is_address(text: str) -> bool:
    try:
        ip_address(str(text).split("/", maxsplit=1)[0])
    except ValueError:
        return False
    return True


@register.filter
def defanged(text: str) -> str:
    """A URL or host that cannot be followed by accident."""
    return str(text).replace("http", "hxxp", 1).replace("://", "[:]//", 1).replace(".", "[.]")


@register.filter
def actor(name: str) -> str:
    return words.actor(name)


@register.filter
def told(text: str) -> str:
    return words.told(text)


@register.filter
def shown(submission: Submission) -> Shown:
    """What a list may say of it: neutral words until it is judged."""
    return access.shown(submission)


@register.filter
def waits_for(reason: str) -> str:
    return words.waits_for(reason)


@register.filter
def taken_as(case: Case, entry: JournalEntry) -> list[tuple[str, str]]:
    """What a filed answer may be taken as; a contact's own is a word already."""
    return [(code, said) for code, said in taking.kinds(case) if code != "comment" or not entry.detail.get("verified")]


@register.filter
def spaced(code: str) -> str:
    """'port_block' → 'port block'."""
    return str(code).replace("_", " ")


@register.filter
def lookup(mapping: Mapping[Any, Any], key: Any) -> Any:
    return mapping.get(key, "") if mapping else ""


@register.simple_tag(takes_context=True)
def query(context: Mapping[str, Any], **changes: Any) -> str:
    """The page's query string with some parameters changed; an empty value removes one.

    Before it stands ``here``, where the page names its own address: the answer to a form has another.
    """
    current: QueryDict = context["request"].GET.copy()
    current.pop("after", None)
    for name, value in changes.items():
        current.pop(name, None)
        if value not in ("", None):
            current[name] = str(value)
    here = context.get("here", "")
    return f"{here}?{urlencode(list(current.items()))}" if current else f"{here}?"


@register.simple_tag(takes_context=True)
def typed(context: Mapping[str, Any], step: str, name: str, otherwise: str = "") -> str:
    """What was typed into a field of this step, where it was refused just now; else what stands there anyway."""
    sent = context.get("again")
    return sent.typed.get(name, "") if sent is not None and sent.step == step else otherwise


@register.simple_tag(takes_context=True)
def mini(context: Mapping[str, Any], case: Any) -> SafeString:
    """The ribbon of a row: 120 × 22 pixels."""
    drawn = ribbon.draw(dates_of(case, context["now"]))
    parts = ['<use href="#rb"/>']
    for span in drawn.spans:
        left, right = 4 + 1.12 * span.start, 4 + 1.12 * span.end
        parts.append(f'<path class="{span.kind}" d="M{left:.1f} 7.5H{right:.1f}v7H{left:.1f}z"/>')
    for mark, x in zip(drawn.marks, _X, strict=True):
        if mark.state == "missed":
            parts.append(f'<path class="miss" d="M{x} 13.5l4 7h-8z"/>')
        elif mark.state == "next":
            parts.append(f'<circle class="next{" soon" if mark.soon else ""}" cx="{x}" cy="11" r="3.5"/>')
    x = 4 + 1.12 * drawn.at
    ending = f'<path class="cutoff" d="M{x - 1.5:.1f} 5h3v12h-3z"/>' if drawn.closed else (
        f'<path class="now" d="M{x:.1f} 2v17"/><path class="flag" d="M{x - 3.5:.1f} 0h7l-3.5 4z"/>'
    )  # fmt: skip
    label = spoken(drawn, case.waiting_on)
    body = "".join(parts) + ending
    # Built from numbers and our own words only.
    return mark_safe(f'<svg class="rib" width="120" height="22" role="img" aria-label="{label}">{body}</svg>')  # noqa: S308


def dates_of(case: Any, now: datetime, **more: Any) -> ribbon.Dates:
    """What the ribbon needs, from a case's own columns."""
    turns = ribbon.turns_of(
        opened=case.opened_at, ticketed=case.ticketed_at, waiting_on=case.waiting_on, last_word=case.last_word_at
    )
    known = dict(
        opened=case.opened_at, now=now, turns=turns, desk_due=case.desk_due_at, ticketed=case.ticketed_at,
        ack_due=case.ack_due_at, acknowledged=case.state in words.ACKNOWLEDGED, resolve_due=case.resolve_due_at,
        closed=case.closed_at,
    )  # fmt: skip
    return ribbon.Dates(**(known | more))


def spoken(drawn: ribbon.Ribbon, waiting_on: str) -> str:
    """What the picture says, for those who do not see it."""
    if drawn.closed:
        return "closed"
    missed = [mark.name.lower() for mark in drawn.marks if mark.state == "missed"]
    ahead = next((mark.name.lower() for mark in drawn.marks if mark.state == "next"), "")
    owner = words.TURNS.get(waiting_on, ("nobody",))[0]
    said = f"{', '.join(missed)} missed" if missed else f"next: {ahead}" if ahead else "no clock"
    return f"{said}, turn: {owner}"
