"""The acceptable use policy, where a customer is asked to accept an edition."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tipstaff.accounts import acceptances
from tipstaff.accounts.models import Acceptance
from tipstaff.faces.portal.page import around, in_force, page
from tipstaff.faces.portal.visitors import Here
from tipstaff.policy import queries as policy
from tipstaff.policy.models import StoredEdition
from tipstaff.policy.switches import AcceptanceBasis


def due_acceptance(here: Here) -> StoredEdition | None:
    """The edition in force that this customer has yet to accept; None where the policy asks for no express acceptance."""
    stored = in_force(here.contact.customer.brand, here.now)
    if stored is None or policy.compiled(stored).switches.acceptance is not AcceptanceBasis.EXPLICIT:
        return None
    known = Acceptance.objects.filter(customer=here.contact.customer_id, content_hash=stored.content_hash)
    return None if known.exists() else stored


def accept(request: HttpRequest, here: Here) -> HttpResponse:
    """What changed, and the button."""
    stored = in_force(here.contact.customer.brand, here.now)
    due = due_acceptance(here)
    if request.method == "POST":
        if due is not None and request.POST.get("hash") == due.content_hash:
            acceptances.accept(customer=here.contact.customer_id, edition=due.name, content_hash=due.content_hash,
                               method="portal", by=here.by, now=here.now)  # fmt: skip
        return redirect("/my/policy/")
    rows = Acceptance.objects.filter(customer=here.contact.customer_id).order_by("-accepted_at")[:20]
    context = {"edition": stored, "due": due, "accepted": rows, "screen": "policy", **around(here)}
    return page(request, "portal/policy.html", context)
