"""Makes fastproxy/providers/models.json, the table of what is known of the models of the vendors. Run by hand.

Two data packages hold what no vendor publishes in one place; both are MIT licensed and looked after daily:

    genai-prices   prices, with the dates from which they hold
    litellm        limits and capabilities (its model_prices_and_context_window_backup.json); only the file is read

    python3 -m venv /tmp/models
    /tmp/models/bin/pip install genai-prices && /tmp/models/bin/pip install --no-deps litellm
    /tmp/models/bin/python deploy/make_models.py fastproxy/providers/models.json

The table has one line for each model, sorted, so that a diff shows what a vendor changed. Makers' models stand under
their own name, a host's (groq, together, …) under "vendor/name" with the vendor's name in our catalogue. Prices are
dollars per million tokens, those of the day on which this runs; batch, flex and priority prices are left out.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from genai_prices.data import providers as priced_providers
from genai_prices.types import ClauseEquals, TieredPrices

# litellm's provider → genai-prices' provider, for those whose names need no vendor in front
MAKERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "deepseek": "deepseek",
    "xai": "x-ai",
    "mistral": "mistral",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "perplexity": "perplexity",
    "moonshot": "moonshotai",
    "minimax": "minimax",
    "zai": "zai",
    "dashscope": "",
    "volcengine": "",
    "tencent": "",
    "text-completion-openai": "openai",
    "amazon_nova": "aws",
    "bedrock_converse": "aws",
    "vertex_ai-language-models": "google",
}
# litellm's provider → the vendor's name in our catalogue and genai-prices' provider
HOSTS = {
    "groq": ("groq", "groq"),
    "together_ai": ("together", "together"),
    "fireworks_ai": ("fireworks", "fireworks"),
    "cerebras": ("cerebras", "cerebras"),
    "hyperbolic": ("hyperbolic", ""),
    "novita": ("novita", "novita"),
    "deepinfra": ("deepinfra", ""),
    "cloudflare": ("cloudflare", "cloudflare"),
    "streamlake": ("streamlake", ""),
    "sambanova": ("sambanova", "huggingface_sambanova"),
    "nebius": ("nebius", "huggingface_nebius"),
}
KINDS = {"chat", "responses", "completion", "embedding", "rerank", "audio_transcription", "audio_speech", "realtime"}
# our word → litellm's flag
CAPABILITIES = {
    "tools": "supports_function_calling",
    "parallel_tools": "supports_parallel_function_calling",
    "images": "supports_vision",
    "documents": "supports_pdf_input",
    "audio": "supports_audio_input",
    "video": "supports_video_input",
    "json_schema": "supports_response_schema",
    "native_schema": "supports_native_structured_output",
    "thinking": "supports_reasoning",
    "adaptive": "supports_adaptive_thinking",
    "prefill": "supports_assistant_prefill",
    "sampling": "supports_sampling_params",
    "web_search": "supports_web_search",
    "caching": "supports_prompt_caching",
    "always_thinking": "thinking_always_on",
}
# said only where it is not the rule: these words count when they are false, too
DENIALS = {"tools", "images", "json_schema", "prefill", "sampling", "parallel_tools"}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
FLAGGED_EFFORTS = {"none", "minimal", "xhigh", "max"}
PRICES = ("input", "cache_read", "cache_write", "output", "reasoning", "cache_write_1h")
# our bucket → (litellm's field, genai-prices' field)
PRICE_FIELDS = {
    "input": ("input_cost_per_token", "input_mtok"),
    "cache_read": ("cache_read_input_token_cost", "cache_read_mtok"),
    "cache_write": ("cache_creation_input_token_cost", "cache_write_mtok"),
    "output": ("output_cost_per_token", "output_mtok"),
    "reasoning": ("output_cost_per_reasoning_token", "output_reasoning_mtok"),
    "cache_write_1h": ("cache_creation_input_token_cost_above_1hr", "cache_write_1h_mtok"),
}
TODAY = datetime.now(tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def main(target: Path) -> None:
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        raise SystemExit("litellm is not installed here; see this file's docstring")
    listed = json.loads((Path(spec.origin).parent / "model_prices_and_context_window_backup.json").read_text())
    models: dict[str, dict[str, Any]] = {}
    for name in sorted(listed, key=lambda name: (rank(listed[name]), name)):
        take_listed(models, name, listed[name])
    take_priced(models)
    sources = {name: version(name) for name in ("genai-prices", "litellm")}
    target.write_text(rendered(sources, models), encoding="utf-8")
    print(f"{target}: {len(models)} models, {target.stat().st_size:,} bytes")


def rank(entry: dict[str, Any]) -> int:
    """Where two providers of litellm name the same model of one maker, the maker's own API comes first."""
    provider = entry.get("litellm_provider")
    return list(MAKERS).index(provider) if provider in MAKERS else len(MAKERS)


def rendered(sources: dict[str, str], models: dict[str, dict[str, Any]]) -> str:
    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    about = {"made_by": "deploy/make_models.py", "date": f"{TODAY:%Y-%m-%d}", "sources": sources, "licence": "MIT"}
    lines = ",\n".join(f"{line(name)}:{line(models[name])}" for name in sorted(models))
    return f'{{"about":{line(about)},\n"prices":{line(PRICES)},\n"models":{{\n{lines}\n}}}}\n'


def take_listed(models: dict[str, dict[str, Any]], name: str, entry: dict[str, Any]) -> None:
    provider = entry.get("litellm_provider", "")
    if entry.get("mode") not in KINDS or is_left_out(name, provider):
        return
    if provider in HOSTS:
        vendor, priced = HOSTS[provider]
        bare = name.removeprefix(provider + "/").removeprefix("accounts/fireworks/models/")
        key = f"{vendor}/{bare}".lower()
    elif provider in MAKERS:
        bare, priced = name.rpartition("/")[2] if provider != "bedrock_converse" else name, MAKERS[provider]
        key = bare.lower()
    else:
        return
    if key not in models:
        models[key] = slim(entry, prices(entry, priced, bare))


def is_left_out(name: str, provider: str) -> bool:
    """Regional doubles, fine-tunes, and Vertex's doubles of Gemini that say less."""
    return (
        name.startswith(("ft:", "bedrock/"))
        or (provider == "vertex_ai-language-models" and "/" in name)
        or (provider == "bedrock_converse" and ("/" in name or (name.count(".") > 1 and name[:3].endswith("."))))
        or name.split(".")[0] in {"us", "eu", "apac", "global", "jp", "au", "ca", "us-gov"}
    )


def slim(entry: dict[str, Any], price: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if entry["mode"] not in ("chat", "responses"):
        found["kind"] = entry["mode"]
    if entry["mode"] == "responses":
        found["only_responses"] = True
    for ours, theirs in (("context", "max_input_tokens"), ("max_output", "max_output_tokens")):
        if isinstance(value := entry.get(theirs), int) and value > 0:
            found[ours] = value
    can = [word for word, flag in CAPABILITIES.items() if entry.get(flag) is True]
    cannot = [word for word, flag in CAPABILITIES.items() if word in DENIALS and entry.get(flag) is False]
    inputs, outputs = entry.get("supported_modalities") or (), entry.get("supported_output_modalities") or ()
    can += [word for word in ("audio", "video") if word in inputs and word not in can]
    if inputs and "image" not in inputs and "images" not in can and "images" not in cannot:
        cannot.append("images")
    found |= {"can": can} if can else {}
    found |= {"cannot": cannot} if cannot else {}
    found |= {"efforts": words} if (words := efforts(entry)) else {}
    if made := [word for word in outputs if word != "text"]:
        found["makes"] = made
    return found | price


def efforts(entry: dict[str, Any]) -> list[str]:
    """Those that the data names, or those that its flags leave; nothing when it says nothing."""
    if levels := entry.get("reasoning_effort_levels"):
        return [word for word in EFFORTS if word in levels]
    flags = {word: entry.get(f"supports_{word}_reasoning_effort") for word in FLAGGED_EFFORTS}
    if all(flag is None for flag in flags.values()):
        return []
    return [word for word in EFFORTS if word not in FLAGGED_EFFORTS or flags[word]]


def prices(entry: dict[str, Any], priced_by: str, name: str) -> dict[str, Any]:
    """`price` in the order of PRICES without trailing nulls; `above` the same from a number of input tokens on."""
    model = find_priced(priced_by, name)
    # what "-latest" means moves; litellm keeps a line for it, genai-prices matches it to the family
    if model is not None and not (name.endswith("-latest") and "input_cost_per_token" in entry):
        return priced(model)
    price = {bucket: per_million(entry.get(field)) for bucket, (field, _) in PRICE_FIELDS.items()}
    return packed(price, tiers_listed(entry))


def find_priced(priced_by: str, name: str) -> Any:
    for provider in priced_providers:
        if provider.id == priced_by:
            return provider.find_model(name.lower())
    return None


def priced(model: Any) -> dict[str, Any]:
    """Where a price depends on the hour (DeepSeek) the dearest is listed: a budget must not be overrun by daylight."""
    found = max((model.get_prices(TODAY + timedelta(hours=hour)) for hour in range(24)), key=input_price)
    values = {bucket: getattr(found, field, None) for bucket, (_, field) in PRICE_FIELDS.items()}
    base = {bucket: plain(value.base if isinstance(value, TieredPrices) else value) for bucket, value in values.items()}
    starts = sorted({t.start for value in values.values() if isinstance(value, TieredPrices) for t in value.tiers})
    return packed(
        base, [(start, {bucket: plain(at(value, start)) for bucket, value in values.items()}) for start in starts]
    )


def input_price(found: Any) -> Decimal:
    value = getattr(found, "input_mtok", None)
    return (value.base if isinstance(value, TieredPrices) else value) or Decimal(0)


def at(value: Any, start: int) -> Any:
    if not isinstance(value, TieredPrices):
        return value
    return ([value.base] + [tier.price for tier in value.tiers if tier.start <= start])[-1]


def tiers_listed(entry: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    found = []
    for thousands in (100, 128, 200, 256, 272):
        suffix = f"_above_{thousands}k_tokens"
        if f"input_cost_per_token{suffix}" in entry:
            fields = {
                bucket: entry.get(field + suffix, entry.get(field)) for bucket, (field, _) in PRICE_FIELDS.items()
            }
            found.append((thousands * 1000, {bucket: per_million(value) for bucket, value in fields.items()}))
    return found


def packed(price: dict[str, Any], tiers: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    if price["input"] is None:
        return {}
    above = [[start, *row(tier)] for start, tier in tiers if tier != price]
    return {"price": row(price)} | ({"above": above} if above else {})


def row(price: dict[str, Any]) -> list[Any]:
    values = [price[bucket] for bucket in PRICES]
    while values and values[-1] is None:
        values.pop()
    return values


def per_million(value: Any) -> float | int | None:
    return None if not isinstance(value, int | float) else plain(Decimal(repr(value)) * 1_000_000)


def plain(value: Decimal | None) -> float | int | None:
    if value is None:
        return None
    number = float(value)
    return int(number) if number.is_integer() else number


def take_priced(models: dict[str, dict[str, Any]]) -> None:
    """What only genai-prices has: OpenRouter's own list, where it differs from the makers', and newer models."""
    makers = {priced_by for priced_by in MAKERS.values() if priced_by}
    for provider in priced_providers:
        for model in provider.models:
            found = ({"context": model.context_window} if model.context_window else {}) | priced(model)
            if "price" not in found:
                continue
            name = model.id.lower()
            if provider.id in makers:
                spelt = {known.replace(".", "-") for known in models}
                for alias in {name} | {alias for alias in aliases(model.match) if alias.replace(".", "-") not in spelt}:
                    models.setdefault(alias, found)
            elif provider.id == "openrouter" and not says_nothing(models, name, found):
                models[f"openrouter/{name}"] = found


def aliases(match: Any) -> set[str]:
    """The exact names that a rule of genai-prices accepts."""
    if isinstance(match, ClauseEquals):
        return {match.equals.lower()} if "/" not in match.equals else set()
    return {name for clause in getattr(match, "or_", ()) for name in aliases(clause)}


def says_nothing(models: dict[str, dict[str, Any]], name: str, found: dict[str, Any]) -> bool:
    """Whether the maker's own entry has the same price."""
    bare = name.rpartition("/")[2]
    for candidate in (bare, bare.replace(".", "-")):
        if candidate in models:
            return bool(models[candidate].get("price", [])[:1] == found["price"][:1])
    return False


if __name__ == "__main__":
    main(Path(sys.argv[1]))
