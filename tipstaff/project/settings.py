"""Django's settings. What an operator may change comes from tipstaff.project.environment."""

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tipstaff.project import connections, environment

PACKAGE = Path(__file__).resolve().parent.parent
STATE = environment.state_directory()


def _secret_key() -> str:
    """The instance's key; a program that runs before the state exists gets a key of its own, which signs nothing."""
    kept = STATE / "secret.key"
    return environment.get("secret_key") or (kept.read_text() if kept.exists() else secrets.token_urlsafe(50))


def _is_app(dotted: str) -> bool:
    return PACKAGE.joinpath(*dotted.split(".")[1:], "apps.py").exists()


SECRET_KEY = _secret_key()
DEBUG = environment.flag("debug")

LISTEN = environment.address("listen") or ("127.0.0.1", 8700)
PUBLIC_URL = environment.get("public_url") or f"http://{LISTEN[0]}:{LISTEN[1]}"
_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    _public.hostname or "localhost",
    *filter(None, (host.strip() for host in environment.get("allowed_hosts").split(","))),
]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]

OUR_APPS = [
    name
    for name in (
        "tipstaff.kernel",
        "tipstaff.audit",
        "tipstaff.accounts",
        "tipstaff.policy",
        "tipstaff.evidence",
        "tipstaff.correspondence",
        "tipstaff.consent",
        "tipstaff.attribution",
        "tipstaff.sensors.traffic",
        "tipstaff.intake",
        "tipstaff.reports",
        "tipstaff.cases",
        "tipstaff.enforcement",
        "tipstaff.pipeline",
        "tipstaff.faces.api",
        "tipstaff.faces.public",
        "tipstaff.faces.portal",
        "tipstaff.faces.desk",
    )
    if _is_app(name)
]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    # Exclusion constraints with operator classes are written only when this app is installed.
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    *OUR_APPS,
]
if "tipstaff.accounts" in INSTALLED_APPS:
    AUTH_USER_MODEL = "accounts.StaffMember"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tipstaff.project.security.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tipstaff.faces.desk.lifetimes.SessionLifetimes",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "tipstaff.project.urls"
WSGI_APPLICATION = "tipstaff.project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {"default": connections.django_settings(connections.current_url())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
# What all faces look like stands beside them; each face's own files stand in its package.
STATICFILES_DIRS = [("look", Path(__file__).resolve().parents[1] / "faces" / "look")]
# Served straight from the packages: an installed wheel needs no collecting step.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

_HTTPS = _public.scheme == "https"
SESSION_HOURS = environment.number("session_hours")
SESSION_IDLE_MINUTES = environment.number("session_idle_minutes")
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "tipstaff.project.missing.stale"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = _HTTPS
# Two instances on one host differ in the port only, which cookies ignore: each gets names of its own.
SESSION_COOKIE_NAME = f"tipstaff_session_{LISTEN[1]}"
CSRF_COOKIE_NAME = f"tipstaff_csrf_{LISTEN[1]}"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

OPERATOR_NAME = environment.get("operator_name")
SECURITY_CONTACT = environment.get("security_contact")
SHADOW = environment.flag("shadow")  # nothing leaves and nothing is enforced, whatever else is switched on
SENDING = environment.sending() == "on"
LOCAL_OUTBOX = environment.sending() == "local"  # delivered to files on this machine, and to nobody
MAIL_FROM = environment.get("mail_from")
MAIL_PLUS = "" if environment.get("mail_plus") == "none" else environment.get("mail_plus")
MAIL_ACKNOWLEDGES = environment.flag("mail_acknowledges")
REPORTER_DUTIES = frozenset(filter(None, (duty.strip() for duty in environment.get("reporter_duties").split(","))))
REPORTER_WARNING = {
    "wrong": environment.number("reporter_warning_reports"),
    "percent": environment.number("reporter_warning_percent"),
    "days": environment.number("reporter_warning_days"),
}
MAIL_CAPS = {"hour": environment.number("mail_per_hour"), "recipient": environment.number("mail_per_recipient")}
SMARTHOST = environment.smarthost()
SECOND_FACTOR_ROLES = environment.words("second_factor_roles")
SECOND_FACTOR_GRACE_DAYS = environment.number("second_factor_grace_days")
PASSWORD_SIGN_IN = environment.flag("password_sign_in")
SINGLE_SIGN_ON = environment.single_sign_on()
DEVICE_COOKIE_NAME = f"tipstaff_device_{LISTEN[1]}"
SPOOL = STATE / "spool"
MAIL_LISTENERS = environment.mail_listeners()
NEVER_TEST = environment.networks("never_test")
PRIVATE_ALERT_HOSTS = frozenset(host.lower() for host in environment.words("private_alert_hosts"))
PROBE_HOLD_MINUTES = environment.number("probe_hold_minutes")
FLOWS: dict[str, Any] = {
    "listen": environment.flow_listeners(),
    "hosts": environment.number("flow_hosts"),
    "archive": {
        "keep_hours": environment.number("flow_keep_days") * 24,
        "keep_minutes_hours": environment.number("flow_minutes_days") * 24,
        "keep_coarse_hours": environment.number("flow_hours_days") * 24,
        "most_bytes": environment.number("flow_keep_bytes"),
    },
    "clickhouse": {
        "url": environment.get("flow_clickhouse_url"),
        "database": environment.get("flow_clickhouse_database"),
        "cluster": environment.get("flow_clickhouse_cluster"),
    },
    "nfdump": environment.get("flow_nfdump"),
    "nfdump_rate": environment.number("flow_nfdump_rate"),
    "table": environment.get("flow_table"),
}
RDAP = environment.flag("rdap")
CREDENTIAL = environment.credential  # a function: what a source's settings name is looked up when it is used
EVIDENCE_STORE = environment.get("evidence_store")
EVIDENCE_KEY = environment.get("evidence_key")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "tipstaff.project.logs.Veiled", "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"tipstaff": {"level": "INFO"}},
}
