"""Django's `migrate` without most of its work: what was only added to needs no new picture of everything around it.

Before each change of the tables Django renders the changed model anew and every model that hangs together with it, here
nearly all of them: four fifths of a first start's work. A migration that only adds reads nothing but the model it adds
to. Whatever else a migration does begins from models that are all rendered freshly, in Django's own way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def adding_quickly() -> Iterator[None]:
    """Within it, migrations that only add render one model for each change."""
    from django.db.migrations import Migration
    from django.db.migrations.state import ProjectState

    states: Any = ProjectState  # its published types leave this out
    theirs, apply = states._find_reload_model, Migration.apply

    def itself(state: ProjectState, app_label: str, model_name: str, delay: bool = False) -> set[tuple[str, str]]:
        state.is_delayed = True  # who needs all models, such as RunPython, has them rendered first
        return {(app_label, model_name)}

    def applied(migration: Migration, project_state: ProjectState, *given: Any, **more: Any) -> ProjectState:
        if not only_adds(migration):
            project_state.clear_delayed_apps_cache()
            project_state.is_delayed = False
            return apply(migration, project_state, *given, **more)
        states._find_reload_model = itself
        try:
            return apply(migration, project_state, *given, **more)
        finally:
            states._find_reload_model = theirs

    Migration.apply = applied  # type: ignore[assignment]
    try:
        yield
    finally:
        Migration.apply = apply  # type: ignore[method-assign]


def only_adds(migration: Any) -> bool:
    """Whether it makes models, fields, indexes and constraints, or runs SQL of which Django's models know nothing."""
    from django.db.migrations import operations

    adding = (operations.CreateModel, operations.AddField, operations.AddIndex, operations.AddConstraint)
    return all(
        isinstance(one, adding) or (isinstance(one, operations.RunSQL) and not one.state_operations) for one in migration.operations
    )
