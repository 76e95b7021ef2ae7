"""The link by which a reporter follows a report: the submission's id, signed. Nobody can guess one or make one."""

from uuid import UUID

from django.core import signing

SALT = "tipstaff.public.status"
AGE = 400 * 24 * 3600  # seconds that a link lives


def token_of(submission: UUID) -> str:
    return signing.dumps(submission.hex, salt=SALT)


def submission_of(token: str) -> UUID | None:
    """The id that the token names; None where it is not ours, was changed or is too old."""
    try:
        return UUID(hex=signing.loads(token[:300], salt=SALT, max_age=AGE))
    except (signing.BadSignature, ValueError, TypeError):
        return None
