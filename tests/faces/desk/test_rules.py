"""Operator rules: written, replayed, then switched on; accepted risks."""

from datetime import timedelta

from tipstaff.pipeline import rehearsal
from tipstaff.reports.models import AcceptedRisk, Rule


def test_a_rule_is_switched_on_only_after_its_replay(desk, alice) -> None:
    answer = alice.post("/rules/new/", {"name": "No scans", "action": "record_only", "category": ["scan"]})
    rule = Rule.objects.get(name="No scans")
    assert answer["Location"] == f"/rules/{rule.pk}/" and rule.conditions == {"category": ["scan"]} and not rule.enabled
    assert alice.post(f"/rules/{rule.pk}/on/").status_code == 409
    alice.post(f"/rules/{rule.pk}/replay/")
    alice.post(f"/rules/{rule.pk}/on/")
    rule.refresh_from_db()
    assert rule.enabled


def test_the_replay_says_what_it_would_have_changed(desk, alice) -> None:
    Rule.objects.all().delete()
    alice.post("/rules/new/", {"name": "No phishing", "action": "record_only", "category": ["phishing"], "then": "replay"})
    rule = Rule.objects.get(name="No phishing")
    assert rule.replay["instead_of"] - rule.replay["opened"] == 1  # one customer's phishing
    assert rule.replay["decided"] > 0
    text = alice.get(f"/rules/{rule.pk}/").content.decode()
    assert f"<b>{rule.replay['opened']}</b> cases instead of {rule.replay['instead_of']}" in text


def test_counting_conditions_are_replayed_day_by_day(desk, now) -> None:
    Rule.objects.all().delete()
    many = Rule(position=1, name="rare", action="record_only", conditions={"fewer_than": 10_000, "days": 30}, by="bob", at=now)
    many.save()
    assert rehearsal.replay(rule=many, now=now)["opened"] == 0
    few = Rule(position=1, name="rare", action="record_only", conditions={"fewer_than": 1, "days": 30}, by="bob", at=now)
    few.save()
    result = rehearsal.replay(rule=few, now=now)
    assert result["opened"] == result["instead_of"] > 0


def test_a_changed_rule_is_off_until_it_is_replayed_again(desk, alice) -> None:
    rule = Rule.objects.get(position=1)
    assert rule.enabled
    alice.post(f"/rules/{rule.pk}/", {"name": rule.name, "action": "hold", "category": ["vulnerable"]})
    rule.refresh_from_db()
    assert not rule.enabled and rule.replay is None


def test_a_new_name_alone_changes_nothing_else(desk, alice) -> None:
    rule = Rule.objects.get(position=1)
    alice.post(
        f"/rules/{rule.pk}/",
        {"name": "Other words", "action": rule.action, "category": ["vulnerable"], "fewer_than": "10", "days": "7"},
    )
    rule.refresh_from_db()
    assert rule.enabled and rule.name == "Other words"


def test_everything_that_is_wrong_is_said_at_once(desk, alice) -> None:
    answer = alice.post("/rules/new/", {"name": "x", "action": "record_only", "prefix": "999.1.2.3/8", "fewer_than": "3"})
    text = answer.content.decode()
    assert answer.status_code == 422 and "is no prefix" in text and "days" in text
    assert "['" not in text and "<b>Prefix</b>" in text, "what was typed comes back as it was typed"
    assert "999.1.2.3/8" in text
    assert alice.post("/rules/new/", {"name": "x", "action": "record_only"}).status_code == 422


def test_the_order_can_be_changed_and_an_enabled_rule_not_removed(desk, alice) -> None:
    first, second = Rule.objects.order_by("position")
    alice.post(f"/rules/{second.pk}/up/")
    assert list(Rule.objects.order_by("position")) == [second, first]
    assert alice.post(f"/rules/{first.pk}/drop/").status_code == 409
    alice.post(f"/rules/{second.pk}/drop/")
    assert list(Rule.objects.all()) == [first]


def test_a_risk_has_scope_reason_and_end(desk, alice) -> None:
    assert alice.post("/rules/risks/", {"until": "2099-01-01"}).status_code == 422
    until = f"{desk.now + timedelta(days=30):%Y-%m-%d}"
    alice.post("/rules/risks/", {"customer": "C-1087", "category": "vulnerable", "reason": "a honeypot of theirs", "until": until})
    risk = AcceptedRisk.objects.get()
    assert risk.customer == desk.carol and risk.by == "alice"
    assert "a honeypot of theirs" in alice.get("/rules/risks/").content.decode()
    alice.post(f"/rules/risks/{risk.pk}/end/")
    risk.refresh_from_db()
    assert risk.expires_at <= desk.now + timedelta(minutes=5)
