"""The Store Instances Response Module in the DICOM JSON Model (PS3.18, Annexes F and I.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dicomveil_receiver.reasons import ReceiverError, reason_for
from dicomveil_receiver.reception import Result
from dicomveil_receiver.store import is_uid

__all__ = ["DICOM_JSON", "store_answer"]

DICOM_JSON = "application/dicom+json"

_OFFENDING_ELEMENT = "00000901"  # PS3.7 Table E.1-1
_ERROR_COMMENT = "00000902"
_REFERENCED_SOP_CLASS_UID = "00081150"
_REFERENCED_SOP_INSTANCE_UID = "00081155"
_RETRIEVE_URL = "00081190"
_FAILURE_REASON = "00081197"
_FAILED_SOP_SEQUENCE = "00081198"
_REFERENCED_SOP_SEQUENCE = "00081199"
_OTHER_FAILURES_SEQUENCE = "0008119A"

_MAX_TAGS = 32

Attributes = dict[str, dict[str, Any]]


def store_answer(results: Sequence[Result], stopped: ReceiverError | None = None) -> tuple[int, bytes]:
    """Return HTTP status and body for the results of a request, which ``stopped`` may have ended early.

    The status is 200 when everything was stored, 202 when only some was; when nothing was, the status that
    the reasons share, or 409.
    """
    stored = [result for result in results if result.code is None]
    failed = [result for result in results if result.code is not None]
    if stopped is None and not results:
        stopped = ReceiverError("no-instances")
    if stored:
        status = 202 if failed or stopped else 200
    elif stopped is not None:
        status = stopped.reason.status
    else:
        statuses = {reason_for(result.code).status for result in failed if result.code is not None}
        status = statuses.pop() if len(statuses) == 1 else 409
    return status, json.dumps(_module(stored, failed, stopped), separators=(",", ":")).encode()


def _module(stored: list[Result], failed: list[Result], stopped: ReceiverError | None) -> Attributes:
    # Retrieve URL is Type 2, and empty: nothing can be retrieved here.
    module: Attributes = {_RETRIEVE_URL: {"vr": "UR"}}
    named = [result for result in failed if is_uid(result.sop_class) and is_uid(result.sop_instance_uid)]
    others = [_failure(r.code or "", r.tags) for r in failed if r not in named]
    if stopped is not None:
        others.append(_failure(stopped.code, stopped.tags))
    if named:
        items = [{**_reference(result), **_failure(result.code or "", result.tags)} for result in named]
        module[_FAILED_SOP_SEQUENCE] = {"vr": "SQ", "Value": items}
    if stored:
        items = [{**_reference(result), _RETRIEVE_URL: {"vr": "UR"}} for result in stored]
        module[_REFERENCED_SOP_SEQUENCE] = {"vr": "SQ", "Value": items}
    if others:
        module[_OTHER_FAILURES_SEQUENCE] = {"vr": "SQ", "Value": others}
    return dict(sorted(module.items()))


def _reference(result: Result) -> Attributes:
    return {
        _REFERENCED_SOP_CLASS_UID: {"vr": "UI", "Value": [result.sop_class]},
        _REFERENCED_SOP_INSTANCE_UID: {"vr": "UI", "Value": [result.sop_instance_uid]},
    }


def _failure(code: str, tags: tuple[int, ...]) -> Attributes:
    # Failure Reason is the standard's, Error Comment our stable code, Offending Element where the problem is.
    item: Attributes = {
        _FAILURE_REASON: {"vr": "US", "Value": [reason_for(code).failure]},
        _ERROR_COMMENT: {"vr": "LO", "Value": [code]},
    }
    if tags:
        item[_OFFENDING_ELEMENT] = {"vr": "AT", "Value": [f"{tag:08X}" for tag in tags[:_MAX_TAGS]]}
    return dict(sorted(item.items()))
