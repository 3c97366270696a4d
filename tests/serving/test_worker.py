"""A worker: batches, limits, cancelled requests, errors."""

import asyncio
import threading

import pytest

from textclf.serving.worker import PredictionError, QueueFullError, Worker


class Upper:
    """Returns texts in upper case when it is free; fails for texts that contain ``bad``."""

    def __init__(self):
        self.calls, self.is_free, self.has_begun = [], threading.Event(), threading.Event()

    def __call__(self, texts):
        self.calls.append([*texts])
        self.has_begun.set()
        assert self.is_free.wait(5)
        if any("bad" in text for text in texts):
            raise ValueError(f"cannot read {texts}")
        return [text.upper() for text in texts]


@pytest.fixture
def upper():
    return Upper()


@pytest.fixture
def run(upper):
    """Return a function that runs a coroutine with a worker whose first batch is ``["first"]``."""
    sizes = []

    def run(use, **options):
        async def main():
            worker = Worker(
                upper, **{"max_batch": 4, "max_queue": 9, "on_batch": sizes.append, **options}
            )
            first = worker.submit(["first"])
            await asyncio.to_thread(upper.has_begun.wait, 5)
            try:
                return await use(worker)
            finally:
                upper.is_free.set()
                assert await first == ["FIRST"]
                worker.close()
                await asyncio.to_thread(worker._thread.join, 5)
                assert not worker._thread.is_alive()

        result = asyncio.run(main())
        assert sizes == [*map(len, upper.calls)] or any("bad" in str(call) for call in upper.calls)
        return result

    return run


def test_queued_requests_share_batches_up_to_the_limit(run, upper):
    async def use(worker):
        futures = [worker.submit(texts) for texts in (["a", "b"], ["c"], ["d", "e"], ["f"])]
        assert worker.count_queued() == 6
        upper.is_free.set()
        return await asyncio.gather(*futures)

    assert run(use) == [["A", "B"], ["C"], ["D", "E"], ["F"]]
    assert upper.calls == [["first"], ["a", "b", "c"], ["d", "e", "f"]]


def test_a_larger_request_is_a_batch_of_its_own(run, upper):
    async def use(worker):
        futures = [worker.submit(["a"]), worker.submit([*"bcdefg"]), worker.submit(["h"])]
        upper.is_free.set()
        return await asyncio.gather(*futures)

    assert run(use) == [["A"], [*"BCDEFG"], ["H"]]
    assert upper.calls == [["first"], ["a"], [*"bcdefg"], ["h"]]


def test_a_full_queue_refuses_a_request(run):
    async def use(worker):
        worker.submit([*"abcdefg"])
        with pytest.raises(QueueFullError):
            worker.submit([*"hij"])
        worker.submit([*"hi"])

    run(use)


def test_a_cancelled_request_is_skipped(run, upper):
    async def use(worker):
        futures = [worker.submit([text]) for text in "abc"]
        futures[1].cancel()
        upper.is_free.set()
        return [await futures[0], await futures[2]]

    assert run(use) == [["A"], ["C"]]
    assert upper.calls == [["first"], ["a", "c"]]


def test_only_the_request_that_fails_gets_an_error_without_its_text(run, upper):
    async def use(worker):
        futures = [worker.submit([text]) for text in ("a", "bad secret", "c")]
        upper.is_free.set()
        return await asyncio.gather(*futures, return_exceptions=True)

    first, error, last = run(use)
    assert (first, last) == (["A"], ["C"])
    assert isinstance(error, PredictionError)
    assert str(error).startswith("ValueError at ")
    assert "secret" not in str(error)


def test_a_closed_worker_finishes_what_is_queued(run, upper):
    async def use(worker):
        future = worker.submit(["a"])
        worker.close()
        upper.is_free.set()
        return await future

    assert run(use) == ["A"]
