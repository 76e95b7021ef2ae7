"""Mounts the faces. Each face names its own paths in full; the first match wins."""

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

from tipstaff.project.erasing import erase

handler404 = "tipstaff.project.missing.missing"
FACES = ("api", "public", "portal", "desk")

urlpatterns: list[URLPattern | URLResolver] = [
    path("sample/", erase),
    *(path("", include(f"tipstaff.faces.{face}.urls")) for face in FACES if find_spec(f"tipstaff.faces.{face}.urls")),
]
