"""Whether an approval names a person in words, and whether that is who gains: `Ann Lee` and `alee@…`.

Known gap: a login with a number in it is nobody's name, and whoever is called alike is one.
"""

import re
from functools import lru_cache
from unicodedata import combining, normalize

from detectors.naming import NAMES_KEPT_MAX
from models.session import called

BEFORE = frozenset({"add", "an", "assign", "for", "für", "give", "make", "pour", "to"})
AFTER = frozenset({"als", "as", "becomes", "comme", "gets", "to"})
"""Words that stand between somebody and what is given."""
THINGS = re.compile(
    r"access|account|activation|admin|administrator|agent|alert|app|application|approval|architecture"
    r"|automation|backup|break|business|call|change|cluster|compliance|corp|customer|data|day|default"
    r"|department|development|directory|domain|duty|eligible|emergency|engineering|enterprise|environment"
    r"|example|exchange|finance|glass|global|gmbh|group|help|helpdesk|human|identity|inc|incident"
    r"|infrastructure|level|ltd|mail|mailbox|maintenance|management|membership|migration|network|night"
    r"|office|oncall|operation|organization|outage|owner|permanent|plan|platform|policy|privileged|prod"
    r"|production|project|reader|region|release|request|resource|response|restore|review|role|root"
    r"|security|sensitive|service|shift|site|staging|subscription|support|system|task|team|temporary"
    r"|tenant|test|ticket|time|urgent|user|week|weekend|window|workforce"
    r"|africa|america|asia|central|east|europe|kingdom|north|pacific|south|states|united|west",
    re.IGNORECASE,
)
"""Words of titles and places, of which no person's name consists."""
WORDS_MIN, WORDS_MAX = 2, 4
LOGIN_MIN = 4
"""Of a shorter login the first letter has to do: it may be made of initials."""
TOKEN_MIN = 3
TITLE_MIN = 3
WRITTEN_OUT = {ord(one): two for one, two in zip("äöüßøå", ("ae", "oe", "ue", "ss", "oe", "aa"), strict=True)}
COUNTED = re.compile(r"(?<=[^\W\d_]{4})\d{1,3}$")
"""Behind a name: there is more than one."""
APART = re.compile(r"[\W_]+")


@lru_cache(maxsize=NAMES_KEPT_MAX)
def people_in(part: str) -> tuple[str, ...]:
    """Who is named in a part of a text: two to four words with capitals, alone, or as somebody who gets."""
    words = part.split()
    found = list[str]()
    begins: int | None = None
    for place, word in enumerate([*words, ""]):
        if _capital(word):
            begins = place if begins is None else begins
        elif begins is not None:
            alone = begins == 0 and place == len(words)
            before = begins > 0 and words[begins - 1].casefold() in BEFORE
            after = begins == 0 and word.casefold() in AFTER
            if (alone or before or after) and _is_name(words[begins:place]):
                found.append(" ".join(words[begins:place]))
            begins = None
    return tuple(found)


@lru_cache(maxsize=NAMES_KEPT_MAX)
def is_called(person: str, who: str) -> bool:
    """Whether a login could be hers, or says too little: one word of her name in it, or its beginnings."""
    login = who.partition("@")[0].casefold()
    names = [spelling for word in APART.split(person.casefold()) if word for spelling in _spellings(word)]
    if not any(map(str.isascii, names)):  # another script than logins are written in
        return True
    login = COUNTED.sub("", login)
    if any(map(str.isdigit, login)):
        return True
    if len(login) < LOGIN_MIN:
        return any(name.startswith(login[:1]) for name in names)
    return any(
        (token == name and len(token) >= TOKEN_MIN) or _composed(token, names)
        for part in APART.split(login)
        for token in _spellings(part)
        for name in names
    )


def is_same(one: str, other: str) -> bool:
    """Whether two names are one person's: alike, or one is the login and the other her address."""
    mine, theirs = called(one), called(other)
    if mine == theirs or ("@" in mine) is ("@" in theirs):
        return mine == theirs
    return mine.partition("@")[0] == theirs.partition("@")[0]


def _capital(word: str) -> bool:
    return word[:1].isupper() and not word.isupper() and all(map(str.isalpha, APART.sub("", word)))


def _is_name(words: list[str]) -> bool:
    names = [word for word in words if not (word.endswith(".") and len(word) >= TITLE_MIN)]  # Dr., but not J.
    if not WORDS_MIN <= len(names) <= WORDS_MAX:
        return False
    return not any(
        THINGS.fullmatch(each)
        for name in names
        for word in APART.split(name)
        for each in (word, word.rstrip("s"))
    )


def _spellings(word: str) -> set[str]:
    """Without accents, as logins are written: `Müller` is `muller` or `mueller`."""
    plain = "".join(each for each in normalize("NFKD", word) if not combining(each))
    return {plain, word.translate(WRITTEN_OUT)}


def _composed(token: str, names: list[str]) -> bool:
    """Whether it is the beginnings of two of the names: `alee`, `leea`, `annlee`."""
    return len(token) >= LOGIN_MIN and any(
        one is not other and one.startswith(token[:cut]) and other.startswith(token[cut:])
        for cut in range(1, len(token))
        for one in names
        for other in names
    )
