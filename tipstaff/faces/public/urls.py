"""The public pages' addresses."""

from django.urls import path

from tipstaff.faces.public.views import confirm, policy, report, status, transparency, wellknown

urlpatterns = [
    path("report/", report.report),
    path("report/thanks/<str:token>/", status.thanks),
    path("status/", status.ask),
    path("status/<str:token>", status.status),
    path("status/<str:token>/", status.status),
    path("policy/", policy.current),
    path("policy/versions/", policy.versions),
    path("policy/<str:pack>/<str:version>/", policy.edition),
    path("policy/<str:pack>/<str:version>/changes/", policy.changes),
    path("policy/<str:pack>/<str:version>/<str:clause>/", policy.clause),
    path("transparency/", transparency.transparency),
    path("transparency/<slug:table>.csv", transparency.export),
    path("confirm/<str:token>", confirm.confirm),
    path("confirm/<str:token>/", confirm.confirm),
    path(".well-known/security.txt", wellknown.security_txt),
]
