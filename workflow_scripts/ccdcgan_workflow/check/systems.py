"""Chemical systems and compositions as people write them."""

import itertools
import re
import unicodedata
from functools import cache
from typing import Any

from ase.data import atomic_names, chemical_symbols

from ccdcgan_workflow.check.errors import KeyProblem, Path, in_command, problem, shown

SYMBOLS = frozenset(chemical_symbols[1:])
NAMES = {name.casefold(): chemical_symbols[number] for number, name in enumerate(atomic_names) if number}
NAMES |= {"aluminum": "Al", "sulphur": "S", "cesium": "Cs"}
SEPARATORS = re.compile(r"(?:[\s,;:./+_|&-]|\band\b)+")
LONGEST = 24
"""Maximum number of letters of a text that is searched for element symbols without separators."""

SYSTEM: Path = ("system",)


def unified(text: str) -> str:
    """Return a text with plain digits, blanks and hyphens: Bi₂Se₃ becomes Bi2Se3, Bi–Se becomes Bi-Se."""
    text = unicodedata.normalize("NFKC", text)
    return "".join("-" if unicodedata.category(sign) == "Pd" or sign == "\u2212" else sign for sign in text).strip()


def read_system(spelled: Any, misread: str = "") -> Any:
    """Return a chemical system as element symbols joined by hyphens, in the order given.

    Args:
        spelled: The value, with every scalar as it was typed: a text, a list of elements, or anything else.
        misread: What YAML takes the text or an item for, e.g. "the truth value false"; "" if it is read as written.

    Returns:
        The system, e.g. "Bi-Se"; a value that cannot be read as one is returned as it is.

    Raises:
        KeyProblem: The text can be read in several ways, is a composition, or is misread by YAML; the sentence names
            what to type.
    """
    if isinstance(spelled, dict):
        if not all(isinstance(key, str) for key in spelled):
            return spelled
        if any(spelled.values()) and len(spelled) > 1:
            _refuse_composition(spelled, "".join(f"{key}{'' if n == '1' else n}" for key, n in spelled.items()))
        spelled = list(spelled) if not any(spelled.values()) else spelled
    if isinstance(spelled, list):
        if not spelled or not all(isinstance(part, str) for part in spelled):
            return spelled
        text = "-".join(spelled)
    elif isinstance(spelled, str):
        text = unified(spelled).strip("[](){}'\"- ")
    else:
        return spelled
    if not text:
        raise KeyProblem(SYSTEM, f"config key system is empty; name a system, e.g. {in_command(SYSTEM, 'V-O')}.")
    if re.search(r"[A-Za-z]\d", text) and _readings(re.sub(r"[\d.]", "", text)):
        _refuse_composition(spelled, text)
    readings = _readings(text)
    if misread:
        name = readings[0] if readings else "Bi-Se"
        example = f"write system: {name}" if "-" in name else 'write element symbols joined by "-", e.g. No-O'
        raise KeyProblem(SYSTEM, f"config key system is {_bare(spelled)}, which YAML reads as {misread}; {example}.")
    if len(readings) > 1:
        several = " or ".join(readings[:4])
        raise problem(SYSTEM, spelled, f"this can mean {several}; write the one you mean, with hyphens.")
    if readings:
        return readings[0]
    return "-".join(part if part in SYMBOLS else part.capitalize() for part in SEPARATORS.split(text))


def read_formula(spelled: Any, elements: list[str], path: Path) -> Any:
    """Return a composition of a system as a formula: Bi₂Se₃, bi2se3, Bi_2 Se_3 and {Bi: 2, Se: 3} are Bi2Se3.

    Args:
        spelled: The value, with every scalar as it was typed.
        elements: Elements of the system.
        path: Keys that lead to the value.

    Returns:
        The formula; a value that cannot be read as one is returned as it is.

    Raises:
        KeyProblem: It has wildcards, or can be read in several ways.
    """
    if isinstance(spelled, dict) and all(isinstance(part, str) for pair in spelled.items() for part in pair):
        spelled = "".join(f"{key}{'' if count == '1' else count}" for key, count in spelled.items())
    if not isinstance(spelled, str):
        return spelled
    text = re.sub(r"[\s_{}$-]", "", unified(spelled))
    if re.search(r"[*?]", text):
        example = f"[{''.join(elements[:2])}, {elements[0]}2{''.join(elements[1:2])}3]"
        raise problem(path, spelled, f"wildcards are not possible; list the compositions, e.g. {example}.")
    symbols = re.findall(r"[A-Z][a-z]?", text)
    if re.fullmatch(r"([A-Z][a-z]?\d*)+", text) and set(symbols) <= set(elements):
        return text
    found = _formulas(text, tuple(elements))
    if len(found) > 1:
        raise problem(path, spelled, f"this can mean {' or '.join(found[:4])}; write the one you mean.")
    return found[0] if found else text


def _formulas(text: str, elements: tuple[str, ...]) -> list[str]:
    """Return the formulas with these elements that a text spells, whatever its case."""
    if not text:
        return [""]
    if len(text) > 4 * LONGEST:
        return []
    found = []
    for element in elements:
        if text.casefold().startswith(element.casefold()):
            count = re.match(r"\d*", text[len(element) :]).group()
            rest = _formulas(text[len(element) + len(count) :], elements)
            found += [f"{element}{count}{other}" for other in rest]
    return found


def _refuse_composition(spelled: Any, formula: str) -> None:
    readings = _readings(re.sub(r"[\d.]", "", formula))
    system = readings[0] if readings else "Bi-Se"
    compact = re.sub(r"[\s-]", "", formula)
    raise KeyProblem(
        SYSTEM,
        f"config key system is {shown(spelled)}, a composition, but a system has no numbers; write system: {system}, "
        f"and evaluation: {{compositions: [{compact}]}} for candidates of this composition only.",
    )


def _bare(spelled: Any) -> str:
    return f"[{', '.join(spelled)}]" if isinstance(spelled, list) else str(spelled)


def _readings(text: str) -> list[str]:
    """Return the systems of two or more different elements that a text can mean, the most literal one first."""
    words = [word for word in SEPARATORS.split(unified(text)) if word]
    if len(words) == 1:
        word = words[0]
        exact = _in_capitals(word)
        if exact and word != word.upper():
            return _systems([[exact]])
        return _systems([_segments(word)])
    readings = [_of_word(word) for word in words]
    if any(word == word.upper() and len(word) > 1 and not _in_capitals(word) for word in words):
        readings = [each[:1] for each in readings]  # such as SE of BI-SE: all is in capitals, so BI is bismuth
    return _systems(readings)


def _systems(readings: list[list[tuple[str, ...]]]) -> list[str]:
    """Return the systems of all combinations of the readings of the words; elements may not be repeated in a word."""
    found: list[str] = []
    for choice in itertools.islice(itertools.product(*readings), 64):
        elements = list(itertools.chain(*choice))
        literal = len(elements) == len(readings)
        if len(set(elements)) > 1 and (literal or len(readings) > 1 or len(set(elements)) == len(elements)):
            name = "-".join(elements if literal else dict.fromkeys(elements))
            found += [name] if name not in found else []
    return found


def _of_word(word: str) -> list[tuple[str, ...]]:
    """Return the readings of one word of several: an element, or several elements without separators."""
    if word in SYMBOLS:
        return [(word,)]
    single = NAMES.get(word.casefold()) or (word.capitalize() if word.capitalize() in SYMBOLS else None)
    exact = _in_capitals(word)
    readings = [(single,)] if single else []
    readings += [exact] if exact else []
    return readings or [each for each in _segments(word) if len(set(each)) == len(each)]


def _in_capitals(word: str) -> tuple[str, ...] | None:
    """Return the elements of a word such as BiSe or CO, in which each symbol begins with a capital letter."""
    symbols = re.findall(r"[A-Z][a-z]?", word)
    return tuple(symbols) if "".join(symbols) == word and set(symbols) <= SYMBOLS else None


@cache
def _segments(word: str) -> list[tuple[str, ...]]:
    """Return all ways to read a word as element symbols, whatever its case."""
    if not word:
        return [()]
    if len(word) > LONGEST:
        return []
    found = []
    for length in (2, 1):
        symbol = word[:length].capitalize()
        if symbol in SYMBOLS and len(word) >= length:
            found += [(symbol, *rest) for rest in _segments(word[length:])]
    return found[:64]
