"""Where checkpoints are: under MODELS_DIR, in the Hugging Face cache, or on the hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.utils.tqdm import tqdm
from loguru import logger

from server.errors import Unavailable, in_one_line

#: What to say of a load that goes on, and where it is shown.
Report = Callable[[str], None]

#: A folder holds a checkpoint if it has all of one of these; the first that a hub has is fetched.
LAYOUTS: tuple[tuple[str, ...], ...] = (
    ("config.json", "model.safetensors"),
    ("config.json", "model.safetensors.index.json"),
    ("state_dict.bin", "compression_state_dict.bin"),
    ("config.json", "pytorch_model.bin"),
    ("cfm_model.pt",),
    ("vae_model.pt",),
)
#: Small files that belong to a layout of transformers: configurations and the tokenizer.
SMALL = (".json", ".model", ".txt")
#: Names that a repository had before it moved.
MOVED = {"t5-base": "google-t5/t5-base", "xlm-roberta-base": "FacebookAI/xlm-roberta-base"}
FORBIDDEN = "a request may not start that, by ALLOW_DOWNLOADS and ALLOWED_MODELS"
REPORT_STEP_PERCENT = 5


class Places:
    """Finds the folder of a published name; downloads it where it is nowhere else, if it may."""

    def __init__(self, models_dir: Path, report: Report, may_download: bool = True) -> None:
        self._models_dir = models_dir
        self._report = report
        self._may_download = may_download

    def find(self, name: str, beside: Path | None = None) -> Path:
        """The folder of `name`; `beside` is a folder next to which it may lie.

        Raises `Unavailable` with the command that fetches it.
        """
        local = self.local(name, beside)
        return local if local is not None else self._download(name)

    def lacking(self, name: str) -> Unavailable | None:
        """Why `name` cannot be had, if that is clear without asking the hub: a look at the disk."""
        try:
            if not self._forbidden or self.local(name) is not None:
                return None
        except Unavailable as error:
            return error
        return _missing(name, self._forbidden)

    @property
    def _forbidden(self) -> str:
        return why_no_download(self._may_download)

    def local(self, name: str, beside: Path | None = None) -> Path | None:
        """The folder of `name`, if it is on this machine. Raises `Unavailable` if unreadable."""
        try:
            return self._searched(name, beside)
        except OSError as error:
            raise unreadable(name, error) from error

    def _searched(self, name: str, beside: Path | None) -> Path | None:
        short = name.rsplit("/", 1)[-1]
        folders = [self._models_dir / name, self._models_dir / short]
        if beside is not None:
            folders += [beside / short, beside.parent / short]
        for folder in folders:
            if folder.is_dir():
                return folder
        cached = (cached_folder(repository) for repository in {name, MOVED.get(name, name)})
        return next((folder for folder in cached if folder and is_complete(folder)), None)

    def _download(self, name: str) -> Path:
        if self._forbidden:
            raise _missing(name, self._forbidden)
        try:
            return self._fetch(MOVED.get(name, name))
        except Exception as error:  # of the hub, the network or the disk: each has its own types
            logger.opt(exception=error).debug("The download of {} failed", name)
            raise _missing(name, in_one_line(error)) from error

    def _fetch(self, repository: str) -> Path:
        described = HfApi().model_info(repository, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in described.siblings or []}
        wanted = files_to_fetch(sizes)
        meter = _Meter(repository, sum(sizes[name] for name in wanted), self._report)
        for name in wanted:
            path = hf_hub_download(repository, name, tqdm_class=meter.bar_class())
            meter.finished(sizes[name])
        return Path(path).parent


def why_no_download(may_download: bool) -> str:
    """Why nothing is downloaded; empty where it is."""
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    return "" if may_download else FORBIDDEN


def files_to_fetch(present: dict[str, int]) -> list[str]:
    """Of a repository's files those of the first layout that it has. Raises `ValueError`."""
    for layout in LAYOUTS:
        if all(name in present for name in layout):
            break
    else:
        raise ValueError("the repository holds no weights in a known layout")
    if layout[0] != "config.json":
        return list(layout)
    ending = ".bin" if layout[1].endswith(".bin") else ".safetensors"
    small = [name for name in present if name.endswith(SMALL) and "/" not in name]
    stem = layout[1].split(".")[0]
    large = [name for name in present if name.startswith(stem) and name.endswith(ending)]
    return sorted(small) + sorted(large)


def folder_with(file: str, repository: str, models_dir: Path) -> Path | None:
    """The folder of `repository` that holds `file`: under `models_dir` or in the cache."""
    for folder in (models_dir / repository, models_dir / repository.rsplit("/", 1)[-1]):
        if (folder / file).is_file():
            return folder
    cached = try_to_load_from_cache(repository, file)
    return Path(cached).parent if isinstance(cached, str) else None


def cached_folder(repository: str) -> Path | None:
    """The folder of `repository` in the Hugging Face cache, complete or not."""
    for name in dict.fromkeys(layout[0] for layout in LAYOUTS):
        found = try_to_load_from_cache(repository, name)
        if isinstance(found, str):
            return Path(found).parent
    return None


def is_complete(folder: Path) -> bool:
    """Whether all files of a layout are there, every shard included."""
    if not any(all((folder / name).exists() for name in layout) for layout in LAYOUTS):
        return False
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").exists() or not index.exists():
        return True
    try:
        shards = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        return all((folder / shard).exists() for shard in shards)
    except (AttributeError, KeyError, OSError, TypeError, ValueError):  # half an index
        return False


def fetch_command(name: str) -> str:
    """What a person types to fetch it into the cache."""
    return f"hf download {MOVED.get(name, name)}"


def unreadable(name: str, error: OSError) -> Unavailable:
    """The disk does not give the files of `name`; says why, but no folder."""
    return Unavailable(
        f"the files of {name} cannot be read ({error.strerror or type(error).__name__})",
        "Make MODELS_DIR and the Hugging Face cache readable for the user who runs the server",
    )


def _missing(name: str, reason: str) -> Unavailable:
    return Unavailable(
        f"the weights of {name} are neither under MODELS_DIR nor in the Hugging Face cache, "
        f"and they cannot be downloaded ({reason})",
        f"Run `{fetch_command(name)}` where there is a network, or put the repository's "
        f"files into the folder {name} under MODELS_DIR",
    )


class _Meter:
    """Adds up the bytes of several files."""

    def __init__(self, repository: str, total_bytes: int, report: Report) -> None:
        self._repository = repository
        self._total_bytes = max(1, total_bytes)
        self._finished_bytes = 0
        self._told_percent = -REPORT_STEP_PERCENT
        self._report = report

    def finished(self, num_bytes: int) -> None:
        """A file is whole."""
        self._finished_bytes += num_bytes
        self._tell(0)

    def bar_class(self) -> Any:
        """What the hub calls with the bytes of the file in hand; it draws nothing."""
        meter = self

        class Bar(tqdm):  # type: ignore[misc]
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **{**options, "disable": True})
                self._num_bytes = options.get("initial", 0)

            def update(self, n: float | None = 1) -> None:
                self._num_bytes += n or 0
                meter._tell(self._num_bytes)

        return Bar

    def _tell(self, current_bytes: float) -> None:
        done_bytes = min(self._total_bytes, self._finished_bytes + current_bytes)
        percent = int(100 * done_bytes / self._total_bytes)
        if percent < self._told_percent + REPORT_STEP_PERCENT:
            return
        self._told_percent = percent
        self._report(
            f"downloading {self._repository}: {percent} % of {self._total_bytes / 1e6:.0f} MB"
        )
