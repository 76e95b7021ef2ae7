"""Where packs lie: a local directory, or a bucket that speaks S3. Packs are written whole and never changed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings

from tipstaff.kernel.errors import InputError, NotFound, Problem

GONE = {"NoSuchKey", "404", "InvalidRange", "416"}


class Store(Protocol):
    """A place for packs, named like ``2026/11/02/018f….pack``."""

    def put(self, name: str, content: bytes) -> None:
        """Durable when it returns; never half-written under ``name``."""

    def get(self, name: str, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes, or NotFound."""

    def delete(self, name: str) -> None:
        """Deleting what is not there is success."""

    def names(self) -> Iterator[str]: ...


class LocalStore:
    """Packs as files below a directory that only the service's account may enter."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, content: bytes) -> None:
        path = self.root / name
        self._make(path.parent)
        fresh = path.with_name(f"{path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            fresh.rename(path)
        except BaseException:
            fresh.unlink(missing_ok=True)  # a full disk leaves no half pack behind
            raise
        sync_directory(path.parent)

    def _make(self, directory: Path) -> None:
        if directory.is_dir():
            return
        if directory != self.root:
            self._make(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True, parents=directory == self.root)
        sync_directory(directory.parent)

    def get(self, name: str, offset: int, length: int) -> bytes:
        try:
            with (self.root / name).open("rb") as handle:
                handle.seek(offset)
                content = handle.read(length)
        except FileNotFoundError as error:
            raise NotFound(f"pack {name} is not in the store") from error
        if len(content) != length:
            raise NotFound(f"pack {name} ends before byte {offset + length}")
        return content

    def delete(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        for path in sorted(self.root.rglob("*.pack")):
            yield path.relative_to(self.root).as_posix()


class S3Store:
    """Packs as objects in a bucket. Credentials come from the environment in the way of the S3 client."""

    def __init__(self, bucket: str, prefix: str = "", endpoint: str | None = None) -> None:
        import boto3

        self.bucket, self.prefix = bucket, prefix.strip("/")
        self.client: Any = boto3.client("s3", endpoint_url=endpoint)

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=self._key(name), Body=content)

    def get(self, name: str, offset: int, length: int) -> bytes:
        wanted = f"bytes={offset}-{offset + length - 1}"
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self._key(name), Range=wanted)
        except self.client.exceptions.ClientError as error:
            if error.response.get("Error", {}).get("Code") not in GONE:
                raise  # the store is away or forbids: that says nothing about the evidence
            raise NotFound(f"pack {name} cannot be read from bucket {self.bucket}: {error}") from error
        content: bytes = answer["Body"].read()
        if len(content) != length:
            raise NotFound(f"pack {name} ends before byte {offset + length}")
        return content

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def names(self) -> Iterator[str]:
        start = f"{self.prefix}/" if self.prefix else ""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start):
            for item in page.get("Contents", ()):
                if item["Key"].endswith(".pack"):
                    yield item["Key"].removeprefix(start)


def sync_directory(directory: Path) -> None:
    """Make a rename or a new name in ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_store(address: str, default: Path) -> Store:
    """The store that ``address`` names: empty for ``default``, a path, or ``s3://bucket/prefix?endpoint=URL``."""
    if not address:
        return LocalStore(default)
    split = urlsplit(address)
    if split.scheme == "s3" and split.netloc:
        endpoint = dict(part.split("=", 1) for part in split.query.split("&") if "=" in part).get("endpoint")
        return S3Store(split.netloc, split.path, endpoint)
    if split.scheme in {"", "file"} and split.path.startswith("/"):
        return LocalStore(Path(split.path))
    raise InputError(Problem("TIPSTAFF_EVIDENCE_STORE", f"{address!r} is no store", "a directory or s3://bucket/prefix"))


def configured() -> Store:
    """The store of this instance."""
    return open_store(settings.EVIDENCE_STORE, settings.STATE / "evidence")
