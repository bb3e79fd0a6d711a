"""Names that may have been meant by one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near(given: str, known: Iterable[str], most: int = 1) -> list[str]:
    """At most `most` of the known names, the likeliest first.

    The same letters in another order come before what difflib finds alike: sopa is soap, though
    difflib prefers sophia. Upper and lower case are alike.
    """
    names = {name.lower(): name for name in known}
    word = given.lower()
    swapped = [name for name in names if sorted(name) == sorted(word)]
    alike = get_close_matches(word, names, n=most)
    return [names[name] for name in dict.fromkeys([*swapped, *alike])][:most]
