"""Files in an inspection's folder of which no row speaks: what a kill between a file and its event left behind."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.evidence.counts import FOLDER_OF, ORIGINALS
from server.live.gap_filling import original_path
from server.live.models import Part, PhoneRecording, Photo, Snapshot
from server.live.photos import photo_path
from server.storage.files import Files, sync_folder

FOLDER = "unclaimed"
"""Below `data/`: kept and sealed with the rest, but apart from what events vouch for."""


async def claimed_paths(session: AsyncSession, inspection_id: str) -> set[str]:
    """Paths of recordings and pictures, relative to the data folder. A part that could not be opened claims none."""
    recordings = await session.scalars(
        select(PhoneRecording).where(
            PhoneRecording.inspection_id == inspection_id, PhoneRecording.state == "accepted"
        )
    )
    originals = [original_path(recording) for recording in recordings]
    parts = await session.scalars(
        select(Part.path).where(Part.inspection_id == inspection_id, Part.sha256 != "")
    )
    snapshots = await session.scalars(select(Snapshot.path).where(Snapshot.inspection_id == inspection_id))
    photos = await session.scalars(
        select(Photo).where(Photo.inspection_id == inspection_id, Photo.state == "accepted")
    )
    return {*parts, *snapshots, *originals, *(photo_path(photo) for photo in photos)}


def find_unclaimed(files: Files, inspection_id: str, claimed: set[str]) -> list[Path]:
    """Blocks. In the order of their names."""
    data = files.absolute(f"inspections/{inspection_id}/data")
    found: list[Path] = []
    for name in sorted({*FOLDER_OF.values(), ORIGINALS}):
        folder = data / name
        if folder.is_dir():
            found += [
                path
                for path in sorted(folder.iterdir())
                if path.relative_to(files.root).as_posix() not in claimed
            ]
    return found


def set_aside(paths: list[Path]) -> None:
    """Blocks. Into `data/unclaimed/`, under their names; may be repeated."""
    for path in paths:
        target = path.parents[1] / FOLDER / f"{path.parent.name}-{path.name}"
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
        sync_folder(path.parent)
        sync_folder(target.parent)
