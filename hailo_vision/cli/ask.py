"""`hailo-vision ask`: asks a running service one question about an image."""

import argparse

from hailo_vision.cli.client import Client, Failed, image_part, text_of, visible


def ask(options: argparse.Namespace) -> None:
    """Stream the answer to standard output.

    Raises:
        Failed: there is no answer, or only the beginning of one.
    """
    content = [image_part(options.image), {"type": "text", "text": options.prompt}]
    service = Client(options.url)
    begun = False
    try:
        for chunk in service.chat(model=service.model(), messages=[{"role": "user", "content": content}]):
            text = visible(text_of(chunk))
            begun = begun or bool(text)
            print(text, end="", flush=True)
    except (Failed, KeyboardInterrupt):
        if begun:
            print()
        raise
    print()
