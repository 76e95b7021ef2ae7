"""Log-ins tried again and again: short whole connections to ports of log-in services, several to each address. Pure.

Monitoring looks in at many addresses, once each, and leaves after the banner (see ``contacts.login_weight``); an attack tries
each address several times. Of a sampled host openings are counted, and packets must follow them: a scan has none, and more must
follow than after mere looks, of which the samples hold few openings by chance now and then.
"""

import math

from tipstaff.sensors.traffic.detection.detectors import fans
from tipstaff.sensors.traffic.detection.detectors.fans import Fan, Judged
from tipstaff.sensors.traffic.detection.thresholds import Applied

NAME, KIND = "brute_force", "login_attack"
CONCERNS = ("login",)
#: FTP, SSH, Telnet, POP3 and IMAP with and without TLS, SQL Server, MySQL, RDP, PostgreSQL, VNC, WinRM.
PORTS = (21, 22, 23, 110, 143, 993, 995, 1433, 2222, 3306, 3389, 5432, 5900, 5901, 5985)
TRIES_A_PEER = {"minute": 3.0, "hour": 20.0}
FOLLOWED, LONGEST = 6.0, 60.0  # packets after an opening: at least, at most (a transfer has more)
LOOKED, SURE = 4.0, 3.1  # packets after the opening of a banner check; one-sided 99.9 % of the normal distribution: all day long


def judge(fan: Fan, applied: Applied, ease: float) -> Judged | None:
    """Over which limit it is; ``ease`` below 1 where it was before."""
    found = fans.first_over(fan, applied, f"login.{fan.direction}.attempts", "attempts", ease)
    if found is None:
        return None
    window, value = found.window, found.value
    if fan.rate > 1:
        if not FOLLOWED * window.attempts <= window.answered <= LONGEST * window.attempts:
            return None
        if ease >= 1 and not are_sessions(window.attempts, window.answered):
            return None
    elif fan.direction == "out" and window.attempts < TRIES_A_PEER[found.length] * ease * window.peers:
        return None
    side = "had about" if fan.direction == "in" else "made about"
    words = f"{side} {value:.0f} short log-in sessions on port {fan.port} within the last {found.length}"
    figures = {"attempts": float(value), "fan_out": round(window.peers), "port": float(fan.port)}
    return Judged("attempts", float(value), found.limit, found.limit_value, found.seen, words, figures)


def are_sessions(openings: float, others: float) -> bool:
    """Whether mere looks would surely show more openings among as many samples (a binomial count, as a normal one)."""
    seen, share = openings + others, 1 / (1 + LOOKED)
    return seen * share - openings >= SURE * math.sqrt(seen * share * (1 - share))
