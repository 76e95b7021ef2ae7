"""The page that erases the sample with one click. It stands here, above the faces, because the sample does."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from tipstaff.accounts.access import may as allowed
from tipstaff.accounts.models import StaffMember
from tipstaff.faces.desk.access import ENROL
from tipstaff.kernel.clock import now as clock_now
from tipstaff.project import sample


@login_required(login_url="/login/")
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest) -> HttpResponse:
    """What the sample is, and the button; after it, what went. Leads and admins only."""
    staff = request.user
    assert isinstance(staff, StaffMember)
    may = allowed(staff, "erase the sample") and not request.session.get(ENROL)
    said = ""
    if request.method == "POST" and may:
        said = sample.erase(now=clock_now(), by=staff.username)
    context = {"may": may, "said": said, "loaded": sample.is_loaded(), "operator": "Tipstaff", "screen": ""}
    return render(request, "public/sample.html", context, status=200 if may or request.method != "POST" else 403)
