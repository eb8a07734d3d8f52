"""Normal forms: values as two systems must agree on them to be compared.

Each is a filter: it takes the value first and gives text, empty where there is nothing to compare; a blank
value therefore matches nobody. The forms are for comparing, never for writing back.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from syncline.mapping.filters import alnum, digits, email_key, fold, text

#: Longer texts are no names; nothing is compared beyond this many characters.
MAX_NAME = 300

# What stands between the name of the owner and the name that a business is known by, or the other way round.
_TRADING_AS = re.compile(
    r"(?:\bt\s?/\s?as?\b|\btrading\s+as\b|\bd\s?/\s?b\s?/\s?a\b|\bdoing\s+business\s+as\b|\batf\b"
    r"|\ba\.?t\.?f\.?\s+the\b|\bas\s+trustees?\s+(?:for|of)\b)",
    re.IGNORECASE,
)
# Legal forms that `fold` leaves in place, of Australia, New Zealand, the United Kingdom, Ireland, the United
# States, Canada, South Africa, Singapore and Hong Kong. Dropped from the end of a name.
_MORE_FORMS = frozenset(
    "cc cic cio clg dac enr enrg inco lc lllp limitee llp lp ltd ltee nl npc npo pllc plc pt pvt rf soc teo"
    " teoranta uc ulc unltd cyf cyfyngedig".split()
)
# Forms that are recognised at the end of a name with a slip of the pen in them; and short ones, of which two
# letters may have changed places.
_MISSPELT = ("limited", "proprietary", "incorporated", "corporation", "company", "trust")
_JUMBLED = frozenset("".join(sorted(form)) for form in ("pty", "ltd", "inc", "llc", "plc", "pte"))
# One word for a word that is often shortened in names of companies.
_SHORT = {
    "assoc": "associates", "assocs": "associates", "aust": "australia", "bldg": "building",
    "bros": "brothers",
    "ctr": "centre", "center": "centre", "coop": "cooperative", "dept": "department", "dist": "distribution",
    "distrib": "distribution", "eng": "engineering", "engr": "engineering", "ent": "enterprises",
    "equip": "equipment", "grp": "group", "gp": "group", "hldgs": "holdings", "hldg": "holdings",
    "ind": "industries", "inds": "industries", "indust": "industries", "ins": "insurance",
    "inst": "institute",
    "int": "international", "intl": "international", "intnl": "international", "lab": "laboratory",
    "labs": "laboratories", "maint": "maintenance", "mfg": "manufacturing", "mfrs": "manufacturers",
    "mgmt": "management", "mgt": "management", "mt": "mount", "natl": "national", "prod": "products",
    "prods": "products", "prop": "property", "props": "properties", "sch": "school", "svc": "service",
    "serv": "services", "svcs": "services", "soln": "solution", "solns": "solutions", "st": "saint",
    "sys": "systems", "tech": "technology", "techs": "technologies", "trans": "transport",
    "univ": "university", "whsle": "wholesale",
}  # fmt: skip
_TITLES = frozenset(
    "mr mrs ms miss mx dr prof professor sir dame hon rev fr mister madam jr jnr sr snr esq phd md cpa ca"
    " qc kc".split()
)
# Mail services that give anybody an address: two customers of one have nothing in common.
_FREE_MAIL = frozenset(
    "gmail googlemail outlook hotmail live msn yahoo ymail rocketmail icloud me mac aol gmx web mail proton"
    " protonmail pm fastmail hey tutanota yandex qq 163 126 bigpond optusnet iinet tpg ozemail westnet"
    " internode dodo adam aapt xtra slingshot btinternet btopenworld sky virginmedia talktalk ntlworld"
    " tiscali blueyonder plusnet eircom comcast verizon att sbcglobal bellsouth cox charter earthlink shaw"
    " rogers telus sympatico bell mweb telkomsa vodamail webmail singnet starhub netvigator hkstar".split()
)
_TAX_LABEL = re.compile(
    r"^\W*(?:tax|abn|acn|arbn|nzbn|gst|ird|vat|ein|tin|uen|crn|brn|utr|bn|hst|no|number|num|nr|reg|id)\b\W*",
    re.IGNORECASE,
)
# Prefixes by which a tax number says its country, all of which are written or left out as people please.
_TAX_PREFIX = re.compile(
    r"(?:AU|NZ|GB|UK|XI|IE|US|ZA|SG|CA|HK|AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IT|LT|LU|LV|MT|NL|PL|PT"
    r"|RO|SE|SI|SK|CHE|NO)(?=[A-Z0-9]{7,})(?=[A-Z]?[0-9]{5})"
)
# What follows a tax number in some countries.
_TAX_TAIL = re.compile(r"(?<=[0-9])\W*(?:MWST|TVA|IVA|MVA|VAT|GST)\W*$", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\"|/\\]+@[^\s@,;:<>()\[\]\"|/\\]+\.[^\s@,;:<>()\[\]\"|/\\]*[^\W\d_]")
# Who is written where a form insists on an address.
_NOBODY_THERE = re.compile(
    r"(?:na|none|no|nil|null|unknown|no-?e?-?mail|none-?given|not-?(?:provided|given|known)|do-?not-?reply"
    r"|no-?reply|test|example|asdf|xx+)"
)
# A number that tells two things apart has at least so many digits, and not the same one all through.
_TELLING = 5
# Several phone numbers in one text, each of which has at least so many digits.
_BETWEEN_NUMBERS = re.compile(r"[/;,|]|\bor\b")
_WHOLE = 7
# Tax numbers are looked for by so many of their first characters, and of their last.
_EDGE = 8
# Shorter words of a name are no keys.
_WORD = 3
# How a name is sketched: so many keys, each of so many numbers.
_BANDS, _ROWS = 16, 4


def company(value: Any) -> str:
    """A company's name without case, accents, punctuation and legal form, short forms written out.

    What comes after "trading as" (T/A, DBA, ATF) stays part of it: see :func:`company_names`.
    """
    return " ".join(company_names(value))


def company_names(value: Any) -> tuple[str, ...]:
    """The names that a company goes by in one text: "Smith Pty Ltd T/A Harbour Bakery" holds two."""
    return _company_names(text(value)[:MAX_NAME])


@lru_cache(maxsize=20_000)
def _company_names(name: str) -> tuple[str, ...]:
    found = []
    for part in _TRADING_AS.split(name):
        words = fold(part).split()
        while len(words) > 1 and _is_form(words[-1]):
            words = fold(" ".join(words[:-1])).split()  # another form may stand before it
        words = [_SHORT.get(word, word) for word in words if word != "and" or len(words) == 1]
        if words:
            found.append(" ".join(words))
    return tuple(dict.fromkeys(found))


def _is_form(word: str) -> bool:
    if word in _MORE_FORMS or (len(word) == 3 and "".join(sorted(word)) in _JUMBLED):
        return True
    if len(word) < 5:
        return False
    from rapidfuzz.distance import OSA

    return any(OSA.distance(word, form, score_cutoff=1) <= 1 for form in _MISSPELT)


def person(value: Any) -> str:
    """A person's name without case, accents, punctuation and titles; "Doe, Jane" is "jane doe"."""
    whole = text(value)[:MAX_NAME]
    last, comma, first = whole.partition(",")
    if comma and fold(first) and fold(first) not in _TITLES:
        whole = f"{first} {last}"
    # fold would take a surname that looks like a legal form ("Ag", "Co") off the end: it is kept.
    words = fold(f"{whole} x").split()[:-1]
    kept = [word for word in words if word not in _TITLES]
    return " ".join(kept or words)


def first_word(value: Any) -> str:
    """The first word of a company's name, in its normal form."""
    return company(value).partition(" ")[0]


def name_keys(value: Any) -> list[str]:
    """Keys of a company's name: two spellings of it nearly always share one, two names seldom."""
    return _keys(company_names(value))


def person_keys(value: Any) -> list[str]:
    """The same of a person's name."""
    name = person(value)
    return _keys((name,) if name else ())


def _keys(names: Sequence[str]) -> list[str]:
    """Each word; each two neighbouring words, in either order; and the sketch of each name."""
    found: dict[str, None] = {}
    for name in names:
        parts = name.split()
        found |= dict.fromkeys(part for part in parts if len(part) >= _WORD)
        found |= dict.fromkeys(" ".join(sorted(pair)) for pair in pairwise(parts))
    for name in names:
        found |= dict.fromkeys(_sketch(name.replace(" ", "")))
    return list(found)


def _sketch(plain: str) -> list[str]:
    """Keys of which two texts share one the more likely, the more pairs of letters they have in common:
    MinHash with bands (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4).

    Where the pairs stand does not matter, so words may be swapped or written together, and a slip of the pen
    touches two or three. Texts with three quarters of their pairs in common share a key in 998 cases of 1000,
    with a third in 180, with a twelfth in one.
    """
    if len(plain) < 2:
        return [plain] if plain else []
    least = [min(column) for column in zip(*map(_hashes, {a + b for a, b in pairwise(plain)}), strict=True)]
    rows = range(0, len(least), _ROWS)
    return [f"~{band:x}{_digest(least[start : start + _ROWS])}" for band, start in enumerate(rows)]


@lru_cache(maxsize=4_000)
def _hashes(pair: str) -> tuple[int, ...]:
    """So many numbers of a pair of letters, as if drawn by lot, the same on every machine."""
    drawn = b"".join(
        hashlib.blake2b(pair.encode("utf-8", "replace"), person=bytes([part])).digest()
        for part in range(_BANDS * _ROWS // 16)
    )
    return struct.unpack(f"<{_BANDS * _ROWS}I", drawn)


def _digest(numbers: Sequence[int]) -> str:
    """A short text for some numbers."""
    return hashlib.blake2b(repr(numbers).encode(), digest_size=5).hexdigest()


def email_keys(value: Any) -> list[str]:
    """The e-mail addresses that a text holds, in lower case, without those that stand for none
    ("none@none.com")."""
    found = (address.strip(".'") for address in _ADDRESS.findall(email_key(value)[:MAX_NAME]))
    return [address for address in dict.fromkeys(found) if not _reaches_nobody(address)]


def _reaches_nobody(address: str) -> bool:
    mailbox, _, domain = address.partition("@")
    return any(_NOBODY_THERE.fullmatch(part) for part in (mailbox, domain.partition(".")[0]))


def email_domain(value: Any) -> str:
    """The domain of a text's first e-mail address; empty when it is one of a service that anybody can use."""
    domain = next(iter(email_keys(value)), "").rpartition("@")[2]
    labels = domain.split(".")
    return "" if len(labels) < 2 or labels[0] in _FREE_MAIL else domain


def _tells(number: str) -> bool:
    """Whether a number can tell two things apart: "000 000", "n/a" and "123" cannot."""
    found = [c for c in number if c.isdecimal()]
    return len(found) >= _TELLING and len(set(found)) > 1


def phone(value: Any, country: str = "") -> str:
    """A phone number with its country's code and nothing but digits after the plus: "+61295551234". Of
    several in one text it is the first.

    ``country``: two letters, where numbers without a country's code are taken to be. Empty when the text
    holds no number, or one that stands for none (000 000, 123). Without a country, a number that does not
    say its own is given as its digits.
    """
    written = text(value)[:MAX_NAME].strip()
    parts = [part.strip() for part in _BETWEEN_NUMBERS.split(written)]
    several = len(parts) > 1 and all(len(digits(part)) >= _WHOLE for part in parts)
    return _phone(parts[0] if several else written, country.upper())


@lru_cache(maxsize=20_000)
def _phone(written: str, country: str) -> str:
    import phonenumbers  # large, and needed by specs that compare phone numbers only

    if country and country not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{country} is not a country: two letters, such as AU")
    if not _tells(written):
        return ""
    try:
        number = phonenumbers.parse(written, country or None)
    except phonenumbers.NumberParseException:
        return "".join(c for c in written if c.isdecimal())
    if written.startswith("00") and not phonenumbers.is_possible_number(number):
        return _phone(f"+{written[2:]}", country)  # as most of the world dials abroad
    return f"+{number.country_code}{phonenumbers.national_significant_number(number)}"


def tax_number(value: Any) -> str:
    """A tax number's letters and digits in upper case, without what it is called and its country's prefix:
    "ABN 53 004 085 616" is "53004085616", "IE 6388047V" is "6388047V". Empty for words that are written where
    there is none ("exempt", "N/A", zeros)."""
    written, before = text(value)[:MAX_NAME], ""
    while written != before:
        before, written = written, _TAX_LABEL.sub("", written)
    return _TAX_PREFIX.sub("", alnum(_TAX_TAIL.sub("", written)), count=1) if _tells(written) else ""


def tax_keys(value: Any) -> list[str]:
    """Keys of a tax number, of which a number that is part of it (an ACN of an ABN) shares one."""
    number = tax_number(value)
    return list(dict.fromkeys((f"{number[:_EDGE]}*", f"*{number[-_EDGE:]}"))) if number else []


def unpadded(value: Any) -> str:
    """The text without the zeros before its numbers: "INV-00012" is "INV-12"."""
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", text(value))


def number_keys(value: Any) -> list[str]:
    """Keys of a document's or an article's number: its letters and digits, also without leading zeros."""
    return [key for key in dict.fromkeys((alnum(value), alnum(unpadded(value)))) if key]


def place(value: Any) -> str:
    """A town's name as it is compared: "St. Kilda" is "saint kilda"."""
    return " ".join(_SHORT.get(word, word) for word in fold(text(value)[:MAX_NAME]).split())


NORMAL_FORMS: Mapping[str, Callable[..., Any]] = {
    "company": company,
    "email_domain": email_domain,
    "email_keys": email_keys,
    "first_word": first_word,
    "name_keys": name_keys,
    "number_keys": number_keys,
    "person": person,
    "person_keys": person_keys,
    "phone": phone,
    "place": place,
    "tax_keys": tax_keys,
    "tax_number": tax_number,
    "unpadded": unpadded,
}
