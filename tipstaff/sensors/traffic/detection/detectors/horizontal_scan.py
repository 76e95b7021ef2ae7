"""One source that tries the same few ports of many addresses and is answered by few. Pure.

Peer-to-peer programs also call many who do not answer, but on as many ports as peers; crawlers, monitoring and mail servers
are answered. Pings and probes of UDP services have no answer that a flow shows: for them only the number counts. Strangers who
try addresses of ours are gathered by ``sweeps``.
"""

from tipstaff.sensors.traffic.detection.detectors import fans
from tipstaff.sensors.traffic.detection.detectors.fans import Fan, Judged, Window
from tipstaff.sensors.traffic.detection.thresholds import Applied

NAME, KIND = "horizontal_scan", "port_scan"
CONCERNS = ("probe", "sweep")
FEW_PORTS, PORTS_A_PEER = 8, 0.2


def judge(fan: Fan, applied: Applied, ease: float) -> Judged | None:
    """Over which limit one of our hosts is; ``ease`` below 1 where it was before."""
    return judge_source(fan, applied, ease) if fan.direction == "out" else None


def judge_source(fan: Fan, applied: Applied, ease: float) -> Judged | None:
    """The same of any source; of a stranger's, ``fan`` says whom of ours it tried."""
    prefix = f"scan.{fan.direction}.peers" if fan.concern == "probe" else f"scan.{fan.direction}.swept"
    found = fans.first_over(fan, applied, prefix, "peers", ease)
    if found is None or not _looks_like_it(fan, found.window, ease):
        return None
    window, value = found.window, found.value
    whose = "addresses" if fan.direction == "out" else "addresses of ours"
    words = f"tried about {value:.0f} {whose} within the last {found.length}, of which few answered"
    figures = {"fan_out": round(value), "ports": round(window.ports), "attempts": float(window.attempts * max(fan.rate, 1))}
    return Judged("fan_out", round(value), found.limit, found.limit_value, found.seen, words, figures)


def _looks_like_it(fan: Fan, window: Window, ease: float) -> bool:
    if fan.concern == "sweep":
        return True
    return window.ports <= max(FEW_PORTS, PORTS_A_PEER * window.peers) and fans.unanswered(window, ease)
