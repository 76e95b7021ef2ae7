"""Filters of the public pages."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from tipstaff.faces.public import words

register = template.Library()


@register.simple_tag(takes_context=True)
def say(context: Mapping[str, Any], text: str, **values: Any) -> SafeString:
    """A sentence in the reader's language; values are escaped."""
    return words.said(context.get("code", "en"), text if isinstance(text, words.Sentence) else str(text), **values)


@register.simple_tag(takes_context=True)
def removed(context: Mapping[str, Any], what: str) -> str:
    """What was taken out of the evidence."""
    return words.removed(context.get("code", "en"), what)


@register.filter
def clause_text(text: str) -> SafeString:
    """A clause's Markdown as HTML: paragraphs, and lists whose lines begin with a hyphen. Everything is escaped."""
    return mark_safe("".join(_block(block) for block in text.split("\n\n") if block.strip()))  # noqa: S308 - made of escaped pieces


def _block(block: str) -> str:
    items: list[str] = []
    head: list[str] = []
    for line in block.splitlines():
        if line.lstrip().startswith(("- ", "* ")):
            items.append(line.lstrip()[2:])
        elif items:
            items[-1] += f" {line.strip()}"
        else:
            head.append(line.strip())
    paragraph = format_html("<p>{}</p>", " ".join(head)) if head else ""
    listed = format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((item,) for item in items))) if items else ""
    return f"{paragraph}{listed}"
