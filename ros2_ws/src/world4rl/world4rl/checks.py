"""One line of `world4rl doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A grade, what was looked at, what was found and, unless it is OK, what to do."""

    grade: str  # OK | WARN | FAIL
    subject: str
    finding: str
    next_step: str = ""

    def __str__(self) -> str:
        return f"{self.grade:<4}  {self.subject:<16} {self.finding}{'; ' if self.next_step else ''}{self.next_step}"
