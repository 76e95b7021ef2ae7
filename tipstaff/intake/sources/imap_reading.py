"""How a mailbox is read: what is new into the spool, then the position, then the move.

Nothing is lost: a mail that the server does not hand out is passed over after some tries, stays *owed* in the position and is asked
for again. Nothing is taken twice: after a change of UIDVALIDITY each mail is held against what was submitted under the old numbers.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tipstaff.intake.sources.imap import Mail, Mailbox
from tipstaff.intake.sources.imap_login import LOST, MailboxFailed
from tipstaff.intake.spool import Spool

log = logging.getLogger(__name__)
FIRST = 50  # mails of a mailbox that is seen for the first time
AT_ONCE = 25  # mails of one FETCH
BYTES_AT_ONCE = 16 << 20
TRIES = 3  # of one mail in a row before it is passed over
AGAIN, LONGEST = timedelta(minutes=5), timedelta(hours=6)  # until a mail that was passed over is asked for again
MOST_OWED = 200  # a server that owes more is broken altogether: nothing more is passed over
WHY = 300  # characters of what the server said that are kept


@dataclass(frozen=True)
class Owed:
    """A mail that the server did not hand out: since when, how often it was asked, when it is asked again, and what it said."""

    since: str
    tries: int
    again: str
    why: str


@dataclass(frozen=True)
class Position:
    """How far a mailbox was read: UIDs ``first`` to ``uid`` under ``validity``, all but the owed ones.

    ``generation`` counts the numberings, so that no number stands for two mails where a server takes an old UIDVALIDITY again.
    ``left`` mails were there before the first visit and are not wanted; those that are wanted came from ``oldest`` on.
    """

    validity: int
    uid: int
    first: int = 0
    oldest: str = ""
    left: int = 0
    generation: int = 0
    owed: Mapping[int, Owed] = field(default_factory=dict)

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> "Position | None":
        if not kept:
            return None
        owed = {int(uid): Owed(**one) for uid, one in kept.get("owed", {}).items()}
        plain = {name: kept[name] for name in ("first", "oldest", "left", "generation") if name in kept}
        return cls(kept["validity"], kept["uid"], owed=owed, **plain)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"owed": {str(uid): asdict(one) for uid, one in self.owed.items()}}

    def numbering(self, mailbox: str) -> str:
        """How the references of mails begin; the UID follows."""
        return f"{mailbox}/{self.validity}{f'.{self.generation}' if self.generation else ''}/"

    def without(self, uid: int) -> "Position":
        return replace(self, owed={other: one for other, one in self.owed.items() if other != uid})

    def owing(self, uid: int, why: str, now: datetime) -> "Position":
        """The same, with that mail passed over once more."""
        before = self.owed.get(uid)
        tries = before.tries + 1 if before else TRIES
        pause = min(AGAIN * 2 ** min(tries - TRIES, 10), LONGEST)
        since = before.since if before else now.isoformat()
        return replace(self, owed={**self.owed, uid: Owed(since, tries, (now + pause).isoformat(), why[:WHY])})


@dataclass
class Round:
    """One reading of a mailbox that is open."""

    mailbox: Mailbox
    spool: Spool
    at: Position
    save: Callable[[Position], None]
    now: datetime
    came: int = 0
    again: list[int] = field(default_factory=list)  # mails that were taken under an older number
    ended: bool = False  # early: the program was told to stop

    def keep(self, at: Position) -> None:
        self.save(at)
        self.at = at

    def batches(self, uids: Sequence[int]) -> Iterator[list[int]]:
        """A few mails each, and not too many bytes; ends early when the program is told to."""
        for start in range(0, len(uids), AT_ONCE):
            some = uids[start : start + AT_ONCE]
            try:
                sizes = self.mailbox.sizes(some)
            except LOST:
                self.reopen()
                sizes = {}
            group: list[int] = []
            for uid in some:
                if group and sum(sizes.get(one, BYTES_AT_ONCE) for one in [*group, uid]) > BYTES_AT_ONCE:
                    yield group
                    group = []
                group.append(uid)
            yield group
            if self.mailbox.stopped():
                self.ended = True
                return

    def fetched(self, uids: Sequence[int]) -> list[Mail]:
        """These mails. One that spoils the answer for the others is found by asking for each alone, and noted as owed."""
        try:
            mails = self.mailbox.fetch(uids)
        except LOST as error:
            log.info("mails %s to %s of %s failed together: %s", uids[0], uids[-1], self.mailbox.name, error)
            self.reopen()
            mails = []
        got = {mail.uid for mail in mails}
        alone = [mail for uid in uids if uid not in got and (mail := self.alone(uid)) is not None]
        return sorted([*mails, *alone], key=lambda mail: mail.uid)

    def alone(self, uid: int) -> Mail | None:
        """One mail, asked for by itself; None where it is gone, or owed from now on.

        Each failure is followed by a new connection: where none is made, the server is away, which is no matter of this mail.
        """
        why = ""
        for _ in range(1 if uid in self.at.owed else TRIES):
            try:
                if mails := self.mailbox.fetch([uid]):
                    self.at = self.at.without(uid)
                    return mails[0]
                if not self.mailbox.holds(uid):
                    if uid in self.at.owed:
                        log.warning("mail %s of %s was removed before its server handed it out", uid, self.mailbox.name)
                    self.at = self.at.without(uid)
                    return None
                why = "the server answers without its bytes"
            except LOST as error:
                why = " ".join(str(error).split()) or type(error).__name__
                self.reopen()
        if uid not in self.at.owed and len(self.at.owed) >= MOST_OWED:
            raise MailboxFailed(f"the server has not handed out {MOST_OWED} mails of {self.mailbox.name!r}, the last: {why}")
        log.warning("mail %s of %s is passed over, it is asked for again: %s", uid, self.mailbox.name, why)
        self.at = self.at.owing(uid, why, self.now)
        return None

    def reopen(self) -> None:
        before = self.mailbox.validity
        self.mailbox.reopen()
        if self.mailbox.validity != before:
            raise MailboxFailed(f"mailbox {self.mailbox.name!r} was renumbered while it was read; it is read anew")

    def put(self, mails: Sequence[Mail]) -> None:
        numbering = self.at.numbering(self.mailbox.name)
        self.spool.put([self.mailbox.accepted(mail, numbering, self.now) for mail in mails])
        self.came += len(mails)


def read(mailbox: Mailbox, spool: Spool, position: Position | None, save: Callable[[Position], None], *, now: datetime) -> int:
    """Take everything new into the spool, then note the position, then move; how many mails came. Mailbox is open."""
    mailbox.look()
    if position is None:
        save(position := first_visit(mailbox, now))
    elif is_renumbered(mailbox, position):
        mailbox.reopen()  # another process may have gone on since this connection was made
    turn = Round(mailbox, spool, position, save, now)
    if is_renumbered(mailbox, position):
        turn.at = _anew(mailbox, position)
        _read_renumbered(turn, position)
    else:
        _ask_again(turn)
        for some in turn.batches(mailbox.after(turn.at.uid)):
            turn.put(turn.fetched(some))
            turn.keep(replace(turn.at, uid=some[-1]))
    if mailbox.settings.get("move_to"):
        _move_taken(turn)
    return turn.came


def waiting(mailbox: Mailbox, position: Position | None) -> int:
    """How many mails a reading would look at."""
    mailbox.look()
    if position is None:
        return min(int(mailbox.settings.get("first", FIRST)), mailbox.count)
    return len(mailbox.every()) if is_renumbered(mailbox, position) else len(mailbox.after(position.uid))


def first_visit(mailbox: Mailbox, now: datetime) -> Position:
    """The last mails are wanted, and all that come later; what was there before them is not. Kept before anything is taken: a first
    visit that is interrupted goes on where it was."""
    wanted = mailbox.last(int(mailbox.settings.get("first", FIRST)))
    first = wanted[0] if wanted else mailbox.next_uid or max([0, *mailbox.last(1)]) + 1
    oldest = min([now, *(date.astimezone(UTC) for date in mailbox.dates(wanted))])
    return Position(mailbox.validity, first - 1, first, oldest.isoformat(), mailbox.count - len(wanted))


def is_renumbered(mailbox: Mailbox, position: Position) -> bool:
    """Another UIDVALIDITY, or a next UID that was given already, which a mailbox made anew in the same second has."""
    return position.validity != mailbox.validity or 0 < mailbox.next_uid <= position.uid


def _ask_again(turn: Round) -> None:
    """For what the server owes and whose time has come."""
    for uid, owed in sorted(turn.at.owed.items()):
        if owed.again <= turn.now.isoformat() and not turn.mailbox.stopped():
            mail = turn.alone(uid)
            turn.put([mail] if mail else [])
            turn.keep(turn.at)


def _anew(mailbox: Mailbox, position: Position) -> Position:
    """The beginning of another numbering."""
    return replace(position, validity=mailbox.validity, uid=0, first=1, generation=position.generation + 1, owed={})


def _read_renumbered(turn: Round, position: Position) -> None:
    """The old numbers say nothing any more: every mail that may be wanted is looked at, and taken unless its bytes were submitted
    under them, each copy once. The position follows at the end; a reading that is interrupted begins again, with the same ids."""
    mailbox, numbering = turn.mailbox, turn.at.numbering(turn.mailbox.name)
    log.warning("mailbox %s of %s was renumbered by its server (UIDVALIDITY)", mailbox.name, mailbox.source)
    uids = mailbox.every()
    before, matched = _spooled(turn, numbering), Counter[bytes]()
    for some in turn.batches(_not_older(mailbox, position, uids)):
        mails = turn.fetched(some)
        new = _unknown(mails, mailbox.known({_digest(one.content) for one in mails}, numbering) | before, matched)
        turn.put(new)
        turn.again += [mail.uid for mail in mails if mail not in new]
    if not turn.ended:
        turn.keep(replace(turn.at, uid=max([0, *uids])))


def _not_older(mailbox: Mailbox, position: Position, uids: Sequence[int]) -> list[int]:
    """Without what was there before the first visit, which only its date tells now."""
    if not position.left:
        return list(uids)
    day = datetime.fromisoformat(position.oldest) - timedelta(days=1)  # SINCE knows whole days, in the server's zone
    recent = mailbox.since(day.date())
    chosen = [uid for uid in uids if uid in recent]
    if (older := len(uids) - len(chosen)) > position.left:
        more = older - position.left
        log.warning("%s holds %d mails older than the first visit's that were not there then; they are taken", mailbox.name, more)
        return list(uids)
    return chosen


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _spooled(turn: Round, numbering: str) -> Counter[bytes]:
    """What was taken under the old numbers and is not committed yet."""
    items = (item for item in turn.spool.read(turn.spool.waiting()) if item.source == turn.mailbox.source)
    mine = (item for item in items if item.envelope.get("mailbox") == turn.mailbox.name)
    return Counter(_digest(item.content) for item in mine if not item.source_ref.startswith(numbering))


def _unknown(mails: Sequence[Mail], have: Counter[bytes], matched: Counter[bytes]) -> list[Mail]:
    """Without as many copies of equal bytes as were submitted under old numbers."""
    new = []
    for mail in mails:
        digest = _digest(mail.content)
        if matched[digest] < have[digest]:
            matched[digest] += 1
        else:
            new.append(mail)
    return new


def _move_taken(turn: Round) -> None:
    """What is in the spool or the database, also what an earlier run took but was killed before moving."""
    mailbox, at = turn.mailbox, turn.at
    if not 0 < at.first <= at.uid:
        return
    here = mailbox.waiting_to_move(at.first, at.uid)
    ids = {uid: mailbox.id_of(at.numbering(mailbox.name), uid) for uid in here}
    kept = {number for number in ids.values() if turn.spool.holds(number)}
    kept |= mailbox.taken([number for number in ids.values() if number not in kept])
    mailbox.move(uid for uid in here if ids[uid] in kept or uid in turn.again)
