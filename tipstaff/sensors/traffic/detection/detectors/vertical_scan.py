"""One source that tries many ports of few addresses; towards one of ours it counts as a victim. Pure."""

from tipstaff.sensors.traffic.detection.detectors import fans
from tipstaff.sensors.traffic.detection.detectors.fans import Fan, Judged
from tipstaff.sensors.traffic.detection.thresholds import Applied

NAME, KIND = "vertical_scan", "port_scan"
CONCERNS = ("probe",)
FEW_PEERS, PEERS_A_PORT = 4, 0.1


def judge(fan: Fan, applied: Applied, ease: float) -> Judged | None:
    """Over which limit it is; ``ease`` below 1 where it was before."""
    found = fans.first_over(fan, applied, f"scan.{fan.direction}.ports", "ports", ease)
    if found is None:
        return None
    window, value = found.window, found.value
    few = window.peers <= max(FEW_PEERS, PEERS_A_PORT * window.ports)
    if not few or not fans.unanswered(window, ease):
        return None
    side = "had about" if fan.direction == "in" else "tried about"
    words = f"{side} {value:.0f} ports {'of it tried ' if fan.direction == 'in' else ''}within the last {found.length}"
    figures = {"ports": round(value), "fan_out": round(window.peers), "attempts": float(window.attempts * max(fan.rate, 1))}
    return Judged("ports", round(value), found.limit, found.limit_value, found.seen, words, figures)
