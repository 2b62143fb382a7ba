"""Both clients against a real server."""

import asyncio

import numpy as np
import pytest

from headrace.client import AsyncClient
from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.monitoring import read_predictions

ROWS = np.arange(40, dtype=np.float32).reshape(10, 4)
SCORES = ROWS.sum(axis=1) + 1000


def test_many_rows_come_back_in_order(start):
    _, client = start()
    answers = list(client.infer_many("late", ROWS, rows_per_request=3, in_flight=2))
    assert [len(answer.scores) for answer in answers] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([answer.scores for answer in answers]), SCORES)


def test_many_rows_that_fail_raise_the_projects_error(start):
    _, client = start()
    with pytest.raises(NotFoundError):
        list(client.infer_many("nobody", ROWS, rows_per_request=1, in_flight=4))


def test_float64_and_lists_are_converted(start):
    _, client = start()
    assert client.infer("late", ROWS.astype(np.float64)).scores.tolist() == SCORES.tolist()
    assert client.infer("late", [[1, 2, 3, 4]]).scores.tolist() == [1010.0]


def test_every_answered_row_is_logged_under_its_id(start, tmp_path):
    server, client = start(prediction_log=tmp_path / "log")
    ids = [f"row-{number}" for number in range(10)]
    list(client.infer_many("late", ROWS, ids=ids, rows_per_request=4))
    server.drain()
    logged = read_predictions(tmp_path / "log", "late")
    column = next(name for name in logged.column_names if name.endswith("id"))
    assert sorted(logged[column].to_pylist()) == sorted(ids)


def test_the_async_client_speaks_the_same_language(start):
    _, client = start()

    async def talk():
        async with AsyncClient(client.address) as channel:
            assert await channel.ready()
            assert await channel.ready("late", "1")
            assert not await channel.ready("late", "9")
            described = await channel.metadata("late")
            answers = await asyncio.gather(
                *(channel.infer("late", ROWS[i : i + 1], request_id=f"{i}") for i in range(10))
            )
            with pytest.raises(InvalidInputError, match=r"\[1, 3\] came, expected \[-1, 4\]"):
                await channel.infer("late", ROWS[:1, :3])
            with pytest.raises(NotFoundError):
                await channel.infer("nobody", ROWS)
            return described, answers

    described, answers = asyncio.run(talk())
    assert described == client.metadata("late")
    assert [answer.request_id for answer in answers] == [f"{i}" for i in range(10)]
    assert [answer.scores[0] for answer in answers] == SCORES.tolist()
