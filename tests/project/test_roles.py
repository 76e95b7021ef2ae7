"""The application's role may work, and may not touch the journal or the tables themselves."""

import psycopg
import pytest


def test_application_cannot_change_tables(app: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("DROP TABLE django_session")


def test_application_may_work_on_ordinary_tables(app: psycopg.Connection) -> None:
    app.execute("INSERT INTO django_session (session_key, session_data, expire_date) VALUES ('k', 'x', now())")
    assert app.execute("UPDATE django_session SET session_data = ''").rowcount == 1
    assert app.execute("DELETE FROM django_session").rowcount == 1
