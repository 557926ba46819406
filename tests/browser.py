"""A headless Chromium for tests, by WebDriver's own HTTP: Debian's packages chromium and chromium-driver, no library.

One browser serves a whole module. It tells which requests a page made and what its console said.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # as root, such as in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)
PATIENCE = 60  # seconds for one answer
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the driver is on this machine


class Browser:
    """A session: open a file, run scripts in it, press keys, take its picture."""

    def __init__(self, port: int, folder: str) -> None:
        self.base = f"http://127.0.0.1:{port}"
        options = {
            "goog:chromeOptions": {"args": [*FLAGS, f"--user-data-dir={folder}"]},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        made = self._send("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self.base += f"/session/{made['sessionId']}"

    def open(self, path: Path) -> None:
        """Load a file; what was logged before is forgotten."""
        self.log("performance"), self.log("browser")
        self._send("POST", "/url", {"url": path.absolute().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that the body of a function returns in the page."""
        return self._send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, *keys: str) -> None:
        """Press keys one after the other, in whatever has the focus: letters, or WebDriver's codes of other keys."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._send("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return self._send("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def show_as(self, width: int = 1280, height: int = 900, dark: bool = False, media: str = "") -> None:
        """The size of the window, light or dark, and the medium: '' or print."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def log(self, kind: str) -> list[dict[str, Any]]:
        """What was logged since the last time: `browser` is the console, `performance` DevTools' events."""
        entries: list[dict[str, Any]] = self._send("POST", "/se/log", {"type": kind})
        return entries

    def requested(self) -> list[str]:
        """The addresses that were asked for since the last time, without what is in the page itself (data:) and what
        its policy (CSP) refused.
        """
        events = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        held = [(event["method"], event["params"]) for event in events]
        refused = {told["requestId"] for _, told in held if told.get("blockedReason") == "csp"}
        sent = [told for name, told in held if name == "Network.requestWillBeSent"]
        found = [told["request"]["url"] for told in sent if told["requestId"] not in refused]
        return [url for url in found if not url.startswith("data:")]

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """A picture of the page, as it is seen or the whole of it."""
        taken = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))

    def pdf(self, path: Path) -> None:
        """The page as it is printed."""
        path.write_bytes(base64.b64decode(self.command("Page.printToPDF", preferCSSPageSize=True)["data"]))

    def close(self) -> None:
        """End the session."""
        self._send("DELETE", "")

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with DIRECT.open(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(json.load(error)["value"]["message"].splitlines()[0]) from None


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser until the block ends. Skips the test, saying why, where Chromium or its driver is not installed."""
    driver = shutil.which("chromedriver")
    if driver is None or not (shutil.which("chromium") or shutil.which("chromium-browser")):
        pytest.skip("no Chromium here: the Debian packages chromium and chromium-driver bring it")
    with tempfile.TemporaryDirectory(prefix="hoitool-chromium-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ
        )
        try:
            session = Browser(_port(process), folder)
            try:
                yield session
            finally:
                session.close()
        finally:
            process.terminate()
            process.wait(PATIENCE)
            assert process.stdout is not None
            process.stdout.close()


def _port(process: subprocess.Popen[str]) -> int:
    """The port that the driver chose and says on its stdout."""
    assert process.stdout is not None
    for line in process.stdout:
        if "successfully on port " in line:
            return int(line.rpartition("on port ")[2].strip().rstrip("."))
    raise AssertionError("chromedriver ended before it told its port")
