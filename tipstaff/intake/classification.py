"""Which category a report falls under: structure first, then the known reporter's profile, then keywords, else a person."""

from collections import defaultdict

from tipstaff.intake.drafts import ReportDraft
from tipstaff.intake.message import Message
from tipstaff.intake.reading.phrases import PhraseIndex, fold
from tipstaff.intake.vocabulary.load import Keyword, Profile, Vocabulary

#: A keyword's weight is multiplied by this where it stands in the subject.
SUBJECT = 2.0
#: The best category needs this much.
ENOUGH = 2.0


def classify(
    draft: ReportDraft, message: Message, profile: Profile | None, vocabulary: Vocabulary
) -> tuple[str | None, str | None]:
    """(category code of section L, where it came from) or (None, None) where a person must say.

    ``profile`` is that of the authenticated sender, or None.
    """
    if draft.category:
        return draft.category, draft.category_from or "structure"
    sender = (draft.reporter.email or "").lower()
    if draft.reporter.authenticated_as and sender in vocabulary.corrections:
        # Never "person": what somebody decided about another mail does not ticket this one unseen.
        return vocabulary.corrections[sender], f"correction of an earlier report by {sender}"
    if profile is not None:
        subject = fold(message.header("Subject"))
        for words, category in profile.subjects:
            if words in subject:
                return category, f"profile {profile.name}"
        if profile.category:
            return profile.category, f"profile {profile.name}"
    return by_keywords(
        message.header("Subject") or draft.subject or "", draft.description or message.letter, vocabulary.keyword_index
    )


def by_keywords(subject: str, letter: str, index: PhraseIndex) -> tuple[str | None, str | None]:
    """The category that the words of a subject and a letter speak for, with the strongest word and its language."""
    return strongest(*keyword_scores(subject, letter, index))


def strongest(scores: dict[str, float], best: dict[str, Keyword]) -> tuple[str | None, str | None]:
    """The category with the most points of ``keyword_scores``, where they are enough, and where it came from."""
    if not scores:
        return None, None
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    category, score = ranked[0]
    if score < ENOUGH:
        return None, None
    word = best[category]
    return category, f"keyword {word.word.strip('*')}" + (f" ({word.language})" if word.language else "")


def keyword_scores(subject: str, letter: str, index: PhraseIndex) -> tuple[dict[str, float], dict[str, Keyword]]:
    """Points per category and the strongest keyword of each. A word counts once, and its second half as much again."""
    scores: dict[str, float] = defaultdict(float)
    best: dict[str, tuple[float, Keyword]] = {}
    for text, factor in ((subject, SUBJECT), (letter, 1.0)):
        seen: dict[tuple[str, str], int] = defaultdict(int)
        last: dict[str, int] = {}
        for hit in _longest(index.find(text)):
            keyword: Keyword = hit.value
            if hit.start < last.get(keyword.category, -1):
                continue  # the same word in another language's list
            last[keyword.category] = hit.end
            seen[keyword.category, hit.phrase] += 1
            if seen[keyword.category, hit.phrase] > 3:
                continue
            points = keyword.weight * factor / (2 ** (seen[keyword.category, hit.phrase] - 1))
            scores[keyword.category] += points
            if points > best.get(keyword.category, (0.0, keyword))[0]:
                best[keyword.category] = (points, keyword)
    return dict(scores), {category: keyword for category, (_, keyword) in best.items()}


def _longest(hits):
    """Hits without those that lie inside a longer one of another category (``mail server`` inside ``mail server attack``)."""
    kept, end = [], -1
    for hit in hits:  # in order of start, longest first
        if hit.end > end:
            kept.append(hit)
            end = hit.end
        elif kept and hit.start == kept[-1].start and hit.end == kept[-1].end:
            kept.append(hit)
    return kept
