"""Requests made up from the served description: none of them is answered with a server error."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.server import MODEL, Server

from hailo_vision.http.openapi import document
from hailo_vision.http.routes import DIALECTS

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Valid by the description and refused nearly always; keep_alive could unload the other tests' model.
REFUSED = {"n", "logprobs", "top_logprobs", "logit_bias", "tool_choice", "function_call", "keep_alive"}
FOUND = list(openapi.from_dict(json.loads(document(DIALECTS, keys_required=False))).get_all_operations())
OPERATIONS = [found.ok() for found in FOUND if isinstance(found, Ok)]
assert len(OPERATIONS) == len(FOUND), FOUND


@pytest.mark.parametrize(
    ("operation", "mode"),
    [
        pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
        for operation in OPERATIONS
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or operation.method == "post"
    ],
)
def test_made_up_requests(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, server: Server
) -> None:
    health = list(HealthCheck)
    answered = set()

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=health, database=None)
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            case.body = {key: value for key, value in case.body.items() if key not in REFUSED}
            case.body["model"] = MODEL
        response = case.call_and_validate(base_url=server.url, checks=CHECKS)
        answered.add(response.status_code)

    ask()
    if mode is GenerationMode.NEGATIVE:
        assert 400 in answered
    elif "{id}" not in operation.path:
        assert 200 in answered or "analyze" in operation.path
