# ruff: noqa: E501 - patterns and lists of words read better whole
"""Copyright and trademark notices in prose: the six elements of 17 U.S.C. 512(c)(3)(A), the work, the claimant, where it is.

An element that is missing is said, never filled in; whether the notice "substantially" complies is a person's judgement.
"""

from tipstaff.intake.classification import keyword_scores
from tipstaff.intake.drafts import Confidence, Disposition, ReportDraft
from tipstaff.intake.message import Message
from tipstaff.intake.reading.complaint import read_complaint
from tipstaff.intake.reading.indicators import find_mailboxes
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import fold
from tipstaff.intake.vocabulary.load import packaged

name = "dmca_letter"
experimental = False
reads_prose = True  # asked only where no structure is claimed

_STRUCTURED = (b"<Infringement", b"Reported-From:", b"xarf_version", b'"XARF"')
_WORK = pattern(
    r"(?im)^[\s*>-]{0,6}(?:title|work|works|copyrighted works?(?: claimed)?|name of (?:the )?work|title of (?:the )?work|infringed work|original work|asset|content title|werk|titel|œuvre|titre|obra|título|opera|titolo|"
    r"utwór|tytuł|произведение|название|作品|作品名|作品名称|著作物)(?: name| title)?\s?[:=:]\s*(\S.{0,300})$"
)
_QUOTED = pattern(
    r"(?i)(?:work|book|song|film|movie|album|photo(?:graph)?s?|software|series|titled|entitled|werk|buch|livre|libro|obra)[^.\n\"“„«]{0,40}[\"“„«]([^\"”“»\n]{2,200})[\"”“»]"
)
_BEHALF = pattern(
    r"(?i)(?:on behalf of|agent (?:of|for)|represent(?:s|ing)?|acting for|im auftrag (?:von|der|des)|au nom de|en nombre de|per conto di|namens|w imieniu|em nome de|от имени|代表)\s+([^\n.;,(]{2,120})"
)
_OWNER = pattern(
    r"(?im)^[\s*>-]{0,6}(?:copyright owner|rights? holder|owner|claimant|complainant|rechteinhaber(?:in)?|titulaire|titular|titolare|rechthebbende|правообладатель|权利人|権利者)\s?[:=:]\s*(\S.{0,200})$"
)
_SIGNED = pattern(
    r"(?im)^\s*(?:/s?/?\s?\S.{1,80}|s/\s?\S.{1,80}|/[^/\n]{2,60}/)\s*$|(?:electronic(?:ally)? sign(?:ature|ed)|digital(?:ly)? sign(?:ature|ed)|signature|signed|unterschrift|unterzeichnet|signé|firma|firmato|ondertekend|podpis|assinatura|подпись|签名|署名)\s?[:=:]?\s*\S"
)
_PHONE = pattern(r"(?:tel|phone|fon|fax|☎)?[.:\s]{0,3}\+?\(?\d[\d\s()./-]{7,18}\d")
_PROTOCOL = pattern(r"(?i)\b(bittorrent|edonkey|emule|gnutella|direct connect|kad|usenet|dc\+\+)\b")
_FILE = pattern(
    r"(?im)^[\s*>-]{0,6}(?:infringing )?(?:file ?name|file|torrent(?: name)?|dateiname|datei|fichier|archivo|nome file|bestand|plik|arquivo|файл|文件名|ファイル名)\s?[:=:]\s*(\S.{0,300})$"
)
_HASH = pattern(r"(?i)(?:hash|info ?hash|sha-?1)\s?[:=]\s*([0-9a-f]{32,64})\b")
#: What a notice must state, and the words that state it (kinds of phrases in the vocabulary).
_STATED = {"good_faith": "dmca_good_faith", "accuracy_under_perjury": "dmca_accuracy"}


def claims(message: Message) -> Confidence:
    """LIKELY for a letter that claims copyright or a trademark as a notice does; XML and YAML notices are others'."""
    if message.kind not in ("mail", "text") or any(mark in part.content[:20_000] for part in message.parts for mark in _STRUCTURED):
        return Confidence.NONE
    return Confidence.LIKELY if _kind(message) else Confidence.NONE


def _kind(message: Message) -> str | None:
    """'copyright' or 'trademark' where the letter is a notice of it."""
    letter = message.letter[:30_000]
    vocabulary = packaged()
    kinds = {hit.value.kind for hit in vocabulary.cue_index.find(letter)}
    notice = kinds & {"dmca_good_faith", "dmca_accuracy", "dmca_notice"}
    if not notice and "complaint" not in kinds:
        return None
    scores, _ = keyword_scores(message.header("Subject"), letter, vocabulary.keyword_index)
    copyright_, trademark = scores.get("copyright", 0), scores.get("trademark", 0)
    others = max((points for category, points in scores.items() if category not in ("copyright", "trademark")), default=0)
    if message.header("List-Unsubscribe") and not notice:
        return None
    if trademark > copyright_ and trademark >= 9 and trademark > others and "complaint" in kinds | {"complaint" if notice else ""}:
        return "trademark"
    if copyright_ >= 6 and notice and copyright_ >= others:
        return "copyright"
    return "copyright" if copyright_ >= 12 and copyright_ > 1.5 * others and "complaint" in kinds else None


def parse(message: Message) -> list[ReportDraft]:
    """One draft; ``copyright`` holds work, claimant, elements present and missing."""
    kind = _kind(message) or "copyright"
    draft = read_complaint(message, "dmca-letter", category=(kind, "a notice of infringement"))
    letter = message.letter[:60_000]
    draft.copyright = _notice(letter, draft, kind)
    missing = draft.copyright["missing"]
    if kind == "copyright" and missing and draft.disposition is Disposition.REPORT:
        draft.warnings.append("the notice does not show: " + ", ".join(missing))
    draft.report_type = "p2p" if draft.copyright.get("protocol") else kind
    if draft.copyright.get("protocol"):
        draft.xarf = {"category": "copyright", "type": "p2p"}
    elif kind == "trademark":
        draft.xarf = {"category": "content", "type": "brand_infringement"}
    else:
        draft.xarf = {"category": "copyright", "type": "copyright"}
    return [draft]


def _notice(letter: str, draft: ReportDraft, kind: str) -> dict:
    kinds = {hit.value.kind for hit in packaged().cue_index.find(fold(letter), folded=True)}
    work = _first(_WORK, letter) or _first(_QUOTED, letter)
    located = bool(draft.events)
    elements = {
        "signature": bool(_SIGNED.search(letter)),
        "work": bool(work) or "dmca_work" in kinds,
        "material_and_location": located,
        "contact": bool(find_mailboxes(letter)) or bool(_PHONE.search(letter)),
        **{element: cue in kinds for element, cue in _STATED.items()},
    }
    protocol = _first(_PROTOCOL, letter)
    return {
        "kind": kind,
        "work": work,
        "claimant": _first(_OWNER, letter) or _first(_BEHALF, letter),
        "elements": elements,
        "missing": [element for element, present in elements.items() if not present],
        "locations": [event.url or event.ip or event.domain for event in draft.events][:50],
        "protocol": protocol,
        "file_name": _first(_FILE, letter),
        "hash": _first(_HASH, letter),
    }


def _first(expression, text: str) -> str | None:
    match = expression.search(text)
    return next((group.strip(' \t*"') for group in match.groups() if group), None) if match else None
