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


@pytest.mark.parametrize("change", [
    "UPDATE accounts_contractterms SET terms = '{}'", "UPDATE accounts_contractterms SET from_at = now()",
    "DELETE FROM accounts_contractterms", "TRUNCATE accounts_contractterms",
])  # fmt: skip
def test_application_may_add_to_what_a_contract_said_and_never_change_it(app: psycopg.Connection, change: str) -> None:
    (customer,) = app.execute(
        "INSERT INTO accounts_customer (name, customer_class, protected_class, brand, language, timezone, contract, created_at)"
        " VALUES ('Carol', 'business', '', '', 'en', 'UTC', '{}', now()) RETURNING id"
    ).fetchone() or (0,)
    app.execute(
        "INSERT INTO accounts_contractterms (customer_id, terms, from_at, recorded_at, by, reason)"
        """ VALUES (%s, '{"notice_hours": 96}', now(), now(), 'bob', 'a rider')""", [customer]
    )  # fmt: skip
    with pytest.raises(psycopg.errors.InsufficientPrivilege), app.transaction():
        app.execute(change)
    with pytest.raises(psycopg.errors.ForeignKeyViolation), app.transaction():
        app.execute("DELETE FROM accounts_customer WHERE id = %s", [customer])
        app.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert app.execute("SELECT terms FROM accounts_contractterms WHERE customer_id = %s", [customer]).fetchall() == [
        ({"notice_hours": 96},)
    ]
