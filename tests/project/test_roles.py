"""The application's role may work, and may not touch the journal or the tables themselves."""

import psycopg
import pytest


def test_application_cannot_change_tables(app: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("DROP TABLE django_session")


def test_application_may_work_on_ordinary_tables(app: psycopg.Connection) -> None:
    app.execute("UPDATE django_session SET session_data = ''")
    app.execute("DELETE FROM django_session")
