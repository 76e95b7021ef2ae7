"""Mail to many servers at once, from an address that is not known as a mail server of that size. Pure."""

from tipstaff.sensors.traffic.detection.detectors import fans
from tipstaff.sensors.traffic.detection.detectors.fans import Fan, Judged
from tipstaff.sensors.traffic.detection.thresholds import Applied

NAME, KIND = "mail_burst", "spam"
CONCERNS = ("mail",)
PORTS = (25, 465, 587)


def judge(fan: Fan, applied: Applied, ease: float) -> Judged | None:
    """Over which limit it is; ``ease`` below 1 where it was before."""
    found = fans.first_over(fan, applied, "mail.out.peers", "peers", ease)
    if found is None or fan.direction != "out":
        return None
    window, value = found.window, found.value
    words = f"opened mail connections to about {value:.0f} servers within the last {found.length}"
    figures = {"fan_out": round(value), "attempts": float(window.attempts * max(fan.rate, 1)), "port": float(fan.port)}
    return Judged("fan_out", round(value), found.limit, found.limit_value, found.seen, words, figures)
