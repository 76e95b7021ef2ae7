"""Who holds which address: upserts by external id, change events, and what is known."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from tipstaff.accounts import services
from tipstaff.accounts.models import Customer, InventoryVersion, Service
from tipstaff.accounts.services import Changes
from tipstaff.attribution import queries
from tipstaff.cases import catching
from tipstaff.faces.api import facts, paging
from tipstaff.faces.api.access import token_for
from tipstaff.faces.api.problems import Invalid
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Problem

router = Router(tags=["Inventory"])
WRITE, READ = "inventory:write", "inventory:read"
OPTIONS = {"as_of", "complete", "tolerant"}


def _body(fields: str) -> dict[str, Any]:
    schema = {"type": "object", "description": fields}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


SECTIONS_TOLD = (
    "Lists `customers`, `contacts`, `services`, `names`, `assignments`, `own_prefixes`, each of objects with external ids. "
    "`as_of`: the moment it speaks of. `complete`: what this token said before and now leaves out has ended. "
    "`tolerant`: store what is right, list the rest in `left_out`."
)


@router.put("/inventory", openapi_extra=_body(SECTIONS_TOLD), summary="Say who holds what", response={200: dict})
def load(request: HttpRequest, dry_run: bool = False) -> HttpResponse:
    """Idempotent, in bulk. All of it is stored, or nothing with every problem named. `dry_run=true` changes nothing."""
    body = _read(request, WRITE)
    if unknown := sorted(set(body) - set(facts.SECTIONS) - OPTIONS):
        advice = f"known are {', '.join([*facts.SECTIONS, *sorted(OPTIONS)])}"
        raise InputError([Problem(name or "(no name)", "is no field", advice) for name in unknown])
    return _load(request, body, dry_run)


@router.post(
    "/inventory/changes",
    openapi_extra=_body("`changes`: objects with `kind` (assign, release), `prefix`, `at`, `service`, `end`, `ports`, `shared`."),
    summary="What changed, and since when",
    response={200: dict},
)
def change(request: HttpRequest, dry_run: bool = False) -> HttpResponse:
    """Change events with their effective time, in any order, any number of times; a backdated one corrects the past."""
    body = _read(request, WRITE)
    token, moment = token_for(request, WRITE, now()), now()
    source = services.source_named(name=f"api:{token.name}", kind="api")
    done = services.change_assignments(
        changes=facts.changes(body.get("changes")), source=source, by=f"token:{token.name}", now=moment, dry_run=dry_run
    )
    return _told(done, dry_run)


def _section_loader(section: str) -> Callable[..., HttpResponse]:
    def load_section(request: HttpRequest, dry_run: bool = False) -> HttpResponse:
        body = _read(request, WRITE)
        if set(body) != {"items"}:
            raise InputError(Problem("items", "is what this takes, alone", 'send {"items": [ … ]}'))
        return _load(request, {section: body["items"]}, dry_run)

    return load_section


for _name in facts.SECTIONS:
    router.put(
        f"/inventory/{_name}",
        operation_id=f"put_{_name}",
        openapi_extra=_body(f"`items`: objects with {', '.join(f'`{field}`' for field in facts.known_fields(_name))}."),
        summary=f"Say what is known of {_name.replace('_', ' ')}",
        description="Idempotent by external id, in bulk; a field that is left out stays as it is.",
        response={200: dict},
    )(_section_loader(_name))


def _read(request: HttpRequest, scope: str) -> dict[str, Any]:
    token_for(request, scope, now())
    try:
        body = orjson.loads(request.body)
    except ValueError as error:
        raise Invalid("not-json", Problem("body", str(error)[:200], "send one JSON object in UTF-8"), 400) from error
    if not isinstance(body, dict):
        raise InputError(Problem("body", "is not a JSON object", "see /api/docs for its fields"))
    return body


def _load(request: HttpRequest, body: dict[str, Any], dry_run: bool) -> HttpResponse:
    token, moment = token_for(request, WRITE, now()), now()
    try:
        as_of = facts.moment(body.get("as_of"))
    except facts.Bad as error:
        raise InputError(Problem("as_of", error.what, error.advice)) from error
    delivered = facts.inventory(body)
    done = services.load(
        inventory=delivered,
        source=services.source_named(name=f"api:{token.name}", kind="api"),
        by=f"token:{token.name}",
        now=moment,
        as_of=as_of,
        complete=body.get("complete") is True,
        tolerant=body.get("tolerant") is True,
        dry_run=dry_run,
    )
    named = {one.external_id for one in delivered.customers} | {one.customer for one in delivered.services}
    named |= {one.customer for one in delivered.contacts}
    caught = [] if dry_run else catching.warnings(catching.catch(now=moment, customers=named))
    return _told(done, dry_run, caught)


def _told(done: Changes, dry_run: bool, caught: Sequence[str] = ()) -> HttpResponse:
    """``warnings``: customers of this delivery who look like somebody that is not to be served again."""
    left_out = [{"field": one.where, "problem": one.what, "advice": one.advice} for one in done.left_out]
    body = done.summary() | {"left_out": left_out, "dry_run": dry_run, "warnings": list(caught)}
    return HttpResponse(orjson.dumps(body), content_type="application/json")


@router.get("/inventory/customers", summary="Customers, by external id", response={200: dict})
def customers(request: HttpRequest, cursor: str = "", limit: int = Query(50, ge=1, le=paging.MOST)) -> HttpResponse:
    """A page in the order of external ids; unchanged since the ETag: 304."""
    token_for(request, READ, now())
    rows = Customer.objects.filter(external_id__isnull=False).select_related("parent").order_by("external_id")
    if cursor:
        rows = rows.filter(external_id__gt=paging.decode(cursor, 1)[0])
    found = list(rows[: limit + 1])
    page = found[:limit]
    items = [
        {
            "external_id": one.external_id, "name": one.name, "parent": one.parent.external_id if one.parent else None,
            "customer_class": one.customer_class, "protected_class": one.protected_class, "brand": one.brand,
            "language": one.language, "timezone": one.timezone,
        }
        for one in page
    ]  # fmt: skip
    return _page(request, items, page[-1].external_id if len(found) > limit else None)


@router.get("/inventory/services", summary="Services, by external id", response={200: dict})
def listed_services(request: HttpRequest, cursor: str = "", limit: int = Query(50, ge=1, le=paging.MOST)) -> HttpResponse:
    """A page in the order of external ids; unchanged since the ETag: 304."""
    token_for(request, READ, now())
    rows = Service.objects.filter(external_id__isnull=False).select_related("customer").order_by("external_id")
    if cursor:
        rows = rows.filter(external_id__gt=paging.decode(cursor, 1)[0])
    found = list(rows[: limit + 1])
    page = found[:limit]
    items = [
        {
            "external_id": one.external_id, "customer": one.customer.external_id, "name": one.name, "kind": one.kind,
            "managed_by": one.managed_by, "carriage": one.carriage, "protected_class": one.protected_class, "brand": one.brand,
        }
        for one in page
    ]  # fmt: skip
    return _page(request, items, page[-1].external_id if len(found) > limit else None)


def _page(request: HttpRequest, items: list[dict[str, Any]], last: str | None) -> HttpResponse:
    version = InventoryVersion.objects.filter(pk=1).values_list("number", flat=True).first() or 0
    next_page = paging.encode(last) if last is not None else None
    return paging.answer(request, {"items": items, "next": next_page, "version": version})


@router.get("/who", summary="Whose was it", tags=["Attribution"], response={200: dict})
def who(
    request: HttpRequest,
    at: str,
    address: str | None = None,
    port: int | None = Query(None, ge=0, le=65535),
    host: str | None = None,
    mailbox: str | None = None,
    until: str | None = None,
    as_known_at: str | None = None,
) -> HttpResponse:
    """Who held an address, host or mailbox at a moment: customer and service, not assigned then, not ours, or ambiguous."""
    token_for(request, "who:read", now())
    if not (address or host or mailbox):
        raise InputError(Problem("address", "is missing", "give an address, a host or a mailbox"))
    times = {}
    for name, value in (("at", at), ("until", until), ("as_known_at", as_known_at)):
        try:
            times[name] = facts.moment(value)
        except facts.Bad as error:
            raise InputError(Problem(name, error.what, error.advice)) from error
    moment = times["at"]
    if moment is None:
        raise InputError(Problem("at", "is missing", "write RFC 3339, such as 2026-11-02T10:15:00Z"))
    answer = queries.who(
        ip=address, at=moment, until=times["until"], port=port, host=host, mailbox=mailbox, as_known_at=times["as_known_at"]
    )
    return paging.answer(request, answer.as_json())
