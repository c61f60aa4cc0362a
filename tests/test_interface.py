"""Whatever is sent to the routes of the interface description, the answer is one that it describes.

By Schemathesis, from the description itself: bodies and parameters that it allows, and such that it
does not. The paths' ids are unknown ones, but for those of a job that there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.app import create_app
from server.settings import Settings
from tests.live import Live, live, until
from tests.soak import SOAK

NUM_EXAMPLES = 300 if SOAK else 25
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def description() -> dict[str, Any]:
    """The interface without its forms, for which Schemathesis cannot make wrong files."""
    found = create_app(Settings()).openapi()
    for operation in (operation for path in found["paths"].values() for operation in path.values()):
        operation.get("requestBody", {}).get("content", {}).pop("multipart/form-data", None)
    return found


INTERFACE = schemathesis.openapi.from_dict(description())
OPERATIONS = {found.ok().label: found.ok() for found in INTERFACE.get_all_operations()}


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    """With room for everything: it is the answers that are looked at, not how many there are."""
    unlimited = {"rate_limit_requests_per_minute": 0, "rate_limit_requests_per_hour": 0}
    models = {"lyria_model": "ticking", "diffrhythm_model": "singing"}
    with live(max_batch=4, **models, **unlimited) as running:
        yield running


@pytest.fixture(scope="module")
def job(server: Live) -> str:
    """The id of a completed job."""
    body = {"prompt": "x", "duration_seconds": 1}
    found = str(httpx.post(server.url + "/generate-music", json=body).json()["task_id"])
    status = f"{server.url}/music-status/{found}"
    until(lambda: httpx.get(status).json()["status"] == "completed")
    return found


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_a_described_one(server: Live, job: str, label: str) -> None:
    operation = OPERATIONS[label]
    cases = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
    known = st.booleans() if operation.path_parameters and "DELETE" not in label else st.just(False)

    @settings(
        max_examples=NUM_EXAMPLES,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(cases), of_the_job=known)
    def send(case: schemathesis.Case, of_the_job: bool) -> None:
        if of_the_job:
            case.path_parameters = dict.fromkeys(case.path_parameters, job)
        case.call_and_validate(base_url=server.url, checks=CHECKS, timeout=30)

    send()
