"""What the tests need besides Python packages: installed if we may, named if not; under CI missing means failed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = {
    "chromium": lambda: shutil.which("chromium") is not None,
    "fonts-noto-cjk": lambda: bool(
        shutil.which("fc-list")
        and subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=False).stdout.strip()
    ),
    "postgresql": lambda: any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
    "coturn": lambda: shutil.which("turnserver") is not None,
    "janus": lambda: shutil.which("janus") is not None,
    "janus-tools": lambda: shutil.which("janus-pp-rec") is not None,
    "firefox-esr": lambda: shutil.which("firefox-esr") is not None,
    "poppler-utils": lambda: shutil.which("pdftotext") is not None,
    "softhsm2": lambda: shutil.which("softhsm2-util") is not None,
    "opensc": lambda: shutil.which("pkcs11-tool") is not None,
    "nodejs": lambda: shutil.which("node") is not None,
}


def missing() -> list[str]:
    return [name for name, is_there in NEEDED.items() if not is_there()]


def main() -> int:
    wanted = missing()
    if wanted and shutil.which("apt-get") and os.geteuid() == 0:
        print(f"installing {' '.join(wanted)}", flush=True)
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", *wanted], check=False, **quiet)
    still = missing()
    if not still:
        return 0
    print(f"Missing: {', '.join(still)}. On Debian: sudo apt-get install {' '.join(still)}")
    if os.environ.get("CI"):
        return 1
    print("The tests that need them will be skipped, visibly.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
