"""The report: what each step found, as JSON and as Markdown for people."""

import re
from typing import Any

import msgspec

Values = dict[str, Any]

# Questions that no source answers (docs/qualify.md), each with the values that do, as "step: value".
OPEN_POINTS = {
    "Size of the model file": ["model file: bytes"],
    "SHA-256 of the model file": ["model file: SHA-256"],
    "default_generation_params of the model file": ["model file: default_generation_params"],
    "Chat template": ["model: prompt template"],
    "Does the encoder have two inputs?": ["model: encoder takes videos (two inputs)"],
    "Does the driver package bring a udev rule, and for which mode and group?": [
        "device: udev rules",
        "device: packages of these rules",
        "device: node",
    ],
    "Load time on this storage, cold and warm (s)": [
        "loads: cold (s)",
        "loads: warm (s)",
        "storage: file system",
    ],
    "CMA that the model takes, and that five loads keep (MB)": [
        "loads: CMA taken by a loaded model (MB)",
        "loads: CMA kept after all (MB)",
    ],
    "Python API of this version": ["bindings: VLM.generate", "bindings: VLM has"],
    "Do other threads run while HailoRT waits (GIL)?": ["bindings: other threads run meanwhile"],
    "Can a poisoned model be drained?": [
        "poison: a right prompt after it",
        "poison: a right prompt in the end",
    ],
}
_NOT_PROVOKED = {
    "SIGABRT when a completion is released whose link to the chip is lost": (
        "not provoked: the link would have to be broken"
    )
}


class Result(msgspec.Struct):
    """What a step found; error is empty if it succeeded."""

    name: str
    intent: str
    seconds: float
    values: Values
    error: str = ""


class Report(msgspec.Struct):
    """A whole run."""

    host: str
    began: str
    ok: bool
    results: list[Result]
    open_points: dict[str, str]


def make(host: str, began: str, results: list[Result]) -> Report:
    """The report of a run's results."""
    points = {point: _found(results, values) for point, values in OPEN_POINTS.items()} | _NOT_PROVOKED
    return Report(host, began, not any(result.error for result in results), results, points)


def markdown(report: Report) -> str:
    """A report as GitHub shows it: a table for each step, long texts below it."""
    failed = [result.name for result in report.results if result.error]
    outcome = f"Failed: {', '.join(failed)}." if failed else "Everything could be measured."
    lines = [f"# hailo-vision qualify: {report.host}, {report.began}", "", outcome, "", "## Open points", ""]
    lines += _table(report.open_points)
    for result in report.results:
        title = result.name[:1].upper() + result.name[1:]
        lines += ["", f"## {title}", "", f"{result.intent} ({result.seconds:g} s)"]
        if result.error:
            lines += ["", f"**Failed:** {result.error}"]
        if result.values:
            lines += ["", *_table(result.values)]
    return "\n".join(lines) + "\n"


def _found(results: list[Result], values: list[str]) -> str:
    by_step = {result.name: result for result in results}
    told = []
    for step, _, name in (value.partition(": ") for value in values):
        result = by_step.get(step)
        if result and name in result.values:
            told.append(_text(result.values[name]))
        else:
            told.append(f"not found: {result.error or 'the step does not tell' if result else 'not tried'}")
    return "; ".join(dict.fromkeys(told))


def _table(values: Values) -> list[str]:
    """Rows for short values; longer ones in blocks that nothing in them can end."""
    texts = {name: _text(value) for name, value in values.items()}
    blocks = {name: text for name, text in texts.items() if "\n" in text or len(text) > 200}
    rows = [f"| {name} | {_cell(text)} |" for name, text in texts.items() if name not in blocks]
    lines = ["| | |", "| --- | --- |", *rows] if rows else []
    for name, text in blocks.items():
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
        lines += ["", f"{name}:", "", f"{fence}text", text, fence]
    return lines


def _cell(text: str) -> str:
    """A text as a table's cell, in which no character means anything."""
    return re.sub(r"([\\`*_|<>\[\]~])", r"\\\1", text)


def _text(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_text, value)) or "none"
        case _:
            return str(value)
