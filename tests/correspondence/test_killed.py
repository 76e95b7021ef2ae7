"""A deliverer that is killed at any moment sends nothing twice and loses nothing."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter

import pytest

from tests.correspondence.given import promised
from tests.correspondence.mailhost import Mailhost, Running
from tests.house.source import ROOT
from tipstaff.correspondence import delivery, worker
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.kernel.clock import now

DELIVERER = textwrap.dedent("""
    import sys, threading, django
    from tipstaff.project.database import setup_django
    setup_django()
    from django.conf import settings
    from tipstaff.correspondence.smarthost import Smarthost
    from tipstaff.correspondence.worker import Delivery
    settings.SENDING, settings.MAIL_FROM = True, "abuse@example.net"
    settings.MAIL_CAPS = {"hour": 10_000, "recipient": 10_000}
    one = Delivery(Smarthost("localhost", int(sys.argv[1]), "off"))
    print("ready", flush=True)
    while True:
        one.step(threading.Event())
""")
KILLS, MESSAGES = 12, 150


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_kill_nine_at_any_moment_doubles_and_loses_nothing(database_url, settings):
    settings.SENDING, settings.MAIL_FROM = True, "abuse@example.net"
    settings.MAIL_CAPS = {"hour": 10_000, "recipient": 10_000}
    rows = [promised(f"c{number}@example.com", at=now()) for number in range(MESSAGES)]
    environment = os.environ | {"DATABASE_URL": database_url, "TIPSTAFF_DATABASE_ROLE": "app"}
    host, chance = Mailhost(), random.Random(7)
    with Running(host) as smarthost:
        for _ in range(KILLS):
            one = subprocess.Popen([sys.executable, "-c", DELIVERER, str(smarthost.port)], env=environment, cwd=ROOT,
                                   stdout=subprocess.PIPE)  # fmt: skip
            assert one.stdout is not None and one.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.0, 0.25))
            one.send_signal(signal.SIGKILL)
            one.wait()
            one.stdout.close()
        last = worker.Delivery(smarthost)
        for _ in range(50):
            last.step(threading.Event())
        last.hang_up()
    states = Counter(OutboxMessage.objects.values_list("state", flat=True))
    assert set(states) <= {"sent", "held"} and sum(states.values()) == MESSAGES, "nothing is lost"
    times = Counter(str(taken.parsed["Message-ID"]) for taken in host.taken)
    assert set(times.values()) == {1}, "nothing is sent twice"
    sent = OutboxMessage.objects.filter(state="sent")
    assert {row.message_id for row in sent} <= set(times), "what is called sent was sent"
    for row in OutboxMessage.objects.filter(state="held"):
        assert row.error == delivery.UNSURE and row.handed_at is not None
    assert len(rows) == MESSAGES
