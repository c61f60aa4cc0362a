"""`python -m server doctor`: what this machine can run, and whether the configuration holds.

It takes the flags of the server, reads the same environment, and changes nothing but that the
folders of the output, the log and the models come to be. With `--lyria` it tries the keys of
Google's API for real, too. Exit code 1: something is at fault.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from limits.errors import StorageError

from server import __version__
from server.controllers.rate_limits import RequestCounts, UnusableRateLimitStore
from server.errors import ContinuoError
from server.models.lyria.trial import try_keys
from server.models.memory import DeviceMemory, in_words, may_have_gpu
from server.models.registry import Entry
from server.models.upstream import Upstream
from server.service.generation import GenerationService
from server.serving import try_stores, uvicorn_options, wire
from server.setting_sources import load
from server.settings import Settings, WrongSetting

EXIT_FAULT = 1
LYRIA = "--lyria"
#: Extra → a module of each of its packages; `pip install "continuo[EXTRA]"`.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "musicgen": ("torch", "transformers", "safetensors", "huggingface_hub", "yaml"),
    "separation": ("demucs",),
    "phonemes": ("phonemizer", "espeakng_loader", "inflect", "jieba", "pypinyin", "cn2an"),
    "diffrhythm": ("muq",),
    "postgresql": ("asyncpg",),
    "redis": ("redis",),
    "tracing": ("opentelemetry.sdk", "opentelemetry.exporter"),
    "clients": ("requests", "aiohttp"),
}
#: A key that is shorter can be guessed.
MIN_KEY_CHARACTERS = 16
#: Stands for a model's name in what is alike for several; in no text by chance.
NAME = "\0"


class Grade(Enum):
    """How a finding is to be taken."""

    FINE = "ok"
    LACKING = "-"
    DOUBTFUL = "!"
    FAULT = "FAULT"


@dataclass(frozen=True)
class Finding:
    """One line of the report, and a second one if there is something to do about it."""

    grade: Grade
    subject: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"  {self.grade.value:<5} {self.subject}: {self.text}"
        return f"{line}\n        → {self.remedy}" if self.remedy else line


def doctor(argv: Sequence[str], environment: Mapping[str, str], env_file: Path) -> int:
    """Print the report; 1 if there is a fault. `--help` and `--version` exit."""
    print(f"Continuo {__version__}, Python {platform.python_version()}, {platform.platform()}")  # noqa: T201
    try:
        settings = load([flag for flag in argv if flag != LYRIA], environment, env_file)
        service = wire(settings).state.service
    except WrongSetting as error:
        return _report({"Configuration": [Finding(Grade.FAULT, "settings", str(error))]})
    report = {
        "Machine": list(machine(settings)),
        "Extras": list(extras()),
        "Configuration": list(configuration(settings)),
        "Models": models(service),
    }
    if LYRIA in argv:
        report["Lyria"] = list(lyria(service.registry.options.upstream))
    return _report(report)


def _report(sections: Mapping[str, Sequence[Finding]]) -> int:
    for title, findings in sections.items():
        print(f"\n{title}", *findings, sep="\n")  # noqa: T201
    faults = [f for findings in sections.values() for f in findings if f.grade is Grade.FAULT]
    print(f"\n{len(faults)} fault(s)" if faults else "\nNothing is at fault")  # noqa: T201
    return EXIT_FAULT if faults else 0


# ── the machine ──────────────────────────────────────────────────────────────────────────────


def machine(settings: Settings) -> Iterator[Finding]:
    """Device, precision, memory."""
    yield Finding(Grade.FINE, "processor", f"{platform.machine()}, {os.cpu_count()} cores")
    memory = DeviceMemory(settings.device, settings.model_memory_budget)
    if may_have_gpu(settings.device) and find_spec("torch") is None:
        remedy = 'pip install "continuo[musicgen]", where you mean to use it'
        yield Finding(Grade.LACKING, "GPU", "a driver is there, and torch is not", remedy)
    elif find_spec("torch") is not None:
        yield from _torch(settings)
        memory.learn()
    free, total = memory.free_and_total_bytes()
    said = f"{in_words(int(free))} free of {in_words(int(total))}"
    if memory.budget_bytes is not None:
        said += f"; models may hold {in_words(memory.budget_bytes)} (MODEL_MEMORY_BUDGET)"
    yield Finding(Grade.FINE, "memory for models", said)


def _torch(settings: Settings) -> Iterator[Finding]:
    """What the models that choose their device will choose."""
    import torch

    from server.models.devices import choose_device
    from server.models.musicgen.cpu.library import description, is_usable
    from server.models.musicgen.devices import choose_precision

    try:
        device = choose_device(settings.device)
        precision = choose_precision(settings.precision, device)
    except ContinuoError as error:
        yield Finding(Grade.FAULT, "device", str(error))
        return
    name = torch.cuda.get_device_name() if device.type == "cuda" else device.type
    yield Finding(Grade.FINE, "device", f"{name} (DEVICE={settings.device})")
    yield Finding(Grade.FINE, "precision", f"{precision} (PRECISION={settings.precision})")
    if device.type == "cpu":
        subject, said = description().split(": ", 1)
        yield Finding(Grade.FINE if is_usable() else Grade.LACKING, subject, said)


def extras() -> Iterator[Finding]:
    """Which optional packages are installed."""
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if not _is_there(module)]
        if missing:
            remedy = f'pip install "continuo[{extra}]"'
            yield Finding(Grade.LACKING, extra, f"without {', '.join(missing)}", remedy)
        else:
            yield Finding(Grade.FINE, extra, _versions(modules))


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # of the package that it would be in
        return False


def _versions(modules: Iterable[str]) -> str:
    packages = importlib.metadata.packages_distributions()
    names = dict.fromkeys(name for m in modules for name in packages.get(m.split(".")[0], [])[:1])
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


# ── the configuration ────────────────────────────────────────────────────────────────────────


def configuration(settings: Settings) -> Iterator[Finding]:
    """Whether the server could start and work with these settings."""
    for name in ("output_dir", "log_dir", "models_dir"):
        yield _folder(name.upper(), getattr(settings, name))
    try:
        options = uvicorn_options(settings)
        yield Finding(Grade.FINE, "UVICORN_CONFIG", str(settings.uvicorn_config))
    except WrongSetting as error:
        yield Finding(Grade.FAULT, "UVICORN_CONFIG", str(error))
        return
    listening = _address(options["host"], options["port"])
    yield listening
    if listening.grade is not Grade.DOUBTFUL:
        yield _stores(settings)
    yield _counts(settings.rate_limit_storage_url)
    yield from _keys(settings, options["host"])


def _folder(variable: str, folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        said = f"{folder} cannot be written: {error.strerror}"
        return Finding(Grade.FAULT, variable, said, "make it writable for this user")
    return Finding(Grade.FINE, variable, f"{folder}, {in_words(free)} free")


def _address(host: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
    except OSError as error:
        if _answers(host, port):
            said = f"a Continuo answers on {host} port {port}; its stores are not looked at"
            return Finding(Grade.DOUBTFUL, "address", said)
        said = f"cannot listen on {host} port {port}: {error.strerror}"
        return Finding(Grade.FAULT, "address", said, "choose another with --port (API_PORT)")
    return Finding(Grade.FINE, "address", f"{host} port {port} is free")


def _answers(host: str, port: int) -> bool:
    shown = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host  # noqa: S104
    try:
        with urlopen(f"http://{shown}:{port}/health", timeout=2) as answer:
            return b"Continuo" in answer.read(1000)
    except (URLError, OSError, ValueError):
        return False


def _stores(settings: Settings) -> Finding:
    try:
        asyncio.run(try_stores(wire(settings).state.stored_jobs))
    except WrongSetting as error:
        return Finding(Grade.FAULT, "stored jobs", str(error))
    return Finding(Grade.FINE, "stored jobs", "their database can be used")


def _counts(url: str) -> Finding:
    """Nobody is limited while the counts cannot be reached, so that is no fault."""
    try:
        answers = asyncio.run(RequestCounts(url).windows.storage.check())
    except (UnusableRateLimitStore, StorageError):
        answers = False
    if answers:
        return Finding(Grade.FINE, "rate limits", "requests can be counted")
    return Finding(
        Grade.DOUBTFUL, "rate limits", "RATE_LIMIT_STORAGE_URL does not answer; nobody is limited"
    )


def _keys(settings: Settings, host: str) -> Iterator[Finding]:
    if not settings.api_keys and not _is_loopback(host):
        said = f"none, and {host} can be reached from elsewhere"
        yield Finding(Grade.DOUBTFUL, "API_KEYS", said, "set API_KEYS, or guard it by your proxy")
    else:
        yield Finding(Grade.FINE, "API_KEYS", f"{len(settings.api_keys)} key(s)")
    keys = [*settings.api_keys, *settings.admin_keys]
    if any(len(key.get_secret_value()) < MIN_KEY_CHARACTERS for key in keys):
        make = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'
        yield Finding(
            Grade.DOUBTFUL, "keys", f"one has fewer than {MIN_KEY_CHARACTERS} characters", make
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# ── the models ───────────────────────────────────────────────────────────────────────────────


def models(service: GenerationService) -> list[Finding]:
    """What each needs; it is a fault if the default one cannot run. Those that lack the same are
    told of together."""
    found: dict[tuple[Grade, str, str], list[str]] = {}
    for entry in service.registry.entries:
        grade, *texts = _model(service, entry)
        reason, remedy = (text.replace(entry.name, NAME) for text in texts)
        found.setdefault((grade, reason, remedy), []).append(entry.name)
    return [_of_all(names, *alike) for alike, names in found.items()]


def _of_all(names: Sequence[str], grade: Grade, reason: str, remedy: str) -> Finding:
    name = names[0] if len(names) == 1 else "NAME"
    return Finding(grade, ", ".join(names), reason.replace(NAME, name), remedy.replace(NAME, name))


def _model(service: GenerationService, entry: Entry) -> tuple[Grade, str, str]:
    """How it stands, why, and what to do about it."""
    is_default = entry.name == service.default_model
    known = entry.model.info.availability
    lacking = Grade.FAULT if is_default else Grade.LACKING
    if not known.available:
        return lacking, known.reason, known.remedy
    needs = f"needs {in_words(entry.needed_bytes)}" if entry.needed_bytes else "needs little memory"
    try:
        service.loader.check(entry)
    except ContinuoError as error:
        return lacking, str(error), ""
    return Grade.FINE, f"{needs}; the default" if is_default else needs, ""


def lyria(upstream: Upstream) -> Iterator[Finding]:
    """Whether each key of Google's API works, tried for real."""
    if lacking := upstream.keys.lacking:
        yield Finding(Grade.FAULT, "keys", lacking.reason, lacking.remedy)
    for trial in asyncio.run(try_keys(upstream)):
        yield Finding(Grade.FINE if trial.works else Grade.FAULT, trial.key, trial.words)
