"""Pictures of every page in every main state, both languages, both themes, phone and desk: for people to look at.

    python -m tests.tools.screenshots [--docs] [--only PAGE ...]

They go to build/screenshots, with an index.html. `--docs` makes the few pictures of the README instead.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from tests.peers.chromium import EXECUTABLE, chromium
from tests.service import ROOT, Service
from tests.tools import walk_camera
from tests.tools.album import Album
from tests.tools.picture_tour import Tour
from tests.tools.scene import furnish

FOLDER = ROOT / "build" / "screenshots"
DOCS = ROOT / "docs" / "pictures"


async def take(album: Album, *, for_docs: bool) -> None:
    """Start the service with the scene in it, go through the pages, stop it."""
    with tempfile.TemporaryDirectory(prefix="yunkan-pictures-") as temporary:
        folder = Path(temporary)
        service = Service(folder)
        album.address = service.address
        scene = await furnish(service)
        camera, paper = (
            walk_camera.build(folder / "walk.mjpeg"),
            walk_camera.write_paper(folder / "营业执照.png"),
        )
        async with AsyncExitStack() as stack:
            await service.start()
            stack.push_async_callback(service.stop)
            # The README's picture is looked at closely; all others must be quick to take.
            scale = 2 if for_docs else 1
            browser = await stack.enter_async_context(chromium(camera=camera))
            phone = await stack.enter_async_context(browser.phone(service.address, device_scale_factor=scale))
            second = await stack.enter_async_context(
                browser.phone(service.address, device_scale_factor=scale)
            )
            desk = await stack.enter_async_context(browser.desk(service.address))
            guest = await stack.enter_async_context(browser.desk(service.address))
            tour = Tour(album, scene, phone, second, desk, guest, paper)
            try:
                await (tour.documentation(DOCS) if for_docs else tour.everything())
            except Exception:
                print(service.log.read_text()[-2000:], file=sys.stderr)
                print(f"the service's exit code: {service.exit_code}", file=sys.stderr)
                await album.keep_last_words(phone, second, desk, guest)
                raise


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--docs", action="store_true", help="the pictures of the README")
    parser.add_argument("--only", nargs="*", metavar="PAGE", help="keep the pictures of these pages only")
    chosen = parser.parse_args()
    if not EXECUTABLE.exists():
        print("no Chromium is installed (Debian: apt install chromium fonts-noto-cjk)", file=sys.stderr)
        return 1
    if not chosen.only and not chosen.docs:
        shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    DOCS.mkdir(parents=True, exist_ok=True)
    album = Album(FOLDER, "", only=frozenset(chosen.only) if chosen.only else None)
    begun = time.monotonic()
    asyncio.run(take(album, for_docs=chosen.docs))
    seconds = round(time.monotonic() - begun)
    if chosen.docs:
        print(f"{DOCS}: {seconds} s")
    else:
        print(f"{album.write_index()}: {len(album.taken)} pictures, {seconds} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
