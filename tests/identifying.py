"""What clean_descriptors is measured by: made-up identifiers in descriptions, and the corpus' descriptions.

Names and places are common ones of many countries, nobody's in particular.
"""

from __future__ import annotations

import random
import re
import warnings
from collections import Counter
from typing import NamedTuple

import builders
from dicomveil import tables
from dicomveil.charset import declared_encodings, decode_text
from dicomveil.descriptors import clean_description
from dicomveil.encoding import DataSet
from dicomveil.errors import Refused
from dicomveil.reading import read_instance
from dicomveil.rules import TEXT_VRS
from dicomveil.source import BytesSource
from dicomveil.verify_forms import is_vocabulary
from dicomveil.verify_identifiers import collect_identifiers

TEXTS = (
    "CT CHEST W CONTRAST", "MR BRAIN WO CONTRAST", "US ABDOMEN COMPLETE", "T2 TSE SAG", "AX T1 POST",
    "LEFT KNEE 2 VIEWS", "CHEST PA AND LATERAL", "PET CT WHOLE BODY", "LUMBAR SPINE", "t1_mprage_sag",
    "HEAD ANGIO", "MAMMOGRAM BILATERAL", "Schädel nativ", "Abdomen sin contraste", "IRM genou droit",
)  # fmt: skip

#: Family names that are no words of medicine or of imaging.
_FAMILY_NAMES = """
Smith Johnson Williams Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson Anderson
Thomas Taylor Moore Jackson Martin Perez Thompson Harris Sanchez Clark Ramirez Lewis Robinson Walker Allen
Wright Torres Nguyen Flores Nelson Rivera Campbell Mitchell Carter Roberts Gomez Phillips Evans Turner Diaz
Parker Cruz Edwards Collins Reyes Stewart Morris Morales Murphy Rogers Gutierrez Ortiz Morgan Cooper Peterson
Bailey Kelly Howard Ramos Richardson Watson Brooks Chavez James Bennett Mendoza Ruiz Hughes Price Alvarez
Castillo Sanders Patel Myers Ross Foster Jimenez Powell Jenkins Perry Russell Sullivan Butler Barnes Fisher
Henderson Coleman Simmons Patterson Jordan Müller Schmidt Schneider Fischer Weber Meyer Meier Maier Wagner
Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein Schröder Neumann Schwarz Zimmermann Braun Krüger
Hofmann Hartmann Schmitt Schmitz Krause Lehmann Köhler Huber Gruber Pichler Steiner Moser Mayer Hofer Leitner
Berger Fuchs Eder Schmid Winkler Baumgartner Brunner Wimmer Egger Bernard Dubois Durand Moreau Laurent
Lefebvre Leroy Roux Bertrand Morel Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Vincent Lefevre
Faure Mercier Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Gallo Costa Giordano
Mancini Rizzo Lombardi Moretti Nowak Kowalski Wisniewski Wojcik Kaminski Lewandowski Novak Svoboda Novotny
Dvorak Horvat Kovacs Nagy Szabo Toth Popescu Ionescu Ivanov Petrov Smirnov Kuznetsov Johansson Andersson
Karlsson Nilsson Eriksson Hansen Olsen Larsen Jensen Nielsen Pedersen Korhonen Virtanen deJong Jansen DeVries
Bakker Visser Janssens Peeters Maes Jacobs Silva Santos Oliveira Souza Pereira Ferreira Yilmaz Kaya Demir
Celik Sahin Ahmed Khan Hussain Hassan Ibrahim Mohamed Sharma Gupta Singh Kumar Reddy Iyer Banerjee Wang Zhang
Chen Liu Yang Huang Zhao Zhou Tanaka Suzuki Sato Takahashi Watanabe Yamamoto Nakamura Kobayashi Yoshida Kim
Park Choi Jung Kang Cho Yoon Tran Pham Hoang Okafor Adeyemi Mensah Mwangi Otieno Abebe Tesfaye Zwicklhuber
"""
FAMILY_NAMES = _FAMILY_NAMES.split()

_GIVEN_NAMES = """
James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph
Jessica Sarah Christopher Karen Daniel Nancy Matthew Lisa Anthony Betty Donald Sandra Steven Ashley Paul
Kimberly Andrew Emily Joshua Donna Kenneth Michelle Kevin Carol Brian Amanda George Melissa Edward Deborah
Ronald Stephanie Timothy Rebecca Jason Sharon Jeffrey Laura Ryan Cynthia Jacob Kathleen Gary Amy Nicholas
Angela Eric Shirley Jonathan Anna Stephen Brenda Larry Pamela Justin Emma Scott Nicole Brandon Helen Benjamin
Samantha Samuel Katherine Gregory Alexander Franz Josef Johann Karl Heinz Hans Juergen Günther Wolfgang Uwe
Dieter Monika Ursula Petra Sabine Heike Jean Pierre Michel Philippe Nathalie Isabelle Françoise Giuseppe
Giovanni Francesca Chiara Carlos Juan Jose Luis Carmen Dolores Pilar Joao Ana Marta Piotr Krzysztof Agnieszka
Olga Natasha Sergei Dmitri Mehmet Fatma Ayse Mohammed Fatima Aisha Wei Xiaoming Mei Hiroshi Yuki Keiko Minjun
Priya Rahul Anjali Quirina Xaver Ed Ted Joe Sam Ben Max Tom
"""
GIVEN_NAMES = _GIVEN_NAMES.split()

_PLACES = """
London Berlin Hamburg Munich München Köln Frankfurt Stuttgart Vienna Wien Graz Linz Salzburg Innsbruck Zürich
Bern Basel Paris Lyon Marseille Toulouse Lille Madrid Barcelona Valencia Sevilla Rome Milano Torino Napoli
Warsaw Krakow Prague Budapest Stockholm Oslo Copenhagen Helsinki Amsterdam Rotterdam Utrecht Brussels Dublin
Boston Chicago Houston Dallas Denver Seattle Atlanta Miami Toronto Montreal Vancouver Sydney Melbourne Tokyo
Osaka Seoul Beijing Shanghai Mumbai Delhi Istanbul Ankara Cairo Lagos Nairobi Hinterstoder Fantasiestadt
"""
PLACES = _PLACES.split()

DATES = (
    "1947-03-19", "19.03.1947", "03/19/1947", "19470319", "19/3/47", "19.3.47", "March 19, 1947",
    "19 Mar 1947", "19-MAR-1947", "1947/03/19", "DOB 19031947", "geb. 19.03.1947", "19. März 1947",
    "19 mars 1947", "19-Mar-47",
)  # fmt: skip
CONTACTS = (
    "quirina@example.org", "+43 7564 99887", "(555) 123-4567", "555-123-4567", "tel 0171 2345678",
    "Xaverlweg 17a", "221B Bakerstreet", "https://example.org/q?id=7731904", "www.example.org",
)  # fmt: skip
OTHER_SCRIPTS = (
    "王小東",
    "山田太郎",
    "김희중",
    "Люксембург",
    "Παπαδόπουλος",
    "محمد",
    "כהן",
    "Müllerová",
    "O'Brannigan",
)
TITLED = (
    "Dr Meier",
    "Dr. med. Huber",
    "Prof. Rossi",
    "Herr Bauer",
    "Mrs Young",
    "Mme Blanc",
    "Sr Garcia",
    "Dr Long",
)


def numbers(count: int = 60) -> list[str]:
    """Return made-up IDs in the forms that systems write."""
    made = random.Random(7)
    forms = ("{:04d}", "{:06d}", "{:08d}", "MRN {:07d}", "PID-{:07d}", "#{:05d}", "A{:08d}",
             "{:03d}-{:02d}-{:04d}", "ACC{:06d}", "{:010d}", "S{:05d}X", "ID:{:05d}")  # fmt: skip
    return [
        forms[number % len(forms)].format(*(made.randrange(1000, 9_999_999) for _ in range(3)))
        for number in range(count)
    ]


def seeds() -> dict[str, list[str]]:
    """Return kind -> identifiers."""
    return {
        "family names": FAMILY_NAMES,
        "given names": GIVEN_NAMES,
        "whole names": [
            f"{given} {family}" for given, family in zip(GIVEN_NAMES, FAMILY_NAMES[::2], strict=False)
        ],
        "places": PLACES,
        "dates": list(DATES),
        "numbers": numbers(),
        "contacts": list(CONTACTS),
        "other scripts": list(OTHER_SCRIPTS),
        "titled": list(TITLED),
    }


def words_of(text: str) -> list[str]:
    """Split a text as a reader would: letters and digits that belong together."""
    return re.findall(r"[^\W_]+(?:\.\d+)?", text.casefold())


def is_left(text: str, cleaned: str) -> bool:
    """Whether a word of an identifier, or four digits of it, came out beside a text's own."""
    left = Counter(words_of(cleaned))
    left.subtract(Counter(words_of(clean_description(text))))
    more = [word for word, count in left.items() if count > 0]
    digits = sum(character.isdigit() for word in more for character in word)
    return digits > 3 or any(len(word) > 1 and not word.isdigit() for word in more)


def recall(kind: str) -> tuple[int, int]:
    """Return how many seeded identifiers of a kind went whole, and how many there were."""
    gone = total = 0
    for number, seed in enumerate(seeds()[kind]):
        for text in TEXTS[number % 3 :: 3]:
            first, _, rest = text.partition(" ")
            for seeded in (f"{seed} {text}", f"{text} {seed}", f"{first}^{seed} {rest}", f"{text}_{seed}"):
                total += 1
                gone += not is_left(text, clean_description(seeded))
    return gone, total


class Kept(NamedTuple):
    """What is left of the corpus' descriptions: numbers of texts, of words, and of words that should go."""

    texts: int
    words: int
    kept: int
    identifying: int


def _descriptions(data_set: DataSet, encodings: tuple[str, ...]) -> set[str]:
    """Return the texts that clean_descriptors cleans, at every depth."""
    found = set()
    encodings = declared_encodings(data_set, encodings)
    for element in data_set.elements:
        row = tables.rows().get(element.tag)
        for item in element.items or ():
            found |= _descriptions(item, encodings)
        if row and row.vr[0] in TEXT_VRS and row.options.get("clean_descriptors") and element.items is None:
            found.add(decode_text(data_set.value(element), encodings).strip(" \0"))
    return found


def kept_of_corpus() -> Kept:
    """Measure over the corpus: words kept, and those among them that are identifiers of their own file.

    Words of DICOM's vocabulary do not count as such: test files have patients called "LUT Test".
    """
    texts: dict[str, set[str]] = {}
    for path in builders.corpus_files():
        source = BytesSource(builders.corpus_bytes(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                descriptions = _descriptions(read_instance(source).head, ("iso8859",))
            except Refused:
                continue
            compiled = collect_identifiers(source).compiled
        for text in descriptions:
            texts.setdefault(text, set()).update(compiled.words, compiled.runs)
    words = kept = identifying = 0
    for text, own in texts.items():
        left = words_of(clean_description(text))
        words += len(words_of(text))
        kept += len(left)
        identifying += sum(word in own and not is_vocabulary(word) for word in left)
    return Kept(len(texts), words, kept, identifying)
