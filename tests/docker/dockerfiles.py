"""Reads Dockerfiles, as far as ours go."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker"
FILES = sorted(FOLDER.glob("Dockerfile*"))


class Instruction(NamedTuple):
    """`COPY --from=build a b` is COPY, {"from": "build"}, ["a", "b"]."""

    name: str
    options: dict[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        """Of the shell form, or of the JSON form."""
        return json.loads(self.text) if self.text.startswith("[") else self.text.split()

    @property
    def variables(self) -> dict[str, str]:
        """Of ENV and ARG."""
        return dict(word.partition("=")[::2] for word in self.words)


class Stage(NamedTuple):
    base: str
    instructions: list[Instruction]

    def all(self, name: str) -> list[Instruction]:
        return [i for i in self.instructions if i.name == name]

    def last(self, name: str) -> Instruction:
        return self.all(name)[-1]


def instructions(file: Path) -> list[Instruction]:
    """Every instruction; comments and continued lines are gone."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text("utf-8"), flags=re.M)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [_instruction(line.strip()) for line in lines if line.strip()]


def stages(file: Path) -> list[Stage]:
    """The stages, each from its FROM on."""
    found: list[Stage] = []
    for instruction in instructions(file):
        if instruction.name == "FROM":
            found.append(Stage(instruction.words[0], []))
        elif found:
            found[-1].instructions.append(instruction)
    return found


def defaults(file: Path) -> dict[str, str]:
    """The build arguments with their defaults."""
    arguments = [i.variables for i in instructions(file) if i.name == "ARG"]
    return {name: value for variables in arguments for name, value in variables.items()}


def _instruction(line: str) -> Instruction:
    name, _, rest = line.partition(" ")
    options = {}
    while match := re.match(r"--([\w-]+)=(\S+)\s+", rest):
        options[match[1]] = match[2]
        rest = rest[match.end() :]
    return Instruction(name, options, rest)
