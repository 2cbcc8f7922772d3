"""Tools that run at the vendor: which of one vendor's does what another's does, and whether it may stand in for it.

    meaning   anthropic             openai-responses    gemini
    search    web_search_20250305   web_search          googleSearch
    fetch     web_fetch_20250910    -                   urlContext
    code      code_execution_2025…  code_interpreter    codeExecution

Elsewhere such a tool costs other money and sees other data, so the operator decides, per channel: `drop` (and say so),
`map`, `refuse`. Where a search may look and where its user is goes along; other options are named as lost.
Sources: anthropic 0.93 types/tool_union_param.py, openai 3.54 types/responses/tool_param.py, google-genai types.Tool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from fastproxy.errors import FormatError
from fastproxy.formats.chat import Original, Tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastproxy.formats.chat import ChatRequest
    from fastproxy.formats.notes import Notes

POLICIES: Final = ("drop", "map", "refuse")
# The beginnings of the names that the vendors give them, in small letters
_MEANINGS: Final = (
    ("web_search", "search"),
    ("google_search", "search"),
    ("googlesearch", "search"),
    ("web_fetch", "fetch"),
    ("url_context", "fetch"),
    ("urlcontext", "fetch"),
    ("code_interpreter", "code"),
    ("code_execution", "code"),
    ("codeexecution", "code"),
)
_MADE: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "anthropic": {
        "search": {"type": "web_search_20250305", "name": "web_search"},
        "fetch": {"type": "web_fetch_20250910", "name": "web_fetch"},
        "code": {"type": "code_execution_20250825", "name": "code_execution"},
    },
    "openai-responses": {
        "search": {"type": "web_search"},
        "code": {"type": "code_interpreter", "container": {"type": "auto"}},
    },
    "gemini": {"search": {"googleSearch": {}}, "fetch": {"urlContext": {}}, "code": {"codeExecution": {}}},
}
# Fields of a tool that are told otherwise, or that say what is so anyway
_UNDERSTOOD: Final = frozenset(
    ("type", "name", "allowed_domains", "blocked_domains", "filters", "user_location", "cache_control", "container")
)


def with_search(request: ChatRequest) -> ChatRequest:
    """A chat client's `web_search_options` as the tool that they ask for."""
    options = request.extra.get("web_search_options")
    if request.format != "openai-chat" or not isinstance(options, dict):
        return request
    tool = Tool("web_search", kind="builtin", original=Original(request.format, options))
    extra = {name: value for name, value in request.extra.items() if name != "web_search_options"}
    return replace(request, tools=(*request.tools, tool), extra=extra)


def counterpart(tool: Tool, target: str, policy: str, notes: Notes) -> dict[str, Any] | None:
    """What does the same in the format `target`; None where it is left out, which is noted.

    Raises: FormatError where the policy says so.
    """
    if policy == "refuse":
        raise FormatError(f"tool '{tool.name[:64]}' runs at its vendor, and the channel is another's")
    meaning = next((meaning for start, meaning in _MEANINGS if tool.name.lower().startswith(start)), "")
    made = _MADE.get(target, {}).get(meaning) if policy == "map" else None
    if made is None:
        notes.drop(tool, "runs at another vendor")
        return None
    options = _options(tool)
    written = {**made, **_written(options, target)} if meaning == "search" else dict(made)
    lost = sorted(options.keys() - _kept(meaning, target, options))
    name = made.get("type") or next(iter(made))
    notes.change(tool, f"sent as {name}, without {', '.join(lost)}"[:200] if lost else f"sent as {name}")
    return written


def _options(tool: Tool) -> dict[str, Any]:
    """What a tool says beyond its name: `allowed_domains`, `blocked_domains`, `user_location`, and whatever else."""
    value = tool.original.value if tool.original is not None else {}
    if tool.original is not None and tool.original.format == "gemini":
        inner = next(iter(value.values()), None)
        value = inner if isinstance(inner, dict) else {}
    filters, where = value.get("filters"), value.get("user_location")
    if isinstance(where, dict) and isinstance(where.get("approximate"), dict):  # as chat writes it
        value = {**value, "user_location": {"type": "approximate", **where["approximate"]}}
    said = {name: value[name] for name in ("allowed_domains", "blocked_domains", "user_location") if value.get(name)}
    if isinstance(filters, dict) and filters.get("allowed_domains"):
        said["allowed_domains"] = filters["allowed_domains"]
    if value.get("excludeDomains"):
        said["blocked_domains"] = value["excludeDomains"]
    return said | {name: item for name, item in value.items() if name not in _UNDERSTOOD and name != "excludeDomains"}


def _written(options: Mapping[str, Any], target: str) -> dict[str, Any]:
    kept = {name: options[name] for name in _kept("search", target, options)}
    if target == "openai-responses" and "allowed_domains" in kept:
        kept["filters"] = {"allowed_domains": kept.pop("allowed_domains")}
    return kept


def _kept(meaning: str, target: str, options: Mapping[str, Any]) -> frozenset[str]:
    """The options that the other tool knows too."""
    if meaning != "search" or target == "gemini":
        return frozenset()
    known = ["allowed_domains", "user_location"]
    if target == "anthropic" and "allowed_domains" not in options:
        known.append("blocked_domains")  # not both
    return frozenset(name for name in known if name in options)
