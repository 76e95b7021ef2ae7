"""What every page of the desk carries: who, when, the counts in the bar, the edition, the toast."""

from typing import Any

from django.conf import settings
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from tipstaff.accounts import roles
from tipstaff.accounts.access import may
from tipstaff.cases import queries as cases
from tipstaff.correspondence import queries as outbox
from tipstaff.faces.desk import undo
from tipstaff.faces.desk.access import SEALED, WORKERS, holds
from tipstaff.intake import queries as intake
from tipstaff.kernel import shadow
from tipstaff.kernel.clock import now as clock_now
from tipstaff.policy.models import StoredEdition

OUTBOX_FOR = 5  # seconds that the count of held and failed messages may be old
EDITION_FOR = 60  # seconds that the edition's name in the foot may be old


def page(request: HttpRequest, template: str, context: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """Render a whole page of the desk, or what htmx asked for."""
    context = dict(context or {})
    now = context.setdefault("now", clock_now())
    staff = request.user
    here = now.astimezone(timezone.get_current_timezone())
    context |= {
        "staff": staff,
        "bar_open": cases.open_count(now=now),
        "bar_intake": intake.waiting_count(now=now),
        "bar_outbox": cache.get_or_set("desk:outbox", outbox.needing_a_person, OUTBOX_FOR),
        "titles": [roles.TITLES.get(name, name) for name in getattr(staff, "roles", ())],
        "reads_desk": may(staff, "read the desk"),
        "sees_customers": may(staff, "see customers"),
        "sees_orders": may(staff, "see orders"),
        "sees_record": may(staff, "see the record"),
        "sees_holds": may(staff, "see holds"),
        "sees_sealed": holds(staff, *SEALED),
        "sees_traffic": holds(staff, "analyst", "lead", "network", "admin"),
        "may_write": holds(staff, *WORKERS),
        "is_lead": may(staff, "decide as a lead"),
        "zone_line": f"{timezone.get_current_timezone_name()} (UTC{here:%z})".replace("00)", ")"),
        "edition_line": _edition(now),
        "operator": getattr(settings, "OPERATOR_NAME", ""),
        "sending": getattr(settings, "SENDING", False) and not shadow.is_on(),
        "local_outbox": getattr(settings, "LOCAL_OUTBOX", False),
        "shadow": shadow.is_on(),
        "said": list(get_messages(request)),
        "undo": undo.offered(request, now),
    }
    return render(request, template, context, status=status)


def _edition(now: Any) -> str:
    def read() -> str:
        published = StoredEdition.objects.filter(state="published", effective_from__lte=now)
        row = published.order_by("-effective_from").values_list("pack", "version").first()
        return "/".join(row) if row else ""

    return cache.get_or_set("desk:edition", read, EDITION_FOR) or ""
