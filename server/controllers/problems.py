"""Errors become answers: each dialect has its own form, all are made here."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from loguru import logger
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from server.errors import BadRequest, ContinuoError, Refused, echo
from server.logs import request_id

#: For the log only, as nginx writes it: the client left before it had sent its request.
CLIENT_CLOSED_REQUEST = 499
#: What the interface description says of a parameter in the address that is wrong.
UNPROCESSABLE = 422

Problem: TypeAlias = Callable[[ContinuoError], Response]


class ErrorBody(BaseModel):
    """What a refused request is told."""

    error: str
    """A code for programs, for example `bad_request` or `busy`."""
    message: str
    """For people: what was wrong, what is allowed, what to do."""
    field: str | None = None
    """The field that was wrong, if it was one."""


def as_json(error: ContinuoError, names: Mapping[str, str] | None = None) -> JSONResponse:
    """`{"error", "message", "field"}`, the form of the MusicGen dialect and of everything general.

    `names` gives the dialect's own names of the request's fields.
    """
    error = error.renamed(names or {})
    body = ErrorBody(
        error=error.code,
        message=error.message,
        field=error.field if isinstance(error, BadRequest) else None,
    )
    return JSONResponse(body.model_dump(), error.status, headers=retry_header(error))


class ProblemBody(BaseModel):
    """An error in the form of RFC 9457, as `application/problem+json`."""

    type: str = "about:blank"
    title: str
    """The status in words."""
    status: int
    detail: str
    """For people: what was wrong, what is allowed, what to do."""
    error: str
    """A code for programs, for example `bad_request` or `queue_full`."""
    field: str | None = None
    """The field that was wrong, if it was one."""


def as_problem(error: ContinuoError, names: Mapping[str, str] | None = None) -> JSONResponse:
    """The form of our own routes about jobs; a request that cannot be met is a 422 there."""
    error = error.renamed(names or {})
    status = 422 if isinstance(error, BadRequest) else error.status
    body = ProblemBody(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=error.message,
        error=error.code,
        field=error.field if isinstance(error, BadRequest) else None,
    )
    media_type = "application/problem+json"
    return JSONResponse(body.model_dump(), status, retry_header(error), media_type)


class DetailBody(BaseModel):
    """What a refused request is told in the job dialects and in that of plain WAV files."""

    detail: str
    """For people: what was wrong, what is allowed, what to do."""


def as_detail(
    error: ContinuoError, debug: bool = False, bad_request_status: int = 422
) -> JSONResponse:
    """`{"detail": text}`."""
    status = bad_request_status if isinstance(error, BadRequest) else error.status
    body = DetailBody(detail=said(error, debug))
    return JSONResponse(body.model_dump(), status, headers=retry_header(error))


def retry_header(error: ContinuoError) -> dict[str, str]:
    if isinstance(error, Refused) and error.retry_after_seconds is not None:
        return {"Retry-After": str(error.retry_after_seconds)}
    return {}


def said(error: ContinuoError, debug: bool) -> str:
    """What a caller is told of an error; with DEBUG also the type and text of what caused it."""
    cause = error.__cause__
    detail = f" ({type(cause).__name__}: {cause})" if debug and cause is not None else ""
    return error.message + detail


def unforeseen(cause: Exception, debug: bool) -> ContinuoError:
    """An error of ours, as it may be shown to a caller. Logs it whole."""
    logger.opt(exception=cause).error("Unforeseen error")
    error = ContinuoError(f"internal error; the log has it under request id {request_id.get()}")
    error.__cause__ = cause
    return ContinuoError(said(error, debug))


def _bad_parameter(error: RequestValidationError) -> BadRequest:
    first = error.errors()[0]
    said = str(first["msg"])
    return BadRequest(
        str(first["loc"][-1]), f"{said[:1].lower()}{said[1:]}; got {echo(first['input'])}"
    )


def route_class(
    problem: Problem, debug: bool, bad_parameter_status: int = UNPROCESSABLE
) -> type[APIRoute]:
    """A route whose errors are answered by `problem`, in its dialect's form; a parameter in the
    address that is wrong has a status of its own.

    What its dependencies put into `request.state.headers` is on every answer.
    """

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def answer(request: Request) -> Response:
                response = await answered(request)
                response.headers.update(getattr(request.state, "headers", {}))
                return response

            async def answered(request: Request) -> Response:
                try:
                    return await handler(request)
                except ContinuoError as error:
                    return problem(error)
                except ClientDisconnect:
                    return Response(status_code=CLIENT_CLOSED_REQUEST)  # nobody reads it
                except RequestValidationError as error:
                    refusal = problem(_bad_parameter(error))
                    refusal.status_code = bad_parameter_status
                    return refusal
                except HTTPException:
                    raise
                except Exception as error:
                    return problem(unforeseen(error, debug))

            return answer

    return Route


async def no_such_route(request: Request, error: Exception) -> Response:
    """Answers what no route did: 404, 405."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = error.headers if isinstance(error, HTTPException) else None
    path = request.url.path
    if status == 405:
        message = f"{request.method} is not allowed on {path}; see /docs"
        code = "method_not_allowed"
    else:
        message, code = f"there is nothing at {path}; see /docs", "not_found"
    body = ErrorBody(error=code, message=message)
    return JSONResponse(body.model_dump(), status, headers=headers)
