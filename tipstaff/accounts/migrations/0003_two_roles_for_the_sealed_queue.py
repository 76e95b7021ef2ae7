"""The one role 'sealed' becomes the authority liaison, one of the two roles that see the sealed queue."""

from django.db import migrations

FORWARD = """
    UPDATE accounts_staffmember SET roles = CASE WHEN 'liaison' = ANY (roles) THEN array_remove(roles, 'sealed')
        ELSE array_replace(roles, 'sealed', 'liaison') END WHERE 'sealed' = ANY (roles)
"""
BACK = "UPDATE accounts_staffmember SET roles = array_replace(roles, 'liaison', 'sealed') WHERE 'liaison' = ANY (roles)"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_inventory_version")]
    operations = [migrations.RunSQL(FORWARD, BACK)]
