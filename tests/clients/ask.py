"""Ask deployed services about a photo, all at once, with the official openai SDK.

    python tests/clients/ask.py PHOTO QUESTION [NAME=]URL ...

Each answer is printed when it is whole, with its service's name and its times. Ends with status 1 if any
service did not answer.
"""

import argparse
import asyncio
import base64
import sys
import time
from pathlib import Path

import httpx
from openai import AsyncOpenAI, OpenAIError
from openai.types.chat import ChatCompletionUserMessageParam

MODEL = "qwen2-vl-2b-instruct"


async def ask(url: str, message: ChatCompletionUserMessageParam) -> tuple[str, float]:
    """Stream one answer.

    Returns:
        The answer, and the seconds to its first word.

    Raises:
        OpenAIError, httpx.HTTPError: the service refused, could not be reached, broke off or said nothing.
    """
    begun = time.monotonic()
    answer, first, finished = "", 0.0, False
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="hailo", timeout=120, max_retries=2) as client:
        async for chunk in await client.chat.completions.create(model=MODEL, messages=[message], stream=True):
            for choice in chunk.choices:
                finished = finished or choice.finish_reason is not None
                answer += choice.delta.content or ""
                first = first or (time.monotonic() - begun if answer else 0.0)
    if not finished or not answer.strip():
        raise httpx.RemoteProtocolError(f"the answer was {'empty' if finished else 'cut'}: {answer!r}")
    return answer, first


async def report(service: str, message: ChatCompletionUserMessageParam) -> bool:
    """Ask a service and print what came of it; False if there is no answer."""
    name, _, url = service.rpartition("=")
    begun = time.monotonic()
    try:
        answer, first = await ask(url, message)
    except (OpenAIError, httpx.HTTPError) as error:
        reason = f"{error} ({error.__cause__})" if error.__cause__ else error
        print(f"{name} {url} did not answer: {reason}".lstrip(), file=sys.stderr)
        return False
    times = f"{time.monotonic() - begun:.1f} s, first word after {first:.1f} s"
    print("\n" + f"{name} {url} ({times})".lstrip() + f"\n{answer}", flush=True)
    return True


async def ask_all(services: list[str], message: ChatCompletionUserMessageParam) -> int:
    """Ask all services at once; return how many did not answer."""
    return (await asyncio.gather(*(report(service, message) for service in services))).count(False)


def main() -> int:
    """Read the command line, ask, and sum up."""
    parser = argparse.ArgumentParser(description="Ask deployed services about a photo, all at once.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("question")
    parser.add_argument(
        "services", nargs="+", metavar="[NAME=]URL", help="such as pi01=http://198.18.0.11:11435"
    )
    options = parser.parse_args()
    try:
        data = base64.b64encode(options.photo.read_bytes()).decode()
    except OSError as error:
        parser.error(f"PHOTO: {options.photo}: {error.strerror}")
    message: ChatCompletionUserMessageParam = {
        "role": "user",
        "content": [
            {"type": "text", "text": options.question},
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}},
        ],
    }
    count = len(options.services)
    print(f"Asking {count} at once about {options.photo}: {options.question} (about 15 s)", flush=True)
    begun = time.monotonic()
    failed = asyncio.run(ask_all(options.services, message))
    print(f"\n{count - failed} of {count} answered in {time.monotonic() - begun:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
