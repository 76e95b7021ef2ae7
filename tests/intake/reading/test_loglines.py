# ruff: noqa: E501 - log lines are as long as they are
"""Log lines by their own grammar: who came, from which port, when."""

from datetime import UTC, datetime

import pytest

from tipstaff.intake.reading.loglines import read_log_line

MAIL_DATE = datetime(2026, 11, 16, 14, 20, tzinfo=UTC)
CASES = [
    ("Nov 16 04:05:06 vps sshd[2211]: Failed password for root from 192.0.2.150 port 44122 ssh2", "192.0.2.150", 44122, None),
    ("sshd[1]: Invalid user a from 2001:db8::5 port 33", "2001:db8::5", 33, None),
    ("Nov 16 10:00:00 m postfix/smtpd[1]: connect from mail.x.example[203.0.113.5]", "203.0.113.5", None, None),
    (
        "Nov 16 10:00:00 m postfix/smtpd[1]: warning: unknown[203.0.113.5]: SASL LOGIN authentication failed",
        "203.0.113.5",
        None,
        None,
    ),
    ("2026-11-14 12:00:00 H=(ylmf-pc) [203.0.113.5]:4444 F=<a@b.example> rejected RCPT", "203.0.113.5", 4444, None),
    (
        "dovecot: imap-login: Disconnected (auth failed): user=<x>, rip=203.0.113.5, rport=33333, lip=192.0.2.4, lport=143",
        "203.0.113.5",
        33333,
        None,
    ),
    ('203.0.113.5 - - [15/Nov/2026:23:14:09 +0100] "POST /wp-login.php HTTP/1.1" 200 1', "203.0.113.5", None, None),
    (
        "[Mon Nov 16 10:00:00.123456 2026] [security2:error] [pid 1] [client 203.0.113.5:4433] ModSecurity: Warning",
        "203.0.113.5",
        4433,
        None,
    ),
    (
        "Nov 16 03:12:55 gw kernel: [UFW BLOCK] IN=eth0 SRC=198.51.100.99 DST=203.0.113.4 PROTO=TCP SPT=51515 DPT=3389 SYN",
        "198.51.100.99",
        51515,
        "203.0.113.4",
    ),
    (
        'date=2026-11-14 time=09:00:00 tz="+0100" srcip=192.0.2.171 srcport=39999 dstip=203.0.113.10 dstport=443 proto=6',
        "192.0.2.171",
        39999,
        "203.0.113.10",
    ),
    (
        '{"timestamp":"2026-11-15T12:00:00Z","client_ip":"203.0.113.136","server_ip":"192.0.2.137","uri":"/x"}',
        "203.0.113.136",
        None,
        "192.0.2.137",
    ),
    (
        "Nov 15 2026 03:00:00 asa : %ASA-4-106023: Deny tcp src outside:203.0.113.91/4444 dst inside:198.51.100.33/23",
        "203.0.113.91",
        4444,
        "198.51.100.33",
    ),
    ("%SEC-6-IPACCESSLOGP: list 101 denied tcp 203.0.113.5(4444) -> 192.0.2.4(23), 1 packet", "203.0.113.5", 4444, "192.0.2.4"),
    (
        "Jul  1 10:00:00 fw pf: rule 5/0(match): block in on em0: 203.0.113.5.4444 > 192.0.2.4.22: Flags [S]",
        "203.0.113.5",
        4444,
        "192.0.2.4",
    ),
    ("11/16-10:00:00.1 [**] [1:2:3] ET SCAN [**] {TCP} 203.0.113.5:4444 -> 192.0.2.4:22", "203.0.113.5", 4444, "192.0.2.4"),
    (
        "[2026-11-16 01:00:00] NOTICE[1] chan_sip.c: Registration from '<sip:1@198.51.100.9>' failed for '192.0.2.222:5071' - Wrong password",
        "192.0.2.222",
        5071,
        None,
    ),
    ("2026-11-01 10:00:00.000 0.000 UDP 203.0.113.5:53 -> 192.0.2.4:80 1 1500 1", "203.0.113.5", 53, "192.0.2.4"),
    ("2026-11-16 10:00:00,123 fail2ban.actions [1]: NOTICE [sshd] Ban 203.0.113.5", "203.0.113.5", None, None),
]


@pytest.mark.parametrize(("line", "source", "port", "target"), CASES, ids=[case[0][:40] for case in CASES])
def test_the_one_who_came_is_the_source(line, source, port, target):
    entry = read_log_line(line, reference=MAIL_DATE)
    assert (entry.src, entry.sport, entry.dst) == (source, port, target)
    assert not entry.good


@pytest.mark.parametrize(
    "line",
    [
        "Please note that server A > B",
        "Our server 192.0.2.1 was attacked by 203.0.113.5 yesterday.",
        "We noticed a new login to your account from 198.51.100.44 (Berlin).",
        "Kind regards, the team at 192.0.2.1",
        "",
    ],
)
def test_prose_is_no_log(line):
    assert read_log_line(line) is None


def test_those_who_were_let_in_are_marked():
    assert read_log_line(
        "Nov 12 11:00:01 srv sshd[100]: Accepted publickey for rita from 192.0.2.5 port 40100 ssh2", reference=MAIL_DATE
    ).good


def test_syslog_takes_the_year_of_the_mail_and_no_zone_of_its_own():
    line = "Nov 16 04:05:06 vps sshd[2211]: Failed password for root from 192.0.2.150 port 44122 ssh2"
    bare = read_log_line(line, reference=MAIL_DATE).moment
    assert bare.at is None and bare.earliest.year == 2026 and bare.as_written == "Nov 16 04:05:06"
    assert read_log_line(line, zone="UTC", reference=MAIL_DATE).moment.at == datetime(2026, 11, 16, 4, 5, 6, tzinfo=UTC)
    assert read_log_line(line, zone="+0100", reference=MAIL_DATE).moment.at == datetime(2026, 11, 16, 3, 5, 6, tzinfo=UTC)


def test_a_clock_without_a_day_is_no_time():
    line = "14:00:01.000001 IP 198.51.100.111.123 > 192.0.2.55.80: NTPv2, Reserved, length 440"
    assert read_log_line(line, reference=MAIL_DATE).moment is None
