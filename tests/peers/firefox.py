"""Debian's Firefox, driven by WebDriver BiDi over its own WebSocket, with a made-up camera and microphone."""

import asyncio
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    # Nothing is fetched from anywhere, not even a codec.
    "media.gmp-manager.updateEnabled": False,
    "app.update.disabledForTesting": True,
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
START_S = 60


def require_firefox() -> str:
    found = shutil.which("firefox-esr")
    if found is None:
        reason = "no Firefox is installed (Debian: firefox-esr)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class Tab:
    """One tab of a running Firefox."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.context = ""

    async def send(self, method: str, **params: Any) -> Any:
        """A command and its result; AssertionError with the browser's words if it failed."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(START_S):
            while True:
                answer = await self._socket.receive_json()
                if answer.get("id") == number:
                    assert answer["type"] == "success", answer
                    return answer["result"]

    async def goto(self, url: str) -> None:
        await self.send("browsingContext.navigate", context=self.context, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression (a promise is awaited), by way of JSON."""
        result = await self.send(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then(value => JSON.stringify(value ?? null))",
            target={"context": self.context},
            awaitPromise=True,
        )
        assert result["type"] == "success", result
        return json.loads(result["result"]["value"])

    async def until(self, expression: str) -> None:
        async with asyncio.timeout(START_S):
            while not await self.evaluate(expression):  # noqa: ASYNC110 - a page's condition, which sets no event
                await asyncio.sleep(0.1)


@asynccontextmanager
async def firefox(folder: Path) -> AsyncIterator[Tab]:
    """A browser of its own with an empty profile in `folder`; ended whatever happens."""
    program = require_firefox()
    profile = folder / "profile"
    profile.mkdir()
    lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    log = folder / "firefox.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"],
            stdout=output,
            stderr=output,
            env={**os.environ, "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
        )
    try:
        async with asyncio.timeout(START_S):
            while "WebDriver BiDi listening on " not in (said := log.read_text(errors="replace")):
                assert process.poll() is None, said
                await asyncio.sleep(0.1)
        address = said.partition("WebDriver BiDi listening on ")[2].split()[0]
        async with ClientSession() as session, session.ws_connect(f"{address}/session") as socket:
            tab = Tab(socket)
            await tab.send("session.new", capabilities={})
            tree = await tab.send("browsingContext.getTree")
            tab.context = tree["contexts"][0]["context"]
            yield tab
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 10)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
