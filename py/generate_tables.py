"""Write the data files of ``py/dicomveil/data`` from the standard's tables.

Run it again when a new edition of DICOM is taken over::

    python py/generate_tables.py ../shared/tables

``safe_text.json`` is not written here: it is reviewed by hand. Every other data file names this generator and
the edition of the standard that it comes from, and is reproduced byte for byte (``tests/test_tables.py``).
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import tag_for_keyword
from pydicom.sr._snomed_dict import mapping as snomed

GENERATOR = "py/generate_tables.py"
DATA = Path(__file__).parent / "dicomveil" / "data"

#: VRs whose Types are kept besides the attributes of Table E.1-1: text, names, dates, UIDs, bulk, sequences.
#: A Type of a number or a code (CS DS IS US ...) decides nothing: those are kept as they are.
TYPED_VRS = frozenset(
    "SH LO ST LT UC UT PN AE UR AS UI DA TM DT OB OD OF OL OV OW UN SQ".split()  # noqa: SIM905 - reads as a table
)

#: Type as printed in PS3.3 -> one letter. Modules of normalized services state no Type ("None"): as Type 3.
TYPE_LETTERS = {"1": "1", "1C": "A", "2": "2", "2C": "B", "3": "3", "None": "3"}
STRICTNESS = "1A2B3"

#: Retired storage SOP classes (PS3.6 Annex A) -> the IOD that took their place.
RETIRED_SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.3": "ultrasound-multi-frame-image",
    "1.2.840.10008.5.1.4.1.1.5": "nuclear-medicine-image",
    "1.2.840.10008.5.1.4.1.1.6": "ultrasound-image",
    "1.2.840.10008.5.1.4.1.1.12.3": "x-ray-angiographic-image",
    "1.2.840.10008.5.1.4.1.1.77.1": "vl-photographic-image",
    "1.2.840.10008.5.1.4.1.1.77.2": "video-photographic-image",
    "1.2.840.10008.5.1.4.1.1.88.1": "basic-text-sr",
    "1.2.840.10008.5.1.4.1.1.88.3": "enhanced-sr",
    "1.2.840.10008.5.1.4.1.1.88.4": "comprehensive-sr",
}

#: Registered by PS3.6 Annex A after pydicom 3.0.2.
NEWER_UIDS = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
    "1.2.840.10008.5.1.4.1.1.9.100.1": "Waveform Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "Waveform Acquisition Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
}

#: Public coding schemes outside the DICOM root (PS3.16 Table 8-1), reviewed: none names a person or a site.
CODING_SCHEME_UIDS = {
    "1.0.3166.1.2.2": "ISO 3166-1 alpha-2 country codes",
    "2.16.1": "ISO 3166-2 country subdivisions",
    "2.16.840.1.113883.3.26.1.1": "NCI Thesaurus",
    "2.16.840.1.113883.6.1": "LOINC",
    "2.16.840.1.113883.6.3": "ICD-10",
    "2.16.840.1.113883.6.4": "ICD-10-PCS",
    "2.16.840.1.113883.6.5": "SNOMED (SNM3, SRT)",
    "2.16.840.1.113883.6.8": "UCUM",
    "2.16.840.1.113883.6.12": "CPT-4",
    "2.16.840.1.113883.6.24": "ISO/IEEE 11073 Medical Device Communications",
    "2.16.840.1.113883.6.42": "ICD-9",
    "2.16.840.1.113883.6.43.1": "ICD-O-3",
    "2.16.840.1.113883.6.50": "POS, place of service",
    "2.16.840.1.113883.6.86": "UMLS",
    "2.16.840.1.113883.6.88": "RxNorm",
    "2.16.840.1.113883.6.90": "ICD-10-CM",
    "2.16.840.1.113883.6.96": "SNOMED CT",
    "2.16.840.1.113883.6.99": "ISO 639-1 language codes",
    "2.16.840.1.113883.6.100": "ISO 639-2 language codes",
    "2.16.840.1.113883.6.103": "ICD-9-CM diagnoses",
    "2.16.840.1.113883.6.104": "ICD-9-CM procedures",
    "2.16.840.1.113883.6.119": "Foundational Model of Anatomy",
    "2.16.840.1.113883.6.121": "IETF RFC 5646 language tags",
    "2.16.840.1.113883.6.177": "MeSH",
    "2.16.840.1.113883.6.210": "NeuroNames",
    "2.16.840.1.113883.6.238": "CDC race and ethnicity",
    "2.16.840.1.113883.6.256": "RadLex",
    "2.16.840.1.113883.12.292": "CVX vaccines",
}

#: Names of the options that have no column in Table E.1-1: they speak of pixels (PS3.15 E.3.1, E.3.2).
PIXEL_OPTIONS = {
    "113100": "basic",
    "113101": "clean_pixel_data",
    "113102": "clean_recognizable_visual_features",
}


def generate(tables: Path) -> dict[str, bytes]:
    """Return file name -> content of every generated data file."""
    rules = json.loads((tables / "ps315_e1_1.json").read_text("utf-8"))
    additions = json.loads((tables / "ps36_additions_over_pydicom_3_0_2.json").read_text("utf-8"))
    methods = json.loads((tables / "cid_7050.json").read_text("utf-8"))
    types = json.loads(gzip.decompress((tables / "ps33_iod_module_types_2026b.json.gz").read_bytes()))
    return {
        "rules.json": _rules(rules, methods),
        "elements.json": _elements(additions),
        "uids.json": _uids(),
        "iod_types.txt": _iod_types(types, rules, additions),
        "concepts.json": _concepts(json.loads((tables / "ps315_e3_4_1_sr_codes.json").read_text("utf-8"))),
        "safe_private.json": _safe_private(
            json.loads((tables / "ps315_safe_private.json").read_text("utf-8"))
        ),
    }


def _json(source: str, edition: str, **parts: Iterable[Any]) -> bytes:
    """Write JSON with one row a line, so that a new edition reads as a diff."""
    lines = ["{", f'"generator": {json.dumps(GENERATOR)},', f'"source": {json.dumps(source)},']
    lines.append(f'"edition": {json.dumps(edition)},')
    for name, rows in parts.items():
        if isinstance(rows, dict):
            body = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in rows.items()]
            lines.append(f'"{name}": {{\n' + ",\n".join(body) + "\n},")
        else:
            lines.append(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n],")
    return ("\n".join(lines)[:-1] + "\n}\n").encode()


def _rules(table: dict[str, Any], methods: dict[str, Any]) -> bytes:
    """Table E.1-1 of PS3.15 and the codes of CID 7050 (PS3.16)."""

    def facts(row: dict[str, Any]) -> list[Any]:
        return [row["name"], row["keyword"], row["vr"], row["basic"], row["options"]]

    by_kind: dict[str, list[dict[str, Any]]] = {"tag": [], "repeating": [], "private": []}
    for row in table["rows"]:
        by_kind[row["kind"]].append(row)
    (private,) = by_kind["private"]
    repeating = []
    for row in by_kind["repeating"]:
        element = None if row["element"] == "any" else row["element"]
        keyword = row["keyword"].split(" ")[0]
        repeating.append([row["group_base"], row["group_mask"], element, *facts({**row, "keyword": keyword})])
    codes = {}
    for row in methods["rows"]:
        option = row["e1_1_option_column"] or PIXEL_OPTIONS[row["code_value"]]
        codes[option] = [row["code_value"], row["code_meaning"]]
    return _json(
        "PS3.15 Table E.1-1 and PS3.16 CID 7050",
        table["edition"],
        rows=[[row["tag"], *facts(row)] for row in sorted(by_kind["tag"], key=lambda row: row["tag"])],
        repeating=repeating,
        private=facts(private),
        method_codes=codes,
    ).replace(b'"private": [\n', b'"private": [')


def _concepts(table: dict[str, Any]) -> bytes:
    """Table E.3.4-1: concept names of content items, with the older codes of SNOMED (SRT, SNM3, 99SDM)."""
    older: dict[str, list[str]] = {}
    for srt, sct in snomed["SRT"].items():
        older.setdefault(sct, []).append(srt)
    concepts: dict[str, list[Any]] = {}
    for row in sorted(table["rows"], key=lambda row: (row["scheme"], row["code_value"])):
        names = [(row["scheme"].split(" ")[0], row["code_value"])]
        if row["scheme"] == "SCT":
            names += [
                (scheme, value)
                for value in sorted(older.get(row["code_value"], []))
                for scheme in ("SRT", "SNM3", "99SDM")
            ]
        codes = [row["basic"], row["options"]]
        for scheme, value in names:
            # Where a concept has other codes for another value type, that one's name is added.
            if concepts.setdefault(f"{scheme} {value}", codes) != codes:
                concepts[f"{scheme} {value} {row['value_type']}"] = codes
    return _json("PS3.15 Table E.3.4-1", table["edition"], concepts=concepts)


def _safe_private(table: dict[str, Any]) -> bytes:
    """Table E.3.10-1: private creator -> group and element (block number left out) -> VR.

    Rows without a VR are left out, and so are OB and OW: what is in these nobody can say (PS3.15 E.3.10).
    """
    creators: dict[str, dict[str, str]] = {}
    for row in table["rows"]:
        if row["vr"] and not row["vr"].startswith(("OB", "OW")):
            creators.setdefault(row["private_creator"], {})[row["group"] + row["element_low"]] = row["vr"]
    rows = {creator: dict(sorted(elements.items())) for creator, elements in sorted(creators.items())}
    return _json("PS3.15 Table E.3.10-1", table["edition"].split(" ")[0], creators=rows)


def _elements(additions: dict[str, Any]) -> bytes:
    """The data elements of PS3.6 that pydicom 3.0.2 does not know."""
    rows = {row["tag"]: row for row in additions["rows"] if int(row["tag"], 16) not in DicomDictionary}
    elements = {tag: [row["name"], row["keyword"], row["vr"]] for tag, row in sorted(rows.items())}
    return _json("PS3.6 data elements newer than pydicom 3.0.2", "2026d", elements=elements)


def _uids() -> bytes:
    """Registered UIDs that pydicom 3.0.2 does not know."""
    return _json(
        "PS3.6 Annex A newer than pydicom 3.0.2, PS3.16 Table 8-1 (reviewed)",
        "2026d",
        registered=NEWER_UIDS,
        coding_schemes=CODING_SCHEME_UIDS,
    )


Node = dict[int, tuple[str, int | None]]  # tag -> (Type letter, number of the node of its items)


class _Nodes:
    """Sets of attributes, each distinct one stored once: a module's, or those of the items of a sequence."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._numbers: dict[tuple[tuple[int, str, int | None], ...], int] = {}

    def number(self, node: Node) -> int:
        """Return the number of a set of attributes, storing it when it is new."""
        key = tuple((tag, letter, child) for tag, (letter, child) in sorted(node.items()))
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append(node)
        return self._numbers[key]


Tree = dict[int, tuple[str, "Tree"]]


def _tree(attributes: Iterable[list[str]], tags: dict[str, int]) -> Tree:
    """Build the tree of a module: tag -> (Type letter, attributes of its items)."""
    root: Tree = {}
    for path, printed in attributes:
        *sequences, last = path.split(".")
        if last not in tags or any(keyword not in tags for keyword in sequences):
            continue
        level = root
        for keyword in sequences:
            level = level.setdefault(tags[keyword], ("3", {}))[1]
        letter = TYPE_LETTERS[printed]
        known, items = level.get(tags[last], (letter, {}))
        level[tags[last]] = (min(known, letter, key=STRICTNESS.index), items)
    return root


def _usual_items(trees: Iterable[Tree]) -> dict[int, Tree]:
    """For each sequence tag, the items that the standard lists for it most often."""
    found: dict[int, Counter[str]] = {}
    kept: dict[str, Tree] = {}

    def walk(tree: Tree) -> None:
        for tag, (_letter, items) in tree.items():
            if items:
                text = repr(items)
                kept[text] = items
                found.setdefault(tag, Counter())[text] += 1
                walk(items)

    for tree in trees:
        walk(tree)
    return {tag: kept[min(counts, key=lambda text: (-counts[text], text))] for tag, counts in found.items()}


def _iod_types(types: dict[str, Any], rules: dict[str, Any], additions: dict[str, Any]) -> bytes:
    """Attribute Types of the IODs (PS3.3), as three blocks: SOP classes, IODs, numbered attribute sets.

    An attribute of a set is written as tag, Type letter (1, A = 1C, 2, B = 2C, 3), number of its items' set.
    """
    wanted = {int(row["tag"], 16) for row in rules["rows"] if row["kind"] == "tag"}
    vrs = {tag: set(entry[0].split(" or ")) for tag, entry in DicomDictionary.items()}
    vrs |= {int(row["tag"], 16): set(row["vr"]) for row in additions["rows"]}
    newer = {row["keyword"]: int(row["tag"], 16) for row in additions["rows"]}
    tags: dict[str, int] = {}
    for attributes in types["modules"].values():
        for path, _printed in attributes:
            keyword = path.rsplit(".", 1)[-1]
            tag = tag_for_keyword(keyword) or newer.get(keyword)
            if tag is not None and (tag in wanted or vrs[int(tag)] & TYPED_VRS):
                tags[keyword] = int(tag)
    iods = types["iod_modules"]
    sop_classes = {**types["sop_class_to_iod"], **RETIRED_SOP_CLASSES}
    used = {module["key"] for iod in sop_classes.values() for module in iods[iod]} & types["modules"].keys()
    trees = {name: _tree(types["modules"][name], tags) for name in sorted(used)}
    usual = _usual_items(trees.values())
    sets = _Nodes()

    def number(tree: Tree, inside: tuple[int, ...]) -> int:
        node: Node = {}
        for tag, (letter, items) in tree.items():
            # Where the source cuts a macro short (a sequence without items), the usual items stand in.
            filled = items or (usual.get(tag, {}) if tag not in inside else {})
            node[tag] = (letter, number(filled, (*inside, tag)) if filled else None)
        return sets.number(node)

    roots = {name: number(tree, ()) for name, tree in trees.items()}
    # PS3.3 C.17.3: a content item holds further content items; the source stops at the first.
    content = tags["ContentSequence"]
    letter, items = sets.nodes[roots["sr-document-content"]][content]
    if items is None:
        raise ValueError("sr-document-content: no items")
    sets.nodes[items][content] = (letter, items)

    lines = [f"# PS3.3 IOD attribute Types, {types['edition']}; written by {GENERATOR}", ""]
    lines += [f"{uid} {iod}" for uid, iod in sorted(sop_classes.items())] + [""]
    for iod in sorted(set(sop_classes.values())):
        modules = [module for module in iods[iod] if module["key"] in roots]
        lines.append(" ".join([iod, *(f"{module['usage']}{roots[module['key']]}" for module in modules)]))
    lines.append("")
    for node in sets.nodes:
        tokens = (
            f"{tag:08X}{letter}{'' if child is None else child}"
            for tag, (letter, child) in sorted(node.items())
        )
        lines.append(" ".join(tokens))
    return ("\n".join(lines) + "\n").encode()


def main(arguments: list[str]) -> int:
    """Write the data files from the folder of tables given as the only argument."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python py/generate_tables.py TABLES\n")
        return 2
    DATA.mkdir(exist_ok=True)
    for name, content in generate(Path(arguments[0])).items():
        (DATA / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
