"""What is known of a model: its limits, what it can do, what it costs; and the Facts that a format writes requests by.

The table models.json (made by deploy/make_models.py, which names the sources) is read when first asked for: 3 ms. A
name need not be in it as it stands. Tried in this order, the vendor's own entry before the maker's:

    exact    claude-opus-4-5        anthropic/claude-opus-4.5, models/gemini-2.5-pro, us.anthropic.claude-opus-4-5-v1:0
    dated    gpt-5-2025-08-07       without its date, its -latest or its version
    family   gpt-5-mini-whatever    the longest known name that it begins with

Facts are put together from weak to strong: a family's rules (families.py), the table's entry, what the wire format can
say, what the operator says of the model in the configuration. A model that nobody knows has the defaults of Facts.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import orjson

from fastproxy.formats.chat import Facts
from fastproxy.providers.families import rules, version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Match = Literal["exact", "dated", "family"]

MAX_NAME: Final = 256  # names come from clients; a longer one is nobody's model
CACHED: Final = 4_096
TARGET_FIELDS: Final = frozenset({"drop_fields", "default_max_output"})  # of overrides; quirks.py reads them

_MAKER: Final = re.compile(
    r"(?:(?:us|eu|apac|global|jp|au|ca|us-gov)\.)?"
    r"(?:amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|zai)\."
)
_DATE: Final = re.compile(
    r"(?:[-@](?:20\d\d-?[01]\d-?[0-3]\d|latest|default|preview-[01]\d-(?:20\d\d|[0-3]\d)))?(?:-v\d+(?::\d+)?)?\Z"
)
_THINKING_ON: Final[Mapping[str, str]] = {"anthropic": "budget", "openai-chat": "effort", "openai-responses": "effort"}


class Price(msgspec.Struct, frozen=True):
    """US dollars per million tokens, for disjoint buckets; what is not priced apart costs what its parent does.

    `above` is the number of input tokens (cached ones among them) from which this price holds for the whole request.
    """

    input: float
    cache_read: float
    cache_write: float
    output: float
    reasoning: float
    cache_write_1h: float
    above: int = 0


class ModelEntry(msgspec.Struct, frozen=True):
    """A line of the table. `match` says how the name that was asked for led to it; a family's price is only a guess.

    `context` is how many tokens a prompt may have. `can` and `cannot` hold words of make_models.py; what stands in
    neither is not known. `prices`: the base price, then those of longer prompts; empty where there is none.
    """

    name: str
    match: Match
    kind: str = "chat"
    context: int | None = None
    max_output: int | None = None
    inputs: frozenset[str] = frozenset({"text"})
    outputs: frozenset[str] = frozenset({"text"})
    can: frozenset[str] = frozenset()
    cannot: frozenset[str] = frozenset()
    efforts: tuple[str, ...] = ()
    only_responses: bool = False
    prices: tuple[Price, ...] = ()

    def price(self, input_tokens: int = 0) -> Price | None:
        """The price of a request whose prompt has this many tokens."""
        found = None
        for price in self.prices:
            if found is None or input_tokens > price.above:
                found = price
        return found


def known(model: str, vendor: str = "") -> ModelEntry | None:
    """What the table says of a model at a vendor (its name in the catalogue), or of its maker's."""
    return _known(model, vendor) if len(model) <= MAX_NAME else None


def facts(vendor: str, model: str, wire_format: str, overrides: Mapping[str, Mapping[str, Any]] = {}) -> Facts:
    """What a writer of `wire_format` must know of the vendor's model.

    `overrides` are the operator's: a model's name, or a beginning of one and a star, → fields of Facts; the name itself
    or the longest beginning counts. `like` among them names a model whose facts to take, for deployments with names of
    their own.
    Raises: ValueError for a field or a value that Facts does not have.
    """
    told = {name: value for name, value in operators(model, overrides).items() if name not in TARGET_FIELDS}
    like = str(told.pop("like", model))
    found = _facts(vendor, like, wire_format) if len(like) <= MAX_NAME else Facts()
    return _overridden(found, told) if told else found


@lru_cache(CACHED)
def _known(model: str, vendor: str) -> ModelEntry | None:
    found = _search(model.lower(), vendor)
    return None if found is None else _entry(*found)


@lru_cache(CACHED)
def _facts(vendor: str, model: str, wire_format: str) -> Facts:
    bare = names(model.lower())[-1]
    given, firm = rules(vendor, bare)
    entry = _known(model, vendor)
    said = _said_by(entry) if entry is not None else {}
    if entry is not None and entry.match == "family":
        fields = {**said, **given}  # of a relative we take only what the family's rules leave open
    else:
        # told an effort, a model that does not think answers 400 at Groq, Mistral and OpenAI
        thinks = entry is None or not entry.can or "thinking" in entry.can
        fields = {**({} if thinks else {"thinking": "none"}), **given, **said, **{name: given[name] for name in firm}}
    return Facts(**_on_the_wire(fields, wire_format, version("gemini", bare)))


def _said_by(entry: ModelEntry) -> dict[str, Any]:
    """The fields of Facts that the table has a word for. What it does not say stays open: the upstream will tell."""
    said: dict[str, Any] = {"max_output": entry.max_output, "context": entry.context, "efforts": entry.efforts}
    said |= {word: False for word in ("tools", "images", "json_schema", "prefill", "sampling") if word in entry.cannot}
    said |= {word: True for word in ("tools", "images", "prefill", "sampling") if word in entry.can}
    if "adaptive" in entry.can:
        said["thinking"] = "adaptive"
    if "always_thinking" in entry.can:
        said["can_stop_thinking"] = False
    return {name: value for name, value in said.items() if value not in (None, ())}


def _on_the_wire(fields: dict[str, Any], wire_format: str, gemini: tuple[int, int] | None) -> dict[str, Any]:
    """The same, in the words that `wire_format` has: a Claude behind chat completions is told an effort."""
    style = fields.get("thinking", "unknown")
    own = {"anthropic": ("budget", "adaptive"), "gemini": ("budget", "level")}.get(wire_format, ("effort",))
    if style not in ("none", "unknown", *own):
        style = _THINKING_ON.get(wire_format, "unknown")
    efforts = tuple(fields.get("efforts", ()))
    if style == "effort" and efforts:
        fields["can_stop_thinking"] = "none" in efforts
    elif efforts and fields.get("can_stop_thinking", True) and "none" not in efforts:
        efforts = ("none", *efforts)
    if wire_format == "gemini":
        # Gemini 3 on both of Google's APIs; 2.x answer 400. LiteLLM 1.109, llms/vertex_ai/gemini, 2026-11
        fields["call_ids"] = gemini is None or gemini >= (3, 0)
    return {**fields, "thinking": style, "efforts": efforts}


def operators(model: str, overrides: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """What the operator says of the model, {} for nothing."""
    if model in overrides:
        return overrides[model]
    fitting = [name for name in overrides if name.endswith("*") and model.startswith(name[:-1])]
    return overrides[max(fitting, key=len)] if fitting else {}


def _overridden(found: Facts, told: Mapping[str, Any]) -> Facts:
    try:
        checked = msgspec.convert({**msgspec.structs.asdict(found), **told}, _StrictFacts)
    except msgspec.ValidationError as error:
        raise ValueError(f"facts of a model: {error}") from None
    return Facts(**msgspec.structs.asdict(checked))


class _StrictFacts(Facts, frozen=True, forbid_unknown_fields=True):
    """What an operator may say; a misspelt field is an error."""


def names(model: str) -> list[str]:
    """The model's name, and the same without what hosts and clouds put around it; the last is the barest.

    ft:gpt-4o-mini:acme::1 → gpt-4o-mini; models/x → x; us.anthropic.claude-… → claude-…; x:free → x
    """
    found = [model]
    if model.startswith("ft:"):
        found.append(model.split(":")[1])
    while "/" in found[-1]:
        found.append(found[-1].partition("/")[2])
    if match := _MAKER.match(found[-1]):
        found.append(found[-1][match.end() :])
    if ":" in found[-1] and not re.search(r"v\d+:\d+\Z", found[-1]):
        found.append(found[-1].partition(":")[0])
    return found


def _search(model: str, vendor: str) -> tuple[str, str, Match] | None:
    """The key of the vendor's entry, that of the maker's (either may be ""), and how they were found."""
    spellings = names(model)
    undated = [_DATE.sub("", name, count=1) for name in spellings]
    ways: tuple[tuple[Match, list[str]], ...] = (
        ("exact", spellings),
        ("dated", undated),
        ("family", list(_shorter(undated[-1]))),
    )
    for match, candidates in ways:
        hosted = next((key for name in candidates if (key := _key(f"{vendor}/{name}"))), "") if vendor else ""
        made = next((key for name in candidates if (key := _key(name))), "")
        if hosted or made:
            return hosted, made, match
    return None


def _shorter(name: str) -> Iterator[str]:
    """`name` cut at its separators, longest first, while it still has a number: "gpt-5-x" → "gpt-5"."""
    for cut in reversed([match.start() for match in re.finditer(r"[-:@_]", name)]):
        if any(letter.isdigit() for letter in name[:cut]):
            yield name[:cut]


def _key(name: str) -> str:
    table, spelt = _table()
    return name if name in table else spelt.get(name.replace(".", "-"), "")


@cache
def _table() -> tuple[Mapping[str, Mapping[str, Any]], Mapping[str, str]]:
    """The lines of models.json, and their names by the spelling without dots (OpenRouter: claude-opus-4.5)."""
    read = orjson.loads((files("fastproxy.providers") / "models.json").read_bytes())
    table: dict[str, Mapping[str, Any]] = read["models"]
    return table, {name.replace(".", "-"): name for name in reversed(table)}


def _entry(hosted: str, made: str, match: Match) -> ModelEntry:
    """The vendor's line, filled up from the maker's."""
    table, _ = _table()
    line = {**table.get(made, {}), **table.get(hosted, {})}
    price = line.get("price", ())
    tiers = [(0, price), *((start, rest) for start, *rest in line.get("above", ()))] if price else []
    can, cannot = frozenset(line.get("can", ())), frozenset(line.get("cannot", ()))
    return ModelEntry(
        name=hosted or made,
        match=match,
        kind=line.get("kind", "chat"),
        context=line.get("context"),
        max_output=line.get("max_output"),
        inputs=frozenset({"text"} | (can & {"images", "documents", "audio", "video"})),
        outputs=frozenset({"text", *line.get("makes", ())}),
        can=can,
        cannot=cannot,
        efforts=tuple(line.get("efforts", ())),
        only_responses=line.get("only_responses", False),
        prices=tuple(_price(start, row) for start, row in tiers),
    )


def _price(above: int, row: Any) -> Price:
    given = [*row, *(None,) * (6 - len(row))]
    prompt, cache_read, cache_write, output, reasoning, cache_write_1h = given
    output = output or 0.0
    cache_write = prompt if cache_write is None else cache_write
    return Price(
        input=prompt,
        cache_read=prompt if cache_read is None else cache_read,
        cache_write=cache_write,
        output=output,
        reasoning=output if reasoning is None else reasoning,
        cache_write_1h=cache_write if cache_write_1h is None else cache_write_1h,
        above=above,
    )
