"""Waiting until the parts answer."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path

from project.native.part import Part
from project.native.ready import PATIENCE, all_up


def test_a_part_that_is_slow_to_answer_does_not_hide_that_others_are_up(tmp_path: Path) -> None:
    """A server whose socket is open, but which does not answer yet, keeps each probe waiting."""

    async def first_up(port: int) -> str:
        parts = [Part("slow", [], probe=f"http://127.0.0.1:{port}/"), Part("quick", [], probe=str(tmp_path))]
        told: asyncio.Queue[str] = asyncio.Queue()
        waiting = asyncio.create_task(all_up(parts, set(), told.put_nowait))
        try:
            return await asyncio.wait_for(told.get(), PATIENCE / 2)
        finally:
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting

    with socket.create_server(("127.0.0.1", 0)) as server:
        assert asyncio.run(first_up(server.getsockname()[1])) == "quick"
