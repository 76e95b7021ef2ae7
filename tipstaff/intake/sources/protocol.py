"""aiosmtpd's SMTP and LMTP with a door, and with a DATA that reads whole blocks instead of single lines.

Complaints carry logs and HTML: thousands of lines, or one line of a megabyte. The limit of RFC 5321 4.5.3.1.6 on a line
would refuse real ones, and a coroutine step for each line is most of what a message costs.
"""

import re
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

END = b"\r\n.\r\n"  # nothing else ends a message: no bare LF, no bare CR (or mails can be smuggled in others)
BLOCK = 1 << 30
BUFFER = 1 << 16  # bytes of one connection that wait to be read, and the longest command line that is looked at
TIMEOUT = 180  # seconds without a byte within DATA, RFC 5321 4.5.3.2.5
PLAIN_PATH = re.compile(r"<([A-Za-z0-9._%+=-]{1,64}@[A-Za-z0-9.-]{1,253})>")


class _Guarded:
    """Counts connections at the handler's door and turns away those beyond the caps."""

    line_length_limit = BUFFER
    entered = ""

    def connection_made(self: Any, transport: Any) -> None:
        if self.transport is None and not self.entered:  # TLS calls this again for the same connection
            name = transport.get_extra_info("peername")
            peer = str(name[0]) if isinstance(name, tuple) and name else "local"
            if refusal := self.event_handler.door.enter(peer):
                transport.write(refusal.encode() + b"\r\n")
                transport.close()
                return
            self.entered = peer
        super().connection_made(transport)  # type: ignore[misc]

    def connection_lost(self: Any, error: Any) -> None:
        if self.entered:
            self.event_handler.door.leave(self.entered)
            self.entered = ""
            super().connection_lost(error)  # type: ignore[misc]

    def eof_received(self: Any) -> bool | None:
        return super().eof_received() if self.entered else None  # type: ignore[misc]

    def _getaddr(self: Any, argument: str) -> tuple[str | None, str | None]:
        """An ordinary path at once; everything else as the library reads it."""
        if plain := PLAIN_PATH.match(argument):
            return plain.group(1), argument[plain.end() :]
        return super()._getaddr(argument)  # type: ignore[misc]

    async def smtp_DATA(self: Any, argument: str) -> None:
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        if argument:
            await self.push("501 5.5.4 DATA takes no argument")
            return
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 name a recipient first (RCPT)")
            return
        await self.push("354 end with <CR><LF>.<CR><LF>")
        content = await self._message()
        if content is None:
            status = f"552 5.3.4 the message is larger than {self.data_size_limit} bytes"
            count = len(self.envelope.rcpt_tos)
            status = "\r\n".join([status] * (count if isinstance(self, LMTP) else 1))
        else:
            self.envelope.content = self.envelope.original_content = content
            status = await self._call_handler_hook("DATA")
        self._set_post_data_state()
        await self.push(status)

    async def _message(self: Any) -> bytes | None:
        """The message up to its end, without the dots of RFC 5321 4.5.2; None where it is too large."""
        held, too_large = bytearray(b"\r\n"), False  # as if a line ended here: the end may follow at once
        while True:
            block = await self._reader.read(BLOCK)
            if not block:
                raise ConnectionResetError("the sender went away within the message")
            self._reset_timeout(TIMEOUT)
            start = max(0, len(held) - len(END) + 1)
            held += block
            end = held.find(END, start)
            if end >= 0:
                break
            if len(held) > self.data_size_limit + len(END):
                too_large = True
                del held[: -len(END)]
        if rest := bytes(held[end + len(END) :]):
            self._reader.feed_data(rest)  # commands sent ahead (RFC 2920); the reader is empty, so they keep their place
        del held[end + 2 :]
        if too_large or len(held) - 2 > self.data_size_limit:
            return None
        return bytes(held).replace(b"\r\n.", b"\r\n")[2:]


class GuardedSMTP(_Guarded, SMTP):
    """SMTP for the listener."""


class GuardedLMTP(_Guarded, LMTP):
    """LMTP for the listener."""
