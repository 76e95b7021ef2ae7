"""Zip and gzip opened with a budget: members, bytes, ratio and nesting are capped before anything is inflated."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_MEMBERS = 200
MAX_TOTAL = 64_000_000  # inflated bytes of one submission
MAX_RATIO = 200  # inflated to packed; text feeds reach 20
MAX_DEPTH = 3
_FREE = 1_000_000  # below this many bytes the ratio does not matter


@dataclass(slots=True)
class Budget:
    """What one submission may still inflate, and what was refused."""

    left: int = MAX_TOTAL
    members: int = MAX_MEMBERS
    defects: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        if text not in self.defects and len(self.defects) < 20:
            self.defects.append(text)


def is_zip(content: bytes) -> bool:
    return content[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def is_gzip(content: bytes) -> bool:
    return content[:3] == b"\x1f\x8b\x08"


def is_archive(content: bytes, filename: str | None) -> bool:
    """Whether the bytes are zip or gzip; office documents, which are zips too, are left closed."""
    if (filename or "").lower().endswith((".docx", ".xlsx", ".pptx", ".odt", ".ods", ".jar", ".apk")):
        return False
    return is_zip(content) or is_gzip(content)


def members(content: bytes, name: str, budget: Budget, depth: int = 1) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file inside, archives inside opened too (names joined with ``/``)."""
    opened = _zip(content, name, budget) if is_zip(content) else _gzip(content, name, budget)
    for inner, inflated in opened:
        if is_archive(inflated, inner):
            if depth >= MAX_DEPTH:
                budget.note(f"{name}: archives inside archives deeper than {MAX_DEPTH} levels were not opened")
                continue
            for deeper, more in members(inflated, inner, budget, depth + 1):
                yield f"{inner}/{deeper}", more
        else:
            yield inner, inflated


def _zip(content: bytes, name: str, budget: Budget) -> Iterator[tuple[str, bytes]]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, UnicodeError, OverflowError, EOFError):
        budget.note(f"{name}: the zip archive is damaged")
        return
    if len(entries) > budget.members:
        budget.note(f"{name}: {len(entries)} files in the archive; only the first {budget.members} were opened")
    for entry in entries[: budget.members]:
        if entry.is_dir():
            continue
        budget.members -= 1
        if entry.flag_bits & 1:
            budget.note(f"{name}/{entry.filename[:100]}: needs a password")
            continue
        inflated = _member(archive, entry, name, budget)
        if inflated is not None:
            yield entry.filename[:200], inflated


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, budget: Budget) -> bytes | None:
    """One file; the sizes that the directory states are not believed: reading stops at the cap."""
    allowed = min(budget.left, max(_FREE, entry.compress_size * MAX_RATIO))
    try:
        with archive.open(entry) as file:
            inflated = file.read(allowed + 1)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError, zlib.error, EOFError, UnicodeError):
        budget.note(f"{name}/{entry.filename[:100]}: damaged, or packed in a way that is not supported")
        return None
    if len(inflated) > allowed:
        budget.note(f"{name}/{entry.filename[:100]}: inflates beyond what is allowed ({allowed} bytes); not opened")
        budget.left -= allowed // 4
        return None
    budget.left -= len(inflated)
    return inflated


def _gzip(content: bytes, name: str, budget: Budget) -> Iterator[tuple[str, bytes]]:
    allowed = min(budget.left, max(_FREE, len(content) * MAX_RATIO))
    out, rest, total = [], content, 0
    try:
        while rest and total <= allowed and is_gzip(rest):  # members of one gzip file follow one another
            unpacker = zlib.decompressobj(wbits=31)
            out.append(unpacker.decompress(rest, allowed + 1 - total))
            total += len(out[-1])
            if not unpacker.eof:
                break
            rest = unpacker.unused_data
    except zlib.error:
        budget.note(f"{name}: the gzip file is damaged; what could be read was kept")
    if total > allowed:
        budget.note(f"{name}: inflates beyond what is allowed ({allowed} bytes); not opened")
        return
    budget.left -= total
    low = name.lower()
    inner = name[:-3] if low.endswith(".gz") else name[:-4] + ".tar" if low.endswith(".tgz") else name
    if out and total:
        yield inner.rpartition("/")[2], b"".join(out)
