"""What a model can be asked for: checks a request against it and fills in what was not sent."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace

from server.audio.formats import FORMATS
from server.errors import BadRequest, Unsupported, echo
from server.generation import MAX_SEED, MAX_TAKES, MUSICAL_CONTROLS, GenerationRequest
from server.models.base import Control, ModelInfo
from server.service.edit_segments import resolve_segments

#: Published clients send these to every model; one that has no use for them ignores them.
ACCEPTED_BY_ALL = frozenset({"temperature", "top_k", "top_p", "guidance"})
#: Field of the request that not every model understands → what it is called.
ABILITIES = {
    "multiband_diffusion": "multiband diffusion",
    "stems": "stems",
    "weighted_prompts": "weighted prompts",
    "melody": "melody",
    "continuation": "continuation",
    "lyrics": "lyrics",
    "style_audio": "style by a recording",
    "edited_song": "editing of songs",
    "whole_decoding": "whole decoding",
}
#: A drawn seed fits the narrowest of the models behind us (int32).
MAX_DRAWN_SEED = 2**31 - 1


def resolve(
    request: GenerationRequest, info: ModelInfo, served: Iterable[ModelInfo] = ()
) -> GenerationRequest:
    """The request as `info`'s model will see it. Raises `BadRequest` or `Unsupported`, which names
    those of the models `served` that could."""
    _check_prompts(request, info)
    _check_abilities(request, info, served)
    _check_num_takes(request.num_takes)
    _check_format(request.format, info)
    _check_controls(request, info)
    _check_style(request, info)
    num_seconds = _duration(request.duration_seconds, info)
    return replace(
        request,
        model=info.name,
        duration_seconds=num_seconds,
        seed=_seed(request.seed, request.num_takes),
        edit_segments=resolve_segments(request.edit_segments, request.edited_song, num_seconds),
    )


def _check_prompts(request: GenerationRequest, info: ModelInfo) -> None:
    _check_length("prompt", request.prompt, info)
    weighted = request.weighted_prompts or ()
    for prompt in weighted:
        _check_length("weighted_prompts", prompt.text, info)
    if info.needs_prompt and not weighted and not request.prompt.strip():
        raise BadRequest.value(
            "prompt", f"a text that is not blank for {info.name}", request.prompt
        )


def _check_length(field: str, prompt: str, info: ModelInfo) -> None:
    if len(prompt) > info.max_prompt_characters:
        allowed = f"a text of at most {info.max_prompt_characters} characters for {info.name}"
        raise BadRequest(field, f"must be {allowed}; got {len(prompt)} characters")


def _duration(seconds: int | None, info: ModelInfo) -> int:
    if seconds is None:
        return info.default_duration_seconds
    low, high = info.min_duration_seconds, info.max_duration_seconds
    if not low <= seconds <= high:
        allowed = f"an integer from {low} to {high} (seconds, the limits of {info.name})"
        raise BadRequest.value("duration_seconds", allowed, seconds)
    return seconds


def _seed(seed: int | None, num_takes: int) -> int:
    if seed is None:
        return secrets.randbelow(MAX_DRAWN_SEED + 2 - num_takes)
    if not 0 <= seed <= MAX_SEED:
        raise BadRequest.value("seed", f"an integer from 0 to {MAX_SEED}", seed)
    return seed


def _check_num_takes(num_takes: int) -> None:
    if not 1 <= num_takes <= MAX_TAKES:
        raise BadRequest.value("num_takes", f"an integer from 1 to {MAX_TAKES}", num_takes)


def _check_abilities(
    request: GenerationRequest, info: ModelInfo, served: Iterable[ModelInfo]
) -> None:
    for ability, name in ABILITIES.items():
        asked_for = getattr(request, ability) not in (None, False)
        if asked_for and ability not in info.abilities:
            how = _how_to_have(ability, info, served)
            problem = f"is asked for, but {info.name} has no {name}; leave it out{how}"
            raise Unsupported(ability, problem)


def _how_to_have(ability: str, info: ModelInfo, served: Iterable[ModelInfo]) -> str:
    able = sorted(each.name for each in served if ability in each.abilities)
    others = f", or choose a model that has: {', '.join(able)}" if able else ""
    remedy = f". To have it: {info.obtainable[ability]}" if ability in info.obtainable else ""
    return others + remedy


def _check_style(request: GenerationRequest, info: ModelInfo) -> None:
    """In words or in sound, one of the two, where a model takes both."""
    if "style_audio" not in info.abilities:
        return
    in_words, in_sound = bool(request.prompt.strip()), request.style_audio is not None
    if in_words and in_sound:
        raise BadRequest("style_audio", "cannot be sent with a style in words; leave out one")
    if not in_words and not in_sound:
        raise BadRequest("prompt", "must say the style, or send a recording of it")


def _check_format(format: str, info: ModelInfo) -> None:
    formats = (*FORMATS, *info.formats)
    if format not in formats:
        raise BadRequest.value("format", f"one of {', '.join(formats)} for {info.name}", format)


def _check_controls(request: GenerationRequest, info: ModelInfo) -> None:
    declared = {control.name: control for control in info.controls}
    for name in (*sorted(ACCEPTED_BY_ALL), *MUSICAL_CONTROLS):
        value = getattr(request, name)
        if value is None:
            continue
        if name in declared:
            _check_range(value, declared[name], info)
        elif name not in ACCEPTED_BY_ALL:
            understood = ", ".join(sorted(declared)) or "none"
            raise Unsupported(
                name,
                f"is not understood by {info.name} (got {echo(value)}); "
                f"leave it out. Its settings: {understood}",
            )


def _check_range(value: float | str, control: Control, info: ModelInfo) -> None:
    if isinstance(value, str):
        fits = value in control.choices
    else:
        low, high = control.minimum, control.maximum
        fits = (low is None or value >= low) and (high is None or value <= high)
    if not fits:
        raise BadRequest.value(control.name, f"{control.allowed} for {info.name}", value)
