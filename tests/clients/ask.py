"""Ask deployed services about a photo with the official openai SDK, and stream the answers to the terminal.

    python tests/clients/ask.py PHOTO QUESTION URL [URL ...]

Ends with status 1 if any of them did not answer.
"""

import argparse
import base64
import sys
import time
from pathlib import Path

import httpx
from openai import OpenAI, OpenAIError

MODEL = "qwen2-vl-2b-instruct"


def ask(url: str, photo: Path, question: str) -> str:
    """Stream one answer to the terminal and return it.

    Raises:
        OpenAIError, httpx.HTTPError: the service refused, could not be reached, or broke off.
    """
    client = OpenAI(base_url=f"{url}/v1", api_key="hailo", timeout=120, max_retries=2)
    data = base64.b64encode(photo.read_bytes()).decode()
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": question},
                    {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}},
                ],
            }
        ],
        stream=True,
    )
    answer, finished = "", False
    for chunk in stream:
        for choice in chunk.choices:
            finished = finished or choice.finish_reason is not None
            piece = choice.delta.content or ""
            answer += piece
            print(piece, end="", flush=True)
    print()
    if not finished:
        raise httpx.RemoteProtocolError("the answer was cut")
    return answer


def main() -> int:
    """Ask every service in turn."""
    parser = argparse.ArgumentParser(description="Ask deployed services about a photo.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("question")
    parser.add_argument("urls", nargs="+", metavar="URL", help="such as http://198.18.0.11:11435")
    options = parser.parse_args()
    failed = 0
    for url in options.urls:
        print(f"\n{url}  {options.photo}  {options.question}")
        begun = time.monotonic()
        try:
            answer = ask(url, options.photo, options.question)
        except (OpenAIError, httpx.HTTPError) as error:
            print(f"{url} did not answer: {error}", file=sys.stderr)
            failed += 1
            continue
        print(f"({time.monotonic() - begun:.1f} s)")
        if not answer.strip():
            print(f"{url} gave an empty answer", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
