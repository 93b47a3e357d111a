"""What a person does with pages: sign in, look, fill in forms."""

import re
from typing import Any

from aiohttp import FormData
from aiohttp.test_utils import TestClient

from tests.cast import PASSWORD

Client = TestClient[Any, Any]
Headers = dict[str, str]
PAGE = {"Accept": "text/html", "Accept-Language": "en"}


async def look(client: Client, path: str, status: int = 200, who: Headers | None = None) -> str:
    """The page at `path`, in English. `who`: a token's headers, instead of this browser's session."""
    async with client.get(path, headers={**PAGE, **(who or {})}) as response:
        text = await response.text()
        assert response.status == status, f"{path}: {response.status} {shown(text)[:800]}"
    return text


async def csrf_of(client: Client, path: str = "/sign-in") -> str:
    """The form token of this browser, as any page carries it."""
    async with client.get(path, headers=PAGE) as response:
        found = re.search(r'name="csrf-token" content="([^"]+)"', await response.text())
    assert found is not None
    return found[1]


async def send_form(
    client: Client,
    path: str,
    fields: dict[str, Any] | FormData,
    *,
    status: int = 303,
    who: Headers | None = None,
) -> tuple[str, str]:
    """Send a form with its token; the `Location` it leads to ("" if none) and the page's text."""
    token = "" if who else await csrf_of(client)
    if isinstance(fields, FormData):
        fields.add_field("csrf", token)
        data: Any = fields
    else:
        data = FormData([("csrf", token)])
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                data.add_field(name, one)
    async with client.post(
        path, data=data, headers={**PAGE, **(who or {})}, allow_redirects=False
    ) as response:
        text = await response.text()
        assert response.status == status, f"{path}: {response.status} {shown(text)[:800]}"
        return response.headers.get("Location", ""), text


async def sign_in(client: Client, username: str = "zhou", password: str = PASSWORD) -> Client:
    """Sign this browser in."""
    await send_form(client, "/sign-in", {"username": username, "password": password})
    return client


def shown(html: str) -> str:
    """The words of a page, without markup."""
    body = html.partition("<main")[2] or html
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())
