"""One request's music: sessions, one after the other, until it is whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from server.errors import ContinuoError
from server.errors import Filtered as AllFiltered
from server.events import AudioChunk, ModelEvent, Progress, Samples, Warning
from server.generation import GenerationRequest
from server.models.lyria.attempts import Attempts
from server.models.lyria.clients import Clients
from server.models.lyria.controls import SAMPLE_RATE
from server.models.lyria.faults import Fault
from server.models.lyria.session import Filtered, listen
from server.models.lyria.splice import Splice
from server.models.lyria.wish import Wish
from server.models.upstream import Upstream


class Performance:
    """What ends a session too early is made good with another one, whose sound is faded in."""

    def __init__(self, request: GenerationRequest, upstream: Upstream, clients: Clients) -> None:
        self._wish = Wish(request)
        self._upstream = upstream
        self._clients = clients
        self._attempts = Attempts(upstream)
        self._total_frames = request.num_seconds * SAMPLE_RATE
        self._splice = Splice(self._total_frames)

    async def events(self) -> AsyncGenerator[ModelEvent, None]:
        """The music as it comes. Where it cannot be finished, all that came is given out before
        this raises."""
        for warning in self._wish.warnings:
            yield warning
        try:
            while not self._splice.complete:
                async with aclosing(self._attempt()) as events:
                    async for event in events:
                        yield event
        except ContinuoError:
            for event in self._made(self._splice.rest()):
                yield event
            raise

    async def _attempt(self) -> AsyncGenerator[ModelEvent, None]:
        """A session, and if it ends too early, what is told of that and done about it."""
        try:
            async with aclosing(self._session()) as events:
                async for event in events:
                    yield event
        except Fault as fault:
            yield self._progress()  # so that nobody thinks it hangs
            await self._attempts.after(fault)
            if self._splice.num_frames:
                yield self._reconnected(fault)
            self._splice.cut()
            self._wish = self._wish.later()

    async def _session(self) -> AsyncGenerator[ModelEvent, None]:
        client = self._clients.of(self._attempts.key())
        num_prompts = len({prompt.text for prompt in self._wish.prompts})
        filtered: set[str] = set()
        async with aclosing(listen(client, self._wish, self._upstream)) as messages:
            async for message in messages:
                if isinstance(message, Filtered):
                    filtered.add(message.text)
                    yield _told(message)
                    if len(filtered) == num_prompts:
                        raise _all_filtered(message)
                    continue
                for event in self._add(message):
                    yield event
                if self._splice.complete:
                    return

    def _add(self, samples: Samples) -> Iterator[ModelEvent]:
        num_frames = self._splice.num_frames
        given = self._splice.add(samples)
        if self._splice.num_frames > num_frames:
            self._attempts.succeeded()
        return self._made(given)

    def _made(self, samples: Samples) -> Iterator[ModelEvent]:
        if samples.shape[1]:
            yield AudioChunk(samples)
        yield self._progress()

    def _progress(self) -> Progress:
        return Progress(100 * self._splice.given_frames / self._total_frames)

    def _reconnected(self, fault: Fault) -> Warning:
        seconds = self._splice.num_frames / SAMPLE_RATE
        said = f"{fault.kind.value} {seconds:.1f} s into the music"
        return Warning("reconnected", f"{said}; the rest comes from a new session, cross-faded")


def _told(filtered: Filtered) -> Warning:
    reason = f" ({filtered.reason})" if filtered.reason else ""
    return Warning("prompt_filtered", f"Google leaves out the prompt {filtered.text!r}{reason}")


def _all_filtered(latest: Filtered) -> AllFiltered:
    reason = f": {latest.reason}" if latest.reason else ""
    return AllFiltered(
        None, f"Google's filter takes no prompt of these{reason}; word them otherwise"
    )
