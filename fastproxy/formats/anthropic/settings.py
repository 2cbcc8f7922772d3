"""Sampling, stops, the user's id and the tier: fields that stand alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from fastproxy.formats.anthropic.words import NAME, WRITE_TIERS

if TYPE_CHECKING:
    from fastproxy.formats.anthropic.thinking import Thought
    from fastproxy.formats.chat import ChatRequest, Facts
    from fastproxy.formats.notes import Notes

Body = dict[str, Any]
LEAST_TOP_P: Final = 0.95  # with thinking


def write_sampling(request: ChatRequest, facts: Facts, thought: Thought, notes: Notes) -> Body:
    asked: Body = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
    asked = {name: value for name, value in asked.items() if value is not None}
    if not facts.sampling:
        for name in asked:
            notes.drop(name, "this model refuses it")
        return {}
    if not facts.both and {"temperature", "top_p"} <= asked.keys():
        notes.drop("top_p", "this model takes it or temperature, not both")
        del asked["top_p"]
    if request.format == NAME:
        return asked
    if asked.get("temperature", 0) > 1:
        notes.clamp("temperature", "1 is the highest")
        asked["temperature"] = 1
    return _sampling_with_thinking(asked, notes) if thought.is_on else asked


def _sampling_with_thinking(asked: Body, notes: Notes) -> Body:
    for name, value in list(asked.items()):
        if name == "top_k" or (name == "temperature" and value != 1) or (name == "top_p" and value < LEAST_TOP_P):
            notes.drop(name, "a model that thinks refuses it")
            del asked[name]
    return asked


def write_settings(request: ChatRequest, facts: Facts, notes: Notes) -> Body:
    made: Body = {"stream": True} if request.stream else {}
    stop = list(request.stop) if request.format == NAME else [text for text in request.stop if text.strip()]
    if len(stop) < len(request.stop):
        notes.change("stop", "white space alone does not stop")
    if stop and not facts.stop:
        notes.drop("stop", "this model refuses it")
    elif stop:
        made["stop_sequences"] = stop
    made |= {"metadata": metadata} if (metadata := _metadata(request, notes)) else {}
    if request.service_tier is not None:
        tier = WRITE_TIERS.get(request.service_tier, request.service_tier if request.format == NAME else None)
        made |= {"service_tier": tier} if tier is not None else {}
        if tier is None:
            notes.drop("service_tier", "no such tier")
        elif request.service_tier == "priority" and request.format != NAME:
            notes.change("service_tier", "priority where there is some")
    return made


def _metadata(request: ChatRequest, notes: Notes) -> Body | None:
    if request.format == NAME:
        asked: Body = request.body.get("metadata") or {}
        if asked.get("user_id") == request.user:
            return asked
        return {**(request.metadata or {}), "user_id": request.user}
    if not request.user:
        return None
    if "@" not in request.user:
        return {"user_id": request.user[:256]}
    notes.change("user", "an e-mail address is sent as its hash")
    return {"user_id": "user_" + hashlib.sha256(request.user.encode("utf-8", "replace")).hexdigest()[:32]}
