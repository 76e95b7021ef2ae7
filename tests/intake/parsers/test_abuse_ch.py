"""ThreatFox's JSON: what is kept of it, and entries made to hurt."""

import json
import tracemalloc

from tests.growth import ends
from tipstaff.intake.message import Hints, Message
from tipstaff.intake.parsers import abuse_ch
from tipstaff.intake.reading.open import open_message

ENTRY = {
    "ioc": "192.0.2.7:4443", "ioc_type": "ip:port", "threat_type": "botnet_cc", "malware": "win.example",
    "malware_printable": "Example", "first_seen": "2026-02-01 10:00:00 UTC", "confidence_level": 75, "reporter": "watch",
}  # fmt: skip


def opened(entries: list[dict]) -> Message:
    return open_message(json.dumps({"query_status": "ok", "data": entries}).encode(), Hints(filename="answer.json"))[0]


def test_what_is_said_of_an_entry_is_kept() -> None:
    (draft,) = abuse_ch.parse(opened([ENTRY, ENTRY | {"ioc": "192.0.2.8:80", "threat_type_desc": "a controller"}]))
    first, second = draft.events
    assert (first.ip, first.port, first.identity) == ("192.0.2.7", 4443, ("win.example",))
    assert first.details["confidencelevel"] == "75" and first.details["reporter"] == "watch"
    assert first.details["malwareprintable"] == "Example" and second.details["threattypedesc"] == "a controller"


def test_keys_of_the_senders_own_make_no_columns() -> None:
    message = opened([{"ioc": "192.0.2.7:80", "ioc_type": "ip:port", f"own{n}": "x"} for n in range(20_000)])
    tracemalloc.start()
    try:
        with ends(60):
            assert abuse_ch.claims(message)
            (draft,) = abuse_ch.parse(message)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(draft.events) == 20_000 and not any("own" in key for event in draft.events for key in event.details)
    assert peak < 200 << 20, f"{peak >> 20} MB"
