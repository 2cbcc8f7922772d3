"""What a run may tell about itself: its plan, its command line and what was wrong with replies, without credentials
and without what is long. Pure.

Masked are the values of headers whose name sounds like a credential, what a scenario's headers take from the
environment, key-like parameters of paths and addresses, the values of --key and such --header, all but the first word
of --command, and everywhere else what looks like a key. A body that seems to hold one is told by size and digest. Data
files and recordings are only counted.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fastproxy.config.report import SECRET_NAME, mask_secret, mask_url
from fastproxy.loadtest.load.recording import is_secret_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fastproxy.loadtest.load.shapes import Plan, Request

    Headers = Iterable[tuple[str, str]]

LONGEST_BODY: Final = 400  # characters
_OF_A_SHARE: Final = ("process", "processes", "secrets")  # says nothing of the whole, or too much
_SHORTEST: Final = 4  # characters of a secret that is looked for; shorter ones would be found in every word
_SCHEMES: Final = ("bearer", "basic")
_HEADER_FLAGS: Final = ("-H", "--header")
_COMMAND_FLAGS: Final = ("--command", "--command-b")
_FLAGS: Final = ("--key", *_HEADER_FLAGS, *_COMMAND_FLAGS)
# possessive, and never what is masked already
_KEY: Final = re.compile(
    r"""(?P<scheme>\bbearer\s+)?(?P<secret>(?(scheme)[^\s"'<>…]++|"""
    r"""(?:\b(?:sk|pk|rk|gsk|ghp|xox[a-z])[-_]|\bAIza|\beyJ)[^\s"'<>…,;)]{4,}+)(?!…))""",
    re.IGNORECASE,
)
_MEMBER: Final = re.compile(
    rf"""{SECRET_NAME}[\w-]*\\?["']?\s*[:=]\s*(?!\d+\b|null|true|false)\\?["']?[^\s"'\\,{{}}\[\]]{{4,}}""",
    re.IGNORECASE,
)
_PARAMETER: Final = re.compile(rf"[?&;][^=&;]*{SECRET_NAME}[^=&;]*=([^&;#]*)", re.IGNORECASE)
_VARIABLE: Final = re.compile(r"\{\{[^{}]*\}\}")


def shown(plan: Plan) -> dict[str, Any]:
    """The plan as builtins, for reports."""
    bare = msgspec.structs.replace(plan, url=mask_url(plan.url), requests=(), data={}, recording=())
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(bare))
    for name in _OF_A_SHARE:
        del told[name]
    told["url"] = masked_text(told["url"], plan.secrets)
    told["requests"] = [_masked_request(request, plan) for request in plan.requests]
    told["data"] = {name: f"{len(lines)} lines" for name, lines in plan.data.items()}
    told["recording"] = f"{len(plan.recording)} requests" if plan.recording else ""
    return told


def _masked_request(request: Request, plan: Plan) -> dict[str, Any]:
    secrets = known_secrets(plan.url, request.path, request.headers, plan.secrets)
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(request))
    told["path"] = masked_text(mask_url(request.path), plan.secrets)
    told["headers"] = [[name, _masked_header(name, value, plan.secrets)] for name, value in request.headers]
    told["body"] = _masked_body(request.body, secrets)
    told["check"]["contains"] = masked_text(request.check.contains, secrets)
    told["check"]["json"] = {
        path: masked_text(value, secrets) if isinstance(value, str) else value
        for path, value in request.check.json.items()
    }
    return told


def _masked_body(body: str, secrets: Sequence[str]) -> str:
    if _KEY.search(body) or _MEMBER.search(body) or any(secret in body for secret in secrets):
        data = body.encode()
        return f"({len(data)} bytes, BLAKE2b {hashlib.blake2b(data, digest_size=8).hexdigest()})"
    if len(body) > LONGEST_BODY:
        return f"{body[:LONGEST_BODY]}… ({len(body)} characters)"
    return body


def _masked_header(name: str, value: str, secrets: Sequence[str] = ()) -> str:
    if not is_secret_header(name):
        return masked_text(value, secrets)
    scheme, space, secret = value.partition(" ")
    if space and scheme.lower() in _SCHEMES:
        return f"{scheme} {mask_secret(secret)}"
    return mask_secret(value)


# --- texts --------------------------------------------------------------------------------------------------------


def environment_secrets(environ: Mapping[str, str], requests: Iterable[Request]) -> tuple[str, ...]:
    """Of what a scenario takes from the environment: what stands in a header, and whatever is called like a secret."""
    sent = [value for request in requests for _, value in request.headers]
    found = {
        value
        for name, value in environ.items()
        if re.search(SECRET_NAME, name, re.IGNORECASE) or any(value in text for text in sent)
    }
    return _longest_first(found)


def known_secrets(url: str, path: str, headers: Headers, more: Iterable[str] = ()) -> tuple[str, ...]:
    """The credentials that a request sends, as far as they do not vary; the longest first."""
    found = {*more}
    found |= {value for address in (url, path) for value in _PARAMETER.findall(address)}
    for name, value in headers:
        if is_secret_header(name):
            found.update(_pieces(value, cookie=name.lower() == "cookie"))
    return _longest_first(found)


def _longest_first(secrets: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted((text for text in secrets if len(text) >= _SHORTEST), key=lambda text: (-len(text), text)))


def _pieces(value: str, *, cookie: bool) -> Iterable[str]:
    """A header's value without its scheme, and what stands between its variables."""
    scheme, space, rest = value.partition(" ")
    secret = rest.strip() if space and scheme.lower() in _SCHEMES else value
    fixed = _VARIABLE.split(secret.replace("{{{{", "\0"))
    yield from (piece.replace("\0", "{{").strip() for piece in fixed)
    if cookie:
        yield from (pair.partition("=")[2] for pair in secret.split(";"))


def masked_text(text: str, secrets: Sequence[str] = ()) -> str:
    """A text that may repeat `secrets` (longest first), or hold other keys; its end may have been cut off."""
    if secrets:
        text = re.sub("|".join(map(re.escape, secrets)), lambda match: mask_secret(match[0]), text)
    for secret in secrets:
        cut = next((size for size in range(min(len(secret), len(text)), 3, -1) if text.endswith(secret[:size])), 0)
        if cut:
            text = text[:-cut] + mask_secret(secret[:cut])
    return _KEY.sub(lambda match: f"{match['scheme'] or ''}{mask_secret(match['secret'])}", text)


# --- the command line ---------------------------------------------------------------------------------------------


def masked_command(arguments: Sequence[str]) -> list[str]:
    """The command line as it was given."""
    masked: list[str] = []
    before = ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if before in _FLAGS:
            masked.append(_masked_value(before, argument))
        elif equals and name in _FLAGS:
            masked.append(f"{name}={_masked_value(name, value)}")
        elif argument.startswith("-H") and argument != "-H":
            masked.append(f"-H{_masked_value('-H', argument[2:])}")
        else:
            masked.append(_masked_value("", argument))
        before = argument
    return masked


def _masked_value(flag: str, value: str) -> str:
    if flag == "--key":
        return mask_secret(value)
    if flag in _COMMAND_FLAGS:
        return _first_word(value)
    if flag in _HEADER_FLAGS:
        name, colon, text = value.partition(":")
        return f"{name}{colon} {_masked_header(name.strip(), text.strip())}" if colon else value
    return masked_text(mask_url(value) if "://" in value or "?" in value else value)


def _first_word(command: str) -> str:
    """Of `API_KEY=… program` even less."""
    word, space, _ = command.strip().partition(" ")
    name, equals, _ = word.partition("=")
    return f"{name}=…" if equals else f"{word} …" if space else word
