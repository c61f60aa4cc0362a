"""Everything that can go wrong, as one tree.

    ContinuoError                  500  internal_error
    ├── BadRequest                 400  bad_request       names the field and what is allowed
    │   ├── MalformedBody          400  malformed_body
    │   ├── UnknownField           400  unknown_field
    │   ├── UnknownModel           400  unknown_model
    │   ├── Unsupported            400  unsupported       an ability the model does not have
    │   ├── Filtered               400  filtered          upstream takes none of its prompts
    │   └── TooLarge               400  too_large         can never fit, with the numbers
    ├── BodyTooLarge               413  body_too_large
    ├── Unauthorized               401  unauthorized      no key, or a wrong one
    ├── Forbidden                  403  forbidden         a setting does not allow it; says which
    ├── NotFound                   404  not_found         nothing is known under that name
    ├── ModelBusy                  409  model_busy        it cannot be unloaded while it works
    ├── NotReady                   409  not_ready         it is still being made
    ├── Gone                       410  gone              it was there, and is no more
    ├── KeyReused                  422  idempotency_key_reused
    ├── Refused                    503                    the request is fine; later, perhaps
    │   ├── Busy                   503  busy              no slot and no waiting place is free
    │   ├── QueueFull              429  queue_full        too many stored jobs wait for the model
    │   ├── RateLimited            429  rate_limited      this client has sent too many
    │   ├── QuotaExhausted         429  quota_exhausted   of all keys of the model's service
    │   ├── StoreUnreachable       503  store_unreachable
    │   ├── Loading                503  loading           the model is not ready yet
    │   ├── Unloading              503  unloading         the model is on its way out
    │   ├── MemoryShort            503  memory_short      other models hold the memory; says which
    │   ├── Draining               503  draining          the server is stopping
    │   └── Unavailable            503  unavailable       the model cannot run here; says the remedy
    └── GenerationError            500  generation_failed
        ├── UpstreamFailed         502  upstream_failed   the model's service could not
        ├── NotKept                500  not_kept          made, but its files cannot be written
        ├── Interrupted            503  interrupted       the server stopped in the middle
        └── ModelBroken            500  model_broken      the process must be restarted

`code` is what programs read, `str(error)` what people read. A dialect may answer with another
status than the one here where its published interface says so. A leaf word.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Mapping

LONGEST_ECHO = 60

_bounded = reprlib.Repr()
_bounded.maxstring = _bounded.maxlong = _bounded.maxother = LONGEST_ECHO


def echo(value: object) -> str:
    """`value` as it may stand in a message: quoted, on one line, never long or deep."""
    if isinstance(value, bytes):
        return f"a file of {len(value)} bytes"
    return _bounded.repr(value)


def in_one_line(error: BaseException) -> str:
    """What a library's `error` says, as it may stand in a message: one line that names no path."""
    said = str(error).strip().splitlines()
    line = said[0] if said else ""
    return type(error).__name__ if not line or os.sep in line.replace("://", "") else line


def range_in_words(noun: str, low: float | None, high: float | None) -> str:
    """For example "a number from 0 to 1"; an end that is None is open."""
    ends = [None if end is None else f"{end:.15g}" for end in (low, high)]
    if ends[0] and ends[1]:
        return f"{noun} from {ends[0]} to {ends[1]}"
    if ends[0]:
        return f"{noun} of at least {ends[0]}"
    return f"{noun} of at most {ends[1]}" if ends[1] else noun


class ContinuoError(Exception):
    """The root. `message` is shown to the caller: it must name no path, key or internals."""

    code = "internal_error"
    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def renamed(self, names: Mapping[str, str]) -> ContinuoError:
        """The same error in a dialect's words; only errors about fields have any."""
        return self


class BadRequest(ContinuoError):
    """The request cannot be met as it stands: `field` must be `allowed`, but `got` came."""

    code = "bad_request"
    status = 400

    def __init__(self, field: str | None, problem: str) -> None:
        super().__init__(f"{field} {problem}" if field else problem)
        self.field = field
        self.problem = problem

    @classmethod
    def value(cls, field: str, allowed: str, got: object) -> BadRequest:
        """`field` must be `allowed`; got `got`."""
        return cls(field, f"must be {allowed}; got {echo(got)}")

    def renamed(self, names: Mapping[str, str]) -> BadRequest:
        """The same error with the field named as the dialect names it."""
        if self.field is None or self.field not in names:
            return self
        return type(self)(names[self.field], self.problem)


class MalformedBody(BadRequest):
    """The body is not what the route reads (not JSON, not an object, not UTF-8)."""

    code = "malformed_body"


class UnknownField(BadRequest):
    """A field this dialect does not have."""

    code = "unknown_field"


class UnknownModel(BadRequest):
    """No such model on this server."""

    code = "unknown_model"


class Unsupported(BadRequest):
    """An ability that was asked for and that the model lacks."""

    code = "unsupported"


class Filtered(BadRequest):
    """The service that the model is part of takes none of the prompts."""

    code = "filtered"


class TooLarge(BadRequest):
    """More than the model can ever hold, however long one waits."""

    code = "too_large"


class BodyTooLarge(ContinuoError):
    """The body is longer than MAX_BODY_BYTES; reading stopped there."""

    code = "body_too_large"
    status = 413


class KeyReused(ContinuoError):
    """An Idempotency-Key came again with another body."""

    code = "idempotency_key_reused"
    status = 422


class Unauthorized(ContinuoError):
    """The server asks for a key, and none came, or a wrong one."""

    code = "unauthorized"
    status = 401


class Forbidden(ContinuoError):
    """The operator has not allowed it; the message names the setting."""

    code = "forbidden"
    status = 403


class NotFound(ContinuoError):
    """Nothing is known under that name, or not any more."""

    code = "not_found"
    status = 404


class NotReady(ContinuoError):
    """What is asked for is still being made."""

    code = "not_ready"
    status = 409


class Gone(ContinuoError):
    """What is asked for will not be there again: it expired, or never came to be."""

    code = "gone"
    status = 410


class ModelBusy(ContinuoError):
    """The model works or is being loaded, so it cannot be unloaded now."""

    code = "model_busy"
    status = 409


class Refused(ContinuoError):
    """Not now. `retry_after_seconds` is None where waiting would not help."""

    code = "refused"
    status = 503

    def __init__(self, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Busy(Refused):
    """Every slot is taken and no waiting place is free."""

    code = "busy"


class QueueFull(Refused):
    """As many stored jobs wait for the model as may."""

    code = "queue_full"
    status = 429


class RateLimited(Refused):
    """A client has sent more requests than it may in a while."""

    code = "rate_limited"
    status = 429


class QuotaExhausted(Refused):
    """The quota of every key of the model's service is used up for now."""

    code = "quota_exhausted"
    status = 429


class StoreUnreachable(Refused):
    """The database of the stored jobs does not answer."""

    code = "store_unreachable"


class Loading(Refused):
    """The model is being downloaded, loaded or warmed up."""

    code = "loading"


class Unloading(Refused):
    """The model takes no new work because it is being unloaded."""

    code = "unloading"


class MemoryShort(Refused):
    """The model does not fit beside those that are loaded, and none of them can go now."""

    code = "memory_short"


class Draining(Refused):
    """The server takes no new work because it is stopping."""

    code = "draining"


class Unavailable(Refused):
    """The model cannot run on this machine as it is: why, and what to do about it."""

    code = "unavailable"

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}. {remedy}" if remedy else reason)
        self.reason = reason
        self.remedy = remedy


class GenerationError(ContinuoError):
    """The model could not finish."""

    code = "generation_failed"


class UpstreamFailed(GenerationError):
    """The service that does the model's work failed, or refused."""

    code = "upstream_failed"
    status = 502


class NotKept(GenerationError):
    """The music was made, but its files cannot be written."""

    code = "not_kept"


class Interrupted(GenerationError):
    """The server stopped before the model was done."""

    code = "interrupted"
    status = 503


class ModelBroken(GenerationError):
    """The model hangs or its device is lost: nothing inside this process can mend it."""

    code = "model_broken"
