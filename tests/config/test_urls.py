"""Settings that become HTTP: what may stand in a head, and that no refusal repeats a credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastproxy.config.urls import (
    beside,
    database_file,
    parse_base_url,
    parse_client_key,
    parse_database,
    parse_field_name,
    parse_field_value,
    parse_method,
    parse_path,
    parse_redis,
    parse_route_host,
    parse_upstream,
    parse_upstream_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Parser = Callable[[str], str]

ACCEPTED: list[tuple[Parser, str, str]] = [
    (parse_base_url, "https://api.openai.com/v1/", "https://api.openai.com/v1"),
    (parse_base_url, "http://[::1]:9100", "http://[::1]:9100"),
    (parse_upstream, "http://127.0.0.1:9001/", "http://127.0.0.1:9001"),
    (parse_upstream, "unix:/run/app.sock", "unix:/run/app.sock"),
    (parse_database, "sqlite:///fastproxy.db", "sqlite:///fastproxy.db"),
    (parse_database, "postgresql+asyncpg://u:p@h/db", "postgresql+asyncpg://u:p@h/db"),
    (parse_database, "sqlite+aiosqlite:////data/50% #1?.db", "sqlite+aiosqlite:////data/50% #1?.db"),
    (parse_redis, "redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
    (parse_route_host, "App.Example.com.", "app.example.com"),
    (parse_route_host, "*.example.com", "*.example.com"),
    (parse_path, "/api/v1", "/api/v1"),
    (parse_method, "get", "GET"),
    (parse_field_name, "X-Env", "x-env"),
    (parse_field_value, "", ""),
    (parse_field_value, "max-age=1; a\tb", "max-age=1; a\tb"),
    (parse_upstream_key, '{"type": "service_account"}', '{"type": "service_account"}'),
    (parse_upstream_key, "x", "x"),
    (parse_client_key, "sk-fp-0123456789", "sk-fp-0123456789"),
]

REFUSED: list[tuple[Parser, str, str]] = [
    (parse_base_url, "ftp://host", "'ftp://host' is not an http:// or https:// URL"),
    (parse_base_url, "api.openai.com/v1", "is not an http:// or https:// URL"),
    (parse_base_url, "http://", "names no usable host and port"),
    (parse_base_url, "http://host:0", "names no usable host and port"),
    (parse_base_url, "http://host:99999", "this is not a URL"),
    (parse_base_url, "http://[::1", "this is not a URL"),
    (parse_base_url, "http://host/v1?api-version=1", "a query or fragment cannot be part of this URL"),
    (parse_base_url, "http://host/a b", "holds characters that a URL must escape"),
    (parse_upstream, "http://host/base", "has a path; expected http://HOST:PORT, and the path as add_prefix"),
    (parse_upstream, "unix:app.sock", "is not a Unix socket path"),
    (parse_upstream, "127.0.0.1:9001", "is not an http:// or https:// URL"),
    (parse_database, "mysql://h/db", "expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"),
    (parse_database, "sqlite://fastproxy.db", "SQLite needs a file that several processes can open; expected"),
    (parse_database, "sqlite:///:memory:", "SQLite needs a file that several processes can open; expected"),
    (parse_database, "sqlite:///file:x?mode=memory", "SQLite needs a file that several processes can open; expected"),
    (parse_redis, "127.0.0.1:6379", "expected redis://HOST:PORT/NUMBER"),
    (parse_route_host, "app.example.com:80", "is not a host"),
    (parse_route_host, "app.*.com", "is not a host"),
    (parse_path, "api", "'api' is not a path; expected one that begins with /, without a query"),
    (parse_path, "/a?b", "is not a path"),
    (parse_path, "/a\r\nx: y", "is not a path"),
    (parse_method, "G E T", "is not a method"),
    (parse_field_name, "x env", "is not a header name"),
    (parse_field_name, "Transfer-Encoding", "header 'transfer-encoding' is set by the proxy itself"),
    (parse_field_name, "Host", "header 'host' is set by the proxy itself"),
    (parse_field_value, "a\r\nb: c", "expected a header value of printable ASCII"),
    (parse_upstream_key, "", "expected a key of printable ASCII"),
    (parse_upstream_key, "sk-1\r\nhost: x", "expected a key of printable ASCII"),
    (parse_client_key, "short", "this key has 5 characters; expected at least 8"),
    (parse_client_key, "sk-1234", "this key is a well-known default"),
    (parse_client_key, "ChangeMe", "this key is a well-known default"),
    (parse_client_key, "password", "this key is a well-known default"),
    (parse_client_key, "secret", "this key is a well-known default"),
    (parse_client_key, "with space in it", "expected a key of visible ASCII without spaces"),
]


@pytest.mark.parametrize(("parser", "text", "value"), ACCEPTED)
def test_accepted(parser: Parser, text: str, value: str) -> None:
    assert parser(text) == value


@pytest.mark.parametrize(("parser", "text", "error"), REFUSED)
def test_refused(parser: Parser, text: str, error: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the text is compared below
        parser(text)
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("url", "file", "neighbour"),
    [
        ("sqlite:///fastproxy.db", "fastproxy.db", "sqlite:///fastproxy-ledger.db"),
        ("sqlite:////v1.2/plain", "/v1.2/plain", "sqlite:////v1.2/plain-ledger"),
        ("sqlite+aiosqlite:///./a.b.sqlite", "./a.b.sqlite", "sqlite:///./a.b-ledger.sqlite"),
        ("postgresql://me:pw@h/db?sslmode=require", "", "postgresql://me:pw@h/db?sslmode=require"),
        ("postgresql:///db", "", "postgresql:///db"),
    ],
)
def test_files_of_databases(url: str, file: str, neighbour: str) -> None:
    assert database_file(url) == file
    assert beside(url, "ledger") == neighbour


@pytest.mark.parametrize("parser", [parse_base_url, parse_upstream])
@pytest.mark.parametrize("text", ["http://me:hunter22@host", "https://hunter22@host/v1", "ftp://me:hunter22@host"])
def test_credentials_in_a_url_are_refused_and_not_repeated(parser: Parser, text: str) -> None:
    with pytest.raises(ValueError, match="credentials do not belong") as caught:
        parser(text)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "parser", [parse_database, parse_redis, parse_field_value, parse_upstream_key, parse_client_key]
)
def test_secrets_are_not_repeated(parser: Parser) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parser("x://me:hunter22@h\x01")
    assert "hunter22" not in str(caught.value)
