"""The record: who did what, with the numbers of the seals. Read only, for who is to see it; each look is an entry itself."""

from django.http import HttpResponse

from tipstaff.accounts.roles import ACTS, STAFF
from tipstaff.audit import anchors, queries, reading
from tipstaff.audit.queries import Wanted
from tipstaff.audit.services import record as enter
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now

VIEWERS = tuple(name for name in STAFF if name in ACTS["see the record"])
NAMES = ("actor", "action", "subject")
LONGEST = 120  # characters looked for


@desk(*VIEWERS)
def record(request: DeskRequest) -> HttpResponse:
    now, given = clock_now(), request.GET
    before = given.get("before", "")
    actor, action, subject = (given.get(name, "").strip()[:LONGEST] for name in NAMES)
    number = int(before) if before.isdecimal() and len(before) < 19 else None
    wanted = Wanted(actor=actor, action=action, subject=subject, before=number)
    rows = queries.latest(wanted)
    head = reading.head()
    sought = {name: text for name, text in zip(NAMES, (actor, action, subject), strict=True) if text}
    enter(by=request.user.username, action="record.look", subject="audit", now=now, sought=sought)
    context = {
        "screen": "settings", "now": now, "tab": "record", "rows": rows, "wanted": wanted, "head": head,
        "line": anchors.line_of(head, now), "older": rows[-1].pk if len(rows) == queries.MOST else None,
    }  # fmt: skip
    return page(request, "desk/record.html", context)
