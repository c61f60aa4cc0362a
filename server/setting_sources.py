"""Where settings come from: flags, the environment, and `.env`, in this order."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from server import __version__
from server.errors import echo
from server.settings import (
    SECRETS,
    Settings,
    WrongSetting,
    default_text,
    is_numbered,
    names_of,
)


def load(argv: Sequence[str], environment: Mapping[str, str], env_file: Path) -> Settings:
    """The settings in force. Raises `WrongSetting`; `--help` and `--version` exit."""
    flags = {k: v for k, v in vars(_parser().parse_args(argv)).items() if v is not None}
    found = _from_environment({**_read(env_file), **environment})
    values = {name: value for name, (_, value) in found.items()} | flags
    sources = {name: source for name, (source, _) in found.items()}
    sources |= {name: f"--{name}" for name in flags}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise WrongSetting(_in_words(error, sources)) from None
    _check_extra_models(settings)
    return settings


def _read(env_file: Path) -> dict[str, str]:
    return {k: v for k, v in dotenv_values(env_file).items() if v is not None}


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[str, object]]:
    """Field → (name it was set under, value). An empty value counts as unset."""
    found: dict[str, tuple[str, object]] = {}
    for field_name, field in Settings.model_fields.items():
        if is_numbered(field):
            values = tuple(environment.get(name, "") for name in names_of(field))
            found[field_name] = (names_of(field)[0], values)
            continue
        for name in names_of(field):
            value = environment.get(name, "")
            if not value:
                continue
            first, known = found.setdefault(field_name, (name, value))
            if known != value:
                raise WrongSetting(
                    f"{first}={echo(known)} and {name}={echo(value)} are two names of one "
                    "setting with different values: remove one"
                )
    return found


def _in_words(error: ValidationError, sources: Mapping[str, str]) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0])
    source = sources.get(name, name)
    reason = first["msg"].removeprefix("Value error, ")
    shown = "" if name in SECRETS else f"={echo(first['input'])}"
    return f"{source}{shown} is wrong: {reason[:1].lower()}{reason[1:]}"


def _check_extra_models(settings: Settings) -> None:
    for entry in settings.extra_models:
        name, _, target = entry.partition("=")
        if not name or ":" not in target:
            raise WrongSetting(f"EXTRA_MODELS={echo(entry)} is wrong: must be name=module:Class")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m server",
        allow_abbrev=False,
        description="Continuo, a self-hosted music-generation server.",
        epilog="Each setting may also stand in the environment or in .env, under the names shown.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    flags = {name: f for name, f in Settings.model_fields.items() if not is_numbered(f)}
    for name, field in flags.items():
        spellings = {f"--{name}": None, f"--{name.replace('_', '-')}": None}
        switch: dict[str, Any] = {"nargs": "?", "const": "true"} if field.annotation is bool else {}
        parser.add_argument(
            *spellings,
            dest=name,
            help=_help(field),
            metavar=name.split("_")[-1].upper(),
            **switch,
        )
    return parser


def _help(field: FieldInfo) -> str:
    names = " or ".join(names_of(field))
    return f"{field.description} [{names}; default: {default_text(field)}]".replace("%", "%%")
