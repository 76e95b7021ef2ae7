"""Reading tells the accused from the victim by our own prefixes: by all of them, or by none."""

from datetime import UTC, datetime

import pytest

from tipstaff.accounts.models import OwnPrefix
from tipstaff.pipeline import reading

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.mark.django_db
def test_all_prefixes_of_ours_are_known_or_none_is(monkeypatch: pytest.MonkeyPatch) -> None:
    OwnPrefix.objects.bulk_create([OwnPrefix(prefix=f"10.{number >> 8}.{number & 255}.0/24") for number in range(1_200)])
    reader = reading.Reader()
    reader.renew(NOW)
    assert len(reader.networks) == 1_200 and "10.4.175.0/24" in reader.networks
    monkeypatch.setattr(reading, "MOST_PREFIXES", 1_199)
    reader.renew(NOW)
    assert reader.networks == ()
