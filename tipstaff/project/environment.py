"""What the machine tells us: the only module that reads environment variables and the operator's settings file.

A value is looked for in the environment (``TIPSTAFF_…``), then in ``STATE/tipstaff.toml`` (same name, lower case,
without the prefix), then in the default below. Command-line flags set the environment before anything reads it.
"""

import os
import tomllib
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from tipstaff.kernel.errors import InputError, Problem

CUSTOMARY = ("database_url", "database_owner_url")  # every deployment tool knows these by these names


@dataclass(frozen=True)
class Option:
    """One thing an operator may set: its name, the default as text, what it means, and whether it is a secret."""

    name: str
    default: str
    meaning: str
    secret: bool = False

    @property
    def variable(self) -> str:
        return self.name.upper() if self.name in CUSTOMARY else f"TIPSTAFF_{self.name.upper()}"


OPTIONS = (
    Option("database_url", "", "PostgreSQL for the application's role; empty: the embedded database", secret=True),
    Option("database_owner_url", "", "the same database for the owner's role, which migrates", secret=True),
    Option("database_role", "app", "which of the two roles this program connects as: app or owner"),
    Option("secret_key", "", "signs sessions and links; empty: STATE/secret.key", secret=True),
    Option("listen", "127.0.0.1:8700", "where the web server listens"),
    Option("public_url", "", "how people reach the web server, for links and cookies; empty: http:// and `listen`"),
    Option("operator_name", "", "the provider's name, as customers and reporters read it"),
    Option("security_contact", "", "mail address or URL for /.well-known/security.txt; empty: none is published"),
    Option("allowed_hosts", "", "more host names the web answers to, separated by commas"),
    Option("proxies", "", "addresses of the proxies before the web server, whose X-Forwarded-For is believed, with commas"),
    Option("web_threads", "4", "threads of the web server that make pages, each with a connection to the database"),
    Option("workers", "1", "pipeline workers that `tipstaff up` starts"),
    Option("smtp_listen", "127.0.0.1:8725", "where the mail intake listens; `off` for none"),
    Option("lmtp_listen", "off", "where the mail intake takes LMTP: HOST:PORT, a path of a Unix socket, or `off`"),
    Option("smtp_recipients", "", "addresses and domains that mail is taken for, separated by commas"),
    Option("smtp_hostname", "", "the name the mail intake greets with; empty: this host's"),
    Option("smtp_max_bytes", "50000000", "largest mail that is taken"),
    Option("smtp_certificate", "", "PEM file with the certificate chain for STARTTLS; empty: none is offered"),
    Option("smtp_key", "", "PEM file with its private key; empty: in the same file"),
    Option(
        "rdap", "off", "whether the address registries are asked for the abuse contact of addresses that are not ours: on or off"
    ),
    Option("shadow", "off", "beside another desk, on a copy of its mail: nothing leaves, nothing is enforced: on or off"),
    Option("sending", "off", "where mail goes: on (to the smarthost), off (it waits) or local (to files; nothing leaves)"),
    Option("mail_from", "", "the address our mail comes from; empty: the published policy's intake address"),
    Option("mail_plus", "+", "sign before the token in our addresses (abuse+4312-…); `none` where the mailbox takes no such mail"),
    Option("mail_acknowledges", "off", "whether an authenticated contact's reply by mail acknowledges the ticket: on or off"),
    Option("mail_per_hour", "2000", "messages that leave in an hour, at most"),
    Option("mail_per_recipient", "20", "messages to one address in an hour, at most; emergencies are exempt"),
    Option("reporter_duties", "dmca", "duties of law towards reporters beyond the policy: dmca, dsa, both by comma, none"),
    Option("reporter_warning_reports", "5", "wrong reports of one reporter after which a warning is proposed; 0: never"),
    Option("reporter_warning_percent", "50", "the share of a reporter's decided reports that must have been wrong for it"),
    Option("reporter_warning_days", "30", "the days that are looked back on for it"),
    Option("smarthost", "", "HOST:PORT of the mail server that takes our mail, usually port 587 or 465"),
    Option("smarthost_tls", "starttls", "starttls (refused without it), tls from the first byte on, or off"),
    Option("smarthost_user", "", "name to log in with; empty: no login"),
    Option("smarthost_password", "", "its password", secret=True),
    Option("smarthost_ca", "", "PEM file with the authority of the smarthost's certificate; empty: the system's"),
    Option("private_alert_hosts", "", "hosts of private networks that alerts may be sent to, with commas"),
    Option("intake", "on", "whether `tipstaff up` starts the intake (SMTP, IMAP, pulls): on or off"),
    Option("flow_listen", "", "where flow statistics are received: HOST:PORT, several separated by commas; empty: nowhere"),
    Option("flow_hosts", "1000000", "active addresses of ours that flow statistics are counted for"),
    Option("flow_keep_days", "30", "days that single flows are kept; then they are summed up by the minute"),
    Option("never_test", "", "addresses and prefixes of ours that retests never touch, with commas"),
    Option("probe_hold_minutes", "15", "minutes until an emergency block is lifted to see whether the attack goes on; 0: never"),
    Option("flow_keep_bytes", "0", "most bytes of the flow archive, beyond which the oldest is summed up early; 0: no limit"),
    Option("flow_minutes_days", "180", "days that sums by the minute are kept; then they are summed up by the hour"),
    Option("flow_hours_days", "730", "days that sums by the hour are kept"),
    Option("flow_clickhouse_url", "", "ClickHouse that keeps the flows instead: http(s)://user:password@host:8123", secret=True),
    Option("flow_clickhouse_database", "tipstaff", "its database"),
    Option("flow_clickhouse_cluster", "", "its cluster, where there is more than one server; empty: one server"),
    Option("flow_nfdump", "", "folder of nfdump files of another collector, asked for corroboration; empty: none"),
    Option("flow_nfdump_rate", "0", "their sampling rate, 1 in so many, which they do not tell; 0: not known"),
    Option("flow_table", "", "TOML file that describes a table of flows on somebody's ClickHouse, asked for corroboration"),
    Option("patience", "60", "seconds a part waits for the database and its tables when it starts"),
    Option("debug", "", "show tracebacks in the browser; never on a machine others can reach"),
    Option("second_factor_roles", "all", "roles that need a second factor, separated by commas; `all`, or empty for none"),
    Option("second_factor_grace_days", "14", "days from the first sign-in until a second factor must be set up"),
    Option("session_hours", "12", "hours after which a member of staff signs in again, whatever they do"),
    Option("session_idle_minutes", "120", "minutes without a page after which they sign in again"),
    Option("password_sign_in", "on", "whether staff may sign in by password or passkey; off where single sign-on is all"),
    Option("oidc_issuer", "", "issuer of the identity provider for single sign-on (OpenID Connect); empty: there is none"),
    Option("oidc_client_id", "", "our client's name there"),
    Option("oidc_client_secret", "", "our client's secret there", secret=True),
    Option("oidc_claim", "groups", "the claim that says which groups or roles somebody has there"),
    Option("oidc_roles", "", "what they give here: `GROUP=ROLE+ROLE`, separated by commas"),
    Option("oidc_username_claim", "preferred_username", "the claim that names somebody's account here"),
    Option("oidc_scopes", "openid profile email", "what is asked of the provider"),
    Option("oidc_second_factor", "provider", "who sees to the second factor after single sign-on: `provider`, or `own`"),
    Option("evidence_store", "", "where evidence is kept: empty for STATE/evidence, or s3://bucket/prefix"),
    Option("evidence_key", "", "key that wraps the evidence keys; empty: STATE/evidence.key", secret=True),
)
_BY_NAME = {option.name: option for option in OPTIONS}


def state_directory() -> Path:
    """Where this instance keeps everything; root gets /var/lib, because the database may not run as root.

    ``TIPSTAFF_STATE`` decides; otherwise the data directory of the XDG base directory specification.
    """
    if chosen := os.environ.get("TIPSTAFF_STATE"):
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/tipstaff")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base).absolute() / "tipstaff"


@cache
def _settings_file(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        with path.open("rb") as handle:
            found = tomllib.load(handle)
    except tomllib.TOMLDecodeError as error:
        raise InputError(Problem(str(path), f"is not valid TOML: {error}", "correct the file")) from error
    problems = [
        Problem(f"{path}: {name}", "is not a setting", f"known are {', '.join(sorted(_BY_NAME))}")
        for name in found
        if name not in _BY_NAME
    ]
    if problems:
        raise InputError(problems)
    return {name: str(value) for name, value in found.items()}


def get(name: str) -> str:
    """The value of the option ``name`` (one of OPTIONS) as text."""
    option = _BY_NAME[name]
    if (value := os.environ.get(option.variable)) is not None:
        return value
    return _settings_file(state_directory() / "tipstaff.toml").get(name, option.default)


def number(name: str) -> int:
    """The value of the option ``name`` as a whole number."""
    text = get(name)
    if not text.isdecimal():
        raise InputError(Problem(_BY_NAME[name].variable, f"{text!r} is not a whole number", "give digits only"))
    return int(text)


def flag(name: str) -> bool:
    """Whether the option ``name`` is switched on."""
    return get(name).strip().lower() in {"1", "on", "true", "yes"}


def sending() -> str:
    """'on', 'off', or 'local': delivered to files on this machine."""
    said = get("sending").strip().lower()
    if said not in {"on", "off", "local", "", "0", "1", "true", "yes", "false", "no"}:
        raise InputError(Problem("TIPSTAFF_SENDING", f"{said!r} is not known", "write on, off or local"))
    return "local" if said == "local" else "on" if flag("sending") else "off"


def words(name: str) -> tuple[str, ...]:
    """The words of the option ``name``, which commas separate."""
    return tuple(filter(None, (one.strip() for one in get(name).split(","))))


def networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """The addresses and prefixes of the option ``name``. Raises InputError naming the one that is none."""
    found = []
    for text in words(name):
        try:
            found.append(ip_network(text))
        except ValueError as error:
            raise InputError(Problem(_BY_NAME[name].variable, f"{text!r} is no prefix: {error}", "such as 192.0.2.0/28")) from error
    return tuple(found)


def single_sign_on() -> dict[str, str]:
    """What the operator set of the identity provider (the fields of tipstaff.accounts.single_sign_on.Provider, as text)."""
    names = ("issuer", "client_id", "client_secret", "claim", "roles", "username_claim", "scopes", "second_factor")
    return {name: get(f"oidc_{name}") for name in names} if get("oidc_issuer") else {}


def address(name: str) -> tuple[str, int] | None:
    """Host and port of a listening option, or None when it is ``off``. IPv6 hosts stand in brackets."""
    text = get(name).strip()
    if text.lower() in {"off", ""}:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise InputError(Problem(_BY_NAME[name].variable, f"{text!r} is no address", "write HOST:PORT, or off"))
    return host.strip("[]") or "127.0.0.1", int(port)


def flow_listeners() -> list[tuple[str, int]]:
    """Host and port of each socket for flow statistics."""
    found = []
    for text in filter(None, (one.strip() for one in get("flow_listen").split(","))):
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
            raise InputError(Problem("TIPSTAFF_FLOW_LISTEN", f"{text!r} is no address", "write HOST:PORT, separated by commas"))
        found.append((host.strip("[]") or "0.0.0.0", int(port)))  # noqa: S104 - an operator who names no host means all
    return found


def mail_listeners() -> list[dict[str, Any]]:
    """The fields of each listener of the mail intake (tipstaff.intake.sources.smtp.Listening)."""
    files = {name: Path(get(f"smtp_{name}")) for name in ("certificate", "key") if get(f"smtp_{name}")}
    common = {
        "recipients": tuple(filter(None, (one.strip() for one in get("smtp_recipients").split(",")))),
        "hostname": get("smtp_hostname"),
        "max_bytes": number("smtp_max_bytes"),
        **files,
    }
    found: list[dict[str, Any]] = []
    if smtp := address("smtp_listen"):
        found.append({"host": smtp[0], "port": smtp[1], **common})
    if get("lmtp_listen").startswith("/"):
        found.append({"path": Path(get("lmtp_listen")), "lmtp": True, **common})
    elif lmtp := address("lmtp_listen"):
        found.append({"host": lmtp[0], "port": lmtp[1], "lmtp": True, **common})
    return found


def smarthost() -> dict[str, Any] | None:
    """The fields of the mail server that takes our mail (tipstaff.correspondence.smarthost.Smarthost); None where none is set."""
    where = address("smarthost")
    if where is None:
        return None
    tls = get("smarthost_tls").strip().lower()
    if tls not in {"starttls", "tls", "off"}:
        raise InputError(Problem("TIPSTAFF_SMARTHOST_TLS", f"{tls!r} is not known", "write starttls, tls or off"))
    return {
        "host": where[0],
        "port": where[1],
        "tls": tls,
        "user": get("smarthost_user"),
        "password": get("smarthost_password"),
        "authority": Path(get("smarthost_ca")) if get("smarthost_ca") else None,
        "hostname": get("smtp_hostname"),
    }


def credential(variable: str) -> str:
    """A password or token that a source's settings name; the sources allow certain names only. Empty where not set."""
    return os.environ.get(variable, "")


def change(name: str, value: str) -> None:
    """Set an option for this program and its children: how a command-line flag wins over the environment."""
    os.environ[_BY_NAME[name].variable] = value


def choose_state(path: Path | str) -> None:
    """Make ``path`` the state directory of this program and its children."""
    os.environ["TIPSTAFF_STATE"] = str(Path(path).absolute())


#: How long the columns' allocator (jemalloc) keeps what is free: by itself it never gives back what the kernel has not asked for,
#: and a worker stays a third larger for all its life than it need be. Who has set another word keeps it.
ALLOCATOR = {"_RJEM_MALLOC_CONF": "dirty_decay_ms:100,muzzy_decay_ms:0"}


def for_children() -> dict[str, str]:
    """The environment that child programs inherit."""
    return ALLOCATOR | dict(os.environ)


def is_set(variable: str) -> bool:
    """Whether an environment variable that belongs to others (NO_COLOR, CI) has a value."""
    return bool(os.environ.get(variable))


def default_settings_module() -> None:
    """Name our settings to Django unless somebody named others."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tipstaff.project.settings")
