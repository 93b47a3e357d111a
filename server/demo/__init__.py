"""The simulated phone: joins an inspection over HTTP like any phone and shows a drawn walk through a site.

It runs in a process of its own and knows nothing of the service but its protocol (docs/PROTOCOL.md).
"""

from server.demo.phone import SITE, Site, run

__all__ = ["SITE", "Site", "run"]
