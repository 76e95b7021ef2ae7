"""Words that rule questions out where a mail has none of them: what ``survey`` looks for. ASCII, in lower case.

A word may be cut short, never the other way round: whatever a parser asks for must have it in itself.
"""

#: By parser: what a mail that it claims cannot be without. A parser that is not here is asked about every mail.
FORMATS: dict[str, tuple[str, ...]] = {
    "abuse_ch": ("utc", "urlhaus_link", "ioc_type", ".ch"),
    "abuseipdb": ("reportdate", '"ipaddress"', "abuseipdb.com"),
    "acns": ("acns.net/acns", "movielabs.com/acns"),
    "blocklist_de": ("blocklist.de",),
    "cleanmx": ("clean-mx",),
    "cloudflare": ("cloudflare",),
    "cyscon": ("last_s", "first_seen", "csirt#"),
    "fastnetmon": ("attack direction:",),
    "iodef": ("iodef-document",),
    "google_safe_browsing": ("<notification_message",),
    "netcraft": ("netcraft",),
    "spamcop": ("spamcop",),
    "spamhaus": ("spamhaus",),
    "webiron": ("webiron",),
    "xarf": ('"xarf_version"', '"reporterinfo"'),
}
#: Parsers that claim no mail at all.
NOT_IN_MAIL = frozenset(("alertmanager", "flow_finding", "prometheus", "web_form"))

#: A field that every X-ARF report has.
X_ARF = ("reported-from", "report-id", "report-type", "source-type", "schema-url")
#: What shows a report's own structure.
STRUCTURE = ("<infringement", "xarf_version", '"xarf"', "report-type:", "reported-from:")
#: The beginning of the fields of ARF's report part.
FEEDBACK = "eedback-"
#: What an aggregate report of DMARC has.
AGGREGATE = ("<report_metadata", "<policy_published")
#: The letter is not what stands in the mail.
SIGNED = "-----begin pgp signed message-----"

ALL = (*X_ARF, *STRUCTURE, FEEDBACK, *AGGREGATE, SIGNED, *(word for words in FORMATS.values() for word in words))
