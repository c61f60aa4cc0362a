"""Every setting, with a one-line help each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
)
from pydantic.fields import FieldInfo


class WrongSetting(Exception):
    """A setting that stops the start; the message is one line and names it."""


def _setting(default: Any, help: str, *names: str, **limits: Any) -> Any:
    """A field that the environment may set under each of `names`."""
    extra: dict[str, JsonValue] = {"names": list(names)}
    return Field(default, description=help, json_schema_extra=extra, **limits)


def _numbered_secrets(help: str, name: str, count: int) -> Any:
    """A field of `count` secrets, each in a variable of its own, `name`_1 and so on.

    Never a flag: every user of the machine can read another's command line.
    """
    names: list[JsonValue] = [f"{name}_{number}" for number in range(1, count + 1)]
    return Field((), description=help, json_schema_extra={"names": names, "numbered": True})


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _sendable(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("a key must be of visible ASCII characters, or no header can carry it")
    return key


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Level = Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Listed = Annotated[tuple[str, ...], BeforeValidator(_comma_separated)]
Key = Annotated[SecretStr, AfterValidator(_sendable)]
Keys = Annotated[tuple[Key, ...], BeforeValidator(_comma_separated)]


class Settings(BaseModel):
    """What the operator decides. Each field is a flag of the same name (`--port 5555`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    host: str = _setting("127.0.0.1", "address to listen on", "API_HOST", "HOST", min_length=1)
    port: int = _setting(
        5555, "port to listen on; 0 takes a free one", "API_PORT", "PORT", ge=0, le=65535
    )
    music_model_name: str = _setting(
        "sketch",
        "the model served where none is named, or a folder with a checkpoint",
        "DEFAULT_MODEL",
        min_length=1,
    )
    lyria_model: str = _setting(
        "lyria-realtime", "the model that serves /generate-music", "LYRIA_MODEL", min_length=1
    )
    diffrhythm_model: str = _setting(
        "diffrhythm", "the model that serves /api/generate", "DIFFRHYTHM_MODEL", min_length=1
    )
    genai_api_keys: tuple[SecretStr, ...] = _numbered_secrets(
        "keys of Google's API, for the Lyria models; requests take turns", "GENAI_API_KEY", 10
    )
    max_retries: int = _setting(
        3, "times a failed request to Google is tried again with the same key", "MAX_RETRIES", ge=0
    )
    retry_delay_seconds: float = _setting(
        5.0, "how long after a failure that is", "RETRY_DELAY_SECONDS", ge=0, le=60
    )
    lyria_api_version: str = _setting(
        "v1alpha", "version of Google's API that has Lyria", "LYRIA_API_VERSION", min_length=1
    )
    lyria_session_seconds: float = _setting(
        540.0,
        "how long a session with Google lasts before a new one takes over",
        "LYRIA_SESSION_SECONDS",
        ge=10,
    )
    cors_origins: Listed = _setting(
        ("*",),
        "origins whose pages may call the server, separated by commas; * is all",
        "CORS_ORIGINS",
        "ALLOWED_ORIGINS",
    )
    api_keys: Keys = _setting(
        (), "keys that clients must send, separated by commas; unset: none is asked for", "API_KEYS"
    )
    admin_keys: Keys = _setting(
        (),
        "keys for /metrics, /api-keys/stats and the loading of models, separated by commas; "
        "unset: as API_KEYS",
        "ADMIN_KEYS",
    )
    trace_url: str = _setting(
        "",
        "where traces are sent, by OTLP over HTTP; unset: there are none",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        pattern=r"^(https?://\S+)?$",
    )
    debug: bool = _setting(
        False, "tell clients the type and text of internal errors; reload on code changes", "DEBUG"
    )
    log_level: Annotated[Level, BeforeValidator(_upper)] = _setting(
        "INFO", "least important level that is logged", "LOG_LEVEL"
    )
    log_format: Literal["text", "json"] = _setting(
        "text", "text for people, json for collectors", "LOG_FORMAT"
    )
    log_dir: Path = _setting(Path("log"), "folder of the log files", "LOG_DIR")
    models_dir: Path = _setting(Path("models"), "folder of model weights", "MODELS_DIR")
    diffrhythm_home: Path = _setting(
        Path("vendor/DiffRhythm"),
        "folder of your clone of DiffRhythm's repository",
        "DIFFRHYTHM_HOME",
    )
    output_dir: Path = _setting(
        Path("output"), "folder of the stored jobs' files, and of their database", "OUTPUT_DIR"
    )
    database_url: str = _setting(
        "", "database of the stored jobs; unset: jobs.sqlite in OUTPUT_DIR", "DATABASE_URL"
    )
    queue_places: int = _setting(
        1000, "stored jobs that may wait for a model; others get 429", "QUEUE_PLACES", ge=1
    )
    rate_limit_requests_per_minute: int = _setting(
        60,
        "POST /generate-music a client may send in a minute; 0: any number",
        "RATE_LIMIT_REQUESTS_PER_MINUTE",
        ge=0,
    )
    rate_limit_requests_per_hour: int = _setting(
        1000, "the same in an hour", "RATE_LIMIT_REQUESTS_PER_HOUR", ge=0
    )
    rate_limit_others_per_minute: int = _setting(
        0,
        "requests for music a client may send to each other interface in a minute; 0: any number",
        "RATE_LIMIT_OTHERS_PER_MINUTE",
        ge=0,
    )
    rate_limit_storage_url: str = _setting(
        "memory://",
        "where requests are counted; redis://HOST:PORT for several servers together",
        "RATE_LIMIT_STORAGE_URL",
        min_length=1,
    )
    forwarded_allow_ips: Listed = _setting(
        ("127.0.0.1", "::1"),
        "proxies that are believed in X-Forwarded-For, separated by commas; * is all",
        "FORWARDED_ALLOW_IPS",
    )
    job_retention_hours: float = _setting(
        168.0, "how long files of /api/v1/jobs are kept", "JOB_RETENTION_HOURS", gt=0
    )
    lyria_retention_hours: float = _setting(
        168.0, "how long files of /generate-music are kept", "LYRIA_RETENTION_HOURS", gt=0
    )
    diffrhythm_retention_hours: float = _setting(
        24.0, "how long files of /api/generate are kept", "DIFFRHYTHM_RETENTION_HOURS", gt=0
    )
    max_output_bytes: int = _setting(
        20 * 2**30,
        "size of all stored files, above which the oldest expire early",
        "MAX_OUTPUT_BYTES",
        ge=2**20,
    )
    engine: Literal["native", "audiocraft"] = _setting(
        "native", "what runs MusicGen: our own engine, or the audiocraft package", "ENGINE"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = _setting(
        "auto", "where models run, if they can choose", "DEVICE"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = _setting(
        "auto", "number format of models that can choose", "PRECISION"
    )
    style_device: Literal["auto", "cpu"] = _setting(
        "auto",
        "where DiffRhythm reads styles; cpu leaves 2.7 GB of a GPU to others",
        "STYLE_DEVICE",
    )
    max_batch: int | None = _setting(
        None,
        "requests a model works on at once; unset: the model's own (MusicGen: 4, on CUDA 32)",
        "MAX_BATCH",
        ge=1,
        le=1024,
    )
    model_memory_budget: ByteSize | None = _setting(
        None,
        "memory that models may hold together, such as 12GB; unset: what is free",
        "MODEL_MEMORY_BUDGET",
    )
    allow_model_admin: bool = _setting(
        False, "whether clients may load and unload models", "ALLOW_MODEL_ADMIN"
    )
    allow_downloads: bool = _setting(
        False,
        "whether a request may start the download of a model; the default model always may be",
        "ALLOW_DOWNLOADS",
    )
    allowed_models: Listed = _setting(
        ("facebook/*",),
        "models that ALLOW_DOWNLOADS is about, names or patterns, separated by commas",
        "ALLOWED_MODELS",
    )
    first_audio_seconds: float = _setting(
        0.16,
        "music to be made before its first sound is sent, by models that can choose",
        "FIRST_AUDIO_SECONDS",
        ge=0.02,
        le=10,
    )
    waiting_places: int = _setting(
        0, "streaming requests that may wait for a slot; others get 503", "WAITING_PLACES", ge=0
    )
    max_body_bytes: int = _setting(
        64 * 2**20, "longest request body that is read", "MAX_BODY_BYTES", ge=1024
    )
    drain_seconds: float = _setting(
        30.0, "how long streams may finish once the server is told to stop", "DRAIN_SECONDS", ge=0
    )
    send_timeout_seconds: float = _setting(
        60.0,
        "how long a client may read nothing before it counts as gone",
        "SEND_TIMEOUT_SECONDS",
        gt=0,
    )
    step_timeout_seconds: float = _setting(
        300.0,
        "how long a model may make no step before it counts as hung",
        "STEP_TIMEOUT_SECONDS",
        gt=0,
    )
    extra_models: Listed = _setting(
        (), "models of your own, name=module:Class, separated by commas", "EXTRA_MODELS"
    )
    uvicorn_config: Path = _setting(
        Path("uvicorn_config.json"), "file of uvicorn's own options", "UVICORN_CONFIG"
    )

    @property
    def extra_catalog(self) -> dict[str, str]:
        """`extra_models` as name → "module:Class"."""
        return dict(entry.split("=", 1) for entry in self.extra_models)


#: Settings whose values are shown to nobody.
SECRETS = frozenset({"api_keys", "admin_keys"})


def names_of(field: FieldInfo) -> list[str]:
    """The environment names of a setting, the first being the one to use."""
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    names = extra["names"]
    assert isinstance(names, list)
    return [str(name) for name in names]


def is_numbered(field: FieldInfo) -> bool:
    """Whether each of its names holds one of several values."""
    return isinstance(field.json_schema_extra, dict) and "numbered" in field.json_schema_extra


def default_text(field: FieldInfo) -> str:
    """A setting's default as one would write it in the environment; "unset" where there is none."""
    default = field.default
    if isinstance(default, tuple):
        default = ",".join(default)
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, bool):
        return str(default).lower()
    return "unset" if default in (None, "") else str(default)
