"""Messages for tests of the outbox."""

from datetime import UTC, datetime

from tipstaff.correspondence.models import OutboxMessage

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def promised(recipient="carol@example.com", at=NOW, **more):
    fields = {
        "reference": "case:7",
        "token": "7-1a2b3c4d",
        "audience": "customer",
        "kind": "opened",
        "recipient_name": "Carol",
        "recipient": recipient,
        "subject": "Phishing at 192.0.2.7",
        "body": "Dear Carol,\n.\nit goes on.\n",
        "html": "<p>Dear Carol</p>",
        "sender": "abuse@example.net",
        "created_at": at,
        "not_before": at,
    }
    return OutboxMessage.objects.create(**(fields | more))
