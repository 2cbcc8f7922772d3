"""Flags and FASTPROXY_ variables: which exist, and what was given.

    FLAGS      the table that the command line is built from; each is also the variable FASTPROXY_<NAME>
    gather     flags and environment → Given by name; a flag wins over its variable
    parsed     a text through a parser, the place added to its refusal

Variables that are not in the table are nobody's business: Kubernetes puts FASTPROXY_PORT and its kin beside every pod
when a service is called fastproxy. An empty variable counts as absent. Repeatable ones are split at commas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from fastproxy.config.types import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of `serve` and `check`. Without a metavar it is a switch."""

    metavar: str
    text: str
    repeated: bool = False


FLAGS: Mapping[str, Flag] = {
    "config": Flag("FILE", "configuration file (YAML)"),
    "listen": Flag("HOST:PORT", "address for clients, also [IPV6]:PORT or unix:/path (127.0.0.1:8080)", True),
    "admin": Flag("HOST:PORT", "address of the admin port, or off (127.0.0.1:9090)"),
    "workers": Flag("N", "worker processes, or auto (as many as usable CPUs)"),
    "state_dir": Flag("DIR", "directory for run-time files (./.fastproxy)"),
    "database": Flag("URL", "sqlite:///FILE or postgresql://… (a file in the state directory)"),
    "ledger_database": Flag("URL", "database for records (PostgreSQL: the same; SQLite: a file beside it)"),
    "migrate": Flag("", "at start, bring the tables of PostgreSQL up to date (SQLite's always are)"),
    "redis": Flag("URL", "redis://…, for limits across nodes"),
    "node": Flag("NAME", "name of this gateway among several"),
    "trusted_proxies": Flag("NETWORK", "believe X-Forwarded-For from this address or network (or unix:)", True),
    "watch": Flag("", "read the configuration file again when it changes"),
    "provider": Flag("NAME[=KEY][@BASE_URL]", "upstream account", True),
    "key": Flag("KEY", "static key that clients must present", True),
    "upstream": Flag("URL", "edge proxy: send everything to this http://, https:// or unix:/path", True),
    "demo": Flag("", "start a built-in mock provider"),
    "access_log": Flag("FORMAT", "off, text or json (off; text with --demo)"),
    "access_log_file": Flag("FILE", "where the access log goes (-, which is standard output)"),
    "remember": Flag("STORE", "signatures and stored responses: in an encrypted file, in memory, or off (file)"),
    "passthrough": Flag("MODE", "/{provider}/…: off, client-keys or require-key (client-keys on loopback only)"),
    "tls_cert": Flag("FILE", "certificate chain (PEM) for the listening addresses"),
    "tls_key": Flag("FILE", "private key (PEM) of the certificate"),
    "fetch_urls": Flag("YES|NO", "fetch files that requests name by url for vendors that take bytes only (yes)"),
    "tokenizer": Flag("MODE", "OpenAI's vocabularies: lazy, preload (shared by all workers) or off (lazy)"),
    "pin": Flag("", "pin each worker to one CPU"),
}


@dataclass(frozen=True, slots=True)
class Given:
    """What one flag or variable said; at least one text."""

    texts: tuple[str, ...]
    place: Place


def gather(flags: Mapping[str, object], environ: Mapping[str, str]) -> dict[str, Given]:
    """`flags` may hold None, False and empty lists for what was not given, and names that are not in FLAGS."""
    found: dict[str, Given] = {}
    for name, flag in FLAGS.items():
        variable = f"FASTPROXY_{name.upper()}"
        texts = _texts(flags.get(name))
        if texts:
            found[name] = Given(texts, Place("flag", f"--{name.replace('_', '-')}"))
        elif environ.get(variable, "").strip():
            text = environ[variable].strip()
            parts = tuple(part.strip() for part in text.split(",") if part.strip()) if flag.repeated else (text,)
            found[name] = Given(parts or (text,), Place("env", variable))
    return found


def _texts(value: object) -> tuple[str, ...]:
    if value is None or value is False:
        return ()
    if isinstance(value, list | tuple):
        return tuple(str(item) for item in value)
    return ("true",) if value is True else (str(value),)


def parsed(parser: Callable[[str], T], text: str, place: Place) -> T:
    """A parser's refusal, with its place."""
    try:
        return parser(text)
    except ValueError as error:
        raise place.error(str(error)) from None
