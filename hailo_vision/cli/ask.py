"""`hailo-vision ask`: asks a running service one question about an image."""

from pathlib import Path

from hailo_vision.cli.client import Failed, Service, image_part, text_of


def ask(url: str, image: Path, prompt: str) -> None:
    """Stream the answer to standard output.

    Raises:
        Failed: there is no answer, or only the beginning of one.
    """
    content = [image_part(image), {"type": "text", "text": prompt}]
    service = Service(url)
    begun = False
    try:
        for chunk in service.chat(model=service.model(), messages=[{"role": "user", "content": content}]):
            text = text_of(chunk)
            begun = begun or bool(text)
            print(text, end="", flush=True)
    except Failed:
        if begun:
            print()
        raise
    print()
