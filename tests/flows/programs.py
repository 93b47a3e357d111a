"""What a program does with the API: JSON out and in, with a bearer token."""

from typing import Any

from tests.cast import Office
from tests.flows.browsing import Client

BODY: dict[str, Any] = {
    "matter": "seed-licence-address",
    "enterprise": {"name": "丰禾种业有限公司", "credit_code": "91110000600037341L"},
    "licence": {"kind": "seed-b", "number": "B 0007"},
    "change": {
        "old_address": "府前街 18 号",
        "new_address": "民丰路 6 号",
        "location": {"lat": 37.5878, "lon": 118.5473},
    },
}


async def post(client: Client, path: str, body: Any, who: dict[str, str], status: int = 201) -> Any:
    async with client.post(path, json=body, headers={**who, "Accept-Language": "en"}) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def get(client: Client, path: str, who: dict[str, str], status: int = 200) -> Any:
    async with client.get(path, headers={**who, "Accept-Language": "en"}) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def make_case(client: Client, office: Office) -> str:
    made = await post(client, "/api/v1/cases", BODY, office.bearer("reviewer"))
    case_id: str = made["id"]
    return case_id
