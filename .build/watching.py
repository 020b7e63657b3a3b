"""Watches a page that is measured: when each of its states began, and the tasks that kept its main thread."""

from __future__ import annotations

from typing import Literal

from playwright.sync_api import Page

from places import BuildError

PATIENCE = 900_000  # ms

# Runs before the page's own scripts. Tasks are those of 50 ms and more; the browser tells of them afterwards.
_WATCH = """
window.watched = {navigation: 0, states: [], tasks: []};
const note = () => {
  const state = document.querySelector('[data-testid="status"]')?.dataset.state;
  const { states } = window.watched;
  if (state && state !== states.at(-1)?.[0]) states.push([state, performance.now()]);
};
const what = { subtree: true, childList: true, attributeFilter: ["data-state"] };
new MutationObserver(note).observe(document, what);
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.watched.tasks.push([task.startTime, task.duration]);
}).observe({type: "longtask", buffered: true});
for (const kind of ["change", "click"]) {
  document.addEventListener(kind, () => { window.watched[kind] = performance.now(); }, true);
}
"""

_SINCE = """
([wanted, since]) => {
  const { states, [since]: from } = window.watched;
  return states.findLast(([state]) => state === wanted)[1] - from;
}
"""

# Of the task in which files were chosen, what comes after the browser has told the page: to make a list of
# 10,000 files takes the browser half a second, before any script of the page runs.
_TASKS = """
() => {
  const { tasks, change = 0 } = window.watched;
  const begun = (start, took) => (start < change && change < start + took ? change : start);
  return tasks.map(([start, took]) => [begun(start, took), start + took - begun(start, took)]);
}
"""


class Watch:
    """What is asked of a page; it begins before the page is opened."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._asked = 0.0
        page.add_init_script(_WATCH)

    def reached(self, state: str, since: Literal["navigation", "change", "click"] = "navigation") -> float:
        """Wait for a state; return the seconds to its begin, since the last event of a kind.

        Raises:
            BuildError: the page says that it failed.
        """
        status = self._page.get_by_test_id("status")
        either = f'[data-state="{state}"], [data-state="failed"]'
        status.and_(self._page.locator(either)).wait_for(state="attached", timeout=PATIENCE)
        if status.get_attribute("data-state") == "failed":
            raise BuildError(f"the page failed: {status.inner_text()}")
        found: float = self._page.evaluate(_SINCE, [state, since])
        return found / 1000

    def longest_task(self) -> float:
        """Return the longest task since this was asked the last time, in ms; below 50 counts as 0."""
        self._page.wait_for_timeout(300)  # long tasks are told afterwards
        tasks: list[tuple[float, float]] = self._page.evaluate(_TASKS)
        longest = max((took for at, took in tasks if at >= self._asked), default=0.0)
        self._asked = self._page.evaluate("() => performance.now()")
        return longest
