"""Check an export of Tipstaff's audit record. Needs Python 3.8 or newer and nothing else.

    python3 verify_audit.py DIRECTORY [HEADS.jsonl ...]

DIRECTORY holds audit.jsonl and manifest.json. HEADS.jsonl are heads that somebody kept elsewhere. What is hashed stands in
docs/audit.md; this file does that and no more, so that it can be read, or written anew, in an hour.
"""

import hashlib
import json
import sys
from pathlib import Path


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def check(directory, heads=()):
    """Yield every fault, in the order of the file."""
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    content = (directory / "audit.jsonl").read_bytes()
    if sha256(content) != manifest["sha256"]:
        yield "audit.jsonl is not the file that the manifest speaks of"
    number, before, kept = manifest["after"]["number"], manifest["after"]["chained"], dict(heads)
    if number == 0 and before != sha256(b"tipstaff-audit-chain-1"):
        yield "the chain does not begin at its beginning"
    for line, text in enumerate(content.decode("utf-8", "surrogatepass").split("\n")[:-1], 1):
        seal, number = json.loads(text), number + 1
        if seal["number"] != number:
            yield f"line {line}: number {seal['number']} stands where {number} is due"
            number = seal["number"]
        canonical = json.dumps(seal["entry"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if sha256(canonical.encode("utf-8", "surrogatepass")) != seal["digest"] or seal["entry"]["id"] != seal["entry_id"]:
            yield f"line {line}: entry {seal['entry_id']} is not what was sealed"
        if seal["previous"] != before:
            yield f"line {line}: does not hang on the seal before it"
        parts = [seal["number"], seal["entry_id"], seal["sealed_at"], seal["digest"], seal["previous"]]
        if sha256("".join(f"{part}\n" for part in parts).encode("ascii", "replace")) != seal["chained"]:
            yield f"line {line}: the seal's own sum is wrong"
        if kept.pop(seal["number"], seal["chained"]) != seal["chained"]:
            yield f"line {line}: a head kept elsewhere says otherwise"
        before = seal["chained"]
    if (number, before) != (manifest["head"]["number"], manifest["head"]["chained"]):
        yield f"ends at number {number}, the manifest says {manifest['head']['number']}"
    yield from (f"number {one} was kept elsewhere and is not here" for one in sorted(kept) if one > manifest["after"]["number"])


def main(arguments):
    heads = [json.loads(line) for name in arguments[1:] for line in Path(name).read_text().splitlines() if line.strip()]
    faults = list(check(Path(arguments[0]), [(one["number"], one["chained"]) for one in heads]))
    print(*(f"FAULT {fault}" for fault in faults), "NOT SOUND" if faults else "SOUND", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if sys.argv[1:] and not sys.argv[1].startswith("-") else __doc__)
