"""One log for everything: loguru, to the terminal and to files, each line with its request's id."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Literal

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message, Record

#: The id of the request that the running code serves; model threads inherit it.
request_id: ContextVar[str] = ContextVar("request_id", default="-")

LogFormat = Literal["text", "json"]
ROTATION = "00:00"
RETENTION = "10 days"
TEXT_FORMAT = (
    "{time:YYYY-MM-DD HH:mm:ss.SSS} | {extra[request_id]} | {level: <8} | "
    "{process}/{thread.name} | {message}"
)
#: Libraries whose lower levels would flood the log (sse-starlette logs every chunk at DEBUG), or
#: show what is secret (uvicorn logs a WebSocket's headers).
CAPPED_LIBRARIES = {
    "sse_starlette": logging.INFO,
    "uvicorn.error": logging.INFO,
    "websockets": logging.INFO,
    "asyncio": logging.INFO,
    "multipart": logging.INFO,
    "python_multipart": logging.INFO,
}


_hidden: set[str] = set()


def hide(secret: str) -> None:
    """Let the log never show that text, whoever logs it."""
    _hidden.add(secret)


def configure(level: str, log_format: LogFormat, folder: Path) -> None:
    """Send loguru's and standard logging's lines to the terminal and to `folder`."""
    logger.remove()
    logger.configure(patcher=_complete)
    _add_terminal(level, log_format)
    _add_files(level, log_format, folder)
    number = logger.level(level).no  # standard logging has no TRACE
    logging.basicConfig(handlers=[StandardLogging()], level=number, force=True)
    for name in list(logging.root.manager.loggerDict):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    for name, cap in CAPPED_LIBRARIES.items():
        logging.getLogger(name).setLevel(max(cap, number))


class StandardLogging(logging.Handler):
    """Hands standard logging's records to loguru, as written by the code that logged them."""

    def emit(self, record: logging.LogRecord) -> None:
        level: str | int = record.levelname
        try:
            logger.level(record.levelname)
        except ValueError:
            level = record.levelno
        logger.opt(depth=_depth_of_caller(), exception=record.exc_info).log(
            level, "{}", record.getMessage()
        )


def _depth_of_caller() -> int:
    """How many frames of the logging package lie between `emit` and the code that logged."""
    frame: FrameType | None = sys._getframe(2)
    depth = 1
    while frame is not None and frame.f_code.co_filename == logging.__file__:
        frame, depth = frame.f_back, depth + 1
    return depth


def _complete(record: Record) -> None:
    record["extra"].setdefault("request_id", request_id.get())
    if _hidden:
        _hide_secrets(record)


def _hide_secrets(record: Record) -> None:
    record["message"] = _without_secrets(record["message"])
    if record["exception"] is not None:
        text = "".join(traceback.format_exception(*record["exception"]))
        if (clean := _without_secrets(text)) != text:  # an exception's own text cannot be changed
            record["message"] += f"\n{clean}"
            record["exception"] = None


def _without_secrets(text: str) -> str:
    for secret in _hidden:
        text = text.replace(secret, "[hidden]")
    return text


def _add_terminal(level: str, log_format: LogFormat) -> None:
    if log_format == "json":
        logger.add(_write_json, level=level, format="{message}")
    else:
        logger.add(sys.stderr, level=level, format=TEXT_FORMAT, backtrace=False, diagnose=False)


def _add_files(level: str, log_format: LogFormat, folder: Path) -> None:
    """A file a day. Where the folder cannot be written, the terminal alone has the log."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        logger.add(
            folder / "continuo_{time:YYYY-MM-DD}.log",
            level=level,
            format=_json_format if log_format == "json" else TEXT_FORMAT,
            rotation=ROTATION,
            retention=RETENTION,
            encoding="utf-8",
            backtrace=False,
            diagnose=False,
        )
    except OSError as error:
        logger.warning("No log files: {} cannot be written ({})", folder, error.strerror)


def _json_format(record: Record) -> str:
    record["extra"]["json"] = _object(record)
    return "{extra[json]}\n"


def _write_json(line: Message) -> None:
    sys.stderr.write(_object(line.record) + "\n")


def _object(record: Record) -> str:
    """The record as one JSON object on one line."""
    fields: dict[str, object] = {
        "time": record["time"].isoformat(),
        "request_id": record["extra"]["request_id"],
        "level": record["level"].name,
        "process": record["process"].id,
        "thread": record["thread"].name,
        "logger": record["name"],
        "message": record["message"],
    }
    if record["exception"] is not None:
        fields["exception"] = "".join(traceback.format_exception(*record["exception"]))
    return json.dumps(fields, ensure_ascii=False)
