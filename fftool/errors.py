"""The errors that fftool raises on purpose."""


class FFToolError(Exception):
    """A problem that the person at the keyboard can mend.

    `message` says what was seen and what was wanted; `hint` says what to do or to type instead.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class SettingError(FFToolError):
    """A setting outside of its range: the request itself is wrong, whatever the files hold."""


def as_problem(error: Exception) -> FFToolError:
    """What the system says, as a problem of the person at the keyboard."""
    match error:
        case FFToolError():
            return error
        case OSError():
            what = error.filename or "standard output"
            return FFToolError(f"{what}: {error.strerror}", "name another file, or send the output elsewhere")
        case MemoryError():
            return FFToolError("there is not enough memory", "close other programs, or use a smaller picture or size")
    raise error
