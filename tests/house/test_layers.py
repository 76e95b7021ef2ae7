"""Foreign keys and columns follow the same layers as imports, which import-linter does not see."""

import configparser

from django.apps import apps
from django.db import models

from tests.house.source import ROOT


def layers() -> list[str]:
    """From the highest to the lowest, as the import contract names them."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return parser["importlinter:contract:flow"]["layers"].split()


def place(model: type[models.Model]) -> int:
    """Higher numbers are higher layers; Django's own models lie below all of ours."""
    name = apps.get_app_config(model._meta.app_label).name
    if not name.startswith("tipstaff."):
        return -1
    return len(layers()) - layers().index(name.split(".")[1])


def ours() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model.__module__.startswith("tipstaff.")]


def test_there_are_models_to_check() -> None:
    assert len(ours()) > 20


def test_every_layer_is_a_package_and_every_package_a_layer() -> None:
    packages = {path.name for path in (ROOT / "tipstaff").iterdir() if (path / "__init__.py").exists()}
    assert packages == set(layers())


def test_foreign_keys_point_down_the_layers() -> None:
    upward = [
        f"{model.__name__}.{field.name} -> {field.related_model.__name__}"
        for model in ours()
        for field in model._meta.get_fields()
        if field.is_relation
        and field.concrete
        and isinstance(field.related_model, type)
        and place(field.related_model) > place(model)
    ]
    assert upward == []


def test_no_column_reads_the_wall_clock() -> None:
    bad = [
        f"{model.__name__}.{field.name}"
        for model in ours()
        for field in model._meta.fields
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    ]
    assert bad == []


def test_times_end_in_at() -> None:
    """Moments are named so that a reader sees them; periods, names such as ``at`` alone and clocks' ends are allowed."""
    allowed = ("at", "earliest", "latest", "not_before", "last_login", "date_joined", "last_seen", "first_seen")
    bad = [
        f"{model.__name__}.{field.name}"
        for model in ours()
        for field in model._meta.local_fields
        if isinstance(field, models.DateTimeField)
        and not field.name.endswith(("_at", "_until", "_since", "_from", "_to"))
        and field.name not in allowed
    ]
    assert bad == []


def test_kinds_are_not_model_choices() -> None:
    bad = [f"{model.__name__}.{field.name}" for model in ours() for field in model._meta.local_fields if field.choices]
    assert bad == []
