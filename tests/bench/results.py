"""The rows of the table, and the forms in which they are given out."""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"


@dataclass(frozen=True)
class Row:
    """One measured ratio.

    Attributes:
        what, against: the two sides, in words.
        measured: what divided by against.
        target: what it must be at most, or at least where `at_least` is set; None for orientation only.
        detail: both sides in their units.
    """

    what: str
    against: str
    measured: float
    detail: str
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        compare: Callable[[float, float], bool] = operator.ge if self.at_least else operator.le
        return compare(round(self.measured, 3), self.target)

    def cells(self) -> tuple[str, ...]:
        goal = "" if self.target is None else f"{self.target:g} or {'more' if self.at_least else 'less'}"
        verdict = {None: "", True: "yes", False: "no"}[self.met]
        return (self.what, self.against, f"{self.measured:.3g}", goal, verdict, self.detail)


HEADER = ("what", "against", "measured", "to reach", "met", "the two sides")


def text(rows: Sequence[Row]) -> str:
    """The table for a terminal."""
    table = [HEADER, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def markdown(rows: Sequence[Row], machine: Mapping[str, Any]) -> str:
    """The table for docs/performance.md, with what it was measured on."""
    table = [HEADER, ("---",) * len(HEADER), *(row.cells() for row in rows)]
    where = (
        f"Measured {machine['date']} at {machine['commit']}: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['system']}, Python {machine['python']}; load average before {machine['load_average']}."
    )
    return "\n".join([where, "", *("| " + " | ".join(line) + " |" for line in table)])


def write_json(
    path: Path, rows: Sequence[Row], machine: Mapping[str, Any], curves: Mapping[str, Any]
) -> None:
    """Everything that was measured, for programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    results = [{**asdict(row), "met": row.met} for row in rows]
    path.write_text(json.dumps({"machine": machine, "rows": results, "curves": curves}, indent=2) + "\n")


def rewrite(page: Path, name: str, table: str) -> None:
    """Put a new table between the page's markers of this name.

    Raises:
        ValueError: the page lacks them.
    """
    head, begin, rest = page.read_text().partition(BEGIN.format(name))
    _, end, tail = rest.partition(END.format(name))
    if not begin or not end:
        raise ValueError(f"{page} has no {BEGIN.format(name)} ... {END.format(name)}")
    page.write_text(f"{head}{begin}\n{table}\n{end}{tail}")
