"""The API's paths."""

from django.urls import path
from ninja import NinjaAPI

from tipstaff.faces.api import problems
from tipstaff.faces.api.views import docs, findings, flows, health, inventory, reports

api = NinjaAPI(
    title="Tipstaff",
    version="1",
    description="Reports of abuse in XARF, and the inventory that says who held which address.",
    urls_namespace="api-1",
    docs_url=None,
    openapi_url="/openapi.json",
    openapi_extra={
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    },
)
problems.install(api)
api.add_router("/reports", reports.router)
api.add_router("/findings", findings.router)
api.add_router("", inventory.router)
api.add_router("", flows.router)

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("api/docs", docs.docs, name="api-docs"),
    path("api/v1/", api.urls),
]
