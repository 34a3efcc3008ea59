"""Answers as OpenAI's Responses, whole and as events.

Which events and fields clients can't do without was measured with OpenAI's SDKs (Python, JavaScript), the AI
SDK and openai-agents: each event has its name and number, an item is added before its text, and the end has
the whole response.
"""

import time
import uuid
from typing import Any

import msgspec

from hailo_vision.config import GenerationConfig
from hailo_vision.http.errors import Failure
from hailo_vision.http.events import SERVER_SENT
from hailo_vision.http.openai import response_types
from hailo_vision.http.openai.response_types import Response, Status
from hailo_vision.http.openai.tools import ForcedTools, call_id
from hailo_vision.inference.answer import Answer


class ResponseWriter:
    """One response: its constant parts, its output, and the events that tell it."""

    content_type = SERVER_SENT

    def __init__(
        self,
        body: response_types.ResponsesRequest,
        model: str,
        defaults: GenerationConfig,
        tools: ForcedTools | None,
    ) -> None:
        self._tools = tools
        self._text = ""
        self._begun = False
        self._number = 0
        self._message_id = f"msg_{uuid.uuid4().hex}"
        self._fields: dict[str, Any] = {
            "id": f"resp_{uuid.uuid4().hex}",
            "created_at": int(time.time()),
            "instructions": body.instructions,
            "max_output_tokens": int(limit) if (limit := body.max_output_tokens or 0) > 0 else None,
            "model": model,
            "temperature": defaults.temperature if body.temperature is None else body.temperature,
            "text": {"format": (body.text and body.text.format) or {"type": "text"}},
            "tool_choice": body.tool_choice or "auto",
            "tools": body.tools or [],
            "top_p": defaults.top_p if body.top_p is None else body.top_p,
            "metadata": body.metadata or {},
        }

    def whole(self, text: str, answer: Answer) -> Response:
        self._text = text
        cut = answer.finish_reason == "length"
        status: Status = "incomplete" if cut else "completed"
        used = answer.usage
        return Response(
            status=status,
            incomplete_details=response_types.IncompleteDetails() if cut else None,
            output=(self._item(status),),
            usage=response_types.ResponseUsage(
                used.prompt_tokens,
                response_types.InputTokensDetails(used.cached_tokens),
                used.completion_tokens,
                response_types.OutputTokensDetails(),
                used.prompt_tokens + used.completion_tokens,
            ),
            json_report=answer.report or msgspec.UNSET,
            **self._fields,
        )

    def texts(self, texts: list[str]) -> bytes:
        self._text += "".join(texts)
        if self._tools:
            return b""  # which function is called is known when all of the text is there
        return self._begin() + b"".join(self._delta(text) for text in texts)

    def heartbeat(self) -> bytes:
        """The first events, or one that adds nothing."""
        if not self._begun:
            return self._begin()
        if self._tools:
            return self._event("in_progress", response=self._response("in_progress"))
        return self._delta("")

    def end(self, answer: Answer) -> bytes:
        begun = self._begin()
        whole = self.whole(self._text, answer)
        (item,) = whole.output
        told = self._call(item) if isinstance(item, response_types.FunctionCallItem) else self._message_done()
        done = self._event("output_item.done", output_index=0, item=item)
        return begun + told + done + self._event(whole.status, response=whole)

    def failure(self, failure: Failure) -> bytes:
        code = "server_error" if failure.status >= 500 else "invalid_prompt"
        error = response_types.ResponseError(
            "rate_limit_exceeded" if failure.status == 429 else code, failure.message
        )
        return self._event("failed", response=self._response("failed", error=error))

    def _begin(self) -> bytes:
        """The events before the first text, once."""
        if self._begun:
            return b""
        self._begun = True
        response = self._response("in_progress")
        first = self._event("created", response=response) + self._event("in_progress", response=response)
        if self._tools:
            return first
        item = response_types.OutputMessage(id=self._message_id, status="in_progress")
        added = self._event("output_item.added", output_index=0, item=item)
        return first + added + self._part("content_part.added", part=response_types.OutputText())

    def _message_done(self) -> bytes:
        done = self._part("output_text.done", text=self._text, logprobs=())
        return done + self._part("content_part.done", part=response_types.OutputText(text=self._text))

    def _call(self, item: response_types.FunctionCallItem) -> bytes:
        begun = msgspec.structs.replace(item, arguments="", status="in_progress")
        place = {"item_id": item.id, "output_index": 0}
        return (
            self._event("output_item.added", output_index=0, item=begun)
            + self._event("function_call_arguments.delta", **place, delta=item.arguments)
            + self._event("function_call_arguments.done", **place, name=item.name, arguments=item.arguments)
        )

    def _delta(self, text: str) -> bytes:
        return self._part("output_text.delta", delta=text, logprobs=())

    def _part(self, name: str, **fields: object) -> bytes:
        return self._event(name, item_id=self._message_id, output_index=0, content_index=0, **fields)

    def _event(self, event: str, /, **fields: object) -> bytes:
        name = f"response.{event}"
        data = msgspec.json.encode({"type": name, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (name.encode(), data)

    def _response(self, status: Status, *, error: response_types.ResponseError | None = None) -> Response:
        return Response(status=status, error=error, **self._fields)

    def _item(self, status: Status) -> response_types.OutputItem:
        if self._tools is None:
            return response_types.OutputMessage(
                id=self._message_id, status=status, content=(response_types.OutputText(text=self._text),)
            )
        name, arguments = self._tools.call(self._text)
        return response_types.FunctionCallItem(
            id=f"fc_{uuid.uuid4().hex}", call_id=call_id(), name=name, arguments=arguments, status=status
        )
