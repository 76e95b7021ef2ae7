"""The number that grows with every change of the inventory, by which others see that what they know is old."""

from datetime import datetime

from django.db import connection

from tipstaff.accounts.models import InventoryVersion


def lock() -> None:
    """One writer at a time: two deliveries of the same prefix must see each other's rows."""
    InventoryVersion.objects.bulk_create([InventoryVersion(pk=1)], ignore_conflicts=True)
    InventoryVersion.objects.select_for_update().get(pk=1)


def grown(now: datetime) -> None:
    """Something changed."""
    lock()
    with connection.cursor() as cursor:
        # The transaction's number keeps two histories apart that both count from one, such as a restored backup's.
        statement = """UPDATE accounts_inventoryversion SET at = %s,
            number = greatest(number + 1, pg_current_xact_id()::text::bigint << 16) WHERE id = 1"""
        cursor.execute(statement, [now])
