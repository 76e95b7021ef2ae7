"""The operator's own wording over the packaged one: what is in use, writing it, going back. Old wordings are kept."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.correspondence import catalogue, variables
from tipstaff.correspondence.catalogue import Source
from tipstaff.correspondence.models import Wording
from tipstaff.kernel.errors import InputError, NotFound, Problem

FRAGMENT = "_"  # a kind that begins so is a fragment: '_closing'


def source_of(kind: str, code: str, brand: str = "") -> tuple[Source, Wording | None]:
    """The wording in use: the brand's own, else everybody's own, else the packaged one (then None).

    Raises NotFound for a kind that does not exist.
    """
    code = catalogue.known(code)
    own = _own(kind, code, brand)
    if own is not None:
        return Source(own.subject, own.body, own.html), own
    return packaged(kind, code), None


def packaged(kind: str, code: str) -> Source:
    """The packaged wording of a kind or a fragment. Raises NotFound."""
    words = catalogue.packaged(catalogue.known(code))
    if kind.startswith(FRAGMENT) and kind[1:] in words.fragments:
        return Source("", words.fragments[kind[1:]])
    if kind in words.kinds:
        return words.kinds[kind]
    raise NotFound(f"there is no message {kind!r}; there are {', '.join(words.kinds)}")


def _own(kind: str, code: str, brand: str) -> Wording | None:
    rows = Wording.objects.filter(kind=kind, language=code, retired_at=None, brand__in={brand, ""})
    return rows.order_by("-brand").first()


def fragments_of(code: str, brand: str = "") -> Mapping[str, str]:
    """Every fragment in use, by name."""
    own = Wording.objects.filter(kind__startswith=FRAGMENT, language=code, retired_at=None, brand__in={brand, ""}).order_by("brand")
    return {**catalogue.packaged(code).fragments, **{row.kind[1:]: row.body for row in own}}


def check(*, kind: str, language: str, source: Source, brand: str = "") -> list[Problem]:
    """What is wrong with a wording, before it is kept; empty where it may be used."""
    packaged(kind, language)
    pieces = dict(fragments_of(catalogue.known(language), brand))
    known = variables.allowed(kind)
    if kind.startswith(FRAGMENT):
        pieces[kind[1:]] = source.body
        known = dict(variables.REPORTER) if kind.startswith("_reporter") else {**variables.STAFF, **variables.REPORTER}
        source = Source("fragment", source.body)
    return catalogue.problems(kind, language, source, known, pieces)


@transaction.atomic
def keep(*, kind: str, language: str, source: Source, by: str, now: datetime, brand: str = "") -> Wording:
    """Use these words from now on. Raises InputError naming every mistake with its line; nothing is changed then."""
    if language not in catalogue.LANGUAGES:
        raise InputError(Problem("language", f"{language!r} is not there", f"one of {', '.join(catalogue.LANGUAGES)}"))
    if wrong := check(kind=kind, language=language, source=source, brand=brand):
        raise InputError(wrong)
    _retire(kind, language, brand, by, now)
    made = Wording.objects.create(
        kind=kind, language=language, brand=brand, subject=source.subject, body=source.body, html=source.html, at=now, by=by
    )
    record(by=by, action="wording.keep", subject=f"wording:{made.pk}", now=now, kind=kind, language=language, brand=brand)
    return made


@transaction.atomic
def go_back(*, kind: str, language: str, by: str, now: datetime, brand: str = "") -> bool:
    """Use the packaged words again. Returns whether there were others."""
    found = _retire(kind, language, brand, by, now)
    if found:
        record(by=by, action="wording.go_back", subject=f"wording:{found}", now=now, kind=kind, language=language, brand=brand)
    return bool(found)


def _retire(kind: str, language: str, brand: str, by: str, now: datetime) -> int:
    row = Wording.objects.select_for_update().filter(kind=kind, language=language, brand=brand, retired_at=None).first()
    if row is None:
        return 0
    row.retired_at, row.retired_by = now, by
    row.save(update_fields=["retired_at", "retired_by"])
    return int(row.pk)
