"""What is said of a server whose models come and go."""

from __future__ import annotations

import pytest

from server.service import generation, loading
from server.service.readiness import readiness
from tests.fakes import Heavy
from tests.service.loading.models import finish, load, submit
from tests.service.test_service import make_service, until


class TestReadiness:
    async def test_a_default_model_that_made_room_is_as_good_as_ready(self) -> None:
        """Or a load balancer would send nobody who could make it load again."""
        service = await make_service(model_memory_budget="8GB", music_model_name="heavy-5")
        assert readiness(service)[0] == "ready"
        await load(service, "heavy-4")
        assert readiness(service) == (
            "ready",
            "heavy-5 is not loaded; a request for it loads it",
        )
        await service.close()

    async def test_a_default_model_that_does_not_fit_fails(self) -> None:
        service = await make_service(model_memory_budget="4GB", music_model_name="heavy-5")
        status, message = readiness(service)
        assert status == "failed"
        assert "heavy-5 needs 5.0 GB" in message
        await service.close()

    async def test_a_default_model_that_failed_is_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(generation, "WATCH_TICK_SECONDS", 0.02)
        monkeypatch.setattr(generation, "DEFAULT_RETRY_SECONDS", 0.1)
        monkeypatch.setattr(loading, "FAILURE_STANDS_SECONDS", 0.0)
        with monkeypatch.context() as patch:
            patch.setattr(Heavy, "fails", True)
            service = await make_service(music_model_name="heavy-5", model_memory_budget="8GB")
            assert readiness(service)[0] == "failed"
        await until(lambda: readiness(service)[0] == "ready")
        await service.close()

    async def test_a_default_model_on_its_way_out(self) -> None:
        service = await make_service(model_memory_budget="8GB", music_model_name="heavy-5")
        job = submit(service, "heavy-5", "step 0.02", 5)
        service.loader.unload(service.registry.entry("heavy-5"), drain=True)
        assert readiness(service)[0] == "unloading"
        await finish(service, job)
        await service.close()
