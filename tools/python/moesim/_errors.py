"""What can go wrong, by whose fault it is: the exit codes of the program, as exceptions."""
from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One line of an error."""
    text: str  # all of it
    file: str | None = None  # where it is, as far as the error says
    line: int | None = None
    column: int | None = None
    hint: str | None = None  # what would do, where that is said apart


def _problem(text: str) -> Problem:
    place = re.match(r"(.+?):(\d+)(?::(\d+))?: ", text)
    # "…; did you mean "bandwidth"?"
    hint = text.rpartition("; ")[2] if "; " in text else None
    if not place:
        return Problem(text, hint=hint)
    column = place[3]
    return Problem(text, place[1], int(place[2]), int(column) if column else None, hint)


class Error(Exception):
    """What the program says on standard error before it ends with exit_code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.problems = [_problem(line) for line in message.split("\n")]

    def __reduce__(self) -> tuple[type[Error], tuple[str, int]]:  # for multiprocessing
        return type(self), (str(self), self.exit_code)

    @property
    def file(self) -> str | None:
        """Of the first problem, as line, column and hint are."""
        return self.problems[0].file

    @property
    def line(self) -> int | None:
        return self.problems[0].line

    @property
    def column(self) -> int | None:
        return self.problems[0].column

    @property
    def hint(self) -> str | None:
        return self.problems[0].hint


class ConfigError(Error):
    """A scenario, a study or a plan that is wrong (exit code 2)."""


class InputError(Error):
    """A file that is missing, damaged, or not what it says it is (4)."""


class InfeasibleError(Error):
    """What was asked for cannot be met (3)."""
