"""The benchmarks of acceptance and of XARF, small: that they measure what they say, not how fast this machine is."""

from tipstaff.intake.parsers import xarf
from tipstaff.project.bench import smtp
from tipstaff.project.bench import xarf as documents


def test_every_mail_of_the_smtp_benchmark_is_on_the_disk() -> None:
    measured = smtp.run(rows=80)
    assert measured["mails"] == measured["on_disk"] == 80
    assert measured["mails_per_s"] > 0 and 6000 < measured["bytes_per_mail"] < 8000


def test_every_document_of_the_xarf_benchmark_is_valid_and_different() -> None:
    measured = documents.run(rows=1000)
    assert measured["documents"] == 1000 and measured["documents_per_s"] > 0
    drafts = [xarf.read_document(documents.document(number))[0] for number in range(60)]
    assert len({draft.external_id for draft in drafts if draft}) == 60
    assert {draft.report_type for draft in drafts if draft} == {kind["type"] for kind in documents.KINDS}
