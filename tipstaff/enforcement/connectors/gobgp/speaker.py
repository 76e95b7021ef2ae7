"""A GoBGP 3.x speaker over gRPC: announce, withdraw, and read what it holds. Every call has a time limit.

What it says is never taken as proof that a router has a route; see :mod:`tipstaff.enforcement.connectors.bgp_views`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from tipstaff.enforcement.connectors.bgp_routes import Route, Seen
from tipstaff.enforcement.connectors.contract import ConnectorError, Misunderstood, Rejected, Unanswered, Unreachable
from tipstaff.enforcement.connectors.gobgp import encoding
from tipstaff.enforcement.connectors.gobgp import gobgp_pb2 as pb

SERVICE = "/apipb.GobgpApi/"
LARGEST_ANSWER = 64_000_000  # bytes of one message; a route takes about 300
QUICK = 5.0  # seconds for a question about one route; a whole table may take all the time that is allowed
OPTIONS = [
    ("grpc.max_receive_message_length", LARGEST_ANSWER),
    ("grpc.enable_retries", 0),  # a write is repeated by whoever reads back first, never by the transport
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


@dataclass(frozen=True)
class Session:
    """One neighbour of the speaker, and which families it takes."""

    neighbour: str
    established: bool
    families: frozenset[str]


class Speaker:
    """One gobgpd at HOST:PORT, within ``timeout`` seconds a call. ``authority``: PEM file to check it with; empty: no TLS."""

    def __init__(self, address: str, timeout: float, authority: str = "") -> None:
        self.address, self.timeout, self.whole = address, min(timeout, QUICK), timeout
        self._trusted = grpc.ssl_channel_credentials(root_certificates=Path(authority).read_bytes()) if authority else None
        self._channel = self._opened()

    def _opened(self) -> grpc.Channel:
        if self._trusted is not None:
            return grpc.secure_channel(self.address, self._trusted, options=OPTIONS)
        return grpc.insecure_channel(self.address, options=OPTIONS)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> "Speaker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def announce(self, routes: Iterable[Route]) -> None:
        """Put the routes into the speaker's table, replacing those of the same net."""
        request = pb.AddPathStreamRequest(table_type=pb.GLOBAL, paths=[encoding.path(route) for route in routes])
        self._call("AddPathStream", iter([request]), Empty, streams="in")

    def withdraw(self, route: Route) -> None:
        """Take the route away; one that is not there is fine. Raises like every call."""
        request = pb.DeletePathRequest(
            table_type=pb.GLOBAL, family=encoding.FAMILIES[route.family], path=encoding.withdrawal(route)
        )
        self._call("DeletePath", request, Empty)

    def held(self, family: str, net: str = "") -> list[Seen]:
        """The speaker's own table of one family; with ``net`` the routes of that net only."""
        return self._list(pb.ListPathRequest(table_type=pb.GLOBAL), family, net)

    def told(self, neighbour: str, family: str, net: str = "") -> list[Seen]:
        """What the speaker tells that neighbour (ADJ_OUT)."""
        return self._list(pb.ListPathRequest(table_type=pb.ADJ_OUT, name=neighbour), family, net)

    def asn(self) -> int:
        """The number of the speaker's network."""
        answer = self._call("GetBgp", pb.GetBgpRequest(), pb.GetBgpResponse)
        return int(getattr(answer, "global").asn)  # a word of the language, so no plain attribute

    def sessions(self) -> list[Session]:
        found = []
        for answer in self._call("ListPeer", pb.ListPeerRequest(), pb.ListPeerResponse, streams="out"):
            state = answer.peer.state
            names = frozenset(
                name for one in answer.peer.afi_safis for name, family in encoding.FAMILIES.items() if one.state.family == family
            )
            found.append(Session(state.neighbor_address, state.session_state == pb.PeerState.ESTABLISHED, names))
        return found

    def _list(self, request: pb.ListPathRequest, family: str, net: str) -> list[Seen]:
        request.family.CopyFrom(encoding.FAMILIES[family])
        if net and family.startswith("ipv"):
            request.prefixes.append(pb.TableLookupPrefix(prefix=net, type=pb.TableLookupPrefix.EXACT))
        answers = self._call("ListPath", request, pb.ListPathResponse, streams="out", within=self.timeout if net else self.whole)
        found = [encoding.seen(path, family) for answer in answers for path in answer.destination.paths if not path.is_withdraw]
        return [one for one in found if not net or one.net == net]

    def _call(self, method: str, request: Any, answer: Any, streams: str = "", within: float | None = None) -> Any:
        """One call; the answers of a streaming one as a list. The transport's errors become the contract's."""
        opened: Callable[..., Any] = {
            "": self._channel.unary_unary,
            "in": self._channel.stream_unary,
            "out": self._channel.unary_stream,
        }[streams]
        call = opened(SERVICE + method, request_serializer=_serialized, response_deserializer=answer.FromString)
        try:
            result = call(request, timeout=within or self.timeout)
            return list(result) if streams == "out" else result
        except grpc.RpcError as error:
            problem = _translated(error, self.address, method)
            if isinstance(problem, Unreachable):  # a channel that failed says so again for a while without trying
                self._channel.close()
                self._channel = self._opened()
            raise problem from error


@lru_cache(maxsize=64)
def speaker(address: str, timeout: float, authority: str = "") -> Speaker:
    """The one connection of this program to that speaker; channels are safe to be shared by threads."""
    return Speaker(address, timeout, authority)


def _serialized(message: Any) -> bytes:
    return message.SerializeToString()


def _translated(error: grpc.RpcError, address: str, method: str) -> ConnectorError:
    code = error.code() if isinstance(error, grpc.Call) else None
    words = str(error.details() if isinstance(error, grpc.Call) else error)[:200]
    where = f"GoBGP at {address}, {method}"
    if code is grpc.StatusCode.UNAVAILABLE and "failed to connect" in words.lower():
        return Unreachable(f"{where}: {words}")
    if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}:
        return Unanswered(f"{where}: {words}")
    if code in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION}:
        return Rejected(f"{where}: {words}")
    return Misunderstood(f"{where}: {code.name if code else 'no status'}: {words}")
