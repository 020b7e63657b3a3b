"""The tables of a crosswalk: which new identifiers stand for which old ones. They undo the pseudonyms.

``uid_mapping.csv`` and ``patid_mapping.csv`` have the columns ``id_old,id_new`` (RFC 4180, UTF-8), sorted.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterable

from dicomveil.zip_writing import zip_headers

__all__ = ["ARCHIVE", "PATIENTS", "UIDS", "archive", "mapping_table"]

ARCHIVE = "SECRET-crosswalk.zip"  #: nobody should take it for what is to be shared
UIDS, PATIENTS = "uid_mapping.csv", "patid_mapping.csv"


def mapping_table(rows: Iterable[tuple[str, str]]) -> bytes:
    """Return a table of (old, new)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("id_old", "id_new"))
    writer.writerows(sorted(rows))
    return text.getvalue().encode()


def archive(uids: Iterable[tuple[str, str]], patients: Iterable[tuple[str, str]]) -> bytes:
    """Return a ZIP of both tables, without a time."""
    files = [(UIDS, mapping_table(uids)), (PATIENTS, mapping_table(patients))]
    *before, end = zip_headers((name, len(data), zlib.crc32(data)) for name, data in files)
    return b"".join(header + data for header, (_, data) in zip(before, files, strict=True)) + end
