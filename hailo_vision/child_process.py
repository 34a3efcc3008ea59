"""Child processes that do a part of the service's work."""

import asyncio
import logging
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hailo_vision.errors import Kind, RequestError, overloaded

log = logging.getLogger(__name__)


@asynccontextmanager
async def child_process(task: str, *command: str, stderr: int = DEVNULL) -> AsyncIterator[Process]:
    """A program with pipes to its input and output; it is gone after the block, however that is left.

    Args:
        task: what the service needs it for, such as "check JSON".

    Raises:
        RequestError: it can't be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=stderr)
    except FileNotFoundError as error:
        message = f"The service can't {task}: {command[0]} is not installed."
        raise RequestError(Kind.INTERNAL_ERROR, message) from error
    except OSError as error:
        log.error("The service can't %s, as no process can be started: %s", task, error)
        raise overloaded(task) from error
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()  # a pipe that is not read to its end stays open
