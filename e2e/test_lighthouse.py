"""What Lighthouse says of the built page; and what Chromium asks of a page that is to be installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from e2e.journey import WAIT, Server
from playwright.sync_api import BrowserContext, Page, expect

import browsers
import environment
import places

LIGHTHOUSE = places.NODE_MODULES / "lighthouse/cli/index.js"
ICONS = re.compile(r'viewBox="0 0 (\d+) (\d+)"')


def _lighthouse(url: str, file: Path) -> dict[str, Any]:
    """Return what Lighthouse reports of an address, in a Chromium of its own."""
    node, _ = environment.set_up_node()
    path = browsers.find()
    options = browsers.launch_options(path)
    switches = ["--headless=new", *(switch for switch in options["args"] if " " not in switch)]
    command: list[str | Path] = [
        node,
        LIGHTHOUSE,
        url,
        "--quiet",
        "--no-enable-error-reporting",
        "--preset=desktop",
    ]
    command += ["--only-categories=accessibility,best-practices", "--output=json", f"--output-path={file}"]
    command += [f"--chrome-flags={' '.join(switches)}"]
    subprocess.run(command, env=os.environ | {"CHROME_PATH": path}, check=True, timeout=240)
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def test_lighthouse_has_nothing_to_say(server: Server, tmp_path: Path) -> None:
    """Accessibility 100, best practices 100."""
    report = _lighthouse(server.url, tmp_path / "report.json")
    assert report.get("runtimeError") is None
    for name in ("accessibility", "best-practices"):
        audits = [report["audits"][entry["id"]] for entry in report["categories"][name]["auditRefs"]]
        failed = [audit for audit in audits if audit["score"] not in {1, None}]
        assert report["categories"][name]["score"] == 1, failed
        assert len([audit for audit in audits if audit["score"] == 1]) > 10


def test_no_issue_and_no_warning(context: BrowserContext, page: Page, server: Server) -> None:
    """Chromium lists no issue and warns of nothing, though the page makes sure that its policy is there."""
    issues: list[dict[str, Any]] = []
    warnings: list[str] = []
    session = context.new_cdp_session(page)
    session.on("Audits.issueAdded", lambda event: issues.append(event["issue"]))
    session.send("Audits.enable")
    page.on("console", lambda said: warnings.append(said.text) if said.type == "warning" else None)
    page.goto(server.url)
    expect(page.get_by_test_id("status")).to_have_attribute("data-state", "empty", timeout=WAIT)
    # Fields without a name: the browser is to remember none of them.
    found = {json.dumps(issue["details"]) for issue in issues}
    assert [one for one in found if '"FormEmptyIdAndNameAttributesForInputError"' not in one] == []
    assert warnings == []


def _installability(context: BrowserContext, page: Page) -> set[str]:
    """Return what keeps Chromium from installing the page; a profile of Playwright is a private one."""
    session = context.new_cdp_session(page)
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    return {error["errorId"] for error in errors} - {"in-incognito"}


def test_the_page_can_be_installed(context: BrowserContext, page: Page, server: Server, dist: Path) -> None:
    """Chromium misses nothing; the manifest names what other browsers want, and it is there."""
    page.goto(server.url)
    expect(page.get_by_test_id("offline")).to_have_attribute("data-ready", "yes", timeout=WAIT)
    assert _installability(context, page) == set()
    answer = context.new_cdp_session(page).send("Page.getAppManifest")
    assert answer["errors"] == []
    manifest = json.loads(answer["data"])
    assert manifest["name"] == manifest["short_name"] == "dicomveil"
    assert manifest["display"] == "standalone"
    assert (manifest["start_url"], manifest["scope"], manifest["id"]) == ("./", "./", "./")
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    for icon in manifest["icons"]:
        assert (icon["sizes"], icon["type"]) == ("any", "image/svg+xml")  # 192 and 512 pixels, and all others
        width, height = ICONS.findall((dist / icon["src"]).read_text(encoding="utf-8"))[0]
        assert width == height
    maskable = next(icon["src"] for icon in manifest["icons"] if icon["purpose"] == "maskable")
    assert "rx=" not in (dist / maskable).read_text(encoding="utf-8")  # its ground has no corners cut off
    for name in ("theme_color", "background_color"):
        assert re.fullmatch("#[0-9a-f]{6}", manifest[name])
    assert page.locator("meta[name=theme-color]").count() == 2  # for light and dark


@pytest.mark.parametrize("missing", ["icons", "start_url"])
def test_what_is_missing_is_noticed(
    context: BrowserContext, page: Page, server: Server, missing: str
) -> None:
    """A manifest that lacks a part is found wanting: the check before can fail."""
    manifest = json.loads((places.DIST / "manifest.webmanifest").read_text(encoding="utf-8"))
    del manifest[missing]
    page.route("**/manifest.webmanifest", lambda route: route.fulfill(json=manifest))
    page.goto(server.url)
    page.wait_for_load_state()
    assert _installability(context, page) != set()
