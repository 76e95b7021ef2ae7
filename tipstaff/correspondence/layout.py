"""A rendered message as text and as HTML. Pure.

The body's marks: an empty line parts paragraphs; ``## `` a heading; ``- `` a list; ``| Name | value`` a fact; ``> `` a quotation;
``=> address label`` a link to press. Marks are read from the template's own text only: a value can neither make nor end one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape, unescape
from itertools import groupby

import re2

from tipstaff.correspondence.language import OPEN, SHUT, Rendered

_MARK = re2.compile(f"{OPEN}(\\d+){SHUT}")
_LINK = re2.compile(r"https?://[^\s<>\"'\x00-\x20\x7f]+")
_BUTTON = "display:inline-block;padding:10px 18px;background:#0b5d55;color:#ffffff;text-decoration:none;border-radius:4px"
_FRAME = (
    '<!doctype html><html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark"><title>{title}</title></head>'
    '<body style="margin:0;padding:24px;font:16px/1.5 system-ui,-apple-system,Segoe UI,Roboto,sans-serif">'
    '<div style="max-width:640px;margin:0 auto">{content}</div></body></html>'
)
_STYLES = {
    "p": "margin:0 0 14px",
    "h2": "font-size:17px;margin:22px 0 8px",
    "ul": "margin:0 0 14px;padding-left:22px",
    "table": "border-collapse:collapse;margin:0 0 16px",
    "th": "text-align:left;font-weight:normal;padding:3px 18px 3px 0;vertical-align:top;opacity:.75",
    "td": "padding:3px 0;vertical-align:top",
    "blockquote": "margin:0 0 16px;padding:8px 14px;border-left:3px solid #888888",
    "pre": "font:13px/1.45 ui-monospace,Consolas,monospace;margin:0;white-space:pre-wrap;word-break:break-word",
}


@dataclass(frozen=True, slots=True)
class Block:
    """``kind``: para, head, item, fact, quote, action. ``lines`` still hold marks."""

    kind: str
    lines: tuple[str, ...]


def blocks(rendered: Rendered) -> list[Block]:
    """The body cut up by its marks."""
    kinds = [(_kind(line), line) for line in rendered.text.split("\n")]
    found = []
    for kind, group in groupby(kinds, key=lambda pair: pair[0]):
        lines = [line for _, line in group]
        if kind in {"head", "action", "item", "fact"}:
            found += [Block(kind, (_stripped(kind, line),)) for line in lines]
        elif kind != "empty":
            found.append(Block(kind, tuple(_stripped(kind, line) for line in lines)))
    return [block for block in found if any(line.strip() for line in block.lines)]


def _kind(line: str) -> str:
    for start, kind in (("## ", "head"), ("- ", "item"), ("| ", "fact"), ("> ", "quote"), ("=> ", "action")):
        if line.startswith(start):
            return kind
    return "para" if line.strip() else "empty"


def _stripped(kind: str, line: str) -> str:
    return line[{"head": 3, "action": 3, "para": 0}.get(kind, 2) :]


def subject(rendered: Rendered) -> str:
    """One line, for a header."""
    return " ".join(_filled(rendered.text, rendered.values).split())


def as_text(found: Sequence[Block], values: Sequence[str]) -> str:
    """Plain text: facts in columns, quotations with '> ', links on lines of their own."""
    parts = []
    for kind, group in groupby(found, key=lambda block: block.kind):
        rows = [[_filled(line, values) for line in block.lines] for block in group]
        if kind == "fact":
            parts.append("\n".join(_columns([_fact(row[0]) for row in rows])))
        elif kind == "item":
            parts.append("\n".join(f"- {row[0]}" for row in rows))
        else:
            parts += [_as_text(kind, row) for row in rows]
    return "\n\n".join(parts) + "\n"


def _as_text(kind: str, lines: Sequence[str]) -> str:
    if kind == "quote":
        return "\n".join(f"> {line}".rstrip() for line in lines)
    if kind == "action":
        address, _, label = lines[0].partition(" ")
        return f"{label}:\n{address}" if label else address
    return "\n".join(line.rstrip() for line in lines)


def _fact(line: str) -> tuple[str, str]:
    name, _, value = line.partition("|")
    return name.strip(), value.strip()


def _columns(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    shown = [(name, value) for name, value in rows if value]
    width = min(max((len(name) for name, _ in shown), default=0), 28)
    for name, value in shown:
        yield f"{name + ':':<{width + 2}} {value}"


def as_html(found: Sequence[Block], values: Sequence[str], *, title: str, language: str) -> str:
    """A whole page without anything from elsewhere: no image, no script, no link that a value made."""
    parts = []
    for kind, group in groupby(found, key=lambda block: block.kind):
        rows = [[_escaped(line, values) for line in block.lines] for block in group]
        if kind == "fact":
            parts.append(_table([_fact(row[0]) for row in rows]))
        elif kind == "item":
            parts.append(_tag("ul", "".join(f"<li>{row[0]}</li>" for row in rows)))
        elif kind == "head":
            parts += [_tag("h2", row[0]) for row in rows]
        elif kind == "quote":
            parts += [_tag("blockquote", _tag("pre", "\n".join(row))) for row in rows]
        elif kind == "action":
            parts += [_action(row[0]) for row in rows]
        else:
            parts += [_tag("p", "<br>".join(row)) for row in rows]
    return _FRAME.format(language=escape(language), title=escape(title), content="\n".join(parts))


def framed(rendered: Rendered, *, title: str, language: str) -> str:
    """An operator's own HTML with its values escaped, in our frame unless it brings its own."""
    page = _escaped_values(rendered.text, rendered.values)
    if "<html" in page.lower():
        return page
    return _FRAME.format(language=escape(language), title=escape(title), content=page)


def _tag(name: str, content: str) -> str:
    return f'<{name} style="{_STYLES[name]}">{content}</{name}>'


def _table(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<tr>{_tag('th', name)}{_tag('td', value)}</tr>" for name, value in rows if value)
    return _tag("table", cells) if cells else ""


def _action(line: str) -> str:
    address, _, label = line.partition(" ")
    if not _LINK.fullmatch(unescape(address)):
        return _tag("p", line)
    return _tag("p", f'<a href="{address}" style="{_BUTTON}">{label or address}</a>')


def _escaped(line: str, values: Sequence[str]) -> str:
    """The template's own text and every value escaped."""
    out, at = [], 0
    for found in _MARK.finditer(line):
        out += [escape(line[at : found.start()]), escape(values[int(found.group(1))])]
        at = found.end()
    return "".join(out) + escape(line[at:])


def _escaped_values(text: str, values: Sequence[str]) -> str:
    return _MARK.sub(lambda found: escape(values[int(found.group(1))]), text)


def _filled(line: str, values: Sequence[str]) -> str:
    return _MARK.sub(lambda found: values[int(found.group(1))], line)
