"""A desk with people, a customer who was told, and time that passes: what the stories of resolution begin with."""

from datetime import timedelta

from tests.pipeline.given import CAROL, NOW, deliver, event, provider, report
from tipstaff.accounts.models import Contact, StaffMember
from tipstaff.cases import measures, services, stating, sweeper
from tipstaff.cases.models import Case, Measure, Notice
from tipstaff.correspondence.models import OutboxMessage

HOUR = timedelta(hours=1)
PACKS = ("dedicated-hosting", "managed-services")


def say(number, *, by, now, **facts):
    """State what the policy of a case asks for before a restriction, and nobody has said yet."""
    asked = stating.before_restricting(Case.objects.get(pk=number))
    first = {one.code: next(iter(one.values), "as stated") for one in asked if not one.point} | {"fault": "compromised"}
    given = {code: facts.get(code, value) for code, value in first.items() if code in {one.code for one in asked}}
    services.set_facts(case=number, facts=given, by=by, now=now)
    stating.state(case=number, points={one.code: "looked at, and it is so" for one in asked if one.point}, by=by, now=now)


class Desk:
    """A provider under one policy. Alice and Amy are analysts, Bob and Bea leads; Carol is the customer."""

    def __init__(self, pack="dedicated-hosting", category="intrusion", *, told=True, ticket=True, contact=True, said=True, now=NOW):
        self.pack, self.now = pack, now
        provider(pack=pack)
        for name, role in (("alice", "analyst"), ("amy", "analyst"), ("bob", "lead"), ("bea", "lead"), ("colin", "counsel")):
            StaffMember.objects.create(username=name, roles=[role])
        deliver(report(event(CAROL), category=category, category_from=f"keyword {category} (en)"), kind="smtp", now=now)
        self.number = Case.objects.get().pk
        self.customer = self.case.customer
        if contact:
            self.contact = Contact.objects.create(customer=self.customer, name="Carol", email="abuse@carol.example")
        if ticket:
            services.classify(case=self.number, category=category, by="alice", now=now, facts=self.facts(category))
        if said:
            self.say()
        if told:
            self.tell()

    @property
    def case(self):
        return Case.objects.get(pk=self.number)

    @property
    def state(self):
        return self.case.state

    @property
    def carol(self):
        return f"contact:{self.contact.pk}"

    def facts(self, category):
        return (
            {"third_party_rule": "forum.example rule 3"}
            if category == "third_party_rules" and self.pack == "managed-services"
            else {}
        )

    def say(self, by="alice", **facts):
        """What the policy asks for before a restriction, as a person gives it in the form of the decision."""
        say(self.number, by=by, now=self.now, **facts)
        return self

    def tell(self):
        """The opening notice has been sent."""
        to = {"audience": "customer", "kind": "notice", "recipient": "a@carol.example", "subject": "ticket", "body": ""}
        when = {"created_at": self.now, "not_before": self.now, "sent_at": self.now}
        OutboxMessage.objects.create(reference=f"case:{self.number}", state="sent", **to, **when)

    def wait(self, length):
        """Time passes; every second of it is looked at as the sweeper does, moment by moment of what falls due."""
        end = self.now + length
        while (due := self.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            while sweeper.fire_due(now=self.now):
                pass
        self.now = end
        measures.expire(now=self.now)
        return self

    def next_due(self):
        from tipstaff.cases.models import Clock
        from tipstaff.cases.models_time import RUNNING

        return Clock.objects.filter(RUNNING).order_by("due_at").values_list("due_at", flat=True).first()

    def do(self, service, **given):
        """A service at the present moment; a second later it is a second later."""
        self.now += timedelta(seconds=1)
        given.setdefault("by", "alice")
        return service(**given, now=self.now)

    def on(self, service, **given):
        return self.do(service, case=self.number, **given)

    def enforce(self):
        """Enforcement does what was decided, and undoes what is to be lifted."""
        for row in Measure.objects.filter(state__in=("decided", "ordered")):
            self.do(measures.ordered, measure=row.pk, by="system:enforcement")
            self.do(measures.in_force, measure=row.pk, by="system:enforcement")
        for row in Measure.objects.filter(state="lifting"):
            self.do(measures.lifted, measure=row.pk, by="system:enforcement")

    def notices(self, audience="customer"):
        return list(Notice.objects.filter(case=self.number, audience=audience).order_by("pk").values_list("kind", flat=True))

    def states(self):
        entries = self.case.journal.filter(kind="state", detail__has_key="state").order_by("pk")
        return [entry.detail["state"] for entry in entries]
