"""Any format to any other, with the official Python SDKs on one side and a strict vendor on the other.

20 pairs × plain and streamed × the scenes of talk/scenes.py and the failures below. docs/formats.md is written from the
parameters and results of this file (`python -m tests.live.formats_table`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anthropic
import httpx2
import openai
import pytest
from google.genai import errors as google_errors

from tests.live.pairs import HAS_NOT, PAIRS, Stage, staged
from tests.live.strict.anthropic_rules import blocks
from tests.live.strict.gemini_rules import is_skip
from tests.live.strict.scenarios import CITIES, RETRY_AFTER
from tests.live.strict.vendor import DIALECTS, FORMATS
from tests.live.talk.scenes import NEXT_KEY, STEPS, TABLE, WEATHER, text

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live
# scene → the vendor's order for it
REFUSALS: Final = {"rate limit": "fail rate", "overload": "fail busy", "context length": "fail context"}
BREAKS: Final = {"error in a stream": "break", "cut connection": "cut", "end without its mark": "half"}
CAPABILITIES: Final = (*TABLE, *REFUSALS, *BREAKS)
_OPENAI: Final = {"rate limit": openai.RateLimitError, "overload": openai.InternalServerError,
                  "context length": openai.BadRequestError}  # fmt: skip
_OTHERS: Final[dict[str, dict[str, Any]]] = {
    "anthropic": {"rate limit": anthropic.RateLimitError, "overload": anthropic.OverloadedError,
                  "context length": anthropic.BadRequestError},
    "gemini": {"rate limit": google_errors.ClientError, "overload": google_errors.ServerError,
               "context length": google_errors.ClientError},
}  # fmt: skip
RAISED: Final[dict[str, dict[str, Any]]] = {"openai-chat": _OPENAI, "openai-responses": _OPENAI, **_OTHERS}
STATUSES: Final = {"rate limit": 429, "overload": 503, "context length": 400}
ANY_ERROR: Final[dict[str, Any]] = {"openai-chat": openai.APIError, "openai-responses": openai.APIError,
                                    "anthropic": anthropic.APIError,
                                    "gemini": (google_errors.APIError, httpx2.RemoteProtocolError)}  # fmt: skip

each_pair = pytest.mark.parametrize(("client", "upstream"), PAIRS, ids=lambda name: name)
either_way = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture(scope="module")
def whole_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("pairs")) as stage:
        yield stage


@pytest.fixture
def stage(whole_stage: Stage) -> Stage:
    whole_stage.vendor.seen.clear()
    return whole_stage


SCENES: Final = [(*pair, scene) for pair in PAIRS for scene in TABLE if (pair[1], scene) not in HAS_NOT]
NOT_ITS_OWN: Final = {("ollama", "text"): partial(text, cached=0)}  # it does not say what its cache has saved


@either_way
@pytest.mark.parametrize(("client", "upstream", "scene"), SCENES)
def test_scene(stage: Stage, client: str, upstream: str, scene: str, stream: bool) -> None:
    hold = NOT_ITS_OWN.get((upstream, scene), TABLE[scene])
    hold(lambda **wish: stage.begin(client, upstream, stream=stream, **wish))
    for seen in stage.came(upstream):
        assert seen.ask is not None
        assert seen.ask.stream is stream


@either_way
@pytest.mark.parametrize("scene", REFUSALS)
@each_pair
def test_a_refusal_raises_what_its_user_expects(
    stage: Stage, client: str, upstream: str, scene: str, stream: bool
) -> None:
    with pytest.raises(RAISED[client][scene]) as raised:
        stage.begin(client, upstream, stream=stream).say(f"Hello [[{REFUSALS[scene]}]]")
    error, expected = raised.value, STATUSES[scene]
    if client == "anthropic" and expected == 503:
        expected = 529
    assert status_of(error) == expected
    if scene == "rate limit":
        assert waiting_time(error) == f"{RETRY_AFTER}s"
    if scene == "context length":
        assert "prompt is too long" in str(error)
    if scene == "context length" and client.startswith("openai"):
        assert error.code == "context_length_exceeded"
    assert {one.format for one in stage.vendor.seen} == {upstream}


def waiting_time(error: Any) -> str:
    """From the header, or from where Google says it, which a relay leaves as it is."""
    if header := error.response.headers.get("retry-after"):
        return f"{header}s"
    return str(error.details["error"]["details"][0]["retryDelay"])


def status_of(error: Any) -> int:
    return int(getattr(error, "status_code", None) or error.code)


@either_way
@pytest.mark.parametrize("scene", BREAKS)
@each_pair
def test_half_a_reply_is_never_taken_for_a_whole_one(
    stage: Stage, client: str, upstream: str, scene: str, stream: bool
) -> None:
    with pytest.raises(ANY_ERROR[client]):
        stage.begin(client, upstream, stream=stream).say(f"Hello [[{BREAKS[scene]}]]")
    stage.came(upstream)


@pytest.mark.parametrize("client", [name for name in FORMATS if name != "openai-chat"])
def test_interleaved_calls_are_told_one_after_the_other(stage: Stage, client: str) -> None:
    """Case 136. openai's own stream helper cannot read such a stream, so its client is left out."""
    said = stage.begin(client, "openai-chat", stream=True, tools=(WEATHER,)).say("How is it? [[parallel mixed]]")
    assert [call.arguments["city"] for call in said.calls] == list(CITIES)


@either_way
@each_pair
def test_results_in_another_order_reach_their_calls(stage: Stage, client: str, upstream: str, stream: bool) -> None:
    """Case 60: each result names its call."""
    talker = stage.begin(client, upstream, stream=stream, tools=(WEATHER,))
    said = talker.say("How is the weather? [[parallel]]")
    results = [(call, f"{call.arguments['city']} is fine") for call in said.calls]
    told = talker.answer(results[::-1]).text.split("; ")
    assert sorted(told) == sorted(f"{city}: {city} is fine" for city in CITIES)
    stage.came(upstream)


@either_way
@pytest.mark.parametrize("client", FORMATS)
def test_googles_signatures_come_back_to_google(stage: Stage, client: str, stream: bool) -> None:
    """Gemini 3 signs its calls whether it is asked to think or not. All four SDKs send back what they were given, so
    Google never has to be asked to skip a signature."""
    TABLE["tool loop"](lambda **wish: stage.begin(client, "gemini", stream=stream, **wish))
    parts = [part for seen in stage.came("gemini") for content in seen.body["contents"] for part in content["parts"]]
    assert [part for part in parts if is_skip(part)] == []


@either_way
@pytest.mark.parametrize("upstream", ["openai-responses", "anthropic", "gemini"])
def test_a_client_that_drops_what_was_signed_gets_through_its_loop(stage: Stage, upstream: str, stream: bool) -> None:
    """Cases 95 and 104: most users of chat completions send back name, arguments and text, and no more."""
    talker = stage.begin("openai-chat", upstream, stream=stream, thinks=True, tools=(NEXT_KEY,), forgets=True)
    said = talker.say(f"Find the last key. [[steps {STEPS}]]")
    for _ in range(STEPS):
        said = talker.answer([(said.calls[0], "a key")])
    assert said.text == "The last key is a key"
    stage.came(upstream)


OTHER_GENERATIONS: Final = [(one.format, model) for one in DIALECTS for model in one.models[1:]]


@either_way
@pytest.mark.parametrize("client", FORMATS)
@pytest.mark.parametrize(("upstream", "model"), OTHER_GENERATIONS)
def test_other_generations_are_told_to_think_in_their_way(
    stage: Stage, client: str, upstream: str, model: str, stream: bool
) -> None:
    """Adaptive thinking where the first model has a budget, a budget where it has levels."""
    TABLE["thinking loop"](lambda **wish: stage.begin(client, upstream, model=model, stream=stream, **wish))
    assert {seen.ask.model for seen in stage.came(upstream) if seen.ask} == {model}


@either_way
@pytest.mark.parametrize("client", FORMATS)
@pytest.mark.parametrize("upstream", ["openai-responses", "anthropic"])
def test_signed_thoughts_come_back_to_their_vendor(stage: Stage, client: str, upstream: str, stream: bool) -> None:
    TABLE["thinking loop"](lambda **wish: stage.begin(client, upstream, stream=stream, **wish))
    body = stage.came(upstream)[-1].body
    if upstream == "anthropic":
        found = [part for turn in body["messages"] for part in blocks(turn) if part["type"] == "thinking"]
    else:
        found = [item for item in body["input"] if item.get("type") == "reasoning"]
    assert len(found) == 10
