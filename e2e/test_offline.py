"""The page without a network, on a plain web server, and when a newer build comes."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from e2e.journey import (
    HEARD,
    Plain,
    Server,
    clean,
    instances,
    open_files,
    payload,
    pydicom_file,
    row,
    save,
    shown,
    state,
    statuses,
    until,
)
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

import builders

READY = '[data-testid="status"][data-state="empty"]'
READY_TIMEOUT = 60_000  # ms: the machine may be busy
OFFLINE = '[data-testid="offline"][data-ready="yes"]'


def _ready(page: Page) -> None:
    page.locator(READY).wait_for(state="attached", timeout=READY_TIMEOUT)


def _kept(page: Page) -> None:
    page.locator(OFFLINE).wait_for(state="attached", timeout=READY_TIMEOUT)


def test_the_journey_without_a_network(server: Server, context: BrowserContext) -> None:
    """After one visit everything works with the network off: preview of a compressed image included."""
    page = context.new_page()
    page.goto(server.url)
    _ready(page)
    _kept(page)
    context.set_offline(True)
    page.reload()
    _ready(page)
    open_files(page, [pydicom_file("CT_small.dcm"), pydicom_file("JPEG2000.dcm")])
    row(page, "JPEG2000.dcm").click()
    shown(page)
    clean(page)
    assert instances(save(page))


def test_a_plain_web_server_gets_its_policies_from_the_service_worker(
    plain: Plain, context: BrowserContext
) -> None:
    """Page and workers are under the policy, though the server sends none; the journey works."""
    page = context.new_page()
    page.goto(plain.url)
    _ready(page)
    assert (
        page.evaluate("() => fetch('https://example.com/').then(() => 'sent', () => 'refused')") == "refused"
    )
    answer = page.evaluate(
        "() => fetch('worker/worker.js').then((found) => found.headers.get('content-security-policy'))"
    )
    assert "connect-src 'none'" in answer
    open_files(page, [payload(builders.ct(), "a.dcm")])
    clean(page)
    assert len(instances(save(page))) == 1


def test_without_any_policy_nothing_is_opened(plain: Plain, browser: Browser) -> None:
    """Where neither the server nor a service worker brings the policy, the page says so and takes no file."""
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    page.goto(plain.url)
    page.locator('[data-testid="status"][data-state="failed"]').wait_for(
        state="attached", timeout=READY_TIMEOUT
    )
    expect(page.get_by_text("does not send the policy").first).to_be_visible()
    context.close()


def _rebuild(folder: Path, title: str) -> None:
    """Make another build of the copy: its page has another title."""
    page = (folder / "index.html").read_text("utf-8").replace("<title>dicomveil<", f"<title>{title}<")
    (folder / "index.html").write_text(page, "utf-8")
    listing = json.loads((folder / "assets.json").read_text("utf-8"))
    content = page.encode()
    listing["index.html"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (folder / "assets.json").write_text(json.dumps(listing), "utf-8")


def test_a_newer_build_waits_while_files_are_open(plain: Plain, context: BrowserContext) -> None:
    """The page stays that of one build; a newer one is offered without open files, and loaded on request."""
    url, folder = plain.url, plain.folder
    page = context.new_page()
    page.goto(url)
    _ready(page)
    _kept(page)
    _rebuild(folder, "newer")
    page.reload()
    _ready(page)
    update = page.get_by_test_id("update")
    expect(update).to_be_visible(timeout=READY_TIMEOUT)
    assert page.title() == "dicomveil"
    open_files(page, [payload(builders.ct(), "a.dcm")])
    expect(update).to_be_hidden()
    page.reload()
    _ready(page)
    update.click(timeout=READY_TIMEOUT)
    expect(page).to_have_title("newer", timeout=READY_TIMEOUT)
    _ready(page)


def test_what_is_kept_is_the_build_and_nothing_else(server: Server, context: BrowserContext) -> None:
    """After a whole journey the cache holds the files of assets.json, byte for byte, and no other."""
    page = context.new_page()
    page.goto(server.url)
    _ready(page)
    _kept(page)
    open_files(page, [payload(builders.ct(), "a.dcm")])
    clean(page)
    save(page)
    kept = page.evaluate(
        """async () => {
          const found = {};
          for (const name of await caches.keys()) {
            const cache = await caches.open(name);
            for (const request of await cache.keys()) {
              const body = await (await cache.match(request)).arrayBuffer();
              const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
              const hex = [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
              found[request.url.slice(document.baseURI.length)] = hex;
            }
          }
          return found;
        }"""
    )
    listing = page.evaluate("() => fetch('assets.json').then((found) => found.json())")
    del kept["assets.json"]
    kept["index.html"] = kept.pop("")
    assert kept == {
        name: entry["sha256"] for name, entry in listing.items() if not name.startswith("licences/")
    }


def test_a_library_that_comes_late_costs_no_file(page: Page, server: Server) -> None:
    """Python runs, and files are opened, before it is there: none is refused for that."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"/python/(?:stdlib|core)\.zip"), hold)
    page.add_init_script(HEARD)
    page.goto(server.url)
    until(page, lambda: len(held) == 2 and "ready" in page.evaluate("() => heard"))
    files = [payload(builders.mr(number=number), f"{number}.dcm") for number in range(1, 7)]
    page.get_by_test_id("open-files").set_input_files(files)
    for route in held:
        route.continue_()
    state(page, "review")
    clean(page)
    assert statuses(page) == ["clean"] * 6
