"""Spans of a real server process, as a collector gets them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.live import ROUTE, parse
from tests.process import environment, running

pytest.importorskip("opentelemetry.sdk", reason="needs the extra tracing")

from tests.collector import Collector, attributes, collecting

ID = "the-id-of-this-request"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """What came of a stream, a stored job, a failure and a health check."""
    folder = tmp_path_factory.mktemp("traced")
    with (
        collecting() as collector,
        running(
            folder, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="music"
        ) as server,
    ):
        headers = {"X-Request-Id": ID, "traceparent": PARENT}
        body = {"description": "step 0.05", "duration": 3}
        parse(httpx.post(server.url + ROUTE, json=body, headers=headers, timeout=30).content)
        jobs = server.url + "/api/v1/jobs"
        id = httpx.post(jobs, json=body, headers={"X-Request-Id": "stored"}).json()["id"]
        deadline = time.monotonic() + 30
        while httpx.get(f"{jobs}/{id}").json()["state"] != "completed":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        httpx.post(server.url + ROUTE, json={"description": "explode", "duration": 3}, timeout=30)
        httpx.get(server.url + "/health")
        server.signal(signal.SIGTERM)
        assert server.exit_code() == 0
        yield collector


def test_a_stream_is_one_trace_inside_the_callers(collector: Collector) -> None:
    request = collector.named(f"POST {ROUTE}")[0]
    assert request.trace_id.hex() == PARENT.split("-")[1]
    assert request.parent_span_id.hex() == PARENT.split("-")[2]
    inside = {"queue": {}, "prefill": {}, "decode": {}}
    assert collector.tree(request) == {"job": inside, "encode": {}}
    said = attributes(request)
    assert said["continuo.request_id"] == ID
    assert (said["http.route"], said["http.response.status_code"]) == (ROUTE, 200)
    assert collector.services == {"music"}


def test_the_parts_follow_each_other(collector: Collector) -> None:
    trace = collector.named(f"POST {ROUTE}")[0].trace_id
    spans = {span.name: span for span in collector.spans if span.trace_id == trace}
    parts = [spans[name] for name in ("queue", "prefill", "decode", "encode")]
    for earlier, later in pairwise(parts):
        assert earlier.end_time_unix_nano <= later.start_time_unix_nano
    decode = spans["decode"]
    assert decode.end_time_unix_nano - decode.start_time_unix_nano > 0.08e9  # two steps of 0.05 s
    assert spans["job"].start_time_unix_nano <= spans["queue"].start_time_unix_nano


def test_a_stored_job_is_a_trace_that_its_request_can_be_found_by(collector: Collector) -> None:
    jobs = [job for job in collector.named("job") if not job.parent_span_id]
    assert [attributes(job)["continuo.request_id"] for job in jobs] == ["stored"]
    assert set(collector.tree(jobs[0])) == {"queue", "prefill", "decode", "encode"}
    said = attributes(jobs[0])
    assert (said["continuo.dialect"], said["continuo.model"]) == ("jobs", "ticking")


def test_a_failure_is_said(collector: Collector) -> None:
    outcomes = [attributes(job)["continuo.outcome"] for job in collector.named("job")]
    assert sorted(outcomes) == ["completed", "completed", "failed"]


def test_routes_are_named_by_their_pattern_and_health_is_not_traced(collector: Collector) -> None:
    names = {span.name for span in collector.spans}
    assert "GET /api/v1/jobs/{id}" in names
    assert not {name for name in names if "/health" in name or "/ready" in name}


def test_a_collector_that_is_gone_disturbs_nobody(tmp_path: Path) -> None:
    with running(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as server:
        parse(httpx.post(server.url + ROUTE, json={"description": "x"}, timeout=30).content)
        server.signal(signal.SIGTERM)
        assert server.exit_code(within_seconds=20) == 0


@pytest.mark.parametrize(
    ("url", "said"), [("collector:4318", "is wrong"), ("http://127.0.0.1:9", "continuo[tracing]")]
)
def test_what_is_no_url_and_a_missing_package_stop_the_start(
    tmp_path: Path, url: str, said: str
) -> None:
    without = "import sys; sys.modules['opentelemetry.exporter'] = None"
    program = f"{without}; from server.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "--port", "0"],
        cwd=tmp_path,
        env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
