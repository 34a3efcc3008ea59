"""Answers in JSON from a model that can't be held to it: asked for, found in the text, mended, checked.

HailoRT gives neither logits nor a hook for grammars, so nothing can be enforced. The schema goes into
the prompt; what comes back is checked, once the model is asked again, and the report says how it came out.
"""

from collections.abc import AsyncGenerator, Callable, Sequence

from msgspec.structs import replace

from hailo_vision.errors import Kind, RequestError
from hailo_vision.inference.answer import Answer, Generation, JsonReport, Timings, Usage, whole_text
from hailo_vision.inference.budget import ContextOverflow
from hailo_vision.inference.json_check import SchemaError, asks_for_object, check, check_schema, text_of
from hailo_vision.inference.prompt import begun_answer
from hailo_vision.inference.request import GenerationRequest, JsonFormat, Turn

_ATTEMPTS = 2
_ORDER = "Answer with one JSON {} and nothing else: no explanation, no code fence."


class StructuredAnswer(Answer):
    """An answer that is to be JSON. Its text comes at once, when it has been checked."""

    def __init__(self, ask: Callable[[GenerationRequest], Answer], request: GenerationRequest) -> None:
        """Ask the model.

        Raises:
            RequestError: the schema is too long or nested too deeply; or as ask().
        """
        assert request.json is not None
        self._wanted = request.json
        self._ask = ask
        self._request = replace(request, turns=_with_order(request.turns, request.json))
        self._attempts = [ask(self._request)]

    async def texts(self) -> AsyncGenerator[list[str], None]:
        # An answer that goes on where the client began it is JSON together with that.
        begun = begun_answer(self._request.turns) or ""
        text = begun + await whole_text(self._attempts[-1])
        found = await check(text, self._wanted.schema)
        # An answer that was cut off would be cut off again.
        while found.problem and len(self._attempts) < _ATTEMPTS and self.finish_reason == "stop":
            before = list(self._attempts)
            try:
                self._attempts.append(self._ask(self._once_more(text, found.problem)))
                text = await whole_text(self._attempts[-1])
            except ContextOverflow:
                self._attempts = before  # there is no room to ask once more: that answer counts
                break
            found = await check(text, self._wanted.schema)
        attempts, problem = len(self._attempts), found.problem or None
        self.report = JsonReport(problem is None, found.repaired, attempts, problem)
        if content := found.content if attempts > 1 else found.content.removeprefix(begun):
            yield [content]

    def _once_more(self, text: str, problem: str) -> GenerationRequest:
        correction = f"That can't be used: {problem}. {_order(self._wanted)}"
        turns = self._request.turns
        asked = turns if begun_answer(turns) is None else turns[:-1]
        turns = [*asked, Turn("assistant", [text]), Turn("user", [correction])]
        return replace(self._request, turns=turns)

    @property
    def usage(self) -> Usage:
        """Of all attempts together."""
        return sum((one.usage for one in self.generations if one.usage), Usage())

    @property
    def timings(self) -> Timings:
        """Of all attempts together."""
        return sum((one.timings for one in self.generations), Timings())

    @property
    def generations(self) -> Sequence[Generation]:
        return [generation for attempt in self._attempts for generation in attempt.generations]


async def require_schema(wanted: JsonFormat | None) -> None:
    """Raises:
    RequestError: the schema is none that can be used.
    """
    if wanted is None or wanted.schema is None:
        return
    try:
        await check_schema(wanted.schema)
    except SchemaError as error:
        raise _unusable(wanted, error) from error


def _unusable(wanted: JsonFormat, error: SchemaError) -> RequestError:
    message = f"This is no JSON schema that can be used here: {error}"
    return RequestError(Kind.INVALID_SCHEMA, message, where=wanted.where)


def _with_order(turns: Sequence[Turn], wanted: JsonFormat) -> list[Turn]:
    """The conversation with the order to answer in JSON at the end of its system turn.

    Raises:
        RequestError: the schema is too long or nested too deeply.
    """
    order = f"{wanted.purpose} {_order(wanted)}".strip()
    if wanted.schema:
        try:
            order += f" It must fit this JSON schema: {text_of(wanted.schema)}"
        except SchemaError as error:
            raise _unusable(wanted, error) from error
    if turns and turns[0].role == "system":
        return [Turn("system", [*turns[0].content, f"\n\n{order}"]), *turns[1:]]
    return [Turn("system", [order]), *turns]


def _order(wanted: JsonFormat) -> str:
    return _ORDER.format("object" if asks_for_object(wanted.schema) else "value")
