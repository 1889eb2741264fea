"""Numbers of things in sentences."""


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Returns a number and what it counts: `1 note`, `2 notes`.

    Args:
        number: how many.
        singular: the word for one.
        plural: the word for several, where it is not the singular with an s.
    """
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"
