"""Rules, dashboard and documents name metrics that there are, and every one of them."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from server.metrics import Metrics
from tests.docker.dockerfiles import FOLDER, ROOT
from tests.live import Live, live

DASHBOARD = json.loads((FOLDER / "grafana/dashboards/continuo.json").read_text("utf-8"))
ALERTS = FOLDER / "prometheus/alerts.yml"
RULES = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"][0]["rules"]
TESTS = Path(__file__).with_name("alerts_test.yml")
OPERATIONS = (ROOT / "docs/operations.md").read_text("utf-8")
#: A histogram's and a counter's samples have endings.
ENDINGS = r"_(bucket|count|sum|total|created)$"
FAMILIES = {re.sub(ENDINGS, "", family.name): family for family in Metrics().registry.collect()}


def expressions(panel: dict) -> list[str]:
    return [target["expr"] for target in panel.get("targets", [])]


def names_in(text: str) -> set[str]:
    """The metrics of an expression, without what is in braces or quotes."""
    bare = re.sub(r"\{[^}]*\}", "", text)
    return set(re.findall(r"\b(?:continuo|process)_\w+", bare))


EXPRESSIONS = [expr for panel in DASHBOARD["panels"] for expr in expressions(panel)]


def test_the_dashboard_uses_every_metric_and_no_other() -> None:
    used = {re.sub(ENDINGS, "", name) for expr in EXPRESSIONS for name in names_in(expr)}
    assert used == set(FAMILIES)


@pytest.mark.parametrize("expr", [*EXPRESSIONS, *(rule["expr"] for rule in RULES)])
def test_an_expression_asks_for_labels_that_there_are(expr: str) -> None:
    for name, selector in re.findall(r"\b((?:continuo|process)_\w+)\{([^}]*)\}", expr):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|=)", selector)) - {"instance", "job", "le"}
        assert labels <= labels_of(name), name
    for name in names_in(expr):
        assert re.sub(ENDINGS, "", name) in FAMILIES, name


def labels_of(name: str) -> set[str]:
    """Of a metric by its name in expressions; those of the process have none."""
    declared = Metrics().registry._names_to_collectors.get(name)
    return set() if declared is None else set(declared._labelnames)


def test_every_alert_says_what_is_wrong_and_the_documents_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert f"`{rule['alert']}`" in OPERATIONS
    for name in re.findall(r"`(Continuo[A-Z]\w+)`", OPERATIONS):
        assert name in {rule["alert"] for rule in RULES}


def test_every_alert_is_tried_out() -> None:
    tests = yaml.safe_load(TESTS.read_text("utf-8"))["tests"]
    tried = [test for group in tests for test in group["alert_rule_test"]]
    assert {t["alertname"] for t in tried if t["exp_alerts"]} == {r["alert"] for r in RULES}


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return found


def test_prometheus_takes_the_configuration_and_the_rules(promtool: str) -> None:
    for command in (
        ["check", "config", "--syntax-only", "docker/prometheus/prometheus.yml"],
        ["check", "rules", "docker/prometheus/alerts.yml"],
        ["test", "rules", str(TESTS)],
    ):
        done = subprocess.run(
            [promtool, *command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_metrics(promtool: str, server: Live) -> None:
    server.events(description="x", duration=1)
    text = httpx.get(server.url + "/metrics").text
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[tuple[Live, str]]:
    """A real Prometheus with our configuration, which watches a server that asks for keys."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    with live(api_keys="user-key", admin_keys="admin-key") as server:
        key = tmp_path / "metrics-key"
        key.write_text("admin-key")
        text = (FOLDER / "prometheus/prometheus.yml").read_text("utf-8")
        text = text.replace("/run/continuo/metrics-key", str(key)).replace("15s", "1s")
        text = text.replace("continuo:5555", f"127.0.0.1:{server.port}")
        (tmp_path / "prometheus.yml").write_text(text)
        shutil.copy(ALERTS, tmp_path)
        address = f"127.0.0.1:{free_port()}"
        command = [
            *(
                program,
                f"--config.file={tmp_path}/prometheus.yml",
                f"--web.listen-address={address}",
            ),
            f"--storage.tsdb.path={tmp_path}/data",
        ]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield server, f"http://{address}/api/v1"
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def asked(url: str, query: str) -> list[dict]:
    try:
        answer = httpx.get(url + "/query", params={"query": query}).json()
    except httpx.TransportError:  # not up yet
        return []
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


def test_a_real_prometheus_watches_a_server_with_keys(prometheus: tuple[Live, str]) -> None:
    server, url = prometheus
    body = {"description": "x", "duration": 1}
    key = {"Authorization": "Bearer user-key"}
    httpx.post(server.url + "/api/v1/generate_music", json=body, headers=key, timeout=30)
    deadline = time.monotonic() + 90
    while not asked(url, 'continuo_requests_total{outcome="completed"} == 1'):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for expr in EXPRESSIONS:
        said = expr.replace("$__rate_interval", "1m").replace('"$instance"', '".*"')
        asked(url, re.sub(r'"\$model\|?"', '".*"', said))
    groups = httpx.get(url + "/rules").json()["data"]["groups"]
    assert [rule["name"] for rule in groups[0]["rules"]] == [rule["alert"] for rule in RULES]
    assert asked(url, 'up{job="continuo"}')[0]["value"][1] == "1"
