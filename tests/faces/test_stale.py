"""A form whose proof is missing is refused in the words of the face that it belongs to, on a page of ours."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("address", "language", "said"),
    [
        ("/login/", "de", "You signed in or out since this page was loaded"),
        ("/cases/1/write/", "de", "Load the page again, then send it."),
        ("/my/sign-in/", "en", "proof that this form is yours"),
        ("/status/", "de", "Diese Seite war zu lange offen"),
        ("/status/", "fr", "cette page est restée ouverte trop longtemps"),
    ],
)
def test_a_form_without_its_proof_is_refused_on_a_page_of_ours(address: str, language: str, said: str) -> None:
    answer = Client(enforce_csrf_checks=True, headers={"accept-language": language}).post(address, {"text": "x"})
    page = answer.content.decode()
    assert answer.status_code == 403 and said in page
    assert "CSRF" not in page and "<style" not in page
