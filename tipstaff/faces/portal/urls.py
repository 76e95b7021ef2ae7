"""The portal's addresses. Every page of a case stands twice: under the account, and under the link from a mail."""

from collections.abc import Callable

from django.http import HttpResponse
from django.urls import URLPattern, path

from tipstaff.faces.portal.views import acts, cases, contacts, policy, session
from tipstaff.faces.portal.visitors import by_number, by_token, signed_in

#: Below a case: address → view(request, here, case, …).
OF_A_CASE: tuple[tuple[str, Callable[..., HttpResponse]], ...] = (
    ("", cases.show),
    ("evidence/<int:ordinal>/", cases.evidence),
    ("<slug:answer>/", acts.act),
)


urlpatterns: list[URLPattern] = [
    path("my/", signed_in(cases.mine)),
    path("my/sign-in/", session.sign_in),
    path("my/sign-in/<str:token>/", session.enter),
    path("my/sign-out/", session.sign_out),
    path("my/choose/", signed_in(session.choose)),
    path("my/contacts/", signed_in(contacts.listed)),
    path("my/contacts/add/", signed_in(contacts.add)),
    path("my/contacts/<int:number>/", signed_in(contacts.change)),
    path("my/contacts/<int:number>/remove/", signed_in(contacts.remove)),
    path("my/confirm/<str:token>/", contacts.confirm),
    path("my/policy/", signed_in(policy.accept)),
    *(path(f"my/cases/<int:number>/{tail}", by_number(view)) for tail, view in OF_A_CASE),
    path("c/<str:token>", by_token(cases.show)),
    path("c/<str:token>/renew/", session.renew),
    *(path(f"c/<str:token>/{tail}", by_token(view)) for tail, view in OF_A_CASE),
]
