"""Every setting: its default, what it takes, and a refusal that names it; the key stays hidden."""

import dataclasses

import pytest

from lamina_core import config, errors
from lamina_core.addresses import Address
from lamina_core.config import DATA, SETTINGS, Secret
from lamina_core.domain import Generation

KEY = "lma_0123456789abcdef"


def load(**given):
    return config.load(given)


def test_without_any_setting_the_sandbox_is_used():
    settings = load()
    assert dataclasses.asdict(dataclasses.replace(settings, api_key=Secret(""))) | {"api_key": None} == {
        "api_key": None,
        "base_url": "http://127.0.0.1:8787",
        "generation": Generation.EXECUTIONS,
        "database_url": f"sqlite:///{DATA / 'demo.db'}",
        "public_url": None,
        "sandbox": True,
        "sandbox_port": 8787,
        "sandbox_speed": 1.0,
        "environment": "sandbox",
        "host": "127.0.0.1",
        "port": 8501,
        "ingest_token": None,
        "import_listed": False,
        "send_to": (),
        "keep": {"executions": {}, "payloads": None, "deliveries": None},
        "rate_limit_per_minute": 100,
    }
    assert settings.api_key.reveal() == config.SANDBOX_KEY
    assert settings.lamina == "the sandbox"
    assert settings.sandbox_database.parent == DATA


def test_with_a_key_lamina_is_used_and_its_store_is_another():
    settings = load(LAMINA_API_KEY=KEY)
    assert (settings.sandbox, settings.base_url, settings.lamina) == (False, *["https://app.uselamina.ai"] * 2)
    assert settings.database_url == f"sqlite:///{DATA / 'lamina.db'}"
    assert settings.environment == "app.uselamina.ai"


def test_the_environment_of_the_process_is_what_counts():
    assert dataclasses.replace(config.from_environment(), api_key=None) == dataclasses.replace(load(), api_key=None)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_setting_counts_as_unset(name, blank):
    assert dataclasses.replace(load(**{name: blank}), api_key=None) == dataclasses.replace(load(), api_key=None)


@pytest.mark.parametrize(
    ("name", "value", "field", "taken"),
    [
        ("LAMINA_BASE_URL", "https://staging.example.com/", "base_url", "https://staging.example.com"),
        ("LAMINA_BASE_URL", "http://127.0.0.1:9000", "base_url", "http://127.0.0.1:9000"),
        ("LAMINA_BASE_URL", "http://[::1]:9000", "base_url", "http://[::1]:9000"),
        ("LAMINA_BASE_URL", "http://localhost", "base_url", "http://localhost"),
        ("LAMINA_BASE_URL", "https://example.com/lamina", "base_url", "https://example.com/lamina"),
        ("LAMINA_API_GENERATION", "runs", "generation", Generation.RUNS),
        ("LAMINA_API_GENERATION", "v1-executions", "generation", Generation.V1_EXECUTIONS),
        ("LAMINA_DATABASE_URL", "sqlite:////tmp/a.db", "database_url", "sqlite:////tmp/a.db"),
        ("LAMINA_DATABASE_URL", "postgresql+psycopg://u:p@db/n", "database_url", "postgresql+psycopg://u:p@db/n"),
        (
            "LAMINA_DATABASE_URL",
            "postgresql+psycopg://u@/n?host=/s",
            "database_url",
            "postgresql+psycopg://u@/n?host=/s",
        ),
        ("LAMINA_PUBLIC_URL", "https://desk.example.com//", "public_url", "https://desk.example.com"),
        ("LAMINA_SANDBOX_PORT", "1", "sandbox_port", 1),
        ("LAMINA_SANDBOX_PORT", "65535", "sandbox_port", 65535),
        ("LAMINA_SANDBOX_SPEED", "0.5", "sandbox_speed", 0.5),
        ("LAMINA_SANDBOX_SPEED", "10000", "sandbox_speed", 10_000.0),
        ("LAMINA_DESK_ENVIRONMENT", " staging ", "environment", "staging"),
        ("LAMINA_DESK_HOST", "::1", "host", "::1"),
        ("LAMINA_DESK_PORT", "8080", "port", 8080),
        ("LAMINA_RATE_LIMIT_PER_MINUTE", "10", "rate_limit_per_minute", 10),
        (
            "LAMINA_DESK_SEND_TO",
            "https://Staging.example.com/hooks, http://127.0.0.1:9000,,https://staging.example.com/hooks",
            "send_to",
            (Address("https", "staging.example.com", 443, "/hooks"), Address("http", "127.0.0.1", 9000)),
        ),
    ],
)
def test_a_good_value_is_taken(name, value, field, taken):
    given = {name: value} | ({"LAMINA_API_KEY": KEY} if name == "LAMINA_BASE_URL" else {})
    assert getattr(load(**given), field) == taken


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LAMINA_API_KEY", "lma_with blank"),
        ("LAMINA_API_KEY", "lma_with\nline"),
        ("LAMINA_API_KEY", "“lma_curly”"),
        ("LAMINA_BASE_URL", "http://lamina.example.com"),
        ("LAMINA_BASE_URL", "http://127.0.0.1.example.com"),
        ("LAMINA_BASE_URL", "ftp://example.com"),
        ("LAMINA_BASE_URL", "example.com"),
        ("LAMINA_BASE_URL", "https://"),
        ("LAMINA_BASE_URL", "https://[broken"),
        ("LAMINA_BASE_URL", "https://example.com:99999"),
        ("LAMINA_BASE_URL", "https://example.com:port"),
        ("LAMINA_BASE_URL", "https://example.com/?a=b"),
        ("LAMINA_BASE_URL", "https://example.com/#a"),
        ("LAMINA_BASE_URL", "https://exam ple.com"),
        ("LAMINA_API_GENERATION", "Runs"),
        ("LAMINA_DATABASE_URL", "mysql://example.com/x"),
        ("LAMINA_DATABASE_URL", "sqlite:///"),
        ("LAMINA_DATABASE_URL", "sqlite:///:memory:"),
        ("LAMINA_DATABASE_URL", "postgresql+psycopg://u:p@db:port/n"),
        ("LAMINA_PUBLIC_URL", "desk.example.com"),
        ("LAMINA_SANDBOX_PORT", "0"),
        ("LAMINA_SANDBOX_PORT", "65536"),
        ("LAMINA_SANDBOX_PORT", "8787.0"),
        ("LAMINA_DESK_PORT", "-1"),
        ("LAMINA_DESK_PORT", "٨٠٨٠"),
        ("LAMINA_SANDBOX_SPEED", "0"),
        ("LAMINA_SANDBOX_SPEED", "fast"),
        ("LAMINA_SANDBOX_SPEED", "nan"),
        ("LAMINA_SANDBOX_SPEED", "1e3"),
        ("LAMINA_SANDBOX_SPEED", "10001"),
        ("LAMINA_RATE_LIMIT_PER_MINUTE", "9"),
        ("LAMINA_RATE_LIMIT_PER_MINUTE", "many"),
        ("LAMINA_RATE_LIMIT_PER_MINUTE", "1000000000"),
        ("LAMINA_DESK_SEND_TO", "staging.example.com"),
        ("LAMINA_DESK_SEND_TO", "*"),
        ("LAMINA_DESK_SEND_TO", "https://*.example.com"),
        ("LAMINA_DESK_SEND_TO", "ftp://example.com"),
        ("LAMINA_DESK_SEND_TO", "https://example.com/?a=b"),
        ("LAMINA_DESK_SEND_TO", "https://example.com/#a"),
        ("LAMINA_DESK_SEND_TO", "https://example.com/a/../b"),
        ("LAMINA_DESK_SEND_TO", "https://example.com https://example.org"),
    ],
)
def test_a_bad_value_is_refused_by_the_setting_s_name(name, value):
    with pytest.raises(errors.ConfigurationError, match=name):
        load(**{"LAMINA_API_KEY": KEY} | {name: value})


def test_another_lamina_without_its_key_is_refused():
    with pytest.raises(errors.ConfigurationError, match="LAMINA_BASE_URL is set but LAMINA_API_KEY is not"):
        load(LAMINA_BASE_URL="https://staging.example.com")


@pytest.mark.parametrize(
    "url", ["https://u:s3cret@example.com", "https://u:s3cret@example.com/?a=b", "u:s3cret@example"]
)
@pytest.mark.parametrize("name", ["LAMINA_BASE_URL", "LAMINA_PUBLIC_URL", "LAMINA_DESK_SEND_TO"])
def test_credentials_in_a_url_are_refused_and_not_repeated(name, url):
    with pytest.raises(errors.ConfigurationError, match=name) as refused:
        load(**{"LAMINA_API_KEY": KEY, name: url})
    assert "s3cret" not in str(refused.value)


def test_the_entry_that_cannot_be_sent_to_is_told_by_its_place():
    with pytest.raises(errors.ConfigurationError, match="Entry 2 of LAMINA_DESK_SEND_TO"):
        load(LAMINA_DESK_SEND_TO="https://example.com,example.org")


def test_a_database_url_is_not_repeated_in_its_refusal():
    with pytest.raises(errors.ConfigurationError) as refused:
        load(LAMINA_DATABASE_URL="postgres://u:s3cret@db/n")
    assert "s3cret" not in str(refused.value)


def test_the_key_shows_itself_to_nobody_who_does_not_ask():
    settings = load(LAMINA_API_KEY=KEY)
    assert KEY not in f"{settings} {settings!r} {settings.api_key} {settings.api_key!r}"
    assert settings.api_key.reveal() == KEY


@pytest.mark.parametrize("bad", ["lma_with blank", "“lma_curly”"])
def test_a_bad_key_is_not_repeated_in_its_refusal(bad):
    with pytest.raises(errors.ConfigurationError) as refused:
        load(LAMINA_API_KEY=bad)
    assert bad not in str(refused.value)


def test_every_setting_is_described():
    assert all(name.startswith("LAMINA_") and len(text) > 10 for name, text in SETTINGS.items())
