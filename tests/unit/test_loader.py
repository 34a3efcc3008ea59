"""Images of many requests at once: what they wait for, and what is held meanwhile."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator

import pytest
from support.origin import Origin, response
from support.pictures import plain

from hailo_vision.config import MediaConfig
from hailo_vision.errors import RequestError
from hailo_vision.images import loader
from hailo_vision.images.decode import Frame, to_frame
from hailo_vision.images.loader import ImageLoader, ImageWork

SHAPE = (336, 336, 3)


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin({"/": response(plain("red"))}) as started:
        started.endless["/silent"] = b""
        yield started


def images(origin: Origin, seconds: float = 60) -> ImageLoader:
    return ImageLoader(MediaConfig(allow_hosts=("127.0.0.1",), fetch_timeout=seconds))


async def test_waiting_for_other_links_takes_nothing_of_a_links_own_time(origin: Origin) -> None:
    loading = images(origin, seconds=2)
    links = [origin.url(path) for path in ["/silent"] * 8 + ["/"] * 4]
    loads = [loading.load(link, SHAPE, "here", ImageWork()) for link in links]
    found = await asyncio.gather(*loads, return_exceptions=True)
    assert [getattr(one, "kind", "loaded") for one in found] == ["image_fetch_failed"] * 8 + ["loaded"] * 4


async def test_what_was_fetched_is_decoded_before_more_is_fetched(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred links to large pictures would fill the memory."""
    go_on = threading.Event()

    def slow(data: bytes, shape: tuple[int, int, int], config: MediaConfig) -> Frame:
        go_on.wait()
        return to_frame(data, shape, config)

    monkeypatch.setattr(loader, "to_frame", slow)
    loading = images(origin)
    work = ImageWork()
    loads = [asyncio.create_task(loading.load(origin.url("/"), SHAPE, "here", work)) for _ in range(20)]
    await asyncio.wait(loads, timeout=1)
    fetched = len(origin.asked)
    go_on.set()
    assert all(frame.shape == SHAPE for frame in await asyncio.gather(*loads))
    assert (fetched <= 8, len(origin.asked)) == (True, 20)


class Source(str):
    """The text of an image, of which can be seen whether somebody still holds it."""


async def test_of_who_leaves_the_queue_of_decoders_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are as large as a body may be, and clients that come and go are without number."""
    go_on = threading.Event()

    def slow(source: str, config: MediaConfig) -> bytes:
        go_on.wait()
        return plain("red")

    monkeypatch.setattr(loader, "decode_inline", slow)
    loading = ImageLoader(MediaConfig())
    held: list[weakref.ref[Source]] = []
    for _ in range(20):
        source = Source("image")
        held.append(weakref.ref(source))
        load = asyncio.create_task(loading.load(source, SHAPE, "here", ImageWork()))
        await asyncio.sleep(0)
        load.cancel()
        await asyncio.wait({load})
        del source, load
    gc.collect()
    kept = sum(one() is not None for one in held)
    go_on.set()
    assert kept <= loader._DECODERS
    assert (await loading.load("image", SHAPE, "here", ImageWork())).shape == SHAPE


async def test_who_leaves_ends_the_transfer(origin: Origin) -> None:
    loading = images(origin)
    load = asyncio.create_task(loading.load(origin.url("/silent"), SHAPE, "here", ImageWork()))
    async with asyncio.timeout(30):  # less than a link may take
        while not origin.asked:
            await asyncio.sleep(0.01)
        load.cancel()
        while not origin.left:
            await asyncio.sleep(0.01)


async def test_a_link_that_fails_names_its_place(origin: Origin) -> None:
    with pytest.raises(RequestError) as caught:
        await images(origin).load(origin.url("/nothing"), SHAPE, "images[3]", ImageWork())
    assert caught.value.where == "images[3]"
