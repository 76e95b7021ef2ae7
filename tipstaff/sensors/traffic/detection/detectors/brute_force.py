"""Log-ins tried again and again: short whole connections to ports of log-in services, several to each address. Pure.

Monitoring looks in at many addresses, once each, and leaves after the banner (see ``contacts.login_weight``); an attack tries
each address several times. Of a sampled host openings are counted, and packets must follow them: a scan has none.
"""

from tipstaff.sensors.traffic.detection.detectors import fans
from tipstaff.sensors.traffic.detection.detectors.fans import Fan, Judged
from tipstaff.sensors.traffic.detection.thresholds import Applied

NAME, KIND = "brute_force", "login_attack"
CONCERNS = ("login",)
#: FTP, SSH, Telnet, POP3 and IMAP with and without TLS, SQL Server, MySQL, RDP, PostgreSQL, VNC, WinRM.
PORTS = (21, 22, 23, 110, 143, 993, 995, 1433, 2222, 3306, 3389, 5432, 5900, 5901, 5985)
TRIES_A_PEER = {"minute": 3.0, "hour": 20.0}
FOLLOWED, LONGEST = 6.0, 60.0  # packets after an opening: at least (a banner check has 4), at most (a transfer has more)


def judge(fan: Fan, applied: Applied, ease: float) -> Judged | None:
    """Over which limit it is; ``ease`` below 1 where it was before."""
    found = fans.first_over(fan, applied, f"login.{fan.direction}.attempts", "attempts", ease)
    if found is None:
        return None
    window, value = found.window, found.value
    if fan.rate > 1:
        if not FOLLOWED * window.attempts <= window.answered <= LONGEST * window.attempts:
            return None
    elif fan.direction == "out" and window.attempts < TRIES_A_PEER[found.length] * ease * window.peers:
        return None
    side = "had about" if fan.direction == "in" else "made about"
    words = f"{side} {value:.0f} short log-in sessions on port {fan.port} within the last {found.length}"
    figures = {"attempts": float(value), "fan_out": round(window.peers), "port": float(fan.port)}
    return Judged("attempts", float(value), found.limit, found.limit_value, found.seen, words, figures)
