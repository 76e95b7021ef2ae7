"""Mails of one kind are read together; what comes back stands in the order in which they came."""

from datetime import UTC, datetime
from uuid import UUID

from tipstaff.pipeline.columns import Parsed
from tipstaff.pipeline.reading import InHand, Reader, Taken, kind_of

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
PLAIN = b"From: rita@example.org\r\nSubject: n%d\r\nContent-Type: text/plain\r\n\r\nYour address 192.0.2.%d scanned us.\r\n"
PAGE = b"From: rita@example.org\r\nSubject: n%d\r\nContent-Type: text/html\r\n\r\n<p>198.51.100.%d attacks us</p>\r\n"
BARE = b"Subject: n%d\r\n\r\n203.0.113.%d\r\n"


def test_what_is_read_by_kind_comes_back_in_the_order_it_came() -> None:
    contents = [(PLAIN, PAGE, BARE)[n % 3] % (n, n) for n in range(9)]
    items = [Taken(UUID(int=n), "smtp", "smtp", "", NOW, {}, content) for n, content in enumerate(contents)]
    reader, seen = Reader(), []
    alone = [reader.read(item) for item in items]
    one_by_one = reader.read

    def noted(item: InHand) -> Parsed:
        seen.append(kind_of(item.content))
        return one_by_one(item)

    reader.read = noted  # type: ignore[method-assign]
    together = reader.read_many(items)
    assert together == alone
    assert [parsed.submission.int for parsed in together] == list(range(9))
    assert seen == sorted(seen) and len(set(seen)) == 3
