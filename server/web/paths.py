"""Addresses that a visitor sent along, to be sent back to."""

from __future__ import annotations


def same_site_path(target: str, default: str = "/") -> str:
    """`target` if it is a path of this site, else `default`.

    Browsers drop tabs and line ends and read `\\` as `/` before they resolve an address, so that `/<tab>/other.example`
    would leave the site.
    """
    if not target.startswith("/") or target.startswith(("//", "/\\")) or not target.isprintable():
        return default
    return target
