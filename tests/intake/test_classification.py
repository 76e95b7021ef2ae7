"""Structure, then the known reporter, then words; and the words as data that an operator may edit."""

import pytest

from tipstaff.intake.classification import by_keywords, classify
from tipstaff.intake.drafts import ReportDraft
from tipstaff.intake.message import Message
from tipstaff.intake.reading.phrases import PhraseIndex, fold
from tipstaff.intake.vocabulary.load import Profile, packaged, read_cues, read_keywords, read_profiles
from tipstaff.kernel.errors import InputError
from tipstaff.policy.categories import CATEGORIES


def mail(subject: str) -> Message:
    return Message(kind="mail", raw=b"", headers=[("Subject", subject)])


def test_structure_goes_before_the_profile_and_the_profile_before_words():
    profile = Profile("Rita's feed", ("rita.example",), "malware", subjects=(("shop", "fraud_site"),))
    words = packaged()
    assert classify(ReportDraft(format="x", category="c2"), mail("phishing"), profile, words) == ("c2", "structure")
    assert classify(ReportDraft(format="x"), mail("phishing"), profile, words) == ("malware", "profile Rita's feed")
    assert classify(ReportDraft(format="x"), mail("Fake shop"), profile, words) == ("fraud_site", "profile Rita's feed")
    category, source = classify(ReportDraft(format="x", description="a phishing page"), mail("Hello"), None, words)
    assert category == "phishing" and source.startswith("keyword phishing")
    assert classify(ReportDraft(format="x", description="nothing at all"), mail("Hello"), None, words) == (None, None)


@pytest.mark.parametrize(
    ("letter", "category"),
    [
        ("SSH brute force", "intrusion"),
        ("open DNS resolver", "open_relay"),
        ("comment spam on our blog", "spam_support"),
        ("Portscan", "scan"),
        ("death threats", "threat_life"),
        ("gefälschte Banking-Seite, Phishing", "phishing"),
        ("attaque par déni de service", "ddos_origin"),
        ("correo no deseado", "spam"),
        ("tentativi di accesso abusivo", "intrusion"),
        ("nepwebwinkel", "fraud_site"),
        ("naruszenie praw autorskich", "copyright"),
        ("varredura de portas", "scan"),
        ("рассылает спам", "spam"),
        ("暴力破解", "intrusion"),
        ("不正アクセス", "intrusion"),
    ],
)
def test_words_of_many_languages(letter, category):
    assert by_keywords("", letter, packaged().keyword_index)[0] == category


def test_every_keyword_has_a_category_of_the_policy():
    assert {keyword.category for keyword in packaged().keywords} <= set(CATEGORIES)
    assert {profile.category for profile in packaged().profiles if profile.category} <= set(CATEGORIES)


def test_a_profile_counts_for_subdomains_and_not_for_lookalikes():
    words = packaged()
    assert words.profile_of(["mail.netcraft.com"]).name == "Netcraft"
    assert words.profile_of(["notnetcraft.com", "netcraft.com.example"]) is None


def test_words_have_boundaries_and_stems():
    index = PhraseIndex([("scan*", 1), ("ip", 2), ("攻撃", 3), ("*angriff*", 4), ("gefälschte* shop*", 5)])
    assert [hit.value for hit in index.find("Scanning an IP; shipping; 不正攻撃です; DDoS-Angriffe; gefälschter Shops")] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert len(fold("İstanbul’s\nServer")) == len("İstanbul’s\nServer")


@pytest.mark.parametrize(
    ("reader", "text", "named"),
    [
        (read_keywords, "[[keyword]]\nwords = ['a']\n", r"\[\[keyword\]\] 1.*category"),
        (read_cues, "[[phrase]]\nkind = 'x'\nwords = 'a'\n", "not a list"),
        (read_profiles, "[[reporter]\n", "not TOML"),
        (read_profiles, "[[reporter]]\nname = 'x'\n", "domains"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(reader, text, named):
    with pytest.raises(InputError, match=named):
        reader(text)
