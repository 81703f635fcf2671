"""Every error says who acts.

ShelfwiseError
├── UserFixable            a person can mend it: shown with what to do next
│   ├── Refused            the request itself is wrong (4xx)
│   │   ├── NotFound       missing, or another shop's: the two look the same
│   │   └── NotAllowed     the person's role does not permit it
│   └── NeedsReauth        Shopify no longer accepts our token: a merchant must open the app
├── Transient              may pass by itself: retry with backoff, honouring `wait_s`
└── Bug                    our fault: reported with the request id, never explained to a stranger
"""

from __future__ import annotations


class ShelfwiseError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what happened and what was kept safe, in the reader's words.
        code: stable machine name, kept for good.
        next_step: what the reader can do now.
        field: the request field at fault, if one is.
    """

    code = "internal_error"
    http_status = 500

    def __init__(
        self, message: str, *, code: str | None = None, next_step: str = "", field: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.next_step = next_step
        self.field = field


class UserFixable(ShelfwiseError):
    code = "cannot_do_that"
    http_status = 409


class Refused(UserFixable):
    code = "invalid_request"
    http_status = 400


class NotFound(Refused):
    code = "not_found"
    http_status = 404


class NotAllowed(Refused):
    code = "not_allowed"
    http_status = 403


class NeedsReauth(UserFixable):
    code = "needs_reauth"
    http_status = 409


class Transient(ShelfwiseError):
    code = "try_again"
    http_status = 503

    def __init__(
        self, message: str, *, code: str | None = None, next_step: str = "", wait_s: float | None = None
    ) -> None:
        super().__init__(message, code=code, next_step=next_step)
        self.wait_s = wait_s


class Bug(ShelfwiseError):
    code = "internal_error"
    http_status = 500
