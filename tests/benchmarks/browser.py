"""Drives a headless Chromium over the DevTools protocol, through two pipes and nothing else."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
PATIENCE_S = 90


class Page:
    """One page: give it a file, then ask it, click in it, look at it."""

    def __init__(self, to_browser, from_browser):
        self._out, self._in = to_browser, from_browser
        self._buffer = b""
        self._number = 0
        self._session = None
        self.complaints = []

    def attach(self):
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        found = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, path, width=1280, height=900):
        self.resize(width, height)
        self._call("Page.navigate", url=path.as_uri())
        deadline = time.monotonic() + PATIENCE_S
        while self.ask("location.href + document.readyState") != f"{path.as_uri()}complete":
            assert time.monotonic() < deadline, "the page does not finish loading"
            time.sleep(0.05)
        self.settle()

    def resize(self, width, height=900):
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def settle(self):
        """Wait until two frames have been drawn."""
        twice = "requestAnimationFrame(() => requestAnimationFrame(() => done(1)))"
        self.ask(f"new Promise((done) => {twice})")

    def ask(self, script):
        """Evaluate an expression in the page."""
        found = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def click(self, selector, n=0):
        """Click the middle of the n-th element that a selector finds, as a mouse does."""
        x, y = self._middle(selector, n)
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def point(self, selector, n=0):
        """Move the mouse onto an element."""
        x, y = self._middle(selector, n)
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def _middle(self, selector, n):
        return self.ask(
            f"(() => {{ const e = document.querySelectorAll({selector!r})[{n}];"
            "e.scrollIntoView({ block: 'center' }); const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )

    def press(self, key, text=""):
        """Press and release a key."""
        code = {"Enter": 13, "Tab": 9, "Escape": 27}.get(key, 0)
        common = {"key": key, "windowsVirtualKeyCode": code}
        self._call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self._call("Input.dispatchKeyEvent", type="keyUp", **common)
        self.settle()

    def type(self, text):
        """Type into what has the focus."""
        self._call("Input.insertText", text=text)
        self.settle()

    def media(self, **features):
        """Ask for a medium and features, such as type="print" or scheme="dark"."""
        wanted = [{"name": "prefers-color-scheme", "value": features.get("scheme", "light")}]
        self._call("Emulation.setEmulatedMedia", media=features.get("type", ""), features=wanted)
        self.settle()

    def screenshot(self, path, *, whole=False):
        found = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def print_pages(self):
        """Give the page as a PDF file."""
        return base64.b64decode(self._call("Page.printToPDF", printBackground=True)["data"])

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def _read(self):
        deadline = time.monotonic() + PATIENCE_S
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._in], [], [], max(left, 0))
            assert ready, "the browser does not answer"
            chunk = os.read(self._in, 1 << 20)
            assert chunk, "the browser has ended"
            self._buffer += chunk
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event):
        method, said = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(said["exceptionDetails"]["exception"].get("description"))
        elif method == "Runtime.consoleAPICalled" and said["type"] in {"error", "warning"}:
            self.complaints.append(str(said["args"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(said["entry"]["text"])


@contextlib.contextmanager
def browser():
    """Start a browser without a window; it ends with the block."""
    for_browser, to_browser = os.pipe()
    from_browser, by_browser = os.pipe()
    profile = tempfile.mkdtemp(prefix="trackbench-browser-")
    script = f'exec "$0" "$@" 3<&{for_browser} 4>&{by_browser}'
    arguments = (
        *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"),
        *("--hide-scrollbars", "--no-first-run", "--disable-dev-shm-usage"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}"),
    )
    process = subprocess.Popen(
        ["bash", "-c", script, BROWSER, *arguments],
        pass_fds=(for_browser, by_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(for_browser)
    os.close(by_browser)
    try:
        page = Page(to_browser, from_browser)
        page.attach()
        yield page
    finally:
        os.close(to_browser)
        os.close(from_browser)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(profile, ignore_errors=True)
