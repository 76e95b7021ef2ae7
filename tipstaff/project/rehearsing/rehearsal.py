"""One rehearsal from files to story."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tipstaff.intake.drafts import ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.sources.files import files_under, found_in
from tipstaff.intake.spool import Accepted, Spool, accepted
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, Problem
from tipstaff.project import database, environment
from tipstaff.project.rehearsing import prepared

if TYPE_CHECKING:
    from tipstaff.project.rehearsing.telling import Line

SOURCE = "rehearsal"


def rehearsed(
    *, paths: Sequence[Path], pack: str, length: timedelta, customers: Sequence[str], strict: bool
) -> tuple[list["Line"], list[str]]:
    """The lines of the story, and how each case stands at its end. Raises InputError for bad files, names or behaviours."""
    began = clock.now()
    items = _items(paths, began)
    drafts = [draft for item in items for draft in read_submission(item.content, _hints(item, began))]
    with prepared.throwaway(environment.state_directory() / prepared.KEPT) as cluster:
        database.setup_django()
        from django.conf import settings
        from django.db import connections

        settings.STATE, settings.SPOOL, settings.SENDING = cluster.state, cluster.state / "spool", False
        try:
            return _played(items, drafts, str(paths[0]), {"pack": pack, "customers": customers}, length, strict, cluster.state)
        finally:
            connections.close_all()


def _items(paths: Sequence[Path], now: datetime) -> list[Accepted]:
    found = [one for path in files_under(paths) for one in found_in(path)]
    items = [accepted(source=SOURCE, kind="files", content=one.content, now=now, filename=one.filename) for one in found]
    if not items:
        raise InputError(Problem(str(paths[0]), "holds no complaint", "name a mail, a report, a feed or a folder of them"))
    return items


def _hints(item: Accepted, now: datetime) -> Hints:
    return Hints(source=SOURCE, filename=item.filename, received_at=now)


def _played(
    items: Sequence[Accepted], drafts: Sequence[ReportDraft], file: str, given: dict[str, Any], length: timedelta, strict: bool,
    state: Path,
) -> tuple[list["Line"], list[str]]:  # fmt: skip
    """Imported late: these modules need Django with the throwaway database."""
    from tipstaff.project.rehearsing import telling, world
    from tipstaff.project.rehearsing.playing import Play, orders_file

    began = clock.now()
    with clock.frozen(began):
        cast = world.furnish(drafts, file=file, now=began, **given)
        world.connect(str(orders_file(state)), began)
    play = Play(Spool(state / "spool"), cast, began, began + length, items, strict)
    play.run()
    return telling.story(began_at=began, refused=play.refused), telling.outcome()
