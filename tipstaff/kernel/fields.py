"""Column types that Django lacks."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


class CidrField(models.Field):
    """A network (PostgreSQL ``cidr``) as ``ipaddress.IPv4Network`` or ``IPv6Network``; host bits are refused."""

    def db_type(self, connection: Any) -> str:
        return "cidr"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> IPv4Network | IPv6Network | None:
        return None if value is None else ip_network(str(value))

    def to_python(self, value: Any) -> IPv4Network | IPv6Network | None:
        if value is None or isinstance(value, IPv4Network | IPv6Network):
            return value
        try:
            return ip_network(str(value).strip())
        except ValueError as error:
            raise ValidationError(f"{value!r} is not a network: {error}") from error

    def get_prep_value(self, value: Any) -> str | None:
        value = self.to_python(value)
        return None if value is None else str(value)
