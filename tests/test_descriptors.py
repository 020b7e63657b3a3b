"""Clean descriptors, measured: what is seeded goes, what a medical text says stays."""

from __future__ import annotations

import pytest

import builders
import identifying
from dicomveil.descriptors import clean_description


@pytest.mark.parametrize("kind", identifying.seeds())
def test_what_is_seeded_goes(kind: str) -> None:
    """Of each kind of identifier every one goes, from every description, in front, behind and amid."""
    gone, total = identifying.recall(kind)
    assert total > 100
    assert gone == total


def test_recall_can_be_less_than_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measure sees what a cleaner without a vocabulary would leave."""
    monkeypatch.setattr(identifying, "clean_description", lambda text: text)
    for kind in identifying.seeds():
        gone, total = identifying.recall(kind)
        assert gone < total / 10


def test_what_is_medical_stays() -> None:
    """Every word of ordinary descriptions stays."""
    for text in identifying.TEXTS:
        assert len(clean_description(text).split()) == len(text.replace("_", " ").split())


@pytest.mark.skipif(not builders.CORPUS.exists(), reason="../shared/corpus is not here")
def test_descriptions_of_real_files() -> None:
    """Most words of the corpus' descriptions stay, and hardly one is a name or an ID of its own file."""
    measured = identifying.kept_of_corpus()
    assert measured.texts > 200
    assert measured.kept > 0.7 * measured.words
    assert measured.identifying <= 0.01 * measured.kept


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("CT CHEST W CONTRAST Dr Meier 4711", "CT CHEST W CONTRAST"),
        ("MRI Abdomen w/o contrast", "MRI Abdomen wo contrast"),
        ("CT W/WO CONTRAST", "CT w wo CONTRAST"),
        ("TC abdomen s/contraste", "TC abdomen sin contraste"),
        ("MRT Schädel ohne KM", "MRT Schaedel ohne KM"),
        ("black blood T2, gray matter", "black blood T2 gray matter"),
        ("MRI BRAIN White", "MRI BRAIN"),
        ("47 Huber 11 Anna 99 US", "US"),
        ("SR Report", "SR Report"),
        ("Sr Report Garcia US", "US"),
        ("OCT 19 Oct 1947", "OCT"),
        ("seen 19-MAR-47", "seen"),
    ],
)
def test_words_in_their_place(text: str, left: str) -> None:
    """A negation stays one; colours, titles, months and numbers are judged by what is around them."""
    assert clean_description(text) == left
