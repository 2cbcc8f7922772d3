"""What the catalogue says of one vendor, and the sets of wire formats that vendors share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Rule = Literal["verbatim", "bedrock", "azure", "vertex"]
Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "api-key"]

CHAT: Final = ("openai-chat", "openai")  # the many that are OpenAI-compatible
OPENAI: Final = ("openai-chat", "openai-responses", "openai")
MIXED: Final = ("openai-chat", "openai-responses", "anthropic", "openai")


@dataclass(frozen=True, slots=True)
class Provider:
    """One vendor.

    `host` serves the transparent entry; its {parts} come from the client's path by `rule`, and `prefix` is put before
    the rest. Without a host the vendor has the unified entry only. `env` holds the variables of the key, the first set
    one wins; `env_base` those of the address, to which `version_path` is added unless it ends in it (SDKs differ in
    whether their base URL holds the version).
    """

    name: str
    host: str = ""
    rule: Rule = "verbatim"
    prefix: str = ""
    base_url: str = ""
    formats: tuple[str, ...] = ()
    auth: Auth = "bearer"
    env: tuple[str, ...] = ()
    env_base: tuple[str, ...] = ()
    version_path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
