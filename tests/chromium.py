"""A real Chromium without a window, driven over a pipe in the words of the DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = "chromium"
_PATIENCE_S = 60
_KEYS = {"Enter": 13, "Escape": 27, "Backspace": 8, "ArrowLeft": 37, "ArrowUp": 38,
         "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}  # fmt: skip


class Chromium:
    """One process. What happens in its pages is gathered in `events`."""

    def __init__(self, profile: Path) -> None:
        commands, self._out = os.pipe()
        self._in, answers = os.pipe()
        # It reads commands from descriptor 3 and answers on 4.
        launch = f'exec "$@" 3<&{commands} 4>&{answers}'
        flags = (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--hide-scrollbars", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
        )  # fmt: skip
        self._process = subprocess.Popen(
            ["bash", "-c", launch, "sh", PROGRAM, *flags, "about:blank"],
            pass_fds=(commands, answers),
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._numbers = itertools.count(1)
        self._rest = b""
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """One command; its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], _PATIENCE_S)
            assert ready, "chromium does not answer"
            piece = os.read(self._in, 1 << 20)
            assert piece, "chromium went away"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """Ends it."""
        try:
            self.call("Browser.close")
            self._process.wait(_PATIENCE_S)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._in)
            os.close(self._out)

    @contextmanager
    def page(self, width: int = 1280, height: int = 800, scheme: str = "light") -> Iterator[Page]:
        """An empty page that is closed at the end."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        page = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.resize(width, height)
        page.scheme(scheme)
        try:
            yield page
        finally:
            self.call("Target.closeTarget", targetId=target)


class Page:
    """One page: what a person does with it, and what it shows."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser, self._session = browser, session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command about this page."""
        return self._browser.call(method, self._session, **params)

    def resize(self, width: int, height: int) -> None:
        """Gives it this many pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip

    def scheme(self, name: str) -> None:
        """Light or dark."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def open(self, file: Path) -> float:
        """Loads a report; the milliseconds until it could be used."""
        self.call("Page.navigate", url=file.as_uri())
        self.until("performance.getEntriesByName('ready').length")
        return float(self.value("performance.getEntriesByName('ready')[0].startTime"))

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is there."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, expression: str) -> None:
        """Waits until it is true."""
        deadline = time.monotonic() + _PATIENCE_S
        while not self.value(expression):
            assert time.monotonic() < deadline, f"never true: {expression}"
            time.sleep(0.01)

    def text(self, selector: str) -> str:
        """The text that is to be seen of an element."""
        return str(self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def texts(self, selector: str) -> list[str]:
        """The same of all such elements."""
        found: list[str] = self.value(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.innerText)"
        )
        return found

    def middle(self, selector: str) -> tuple[float, float]:
        """Where to click it; it is brought into sight."""
        x, y = self.value(
            "(() => {"
            f"const element = document.querySelector({json.dumps(selector)});"
            "element.scrollIntoView({block: 'nearest'});"
            "const box = element.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2];"
            "})()"
        )
        return x, y

    def click(self, selector: str) -> None:
        """A click in the middle of an element."""
        self.click_at(*self.middle(selector))

    def click_at(self, x: float, y: float) -> None:
        """A click at a point."""
        self.hover(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def hover(self, x: float, y: float) -> None:
        """The pointer to a point."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def type(self, text: str) -> None:
        """Letters to what has the focus."""
        for letter in text:
            self.call("Input.dispatchKeyEvent", type="keyDown", text=letter, key=letter)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=letter)

    def press(self, key: str) -> None:
        """A key that is no letter."""
        code = _KEYS[key]
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key,
                  windowsVirtualKeyCode=code, **text)  # fmt: skip
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key,
                  windowsVirtualKeyCode=code)  # fmt: skip

    def screenshot(self, file: Path, *, whole: bool = False) -> None:
        """A picture of it."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Errors and warnings of its console, exceptions, and what it asked of any network."""
        self.value("0")  # what came before this has been told
        mine = [e for e in self._browser.events if e.get("sessionId") == self._session]
        found = []
        for event in mine:
            told = _COMPLAINTS.get(event["method"])
            text = told(event["params"]) if told else ""
            if text:
                found.append(text)
        return found


def _request(params: dict[str, Any]) -> str:
    url = str(params["request"]["url"])
    return "" if url.startswith(("file:", "data:", "about:")) else f"asked for {url}"


_COMPLAINTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "Runtime.exceptionThrown": lambda p: json.dumps(p["exceptionDetails"]),
    "Runtime.consoleAPICalled": lambda p: json.dumps(p["args"]),
    "Log.entryAdded": lambda p: json.dumps(p["entry"]),
    "Network.requestWillBeSent": _request,
}
