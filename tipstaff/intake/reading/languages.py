"""Which of the eleven languages a letter is written in, from its commonest words; enough to know who writes the day first."""

import re
from collections import Counter

from tipstaff.intake.reading.phrases import fold

_COMMON = {
    "en": "the and of to is your our from this that you we please have are with has",
    "de": "der die und von ihr ihre ihrer unser unseren bitte auf wir ist nicht mit eine dem den sie ich",
    "fr": "le la les de des votre notre nous et une merci vous est depuis sur pour bonjour",
    "es": "el los las de que su nuestro nuestra y una por se del desde está señores hemos",
    "it": "il gli di che vostro nostro della dal dall è una per si vi abbiamo sono",
    "nl": "de het een van uw onze en wij is op graag niet dat geachte wordt worden vanaf",
    "pl": "z na do i w nasz proszę się jest państwa prosimy oraz przez naszego dzień adresu",
    "pt": "o os do da em de que seu nosso nossa e uma por para está não foi favor prezados",
    "ru": "и на с в не что вашего наш просим от по мы из это адреса сервер",
}
_WORDS = {
    word: [code for code, words in _COMMON.items() if word in words.split()] for words in _COMMON.values() for word in words.split()
}
_KANA, _HAN = re.compile("[\u3040-\u30ff]"), re.compile("[\u4e00-\u9fff]")
#: Languages whose writers put the day before the month.
DAY_FIRST = frozenset(("de", "fr", "es", "it", "nl", "pl", "pt", "ru"))


def language_of(text: str) -> str | None:
    """'en', 'de' … or None where the text says too little."""
    sample = fold(text)[:6_000]  # the whole letter is folded already
    if not sample.isascii():
        if len(_KANA.findall(sample)) > 3:
            return "ja"
        if len(_HAN.findall(sample)) > 5:
            return "zh"
    votes: Counter[str] = Counter()
    counts = Counter(filter(_WORDS.__contains__, sample.replace(",", " ").replace(".", " ").replace("'", " ").split()))
    for word, count in counts.items():
        for code in _WORDS[word]:
            votes[code] += count
    best = votes.most_common(2)
    if not best or best[0][1] < 2 or (len(best) > 1 and best[0][1] == best[1][1]):
        return None
    return best[0][0]
