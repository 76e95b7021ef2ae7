"""The words and reporters that the operator added at the desk, and the corrections people made, joined with the package's."""

from functools import lru_cache

from tipstaff.intake.models import Correction, Keyword, ReporterProfile
from tipstaff.intake.reading.phrases import fold
from tipstaff.intake.vocabulary import load
from tipstaff.intake.vocabulary.load import Profile, Vocabulary, packaged

SURE = 2.0  # an operator's word decides by itself, as one of the package's surest does (classification.ENOUGH)

Word = tuple[str, str, str, float, bool]
Habit = tuple[str, str, str]
Correct = tuple[str, str]
REMEMBERED = 10_000  # corrections, the newest


def vocabulary() -> Vocabulary:
    """As of now. The same object, with its indexes, until somebody changes a word or a profile."""
    words = Keyword.objects.order_by("pk").values_list("text", "category", "language", "weight", "enabled")
    habits = ReporterProfile.objects.order_by("pk").values_list("domain", "category", "timezone")
    return joined(tuple(words), tuple(habits), _corrected())


def _corrected() -> tuple[Correct, ...]:
    """The category that a person last chose for each sender whose mail was read wrongly."""
    rows = Correction.objects.exclude(sender="").order_by("-at").values_list("sender", "after")[:REMEMBERED]
    chosen = {
        sender.lower(): after["category"] for sender, after in reversed(rows) if isinstance(after, dict) and after.get("category")
    }
    return tuple(sorted(chosen.items()))


@lru_cache(maxsize=2)
def joined(words: tuple[Word, ...], habits: tuple[Habit, ...], corrected: tuple[Correct, ...] = ()) -> Vocabulary:
    """The package's vocabulary with ``words`` (text, category, language, weight, enabled) and ``habits`` (domain, category, zone).

    A word that is switched off is taken from its category, in its language. An operator's profile goes before the
    package's for its domain; what the package knows of a hotline's seal and of machines that read no answer stays.
    """
    known = packaged()
    if not words and not habits and not corrected:
        return known
    off = {(fold(text), category, language) for text, category, language, _, enabled in words if not enabled}
    kept = [one for one in known.keywords if (fold(one.word.strip("*")), one.category, one.language) not in off]
    added = [
        load.Keyword(text, category, language, max(weight, SURE)) for text, category, language, weight, enabled in words if enabled
    ]
    return Vocabulary((*kept, *added), known.cues, (*known.profiles, *(_profile(known, *habit) for habit in habits)), corrected)


def _profile(known: Vocabulary, domain: str, category: str, zone: str) -> Profile:
    before = known.profile_of([domain])
    if before is None:
        return Profile(domain, (domain,), category or None, zone or None)
    subjects = () if category else before.subjects
    return Profile(domain, (domain,), category or before.category, zone or before.zone, subjects, before.sealed, before.automatic)
