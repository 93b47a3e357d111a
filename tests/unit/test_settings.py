"""Settings come from the environment and a TOML file; a bad one is named."""

from pathlib import Path

import pytest

from server.settings import BadSettings, load


def test_the_defaults_serve_only_this_machine() -> None:
    settings = load({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.media_address == "127.0.0.1"


def test_the_database_is_sqlite_inside_the_data_folder_unless_named(tmp_path: Path) -> None:
    assert load({"YUNKAN_DATA": str(tmp_path)}).database == f"sqlite+aiosqlite:///{tmp_path}/yunkan.sqlite3"
    named = load({"YUNKAN_DATABASE_URL": "postgresql://u:p@host/name"})
    assert named.database == "postgresql+asyncpg://u:p@host/name"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "yunkan.toml"
    file.write_text('listen = "127.0.0.1:9000"\nmedia_port = 40000\n')
    settings = load({"YUNKAN_CONFIG": str(file), "YUNKAN_LISTEN": "127.0.0.1:9001"})
    assert (settings.port, settings.media_port) == (9001, 40000)


def test_the_retention_schedule_is_a_list_of_the_environment_or_a_table_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "yunkan.toml"
    file.write_text('[retention_years]\nseed-licence-address = 15\nnot-held = "permanent"\n')
    schedule = {"seed-licence-address": 15, "not-held": None}
    assert load({"YUNKAN_CONFIG": str(file)}).retention == schedule
    told = {"YUNKAN_RETENTION_YEARS": " seed-licence-address = 15,not-held=permanent"}
    assert load(told).retention == schedule
    assert load({}).retention == {}


@pytest.mark.parametrize("text", ["1", "true", "YES"])
def test_a_switch_is_read_from_text(text: str) -> None:
    assert load({"YUNKAN_BEHIND_PROXY": text}).behind_proxy is True


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"YUNKAN_LISTEN": "8080"}, "YUNKAN_LISTEN"),
        ({"YUNKAN_TURN_URLS": "turn:turn.example.cn:3478"}, "YUNKAN_TURN_SECRET"),
        ({"YUNKAN_TURN_URLS": "http://turn.example.cn", "YUNKAN_TURN_SECRET": "s"}, "YUNKAN_TURN_URLS"),
        ({"YUNKAN_TURN_HOURS": "0"}, "YUNKAN_TURN_HOURS"),
        ({"YUNKAN_LISTEN": "127.0.0.1:99999"}, "YUNKAN_LISTEN"),
        ({"YUNKAN_MEDIA_PORT": "many"}, "YUNKAN_MEDIA_PORT"),
        ({"YUNKAN_MEDIA_PORT": "70000"}, "YUNKAN_MEDIA_PORT"),
        ({"YUNKAN_LANGUAGE": "fr"}, "YUNKAN_LANGUAGE"),
        ({"YUNKAN_EXPIRE_DAYS": "0"}, "YUNKAN_EXPIRE_DAYS"),
        ({"YUNKAN_RETENTION_YEARS": "a=0"}, "YUNKAN_RETENTION_YEARS"),
        ({"YUNKAN_RETENTION_YEARS": "a=forever"}, "YUNKAN_RETENTION_YEARS"),
        ({"YUNKAN_RETENTION_YEARS": "10"}, "YUNKAN_RETENTION_YEARS"),
        ({"YUNKAN_RETENTION_YEARS": "=10"}, "YUNKAN_RETENTION_YEARS"),
        ({"YUNKAN_BEHIND_PROXY": "perhaps"}, "YUNKAN_BEHIND_PROXY"),
        ({"YUNKAN_TLS_KEY": "key.pem"}, "YUNKAN_TLS_CERTIFICATE"),
        ({"YUNKAN_CONFIG": "/nowhere/at/all.toml"}, "YUNKAN_CONFIG"),
        ({"YUNKAN_TIMESTAMP_URLS": "https://tsa.example"}, "YUNKAN_TIMESTAMP_URLS"),
        (
            {"YUNKAN_TIMESTAMP_URLS": "tsa.example", "YUNKAN_TIMESTAMP_ROOTS": "pyproject.toml"},
            "YUNKAN_TIMESTAMP_URLS",
        ),
        (
            {"YUNKAN_TIMESTAMP_URLS": "http://tsa.example", "YUNKAN_TIMESTAMP_ROOTS": "none.pem"},
            "YUNKAN_TIMESTAMP_ROOTS",
        ),
    ],
)
def test_a_bad_setting_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(BadSettings, match=named):
        load(environment)


def test_an_unknown_setting_in_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "yunkan.toml"
    file.write_text('lisen = "127.0.0.1:9000"\n')
    with pytest.raises(BadSettings, match="lisen"):
        load({"YUNKAN_CONFIG": str(file)})


def test_an_sm2_certificate_needs_its_key_and_both_files(tmp_path: Path) -> None:
    certificate = tmp_path / "c.pem"
    certificate.touch()
    with pytest.raises(BadSettings, match="go together"):
        load({"YUNKAN_SM2_CERTIFICATE": str(certificate)})
    with pytest.raises(BadSettings, match="there is no file"):
        load({"YUNKAN_SM2_CERTIFICATE": str(certificate), "YUNKAN_SM2_KEY": str(tmp_path / "none")})


def test_a_folder_of_fonts_must_be_there(tmp_path: Path) -> None:
    assert load({"YUNKAN_FONTS": str(tmp_path)}).font_folder == tmp_path
    with pytest.raises(BadSettings, match="no such folder"):
        load({"YUNKAN_FONTS": str(tmp_path / "none")})
