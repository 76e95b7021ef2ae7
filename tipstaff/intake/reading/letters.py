"""What a person would read of a message: the plain bodies, else the HTML as text."""

import re
from html import unescape

from tipstaff.intake.message import Message, Part
from tipstaff.intake.reading.patterns import pattern

MAX_LETTER = 200_000  # characters of a letter that are ever read
MAX_HTML = 1_000_000  # characters of HTML that are ever parsed
_BLOCKS = {
    "p",
    "div",
    "br",
    "tr",
    "li",
    "ul",
    "ol",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "pre",
    "blockquote",
    "hr",
    "section",
    "article",
    "header",
    "footer",
    "dt",
    "dd",
    "dl",
    "form",
    "center",
    "address",
    "tbody",
    "thead",
}
_UNSEEN = {"script", "style", "head", "title", "template", "noscript", "svg", "object", "iframe", "select", "textarea"}
_VOID = {
    "br",
    "img",
    "hr",
    "meta",
    "link",
    "input",
    "col",
    "area",
    "wbr",
    "base",
    "p",
    "li",
    "td",
    "tr",
    "th",
    "option",
    "dd",
    "dt",
}
_OPENED = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,20})")  # linear: no part of it can match in two ways
_TAG = re.compile(r"<[^<>]{0,1000}>")
MAX_DEPTH = 2_000  # tags inside one another that the parser is given
_SHORT = 300  # a plain part shorter than this beside a much longer HTML part is a stub or a footer


def letter_of(message: Message) -> str:
    """The readable text of ``message`` itself (not of messages inside it), as written; '' where it has none.

    Text parts that are attachments are left out unless they are all there is.
    """
    if message.kind != "mail":
        text = message.parts[0].text if message.parts else ""
        return _capped(text, message) if message.kind == "text" else text[:MAX_LETTER]
    bodies = [part for part in message.parts if part.content_type in ("text/plain", "text/html") and not part.attachment]
    plain = "\n".join(_plain(part) for part in bodies if part.content_type == "text/plain")
    pages = [part for part in bodies if part.content_type == "text/html"]
    if pages and len(plain.strip()) < _SHORT:
        page = "\n".join(html_to_text(part.text) for part in pages)
        if len(page.strip()) > 4 * len(plain.strip()):
            plain = f"{plain}\n{page}" if plain.strip() and plain.strip() not in page else page
    if not plain.strip():
        plain = "\n".join(part.text for part in message.parts if _is_note(part))
    return _capped(plain, message)


def _capped(text: str, message: Message) -> str:
    if len(text) > MAX_LETTER:
        defect = f"the letter is longer than {MAX_LETTER} characters; the rest was not read"
        if defect not in message.defects:
            message.defects.append(defect)
    return text[:MAX_LETTER]


def _is_note(part: Part) -> bool:
    return part.content_type == "text/plain" and not part.filename


def _plain(part: Part) -> str:
    text = part.text
    if "-----BEGIN PGP SIGNED MESSAGE-----" in text:
        text = unwrap_clearsigned(text)
    return text


def unwrap_clearsigned(text: str) -> str:
    """The signed text inside an inline PGP signature (RFC 9580 section 7), dash-escapes undone; the rest kept around it."""
    before, _, rest = text.partition("-----BEGIN PGP SIGNED MESSAGE-----")
    _, blank, body = rest.partition("\n\n")
    if not blank:
        return text
    signed, _, tail = body.partition("-----BEGIN PGP SIGNATURE-----")
    _, _, after = tail.partition("-----END PGP SIGNATURE-----")
    signed = "\n".join(line[2:] if line.startswith("- ") else line for line in signed.split("\n"))
    return before + signed + after


_QUOTE_HEADS = pattern(
    r"(?im)^\s*(?:-{2,}\s?(?:original message|ursprüngliche nachricht|message d'origine|mensaje original|messaggio originale"
    r"|oorspronkelijk bericht|wiadomość oryginalna|mensagem original|исходное сообщение|forwarded message"
    r"|weitergeleitete nachricht|message transféré)"
    r"|on .{5,120} wrote:|am .{5,120} schrieb.{0,80}:|le .{5,120} a écrit\s?:|el .{5,120} escribió:|il .{5,120} ha scritto:"
    r"|op .{5,120} schreef.{0,80}:"
    r"|w dniu .{5,120} napisał.{0,20}:|em .{5,120} escreveu:|.{5,120} пишет:|begin forwarded message:)"
)


#: One of them stands, folded, in whatever begins a quotation.
_QUOTE_WORDS = (
    *("--", "wrote:", "schrieb", "a écrit", "escribió:", "ha scritto:", "schreef", "napisał", "escreveu:", "пишет:"),
    "forwarded message:",
)


def own_words(message: Message) -> str:
    """What the writer of the mail wrote: quoted lines and everything below a quoted or forwarded message's heading left out."""
    return message.once(_own_words)


def _own_words(message: Message) -> str:
    text = message.letter[:100_000]
    low = message.folded
    head = _QUOTE_HEADS.search(text) if any(word in low for word in _QUOTE_WORDS) else None
    if head:
        text = text[: head.start()]
    return "\n".join([line for line in text.split("\n") if not line.lstrip().startswith(">")]) if ">" in text else text


def html_to_text(html: str) -> str:
    """HTML as the lines a person would see; a link whose text is not its address is followed by ``<address>``.

    Nothing is fetched or run. Input beyond ``MAX_HTML`` characters is left out.
    """
    from selectolax.lexbor import LexborHTMLParser

    if _depth(html[:MAX_HTML]) > MAX_DEPTH:  # the parser's time grows with the square of the nesting
        return _squeeze(unescape(_TAG.sub("\n", html[:MAX_HTML])))
    root = LexborHTMLParser(html[:MAX_HTML].replace("\0", "")).root
    if root is None:
        return ""
    out: list[str] = []
    length = 0
    for node in _seen(root, out):
        text = node.text_content or ""
        out.append(text if _inside_pre(node) else " ".join(text.replace("\xa0", " ").split("\n")))
        length += len(text)
        if length > MAX_LETTER:
            break
    return _squeeze("".join(out))


def _depth(html: str) -> int:
    """How deep opened and not closed tags stand, roughly: unclosed <p> and <li> count, so it is never too low."""
    if html.count("<") < MAX_DEPTH:
        return 0
    depth = deepest = 0
    for closing, opening in _OPENED.findall(html):
        depth += -1 if closing else 1 if opening.lower() not in _VOID else 0
        deepest = max(deepest, depth)
    return deepest


def _seen(root, out: list[str]):
    """Text nodes in reading order without recursion; block tags write their line breaks and links their targets."""
    stack = [(root, False)]
    while stack:
        node, leaving = stack.pop()
        tag = node.tag
        if tag == "-text":
            yield node
            continue
        if leaving:
            _close(node, tag, out)
            continue
        if tag in _UNSEEN or tag.startswith("-"):
            continue
        if tag in _BLOCKS:
            out.append("\n")
        stack.append((node, True))
        children = []
        child = node.child
        while child is not None:
            children.append((child, False))
            child = child.next
        stack.extend(reversed(children))


def _close(node, tag: str, out: list[str]) -> None:
    if tag in ("td", "th"):
        out.append(" \t")
    elif tag in _BLOCKS and tag != "br":
        out.append("\n")
    elif tag == "a":
        target = (node.attributes.get("href") or "").strip()
        if target.startswith(("http:", "https:", "ftp:", "hxxp")) and target not in "".join(out[-3:]):
            out.append(f" <{target}>")


def _inside_pre(node) -> bool:
    parent = node.parent
    for _ in range(4):
        if parent is None:
            return False
        if parent.tag == "pre":
            return True
        parent = parent.parent
    return False


def _squeeze(text: str) -> str:
    lines = [" ".join(line.split(" ")).strip() for line in text.split("\n")]
    lines = [line if "\t" in line else " ".join(line.split()) for line in lines]
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip("\n") + ("\n" if kept else "")
