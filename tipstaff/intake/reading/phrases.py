"""Finding many phrases of many languages in one pass (Aho-Corasick), on word boundaries.

A phrase is written in lower case; ``*`` at the end of a word lets the word go on there (``scann*``, ``gefälschte* shop*``), at the
beginning of the phrase it may begin earlier (``*angriff``).
Chinese, Japanese and other scripts without spaces need no boundary.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from ahocorasick_rs import AhoCorasick, BytesAhoCorasick, Implementation, MatchKind

MAX_TEXT = 200_000  # characters that are ever searched
MAX_HITS = 10_000  # occurrences in one text that are kept
FEW = 2_000  # phrases up to which the fastest automaton is worth its memory (3 MB at that number)
LONG = 400  # characters from which on the answer for a text is remembered for a while
_SAME = {
    ord(a): b
    for a, b in zip(
        "\u2019\u2018\u00b4`\u201c\u201d\u00ab\u00bb\u2013\u2014\u00a0\u3000\n\t\u2010\u2011", "''''\"\"\"\"--    --", strict=True
    )
}


#: Traditional characters as simplified ones: the lists are written in either, and both sides are folded.
_TRADITIONAL = (
    "貴們請處惡蟲擊機網掃軟體賬戶號碼誤導詐騙務頁業顯權盜賣發見報單舉給來時間測試連線結檢視現實對異資訊這還過進遠遊會場內閱讀"
    "爲為從後據證書設備嘗斷獲無說話馬關閉聯繫繼續廣郵傳輸偽裝釣魚銀驗問題詢帳買標誌識區經電腦風險擾騷隱護損夠麼層個員團圖執壞"
    "壓學寫將專屬師幾應廠強復態總條樣極檔毀氣沒濫災點狀獎環當療盤監禮種稱積競籌級紅純維編縮緊織繳聲聽職腳藥蘭術衝補製複規覺觀"
    "計訂託記許訴診詞該詳認誘語調談論諾謝謊變負財責貨貼費賊賓賠質購贓趕較載輕輪輯農違遞適選遺釋針鎖錄錢錯鍵長門開隊陽階隨雙難"
    "雲響項順須領頭頻類顧飛飯館駭驅驟髒鬥齊龍佔佈併倉倫偉偵傷傾僅價儀億優儲兒冊凍別刪剛創劃劇劑勁動勞勢勝匯協參"
)
_SIMPLIFIED = (
    "贵们请处恶虫击机网扫软体账户号码误导诈骗务页业显权盗卖发见报单举给来时间测试连线结检视现实对异资讯这还过进远游会场内阅读"
    "为为从后据证书设备尝断获无说话马关闭联系继续广邮传输伪装钓鱼银验问题询帐买标志识区经电脑风险扰骚隐护损够么层个员团图执坏"
    "压学写将专属师几应厂强复态总条样极档毁气没滥灾点状奖环当疗盘监礼种称积竞筹级红纯维编缩紧织缴声听职脚药兰术冲补制复规觉观"
    "计订托记许诉诊词该详认诱语调谈论诺谢谎变负财责货贴费贼宾赔质购赃赶较载轻轮辑农违递适选遗释针锁录钱错键长门开队阳阶随双难"
    "云响项顺须领头频类顾飞饭馆骇驱骤脏斗齐龙占布并仓伦伟侦伤倾仅价仪亿优储儿册冻别删刚创划剧剂劲动劳势胜汇协参"
)
_SAME |= {ord(a): b for a, b in zip(_TRADITIONAL, _SIMPLIFIED, strict=True)}

_SAME_ASCII = bytes(ord(_SAME.get(ord(low), low)) if (low := chr(byte).lower()) and byte < 128 else byte for byte in range(256))


class Hit(NamedTuple):
    """``text[start:end]`` is an occurrence of ``phrase``; ``value`` is what the index keeps for it."""

    start: int
    end: int
    phrase: str
    value: Any


def fold(text: str) -> str:
    """Lower case with plain quotes, dashes and blanks, of the same length, so that positions stay true."""
    return _fold(text[:MAX_TEXT]) if len(text) < LONG else _fold_once(text[:MAX_TEXT])


def _fold(text: str) -> str:
    if text.isascii():
        return text.encode().translate(_SAME_ASCII).decode()
    low = text.lower()
    if len(low) != len(text):  # 'İ' becomes two characters
        low = "".join(one if len(one := c.lower()) == 1 else c for c in text)
    return low.translate(_SAME)


_fold_once = lru_cache(maxsize=8)(_fold)  # several readers ask for the same letter


class _Phrase(NamedTuple):
    """A phrase without its ``*`` and what is kept for it: (may begin earlier, may go on, what follows, value) each."""

    text: str
    starts_spaced: bool
    ends_spaced: bool
    must_begin: bool  # no entry may begin earlier
    must_end: bool  # no entry may go on, nor has a tail
    entries: list[tuple[bool, bool, tuple[str, ...], Any]]


def _phrase(text: str, entries: list[tuple[bool, bool, tuple[str, ...], Any]]) -> _Phrase:
    begins = not any(open_left for open_left, _, _, _ in entries)
    ends = not any(open_right or tail for _, open_right, tail, _ in entries)
    return _Phrase(text, _is_spaced(text[0]), _is_spaced(text[-1]), begins, ends, entries)


class PhraseIndex:
    """An immutable set of phrases with a value each; equal phrases may stand more than once."""

    def __init__(self, entries: Iterable[tuple[str, Any]]) -> None:
        values: dict[str, list[tuple[bool, bool, tuple[str, ...], Any]]] = {}
        for phrase, value in entries:
            core, *tail = fold(phrase.strip("*")).split("*")
            if core.strip():
                values.setdefault(core, []).append((phrase.startswith("*"), phrase.endswith("*"), tuple(tail), value))
        self._phrases = [_phrase(*item) for item in values.items()]

    def find(self, text: str, *, folded: bool = False, limit: int = MAX_HITS) -> list[Hit]:
        """Every occurrence, overlapping ones too, in reading order; ``folded`` says that ``text`` went through ``fold``."""
        if not text or not self._phrases:
            return []
        text = text if folded else fold(text)
        return list(_find_once(self, text, limit)) if len(text) >= LONG else self._find(text, limit)

    def _find(self, text: str, limit: int) -> list[Hit]:
        hits: list[Hit] = []
        length, words = len(text), _WORDS
        for phrase, start, end in self._in_ascii(text) if text.isascii() else self._in_any(text):
            core, starts_spaced, ends_spaced, must_begin, must_end, entries = phrase
            goes_left = starts_spaced and start > 0 and text[start - 1] in words
            if goes_left and must_begin:
                continue
            goes_right = ends_spaced and end < length and text[end] in words
            if goes_right and must_end:
                continue
            for open_left, open_right, tail, value in entries:
                stop = _after_tail(text, end, tail) if tail else end
                goes_on = _goes_on_right(text, stop) if tail else goes_right
                if stop and (open_left or not goes_left) and (open_right or not goes_on):
                    hits.append(Hit(start, stop, core, value))
            if len(hits) >= limit:
                break
        hits.sort(key=_order)
        return hits

    def _in_any(self, text: str) -> Iterator[tuple[_Phrase, int, int]]:
        phrases = self._phrases
        for number, start, end in self._everywhere.find_matches_as_indexes(text, overlapping=True):
            yield phrases[number], start, end

    @cached_property
    def _everywhere(self) -> AhoCorasick:
        return AhoCorasick([phrase.text for phrase in self._phrases], matchkind=MatchKind.Standard)

    def _in_ascii(self, text: str) -> Iterator[tuple[_Phrase, int, int]]:
        """In a copy of the text that has blanks between words and around: short words inside longer ones are no matches there."""
        automaton, phrases = self._between_blanks
        if automaton is None:
            return
        for number, start, _ in automaton.find_matches_as_indexes(b" %b " % text.encode().translate(_BLANKED), overlapping=True):
            phrase, shift = phrases[number]
            start += shift
            end = start + len(phrase.text)
            if text.startswith(phrase.text, start):
                yield phrase, start, end

    def in_ascii(self) -> Iterator[tuple[bytes, list[Any]]]:
        """What each phrase of ASCII cannot be in a text without, as it stands there once it is ``blanked``, and its values."""
        for phrase in self._phrases:
            if phrase.text.isascii():
                yield _between(phrase)[1], [entry[-1] for entry in phrase.entries]

    @cached_property
    def _between_blanks(self) -> tuple[BytesAhoCorasick | None, list[tuple[_Phrase, int]]]:
        """The ASCII phrases with blanks where a word must begin or end, and where each begins behind its match's begin."""
        phrases, patterns = [], []
        for phrase in self._phrases:
            if phrase.text.isascii():
                before, text = _between(phrase)
                patterns.append(text)
                phrases.append((phrase, before - 1))
        kind = Implementation.DFA if len(patterns) <= FEW else None
        return (BytesAhoCorasick(patterns, matchkind=MatchKind.Standard, implementation=kind) if patterns else None), phrases


def _between(phrase: _Phrase) -> tuple[bool, bytes]:
    """Whether a word must begin with the phrase, and the phrase with blanks where one must begin or end."""
    before, behind = phrase.starts_spaced and phrase.must_begin, phrase.ends_spaced and phrase.must_end
    return before, b"%b%b%b" % (b" " * before, phrase.text.encode().translate(_BLANKED), b" " * behind)


def blanked(text: bytes) -> bytes:
    """ASCII in lower case with a blank for whatever is in no word, and one around: where ``in_ascii`` finds its phrases."""
    return b" %b " % text.translate(_LOW_BLANKED)


@lru_cache(maxsize=12)
def _find_once(index: PhraseIndex, text: str, limit: int) -> list[Hit]:
    return index._find(text, limit)


def _order(hit: Hit) -> tuple[int, int]:
    return hit[0], -hit[1]


def _after_tail(text: str, end: int, tail: tuple[str, ...]) -> int:
    """Where the rest of a phrase ends whose words may go on (``tentativ* di accesso``), or 0 where it does not follow."""
    for piece in tail:
        limit = min(len(text), end + 12)
        while end < limit and _is_spaced(text[end]):
            end += 1
        if not text.startswith(piece, end):
            return 0
        end += len(piece)
    return end


def _is_spaced(c: str) -> bool:
    """Whether ``c`` belongs to a script that sets words apart with blanks (Latin, Greek, Cyrillic and the like)."""
    return c.isalnum() and c < "\u0e00"


#: Characters that a word before or behind them goes on with.
_WORDS = frozenset(c for c in map(chr, range(0xE00)) if c.isalnum()) | {"_"}
#: ASCII with a blank for everything that is in no word.
_BLANKED = bytes(byte if chr(byte) in _WORDS else 32 for byte in range(256))
#: The same of ``fold``ed text.
_LOW_BLANKED = _SAME_ASCII.translate(_BLANKED)


def _goes_on_right(text: str, end: int) -> bool:
    return end < len(text) and _is_spaced(text[end - 1]) and (_is_spaced(text[end]) or text[end] == "_")


def ending_within(hits: list[Hit], low: int, high: int) -> list[Hit]:
    """Hits (sorted by end) with ``low < end <= high``."""
    return hits[bisect_right(hits, low, key=lambda hit: hit.end) : bisect_right(hits, high, key=lambda hit: hit.end)]


def starting_within(hits: list[Hit], low: int, high: int) -> list[Hit]:
    """Hits (sorted by start) with ``low <= start <= high``."""
    return hits[bisect_left(hits, low, key=lambda hit: hit.start) : bisect_right(hits, high, key=lambda hit: hit.start)]
