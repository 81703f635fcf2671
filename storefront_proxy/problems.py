"""The one error shape, for requests that a stranger can send."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from tenancy import problems


class Problem(Exception):
    """A request that gets a 4xx or 503 answer.

    Args:
        code: stable machine name, kept for good.
        field: the parameter at fault, if one is.
        wait_s: how long until it may be tried again, for a 429.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        next_step: str = "",
        field: str | None = None,
        wait_s: int = 0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.next_step = next_step
        self.field = field
        self.wait_s = wait_s


def answer(request: HttpRequest, problem: Problem) -> HttpResponse:
    return problems.answer(
        request,
        problem.status,
        code=problem.code,
        message=problem.message,
        next_step=problem.next_step,
        field=problem.field,
        wait_s=problem.wait_s,
    )
