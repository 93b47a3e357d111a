"""The one reader of the environment and of the settings file.

Every setting `name` is `YUNKAN_NAME` in the environment, or `name = …` in the TOML file that `YUNKAN_CONFIG`
names; the environment wins. Everything else in the house gets a `Settings` value passed in.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: `static/`, `templates/` and `locales/` are beside the package."""


class BadSettings(Exception):
    """A setting that cannot be used; the message names it and says what would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, with the defaults of a machine that serves only itself."""

    listen: str = "127.0.0.1:8080"
    data: Path = Path("recordings")
    database_url: str = ""
    public_url: str = ""
    """How people reach the service, e.g. `https://inspect.example.gov.cn`; empty: from the request."""
    media_address: str = "127.0.0.1"
    media_port: int = 0
    media_advertised_address: str = ""
    turn_urls: str = ""
    """TURN servers for networks without UDP, separated by commas, e.g. `turns:turn.example.cn:443?transport=tcp`."""
    turn_secret: str = ""
    """The secret shared with them (coturn: `static-auth-secret`)."""
    turn_hours: int = 12
    """How long a participant's credentials are good."""
    tls_certificate: str = ""
    tls_key: str = ""
    behind_proxy: bool = False
    """Trust `X-Forwarded-For` and `X-Forwarded-Proto` of the one proxy in front."""
    worker: str = "0"
    language: str = "zh-CN"
    early_join_minutes: int = 30
    invitation_hours: int = 72
    session_hours: int = 12
    abandon_hours: int = 4
    """A live inspection that everybody left so long ago ends by itself."""
    expire_days: int = 30
    """An appointment that nobody kept is cancelled so long after its time."""
    upload_limit_bytes: int = 50 * 2**20
    reserve_bytes: int = 2 * 2**30
    """Free disk below which no new inspection starts. Recordings that are running end at an eighth of it."""
    retention_years: str = ""
    """The office's own schedule over that of `cases/rules.py`, as `matter=years, matter=permanent`, or a table of the
    file. `not-held` is for what was cancelled."""
    log_format: str = "text"
    keys: str = ""
    """Folder of the keys that seal inspections; empty: `keys` in the data folder."""
    signer: str = ""
    """Command that holds the key for seals; `yunkan keys init` and `keys rotate seal` take it into use."""
    timestamp_urls: str = ""
    """One or two RFC 3161 authorities, separated by a comma; empty: seals carry no time stamp."""
    timestamp_roots: str = ""
    """PEM files with the authorities' roots, in the same order."""

    sm2_certificate: str = ""
    """PEM of the office's SM2 certificate: with it each seal is signed a second time. `sm2_key`: its private key."""
    sm2_key: str = ""
    sm3: bool = False
    """List SM3 digests beside the SHA-256 ones."""
    fonts: str = ""
    """Folder with a Chinese font for inspection records; empty: the font package if installed, else the system's."""

    @property
    def font_folder(self) -> Path | None:
        return Path(self.fonts) if self.fonts else None

    @property
    def key_folder(self) -> Path:
        return Path(self.keys) if self.keys else self.data / "keys"

    @property
    def authorities(self) -> list[tuple[str, Path]]:
        """(address, PEM of its root) of each time stamp authority."""
        urls, roots = _listed(self.timestamp_urls), _listed(self.timestamp_roots)
        return [(url, Path(root)) for url, root in zip(urls, roots, strict=True)]

    @property
    def retention(self) -> dict[str, int | None]:
        """Matter -> years after the result, None for ever. ValueError unless each entry is one of the two."""
        pairs = (entry.partition("=") for entry in _listed(self.retention_years))
        return {matter.strip(): _years(text.strip()) for matter, _, text in pairs}

    @property
    def turn_servers(self) -> list[str]:
        return _listed(self.turn_urls)

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def database(self) -> str:
        """The SQLAlchemy URL, with an async driver."""
        if not self.database_url:
            return f"sqlite+aiosqlite:///{(self.data / 'yunkan.sqlite3').resolve()}"
        scheme, _, rest = self.database_url.partition("://")
        if scheme in ("postgresql", "postgres"):
            return f"postgresql+asyncpg://{rest}"
        return self.database_url


def load(environment: Mapping[str, str]) -> Settings:
    """Settings from the environment and the file it names; BadSettings names the first bad one."""
    values = _from_file(environment.get("YUNKAN_CONFIG", ""))
    for field in fields(Settings):
        name = f"YUNKAN_{field.name.upper()}"
        if name in environment:
            values[field.name] = environment[name]
    settings = Settings(**{name: _convert(name, value) for name, value in values.items()})
    _check(settings)
    return settings


def _from_file(path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadSettings(f"YUNKAN_CONFIG={path}: {error}") from error
    known = {field.name for field in fields(Settings)}
    if unknown := sorted(set(values) - known):
        raise BadSettings(f"{path}: unknown setting {unknown[0]!r}; known: {', '.join(sorted(known))}")
    return {name: _flat(value) for name, value in values.items()}


def _flat(value: Any) -> Any:
    """A table in the form that the environment has for it."""
    return ", ".join(f"{name}={each}" for name, each in value.items()) if isinstance(value, dict) else value


def _convert(name: str, value: Any) -> Any:
    kind = {field.name: field.type for field in fields(Settings)}[name]
    try:
        if kind == "bool" and isinstance(value, str):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[
                value.lower()
            ]
        converters: dict[str, Any] = {"int": int, "Path": Path, "str": str, "bool": bool}
        return converters[str(kind)](value)
    except (KeyError, ValueError, TypeError) as error:
        raise BadSettings(f"YUNKAN_{name.upper()}={value!r} is not of the kind {kind}") from error


def _listed(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _years(text: str) -> int | None:
    if text == "permanent":
        return None
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 200:
        raise ValueError(text)
    return int(text)


def _check_retention(settings: Settings) -> None:
    try:
        entries = settings.retention
    except ValueError as error:
        raise BadSettings(
            f"YUNKAN_RETENTION_YEARS: {str(error)!r} must be years from 1 to 200, or permanent"
        ) from error
    if "" in entries:
        raise BadSettings("YUNKAN_RETENTION_YEARS: write matter=years, separated by commas")


def _check_times(settings: Settings) -> None:
    for name, value in (("ABANDON_HOURS", settings.abandon_hours), ("EXPIRE_DAYS", settings.expire_days)):
        if value < 1:
            raise BadSettings(f"YUNKAN_{name}={value}: must be at least 1")


def _check_signers(settings: Settings) -> None:
    try:
        shlex.split(settings.signer)
    except ValueError as error:
        raise BadSettings(f"YUNKAN_SIGNER is not written as a shell would read it: {error}") from error
    if bool(settings.sm2_certificate) != bool(settings.sm2_key):
        raise BadSettings("YUNKAN_SM2_CERTIFICATE and YUNKAN_SM2_KEY go together")
    for name in (settings.sm2_certificate, settings.sm2_key):
        if name and not Path(name).is_file():
            raise BadSettings(f"YUNKAN_SM2_CERTIFICATE, YUNKAN_SM2_KEY: there is no file {name!r}")


def _check(settings: Settings) -> None:
    host, _, port = settings.listen.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) < 65536:
        raise BadSettings(f"YUNKAN_LISTEN={settings.listen!r}: must be ADDRESS:PORT, as in 127.0.0.1:8080")
    if not 0 <= settings.media_port < 65536:
        raise BadSettings(
            f"YUNKAN_MEDIA_PORT={settings.media_port}: must be from 0 to 65535 (0 = any free port)"
        )
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", settings.worker):
        raise BadSettings(f"YUNKAN_WORKER={settings.worker!r}: must be up to 40 letters, digits, - or _")
    _check_times(settings)
    _check_signers(settings)
    _check_retention(settings)
    if settings.fonts and not Path(settings.fonts).is_dir():
        raise BadSettings(f"YUNKAN_FONTS={settings.fonts!r}: there is no such folder")
    if settings.language not in ("zh-CN", "en"):
        raise BadSettings(f"YUNKAN_LANGUAGE={settings.language!r}: must be zh-CN or en")
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise BadSettings("YUNKAN_TLS_CERTIFICATE and YUNKAN_TLS_KEY go together")
    _check_turn(settings)
    urls, roots = _listed(settings.timestamp_urls), _listed(settings.timestamp_roots)
    if len(urls) > 2 or len(urls) != len(roots):
        raise BadSettings(
            "YUNKAN_TIMESTAMP_URLS names none, one or two authorities, YUNKAN_TIMESTAMP_ROOTS one PEM file for each"
        )
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise BadSettings(f"YUNKAN_TIMESTAMP_URLS: {url!r} is no http address")
    for root in roots:
        if not Path(root).is_file():
            raise BadSettings(f"YUNKAN_TIMESTAMP_ROOTS: there is no file {root!r}")


def _check_turn(settings: Settings) -> None:
    if bool(settings.turn_servers) != bool(settings.turn_secret):
        raise BadSettings("YUNKAN_TURN_URLS and YUNKAN_TURN_SECRET go together")
    for url in settings.turn_servers:
        if not re.fullmatch(r"turns?:[^\s<>\"]+", url):
            raise BadSettings(f"YUNKAN_TURN_URLS: {url!r} is no turn: or turns: address")
    if settings.turn_hours < 1:
        raise BadSettings(f"YUNKAN_TURN_HOURS={settings.turn_hours}: must be at least 1")
