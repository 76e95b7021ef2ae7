"""Small pieces of the portal's pages: sentences in the reader's language, moments in the reader's zone, shapes with words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tipstaff.correspondence import catalogue as letters
from tipstaff.faces.portal import facts, words
from tipstaff.faces.portal.standing import Standing

register = template.Library()


@register.simple_tag(takes_context=True)
def say(context: Mapping[str, Any], text: str, **values: Any) -> SafeString:
    """A sentence in the reader's language; values are escaped."""
    return words.said(context["code"], str(text), **values)


@register.simple_tag(takes_context=True)
def step(context: Mapping[str, Any], text: str, at: datetime | None, style: str = "") -> SafeString:
    """A sentence with a {moment} in it, where it has one."""
    return words.said(context["code"], text, moment=when(context, at, style)) if at else words.said(context["code"], text)


@register.simple_tag
def icon(name: str) -> SafeString:
    return format_html('<svg class="i" aria-hidden="true"><use href="#{}"/></svg>', name)


@register.simple_tag(takes_context=True)
def when(context: Mapping[str, Any], at: datetime | None, style: str = "") -> SafeString | str:
    """A moment in the reader's zone and language, UTC on hover."""
    if at is None:
        return "—"
    text = words.moment(at, context["now"], context["zone"], context["code"], style)
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), words.stamp(at), text)


@register.simple_tag(takes_context=True)
def left(context: Mapping[str, Any], standing: Standing) -> str:
    """The big words over a case: the time left, how late it is, or where it stands."""
    code = context["code"]
    if standing.paused:
        return words.say(code, "The clock stands still")
    if standing.head:
        return words.say(code, standing.head)
    if standing.at is None:
        return words.say(code, "No time runs")
    period = words.length(standing.at - context["now"], code)
    return words.say(code, "{time} late", time=period) if standing.late else words.say(code, "{time} left", time=period)


@register.simple_tag(takes_context=True)
def badge(context: Mapping[str, Any], standing: Standing) -> SafeString:
    """A shape and a word."""
    text, shape, tone = standing.badge
    code = context["code"]
    return format_html('<span class="st {}">{}{}</span>', tone, icon(shape), words.say(code, text))


@register.simple_tag(takes_context=True)
def kind(context: Mapping[str, Any], category: str) -> str:
    """The kind of conduct, as mails call it."""
    return words.word(context["code"], "categories", category) or category


@register.simple_tag(takes_context=True)
def measure(context: Mapping[str, Any], name: str) -> str:
    """What a measure is called, as mails call it."""
    found = words.word(context["code"], "measures", name) or name
    return found[:1].upper() + found[1:]


@register.simple_tag(takes_context=True)
def label(context: Mapping[str, Any], text: str) -> str:
    """A label of the evidence in the reader's language; the name of a file stays as it is."""
    return letters.label(context["code"], text)


@register.filter
def value(mapping: Mapping[str, Any], key: str) -> Any:
    return mapping.get(key, "") if mapping else ""


@register.filter
def defanged(text: str) -> str:
    return facts.defanged(text)


@register.simple_tag(takes_context=True)
def local(context: Mapping[str, Any], at: datetime | None) -> str:
    """A moment as an input of kind datetime-local has it, in the reader's zone."""
    return f"{at.astimezone(context['zone']):%Y-%m-%dT%H:%M}" if at else ""
