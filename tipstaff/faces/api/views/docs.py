"""The documentation of the API as a plain page of ours: nothing from elsewhere, no script."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tipstaff.faces.api import reports, services
from tipstaff.faces.api.problems import KINDS


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Every operation, the scopes, the problems, the reason codes; made from the OpenAPI document."""
    from tipstaff.faces.api.urls import api

    schema = api.get_openapi_schema()
    context = {
        "schema": schema,
        "groups": _groups(schema),
        "scopes": services.SCOPES,
        "kinds": KINDS,
        "reasons": reports.REASONS,
        "base": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "api/docs.html", context)


def _groups(schema: Any) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in schema["paths"].items():
        for method, one in operations.items():
            shown = {
                "method": method.upper(),
                "path": path,
                "id": one["operationId"],
                "summary": one.get("summary", ""),
                "description": one.get("description", ""),
                "parameters": one.get("parameters", []),
                "body": one.get("requestBody", {}),
            }
            groups.setdefault((one.get("tags") or ["Other"])[0], []).append(shown)
    return groups
