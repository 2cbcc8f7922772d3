"""The transparent entry: from `/{provider}/rest` to the vendor's address and path, and what must not travel along.

Pure: no request, no socket. A path keeps its bytes; only the segments that name a part of the host are taken out of it,
and those are checked so strictly that no path reaches a host that its provider does not own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fastproxy.errors import BadRequest, NoRoute
from fastproxy.providers.catalogue import NAMES, PROVIDERS, Provider, find_transparent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Names of the client's header fields that no provider may see, in lower case. The client's own credential is not among
# them: on this entry it belongs to the provider.
HIDDEN_FROM_PROVIDERS: Final = frozenset(
    (
        b"cdn-loop",
        b"cf-connecting-ip",
        b"cf-connecting-ipv6",
        b"cf-connecting-o2o",
        b"cf-ew-via",
        b"cf-ipcontinent",
        b"cf-ipcity",
        b"cf-ipcountry",
        b"cf-iplatitude",
        b"cf-iplongitude",
        b"cf-postal-code",
        b"cf-pseudo-ipv4",
        b"cf-ray",
        b"cf-region",
        b"cf-region-code",
        b"cf-timezone",
        b"cf-visitor",
        b"cf-warp-tag-id",
        b"cf-worker",
        b"client-ip",
        b"cookie",
        b"cookie2",
        b"fastly-client-ip",
        b"fly-client-ip",
        b"forwarded",
        b"forwarded-for",
        b"true-client-ip",
        b"via",
        b"x-appengine-user-ip",
        b"x-azure-clientip",
        b"x-azure-socketip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-envoy-external-address",
        b"x-forwarded",
        b"x-forwarded-by",
        b"x-forwarded-client-cert",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-scheme",
        b"x-forwarded-server",
        b"x-forwarded-ssl",
        b"x-forwarded-uri",
        b"x-forwarded-user",
        b"x-model-provider",
        b"x-nf-client-connection-ip",
        b"x-original-forwarded-for",
        b"x-original-host",
        b"x-original-url",
        b"x-originating-ip",
        b"x-real-ip",
        b"x-remote-addr",
        b"x-remote-ip",
        b"x-rewrite-url",
        b"x-vercel-forwarded-for",
    )
)

# What a client may put into a host: one DNS label (RFC 1123 2.1), lower case.
_LABEL: Final = re.compile(rb"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# Where a reader may step up: a segment of two dots, each plain or encoded, between any kind of slash.
STEP_UP: Final = re.compile(rb"(?:/|\\|%2f|%5c)(?:\.|%2e){2}(?:/|\\|%2f|%5c|;|\Z)", re.IGNORECASE)
_VERTEX_VERSIONS: Final = (b"v1", b"v1beta1")
_BEDROCK: Final = (b"bedrock-runtime", b"us-east-1")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a transparent request goes: `origin` is scheme, host and perhaps a prefix; `path` holds the query too."""

    name: str
    origin: str
    path: bytes


def resolve(name: str, rest: bytes) -> Target:
    """The address behind `/{name}{rest}`. Raises: NoRoute for an unknown name, BadRequest for a path that does not fit.

    `rest` is what follows the name: empty, or beginning with "/" or "?".
    """
    provider = find_transparent(name)
    if provider is None:
        raise NoRoute(f"provider '{name[:64]}' is not known here; known are {', '.join(NAMES)}")
    if rest[:1] != b"/":
        if rest[:1] not in (b"", b"?"):
            raise BadRequest(f"the name of provider '{provider.name}' must end with a slash")
        rest = b"/" + rest
    if STEP_UP.search(rest.partition(b"?")[0]):
        raise BadRequest("the path must not step up with '..'")
    host, path = _RULES[provider.rule](provider, rest)
    return Target(provider.name, "https://" + host, path)


def rebase(target: Target, base_url: str) -> Target:
    """The same request at an address of the operator's.

    Its path is kept as a prefix, but without the part that every base URL of this vendor ends in (`/v1`): on this entry
    clients send that part themselves.
    """
    split = urlsplit(base_url)
    usual = urlsplit(PROVIDERS[target.name].base_url).path
    prefix = split.path.rstrip("/")
    if usual and (prefix == usual or prefix.endswith(usual)):
        prefix = prefix[: -len(usual)]
    return Target(target.name, f"{split.scheme}://{split.netloc}{prefix}", target.path)


def _verbatim(provider: Provider, rest: bytes) -> tuple[str, bytes]:
    return provider.host, provider.prefix.encode() + rest


def _bedrock(provider: Provider, rest: bytes) -> tuple[str, bytes]:
    """`/{runtime}/{region}/rest`, or `/rest` at the default. Other services of AWS are not reachable."""
    first, *others = _segments(rest, 2)
    if not first.startswith(b"bedrock"):
        runtime, region, path = *_BEDROCK, rest
    else:
        runtime, region = first, others[0] if others else b""
        path = rest[len(runtime) + len(region) + 2 :]
    parts = {"runtime": _label("runtime", runtime), "region": _label("region", region)}
    return provider.host.format_map(parts), _absolute(path)


def _azure(provider: Provider, rest: bytes) -> tuple[str, bytes]:
    """`/{resource}/{deployment}/rest` → `/openai/deployments/{deployment}/rest`."""
    segments = _segments(rest, 2)
    if len(segments) < 2 or not segments[1]:
        raise BadRequest("expected /azure-openai/{resource}/{deployment}/…")
    host = provider.host.format_map({"resource": _label("resource", segments[0])})
    return host, b"/openai/deployments" + rest[len(segments[0]) + 1 :]


def _vertex(provider: Provider, rest: bytes) -> tuple[str, bytes]:
    """`/projects/{p}/locations/{l}/…` → `/v1/projects/…`; a version that the client gave stays."""
    segments = _segments(rest, 5)
    has_version = segments[0] in _VERTEX_VERSIONS
    words = segments[1:] if has_version else segments
    if len(words) < 4 or words[0] != b"projects" or not words[1] or words[2] != b"locations":
        raise BadRequest("expected /google-vertex-ai/projects/{project}/locations/{location}/…")
    location = _label("location", words[3])
    # the global endpoint is the one without a location in its name
    host = "aiplatform.googleapis.com" if location == "global" else provider.host.format_map({"location": location})
    return host, rest if has_version else b"/v1" + rest


def _segments(rest: bytes, count: int) -> list[bytes]:
    """The first `count` segments of the path, without its query."""
    return rest.partition(b"?")[0].split(b"/", count + 1)[1 : count + 1]


def _absolute(path: bytes) -> bytes:
    return path if path[:1] == b"/" else b"/" + path


def _label(what: str, value: bytes) -> str:
    if not _LABEL.fullmatch(value):
        raise BadRequest(f"the {what} in the path must be one lower-case host label, 1 to 63 of a-z, 0-9 and '-'")
    return value.decode("ascii")


_RULES: Final[Mapping[str, Callable[[Provider, bytes], tuple[str, bytes]]]] = {
    "verbatim": _verbatim,
    "bedrock": _bedrock,
    "azure": _azure,
    "vertex": _vertex,
}
