"""What is said on a case: notices owed, statements of the customer, rulings of the desk, appeals, reviews, retractions."""

from django.db import models
from django.db.models import F, Q

from tipstaff.accounts.models import Contact


class Notice(models.Model):
    """Who must be told what. Rendered after the commit by whoever sends; kinds are listed in ``lifecycle.NOTICES``."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="notices")
    kind = models.TextField()
    audience = models.TextField()  # customer, reseller, reporter, staff
    detail = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()  # what somebody may still undo within seconds waits that long
    rendered_at = models.DateTimeField(null=True)
    refused = models.TextField(default="")  # why nobody was told

    class Meta:
        indexes = [models.Index(fields=["id"], name="notice_owed", condition=Q(rendered_at__isnull=True, refused=""))]


class Statement(models.Model):
    """What the customer said. Never an admission (K10)."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="statements")
    kind = models.TextField()  # acknowledgement, plan, fix, dispute, extension, comment
    via = models.TextField()  # portal, mail, desk
    author = models.TextField()
    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField(default="")
    cause = models.TextField(default="")
    fix = models.TextField(default="")
    prevention = models.TextField(default="")
    promised_at = models.DateTimeField(null=True)
    at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)  # an extension or a dispute: when the desk decided
    answered_by = models.TextField(default="")
    answer = models.TextField(default="")  # granted, refused, upheld, rejected


class Ruling(models.Model):
    """A reasoned decision of the desk, called what it is: discretion (A13) and immediate termination (A15) stay visible."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="rulings")
    kind = models.TextField()  # discretion, immediate_termination, adequate, not_adequate, dispute, left_intact, silence …
    decision = models.TextField(default="")
    reason = models.TextField()
    role = models.TextField()
    by = models.TextField()
    at = models.DateTimeField()
    second_by = models.TextField(null=True)  # the second reviewer, where one is needed (A9, A12)
    second_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(second_by__isnull=True) | ~Q(second_by=F("by")), name="ruling_two_people"),
        ]


class Appeal(models.Model):
    """An appeal against a decision or one measure; decided by somebody who had no part in it."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="appeals")
    measure = models.ForeignKey("cases.Measure", null=True, on_delete=models.PROTECT, related_name="appeals")
    grounds = models.TextField()
    by = models.TextField()
    at = models.DateTimeField()
    within_until = models.DateTimeField()  # until when it could be brought
    resumes = models.JSONField(default=dict)  # what the case returns to when the appeal is not upheld
    decided_by = models.TextField(default="")
    decided_at = models.DateTimeField(null=True)
    decision = models.TextField(default="")  # overturned, upheld (the decision stands), withdrawn
    reason = models.TextField(default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case"], condition=Q(decided_at__isnull=True), name="appeal_one_open"),
        ]


class SpeechReview(models.Model):
    """The speech gate's questionnaire (B18): answers, and what follows from them. In doubt nothing is restricted."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="speech_reviews")
    answers = models.JSONField()
    verdict = models.TextField()  # protected, unprotected, doubtful
    court_order = models.TextField(default="")
    reason = models.TextField()
    by = models.TextField()
    at = models.DateTimeField()


class ContentReview(models.Model):
    """Leave to look at a customer's content: because of which report, by whom, at what, for how long (E2, E5)."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="content_reviews")
    report_id = models.BigIntegerField(null=True)  # null: on our own initiative, where the edition allows it
    reason = models.TextField()
    reviewer = models.TextField()
    scope = models.TextField()
    from_at = models.DateTimeField()
    until_at = models.DateTimeField()
    opened_by = models.TextField()
    closed_at = models.DateTimeField(null=True)


class ContentView(models.Model):
    """Each look under a content review."""

    review = models.ForeignKey(ContentReview, on_delete=models.PROTECT, related_name="views")
    what = models.TextField()
    by = models.TextField()
    at = models.DateTimeField()


class Retraction(models.Model):
    """What was said and turned out wrong: proposed to whoever was told, sent when a person agrees."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="retractions")
    audience = models.TextField()  # customer, reseller, reporter, authority
    told = models.TextField()  # what they had been told, and when
    reason = models.TextField()
    proposed_by = models.TextField()
    proposed_at = models.DateTimeField()
    decided_by = models.TextField(default="")
    decided_at = models.DateTimeField(null=True)
    decision = models.TextField(default="")  # sent, dropped


class Cooperation(models.Model):
    """Something a customer is asked to do for an investigation, with a due time (I1)."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="cooperations")
    text = models.TextField()
    by = models.TextField()
    at = models.DateTimeField()
    due_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    answer = models.TextField(default="")


class AuthorityDuty(models.Model):
    """A report to an authority that is owed (I5), or an order of one that is to be followed; open until somebody settles it."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="authority_duties")
    kind = models.TextField()  # report, order
    authority = models.TextField(default="")  # whom it went to, or who ordered
    reference = models.TextField(default="")  # the number that the authority gave
    owed_at = models.DateTimeField()
    due_at = models.DateTimeField()
    by = models.TextField()
    outcome = models.TextField(default="")  # made, followed, not_owed
    reason = models.TextField(default="")
    settled_by = models.TextField(default="")
    settled_at = models.DateTimeField(null=True)
    alarmed = models.IntegerField(default=0, db_default=0)  # the level of the last alert that it is past due
    alarm_at = models.DateTimeField(null=True)  # when the next one goes out, a level higher

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case"], condition=models.Q(kind="report"), name="authorityduty_one_report"),
        ]
        indexes = [models.Index(fields=["due_at"], name="authorityduty_open", condition=models.Q(settled_at__isnull=True))]
