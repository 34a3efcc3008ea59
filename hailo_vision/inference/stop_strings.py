"""Makes an answer's text of the model's pieces: removes control tokens and ends at stop strings."""

import re
from bisect import bisect_left
from collections.abc import Sequence

_CONTROL_TOKEN = re.compile(r"<\|[A-Za-z0-9_]+\|>")

# Qwen2-VL on HailoRT sometimes goes on with the Python form of a message after its answer is complete;
# hailo-apps cut it as well (gen_ai_apps/simple_vlm_chat).
_STRAY_TAILS = (". [{'type'", "[{'type'")


class AnswerText:
    """Collects pieces; gives out text as soon as no stop string can begin in it any more.

    The stop string that is complete first ends the text, the longest of those that are complete at once:
    so it does not matter how the text falls into pieces.

    Attributes:
        stopped: a stop string was found; the text before it is all there will be.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stops = sorted([*stop, *_STRAY_TAILS])
        self._first_letters = frozenset(text[0] for text in self._stops)
        self._held = ""
        self.stopped = False

    def feed(self, piece: str) -> str:
        """The text that can be given out after one more piece; "" if none or stopped."""
        if self.stopped or _CONTROL_TOKEN.fullmatch(piece):
            return ""
        if not self._held and self._first_letters.isdisjoint(piece):
            return piece
        self._held += piece
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            ready, self._held = self._held[: min(found)[1]], ""
            return ready
        keep = self._possible_start()
        ready = self._held[: len(self._held) - keep]
        self._held = self._held[len(ready) :]
        return ready

    def finish(self) -> str:
        """The text that was held back and turned out to be no stop string."""
        ready, self._held = self._held, ""
        return ready

    def _possible_start(self) -> int:
        """The length of the longest end of the held text that a stop string begins with."""
        longest = max(map(len, self._stops)) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            end = self._held[-length:]
            # The first of the stop strings that begin with it, if there are any: there may be very many.
            at = bisect_left(self._stops, end)
            if at < len(self._stops) and self._stops[at].startswith(end):
                return length
        return 0
