"""Ten seconds to think again: the last change is offered back instead of asking 'are you sure'."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

OFFERED = timedelta(seconds=10)
GRACE = timedelta(seconds=5)  # a click on the last second still arrives


def offer(request: HttpRequest, *, text: str, undoable: dict[str, Any], now: datetime) -> None:
    """Show a toast with an undo on the next page. ``undoable``: {'take': cases}, {'close': cases}, {'change': changes} or
    {'send': messages}."""
    request.session["undo"] = {"text": text, "undoable": undoable, "until": (now + OFFERED).isoformat()}


def offered(request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """What can still be undone, with the seconds left; None when the time is over."""
    kept = request.session.get("undo")
    if not kept:
        return None
    left = datetime.fromisoformat(kept["until"]) - now
    if left <= timedelta(0):
        return None
    if not kept["undoable"]:
        return None
    return {"text": kept["text"], "seconds": int(left.total_seconds()) + 1}


def take_back(request: HttpRequest, now: datetime) -> dict[str, list[int]]:
    """What is to be undone, once; empty when it is too late."""
    kept = request.session.pop("undo", None)
    if not kept or datetime.fromisoformat(kept["until"]) + GRACE < now:
        return {}
    return dict(kept["undoable"])
