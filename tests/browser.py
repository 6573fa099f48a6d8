"""Pages in a real browser: headless Chromium over its debugging pipe, with nothing installed for it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

PATIENCE = 60.0
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def program() -> str:
    """Where Chromium is; skips only where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        missing = f"no Chromium is installed (looked for {', '.join(NAMES)})"
        pytest.fail(missing) if os.environ.get("HER_PAGES") == "must" else pytest.skip(missing)
    return found


@dataclass
class Seen:
    """An open page: what the browser complained about, and ways to look at it."""

    browser: Browser
    session: str
    errors: list[str] = field(default_factory=list)

    def evaluate(self, script: str) -> Any:
        """What the expression comes to, as JSON would have it; promises are awaited."""
        asked = {"expression": script, "returnByValue": True, "awaitPromise": True}
        said = self.browser.call("Runtime.evaluate", asked, self.session)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def resize(self, width: int, height: int = 900, *, dark: bool = False, print_: bool = False) -> None:
        """Shows the page at another size, by day or by night, on screen or on paper."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.browser.call("Emulation.setDeviceMetricsOverride", size, self.session)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        media = {"media": "print" if print_ else "", "features": [scheme]}
        self.browser.call("Emulation.setEmulatedMedia", media, self.session)

    def picture(self, target: Path | None = None, *, whole: bool = False) -> bytes:
        """A PNG of what is in view, or of the whole page."""
        asked: dict[str, Any] = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self.browser.call("Page.getLayoutMetrics", {}, self.session)["cssContentSize"]
            asked["clip"] = {**size, "scale": 1}
        data = base64.b64decode(self.browser.call("Page.captureScreenshot", asked, self.session)["data"])
        if target is not None:
            target.write_bytes(data)
        return data

    def overflow(self) -> list[str]:
        """What is wider than the window and has no scroll bar of its own; empty for a page that fits."""
        return self.evaluate(_OVERFLOW)


_OVERFLOW = """(() => {
  const wide = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > wide) found.push("the page: " + document.documentElement.scrollWidth);
  for (const one of document.body.querySelectorAll("*")) {
    const box = one.getBoundingClientRect();
    if (!box.width || box.right <= wide + 1 && box.left >= -1 || one.closest(".skip, .wide, svg")) continue;
    found.push(one.tagName + "." + one.className + ": " + box.left + " to " + box.right);
  }
  return found;
})()"""


class Browser:
    """`with Browser(folder) as browser: page = browser.open(path)`; `folder` holds its profile."""

    def __init__(self, folder: Path) -> None:
        flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe")
        quiet = ("--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-sync")
        read_end, self._out = os.pipe()
        self._in, write_end = os.pipe()
        # The browser reads commands from descriptor 3 and answers on 4.
        shell = ["bash", "-c", f'exec "$@" 3<&{read_end} 4>&{write_end}', "bash"]
        command = [*shell, program(), *flags, *quiet, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            command, pass_fds=(read_end, write_end), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(read_end)
        os.close(write_end)
        os.set_blocking(self._in, False)
        self._last, self._rest = 0, b""
        self._pages: dict[str, Seen] = {}
        self._loaded: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        os.close(self._in)
        os.close(self._out)

    def open(self, page: Path | str, width: int = 1280, *, dark: bool = False) -> Seen:
        """The page at this path or address, loaded."""
        address = page.resolve().as_uri() if isinstance(page, Path) else page
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        seen = self._pages[session] = Seen(self, session)
        for part in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{part}.enable", {}, session)
        seen.resize(width, dark=dark)
        self._loaded.discard(session)
        self.call("Page.navigate", {"url": address}, session)
        ends = time.monotonic() + PATIENCE
        while session not in self._loaded:
            self._take(ends)
        seen.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")
        return seen

    def call(self, method: str, asked: dict[str, Any], session: str | None = None) -> Any:
        """The browser's answer to one command."""
        self._last += 1
        number = self._last
        command: dict[str, Any] = {"id": number, "method": method, "params": asked}
        os.write(self._out, json.dumps(command | ({"sessionId": session} if session else {})).encode() + b"\0")
        ends = time.monotonic() + PATIENCE
        while True:
            said = self._take(ends)
            if said.get("id") == number:
                assert "error" not in said, f"{method}: {said['error']}"
                return said["result"]

    def _take(self, ends: float) -> Any:
        """The next message; events are noted on the way."""
        while b"\0" not in self._rest:
            assert time.monotonic() < ends, "the browser is silent"
            assert self._process.poll() is None, "the browser has ended"
            try:
                self._rest += os.read(self._in, 1 << 20)
            except BlockingIOError:
                time.sleep(0.005)
        line, _, self._rest = self._rest.partition(b"\0")
        said = json.loads(line)
        page = self._pages.get(said.get("sessionId", ""))
        if page is not None:
            self._note(page, said.get("method"), said.get("params", {}))
        return said

    def _note(self, page: Seen, method: str | None, told: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded.add(page.session)
        elif method == "Log.entryAdded" and told["entry"]["level"] in {"warning", "error"}:
            page.errors.append(told["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            page.errors.append(json.dumps(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning", "assert"}:
            page.errors.append(json.dumps(told["args"]))
        elif method == "Network.requestWillBeSent":
            address = told["request"]["url"]
            if not address.startswith(("file:", "data:")):
                page.errors.append(f"asked for {address}")
