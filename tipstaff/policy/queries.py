"""Which edition was in force when, and an edition as a page for everybody to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from tipstaff.kernel.errors import NotFound, TipstaffError
from tipstaff.policy.contents import SectionEntry, sections
from tipstaff.policy.diff import Change, differences
from tipstaff.policy.edition import Edition
from tipstaff.policy.loading import from_content, hash_of
from tipstaff.policy.models import StoredEdition


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """One published edition to read: text, the editions before and after it, and what changed with it."""

    stored: StoredEdition
    edition: Edition
    in_force: bool
    sections: tuple[SectionEntry, ...]
    versions: tuple[StoredEdition, ...]  # published editions of the brand, newest first
    changes: tuple[Change, ...]  # against the one before; empty for the first


def compiled(stored: StoredEdition) -> Edition:
    """The edition as plain values, kept by its hash. Raises TipstaffError when content and hash disagree."""
    known = _COMPILED.get(stored.content_hash)
    if known is None:
        known = _compile(stored)
        if len(_COMPILED) >= _KEPT:
            _COMPILED.pop(next(iter(_COMPILED)))
        _COMPILED[stored.content_hash] = known
    return known


def published(brand: str | None = None) -> list[tuple[StoredEdition, Edition]]:
    """Every published edition (of one brand, or of all) with its values, by brand and newest first."""
    return [(stored, compiled(stored)) for stored in editions(brand, states=("published",))]


def edition_in_force(brand: str, at: datetime) -> tuple[StoredEdition, Edition] | None:
    """What was in force for a brand at a moment; a brand without editions uses those of ''. None: nothing was."""
    stored = stored_in_force(brand, at)
    return None if stored is None else (stored, compiled(stored))


def stored_in_force(brand: str, at: datetime) -> StoredEdition | None:
    """As ``edition_in_force``, the row alone."""
    return _in_force(brand, at).first()


def intake_address(brand: str, at: datetime) -> str:
    """Where complaints go by the edition in force; empty where none is. Its content is not read."""
    return _in_force(brand, at).values_list("intake_address", flat=True).first() or ""


def _in_force(brand: str, at: datetime) -> QuerySet[StoredEdition]:
    rows = StoredEdition.objects.filter(state="published")
    if brand and not rows.filter(brand=brand).exists():
        brand = ""
    return rows.filter(brand=brand, effective_from__lte=at).order_by("-effective_from")


def editions(brand: str | None = None, *, states: tuple[str, ...] = ("draft", "published", "withdrawn")) -> list[StoredEdition]:
    """Stored editions by brand, the latest to take effect first."""
    rows = StoredEdition.objects.filter(state__in=states)
    rows = rows if brand is None else rows.filter(brand=brand)
    return list(rows.order_by("brand", "-effective_from", "-id"))


def find(name: str, brand: str = "") -> StoredEdition:
    """An edition by 'pack/version'. Raises NotFound."""
    pack, _, version = name.partition("/")
    found = StoredEdition.objects.filter(pack=pack, version=version, brand=brand).first()
    if found is None:
        raise NotFound(f"no edition {name!r}" + (f" for brand {brand!r}" if brand else ""))
    return found


def page(brand: str, at: datetime, name: str = "") -> PolicyPage:
    """What the public sees: the edition in force at ``at``, or the published one of that name. Raises NotFound."""
    stored = find(name, brand) if name else stored_in_force(brand, at)
    if stored is None or stored.state != "published":
        raise NotFound("no policy is published" if not name else f"no published edition {name!r}")
    versions = tuple(editions(stored.brand, states=("published",)))
    older = [row for row in versions if row.effective_from < stored.effective_from]
    current = stored_in_force(brand, at)
    return PolicyPage(
        stored=stored,
        edition=compiled(stored),
        in_force=current is not None and current.pk == stored.pk,
        sections=sections(compiled(stored)),
        versions=versions,
        changes=tuple(differences(older[0].content, stored.content)) if older else (),
    )


def difference(before: StoredEdition, after: StoredEdition) -> list[Change]:
    return differences(before.content, after.content)


_COMPILED: dict[str, Edition] = {}
_KEPT = 64


def _compile(stored: StoredEdition) -> Edition:
    content: Mapping[str, Any] = stored.content
    if hash_of(content) != stored.content_hash:
        raise TipstaffError(f"edition {stored.name}: its content does not have the hash under which it was stored")
    return from_content(content, stored.name)
