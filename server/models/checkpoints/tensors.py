"""Reads tensors from files, strictly: a missing, extra or wrong-shaped one is named."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from server.models.checkpoints.errors import WrongCheckpoint

#: Canonical name → the names of its parts in a file, which follow each other along dimension 0.
Parts = Callable[[str], tuple[str, ...]]

#: What torch raises for a file that is cut off, is no archive, or holds more than plain tensors.
UNREADABLE = (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError)
REFETCH = "delete it and fetch it again"
FEW = 5
WEIGHT_NORM_ENDS = (
    (".weight_g", ".weight_v"),
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
)


class StoredTensors:
    """The tensors of one file, or of the shards of one, that nobody has taken yet."""

    def __init__(self, source: str, tensors: Mapping[str, Tensor]) -> None:
        self._source = source
        self._tensors = merged_weight_norm(source, tensors)

    def fill(self, module: nn.Module, parts: Parts) -> None:
        """Give every tensor of `module`, built on the meta device, its value as it is in the file.

        Raises `WrongCheckpoint` naming what is missing or has another shape.
        """
        shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
        missing = [part for name in shapes for part in parts(name) if part not in self._tensors]
        if missing:
            raise WrongCheckpoint(f"{self._source} lacks {_few(missing)}")
        taken: dict[tuple[str, ...], Tensor] = {}  # tied tensors are in the file once
        for name, shape in shapes.items():
            if parts(name) not in taken:
                taken[parts(name)] = self._take(parts(name), shape)
        values = {name: taken[parts(name)] for name in shapes}
        module.load_state_dict(values, strict=True, assign=True)

    def check_all_used(self, ignored: re.Pattern[str]) -> None:
        """Refuse tensors that nobody took, except those whose whole name `ignored` matches."""
        extra = [name for name in self._tensors if not ignored.fullmatch(name)]
        if extra:
            raise WrongCheckpoint(f"{self._source} has tensors of no known use: {_few(extra)}")

    def _take(self, parts: tuple[str, ...], shape: tuple[int, ...]) -> Tensor:
        wanted = (shape[0] // len(parts), *shape[1:])
        for part in parts:
            found = tuple(self._tensors[part].shape)
            if not self._tensors[part].is_floating_point():
                kind = self._tensors[part].dtype
                raise WrongCheckpoint(f"{self._source}: {part} is {kind}; must be a float type")
            if found != wanted:
                raise WrongCheckpoint(
                    f"{self._source}: {part} has shape {list(found)}; "
                    f"the configuration asks for {list(wanted)}"
                )
        pieces = [self._tensors.pop(part) for part in parts]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def read_safetensors(folder: Path, name: str = "model.safetensors") -> StoredTensors:
    """The tensors of `name` in `folder`, or of the shards that its index lists.

    Raises `WrongCheckpoint` where a file is missing, incomplete or damaged.
    """
    index = folder / f"{name}.index.json"
    files = [name]
    if index.exists() and not (folder / name).exists():
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict):
            raise WrongCheckpoint(f"{index.name} has no weight_map; {REFETCH}")
        files = sorted({str(shard) for shard in weight_map.values()})
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors |= load_safetensors(folder / file)
    return StoredTensors(name, tensors)


def load_safetensors(file: Path) -> dict[str, Tensor]:
    """The tensors of one file as it has them. Raises `WrongCheckpoint`."""
    try:
        file.open("rb").close()  # says why it cannot be read; safetensors does not
        with safe_open(file, framework="pt") as opened:
            names = list(opened.keys())
        return {name: _mapped(file, name) for name in names}
    except (SafetensorError, OSError) as error:
        raise _unreadable(file, error) from error


def _mapped(file: Path, name: str) -> Tensor:
    """A tensor that is read when it is used, and leaves memory when it is let go: it has a mapping
    of the file for itself."""
    with safe_open(file, framework="pt") as opened:
        return opened.get_tensor(name)  # type: ignore[no-any-return]


def read_pickle(file: Path) -> dict[str, object]:
    """A file of torch.save that holds nothing but plain types and tensors; no code is run."""
    try:
        loaded = torch.load(file, weights_only=True, map_location="cpu", mmap=True)
    except UNREADABLE as error:
        raise _unreadable(file, error) from error
    if not isinstance(loaded, dict):
        raise WrongCheckpoint(f"{file.name} holds no dictionary; {REFETCH}")
    return loaded


def _unreadable(file: Path, error: Exception) -> WrongCheckpoint:
    """In words of our own: libraries' name folders, or advise to run code from the file."""
    if isinstance(error, FileNotFoundError):
        return WrongCheckpoint(f"{file.name} is missing; fetch it")
    if isinstance(error, OSError) and error.strerror:
        return WrongCheckpoint(f"{file.name} cannot be read ({error.strerror}); make it readable")
    return WrongCheckpoint(f"{file.name} is incomplete, damaged or something else; {REFETCH}")


def read_json(file: Path) -> dict[str, object]:
    """A JSON object. Raises `WrongCheckpoint` where there is none."""
    try:
        loaded = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error
    if not isinstance(loaded, dict):
        raise WrongCheckpoint(f"{file.name} holds no JSON object; {REFETCH}")
    return loaded


def merged_weight_norm(source: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`tensors` with each weight-normed pair replaced by the weight that it stands for.

    A pair is `X.weight_g` and `X.weight_v`, or, as torch has saved it since 2.0,
    `X.parametrizations.weight.original0` and `original1`. Salimans & Kingma (2016):
    w = g · v / ‖v‖, the norm over all dimensions but the first.
    """
    merged = dict(tensors)
    for g_end, v_end in WEIGHT_NORM_ENDS:
        stems = {
            name.removesuffix(g_end).removesuffix(v_end)
            for name in tensors
            if name.endswith((g_end, v_end))
        }
        for stem in stems:
            g, v = merged.pop(stem + g_end, None), merged.pop(stem + v_end, None)
            merged[f"{stem}.weight"] = _weight(source, (stem + g_end, g), (stem + v_end, v))
    return merged


def _weight(
    source: str, named_g: tuple[str, Tensor | None], named_v: tuple[str, Tensor | None]
) -> Tensor:
    (g_name, g), (v_name, v) = named_g, named_v
    if g is None or v is None:
        raise WrongCheckpoint(f"{source} lacks {g_name if g is None else v_name}")
    wanted = [*v.shape[:1], *[1] * (v.dim() - 1)]
    if list(g.shape) != wanted:
        raise WrongCheckpoint(f"{source}: {g_name} has shape {list(g.shape)}, not {wanted}")
    g, v = g.float(), v.float()
    return v * (g / torch.linalg.vector_norm(v, dim=list(range(1, v.dim())), keepdim=True))


def _few(names: list[str]) -> str:
    rest = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + rest
