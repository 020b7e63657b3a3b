"""A stand-in for verification, which a process that verifies can import quickly."""

from __future__ import annotations

import io
import os
import threading

import pydicom

from dicomveil.source import Source
from dicomveil.verifying import Problem, Verified

NOT_CLEAN = "not-clean-in-this-test"


def marker_verify(output: Source) -> Verified:
    """Stand in for verification where its rules do not matter: only the marker is looked at."""
    try:
        ds = pydicom.dcmread(io.BytesIO(output.read(0, 4096)), stop_before_pixels=True)
        syntax = str(ds.file_meta.TransferSyntaxUID)
        sop_class, uid = str(ds.SOPClassUID), str(ds.SOPInstanceUID)
        study, series = str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID)
        clean = ds.get("PatientIdentityRemoved") == "YES"
    except Exception:  # noqa: BLE001 - hostile input; the real one tells what it is
        return Verified("", "", "", "", "", (Problem("not-dicom", None),))
    problems = () if clean else (Problem(NOT_CLEAN, 0x00120062),)
    return Verified(sop_class, uid, study, series, syntax, problems)


def risky_verify(output: Source) -> Verified:
    """Do what no verification should: end the process, stop, or take all memory, if the instance says so."""
    content = output.read(0, output.size)
    if b"END THE PROCESS" in content:
        os._exit(3)
    if b"NEVER END" in content:
        threading.Event().wait()
    if b"TAKE ALL MEMORY" in content:
        bytearray(1 << 40)
    return marker_verify(output)
