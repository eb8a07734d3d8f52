"""Made-up companies as two systems hold them: the same ones, typed by different people, with the truth known.

Everything comes from one seed: the same call gives the same companies, on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_OWNERS = """Abbott Adeyemi Ahearn Albers Almeida Anders Ashcroft Attard Bagot Baines Banerjee Barlow Beaumont
Becker Bellamy Berg Bianchi Blackwood Boyle Brandt Bridges Brogan Bruce Burgess Cahill Calvert Carey
Castellano
Chandra Cheng Clancy Coburn Connolly Cordero Cowan Crane Cullen Dalton Dawson Delaney Demir Dixon Donovan
Drake
Dubois Duffy Eastwood Eckhart Egan Ellery Esposito Fagan Farrell Fenwick Ferraro Finch Fischer Fleming Forde
Fraser Gallagher Garvey Gibson Goddard Gomez Grady Granger Grimes Gupta Hackett Halloran Hamid Harding Hartley
Hassan Hayward Healy Hendricks Herrera Hobbs Hogan Holt Horvath Hughes Hussain Ibarra Ingram Irving Jacobsen
Jarrett Jensen Joubert Kane Kapoor Keane Keller Kemp Khan Kirby Kowalski Kruger Lacey Lambert Larkin Laurent
Leary Lindqvist Lockwood Lombard Lowry Lucas Lynch Mackay Maguire Mahoney Malik Mandel Marsh Mbeki McArthur
McBride McCann McDowell McGrath McKenna Mercer Meyer Milne Mokoena Moreau Morley Müller Naidoo Nakamura Nash
Neale Newell Nguyen Nolan Norris Novák O'Brien O'Hara O'Neill Okafor Oliveira Orton Osborne Owens Paget Palmer
Parekh Parnell Pascoe Patel Pearce Peña Perrin Petrov Phelan Pillay Pires Platt Porter Pretorius Quinn Radford
Rafferty Ramos Ramsay Rasmussen Redmond Reyes Riordan Roche Rosario Rowe Ruiz Rutherford Salazar Sands Sawyer
Schmidt Scully Sharma Shaw Sheehan Silva Sinclair Singh Slater Söderberg Soto Spence Stack Stafford Steyn
Strand Sullivan Sutton Swift Tanaka Tate Teague Thorne Tierney Tobin Traore Trent Tully Turner Tyrrell
Underhill
Vance Varga Vaughan Venter Vickers Visser Wade Walcott Waters Weaver Webber Whelan Wilde Winslow Wong Woodley
Wyatt Xu Yates York Zammit Zhang Zimmer Zulu""".split()
_TRADES = """Accounting Advisory Air-Conditioning Apparel Architects Arborists Automotive Bakery Bathrooms
Bikes
Blinds Boats Books Brewing Builders Butchers Cabinets Carpentry Carpets Catering Ceramics Cleaning Clothing
Coatings Coffee Computers Concrete Couriers Curtains Dairy Demolition Dental Design Diesel Drainage Drilling
Electrical Engineering Excavations Fabrication Farms Fencing Fitness Flooring Florists Freight Furniture
Garages
Gardens Glass Granite Haulage Hire Homes Hotels Hydraulics Insurance Interiors Irrigation Jewellers Joinery
Kitchens Labels Landscapes Laundry Leather Lighting Locksmiths Logistics Machinery Marine Masonry Meats Metals
Mining Motors Music Nurseries Optical Packaging Painting Paving Pharmacy Photography Physio Plastics Plumbing
Pools Pottery Poultry Printing Quarries Refrigeration Removals Renovations Roofing Sails Scaffolding Seafoods
Security Sheds Signs Solar Stationery Steel Surveyors Tailors Tiles Timber Tools Towing Toys Trailers
Transport
Travel Tyres Upholstery Vending Veterinary Vineyards Waste Watches Welding Windows Wines Wool""".split()
_WIDER = ["International", "Services", "Australia", "Group", "Brothers", "Management", "Manufacturing", ""]
_SHORTER = {"International": "Intl", "Services": "Svcs", "Australia": "Aust", "Group": "Grp", "Brothers":
"Bros",
            "Management": "Mgmt", "Manufacturing": "Mfg", "Engineering": "Eng."}  # fmt: skip
_FORMS = [
    "Pty Ltd",
    "Limited",
    "Ltd",
    "LLC",
    "Inc",
    "PLC",
    "LLP",
    "(Pty) Ltd",
    "Pte Ltd",
    "Trust",
    "Co. Ltd",
    "",
]
_TOWNS = """Albury Ballarat Bendigo Brisbane Bunbury Cairns Canberra Darwin Dubbo Echuca Fremantle Geelong
Gosford
Hobart Ipswich Katoomba Launceston Mackay Maitland Melbourne Mildura Newcastle Orange Parramatta Perth
Rockhampton
Sydney Tamworth Toowoomba Townsville Wagga Whyalla Wodonga Wollongong""".split()
_FREE = ["gmail.com", "outlook.com", "bigpond.com", "yahoo.com.au"]
_ACCENTS = str.maketrans("éáíóúüöäñ", "eaiouuoan")

Values = dict[str, str]


@dataclass(frozen=True, slots=True)
class Company:
    """One company, and how each end holds it: no record, one, or (by mistake of its people) two."""

    number: int
    kind: str
    left: tuple[Values, ...] = ()
    right: tuple[Values, ...] = ()


@dataclass(slots=True)
class Dirt:
    """Makes companies, and retypes them as another person would."""

    seed: int = 20
    random: random.Random = field(init=False)
    _names: Iterator[str] = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        names = [f"{owner} {trade}" for owner in _OWNERS for trade in _TRADES]
        self.random.shuffle(names)
        self._names = iter(names)

    def companies(self, pairs: int) -> list[Company]:
        """So many companies that both ends have, and beside them in proportion: namesakes with another tax
        number and town, twins, and companies that one end alone has."""
        found = [self._pair() for _ in range(pairs)]
        for _ in range(pairs // 40):
            found += self._namesakes(both=False)
            found += self._namesakes(both=True)
            found.append(self._twins())
        for number in range(pairs // 10):
            side = "left" if number % 2 else "right"
            clean = self._clean()
            found.append(self._company(f"only {side}", **{side: (clean,)}))
        self.random.shuffle(found)
        return found

    def _company(self, kind: str, **records: tuple[Values, ...]) -> Company:
        self._number += 1
        return Company(self._number, kind, **records)

    def _pair(self) -> Company:
        clean = self._clean()
        return self._company("pair", left=(clean,), right=(self.retype(clean),))

    def _twins(self) -> Company:
        clean = self._clean()
        twin, other = self.retype(clean), self.retype(clean)
        records = {"left": (clean, twin), "right": (other,)}
        if self.random.random() < 0.5:
            records = {"left": (other,), "right": (clean, twin)}
        return self._company("twins", **records)

    def _namesakes(self, *, both: bool) -> list[Company]:
        """Two companies of one name, in two towns; each at one end, or each at both."""
        one, other = self._clean(), self._clean()
        towns = self.random.sample(_TOWNS, 2)
        one, other = {**one, "city": towns[0]}, {**other, "city": towns[1], "name": self._name(one["name"])}
        if not both:
            return [self._company("namesake", left=(one,)), self._company("namesake", right=(other,))]
        keep = {"city", "tax"}
        return [
            self._company("namesake", left=(clean,), right=(self.retype(clean, keep=keep),))
            for clean in (one, other)
        ]

    def _clean(self) -> Values:
        pick, name = self.random, next(self._names)
        wider = pick.choice(_WIDER) if pick.random() < 0.4 else ""
        form = pick.choice(_FORMS)
        whole = " ".join(part for part in (name, wider, form) if part)
        mailbox = pick.choice(
            ["info", "accounts", "office", name.split()[0].lower().translate(_ACCENTS).replace("'", "")]
        )
        domain = f"{name.lower().replace(' ', '').translate(_ACCENTS).replace(chr(39), '')}.com.au"
        if pick.random() < 0.25:
            mailbox, domain = f"{name.lower().replace(' ', '.').translate(_ACCENTS)}", pick.choice(_FREE)
        return {
            "name": whole,
            "email": f"{mailbox}@{domain}",
            "phone": f"0{pick.choice('23478')} {pick.randrange(5000, 9999)} {pick.randrange(1000, 9999)}",
            "tax": "".join(str(pick.randrange(10)) for _ in range(11)).replace("0", "5", 1),
            "city": pick.choice(_TOWNS),
        }

    def retype(self, clean: Values, keep: frozenset[str] | set[str] = frozenset()) -> Values:
        """The same company as another person has typed it: some things otherwise, some missing."""
        pick, found = self.random, dict(clean)
        found["name"] = self._name(clean["name"])
        found["phone"] = self._phone(clean["phone"])
        found["tax"] = self._tax(clean["tax"])
        if pick.random() < 0.3:
            found["email"] = found["email"].upper() if pick.random() < 0.5 else f" {found['email']} "
        if pick.random() < 0.1 and "city" not in keep:
            found["city"] = self._typo(found["city"])
        for name, share in (("email", 0.3), ("tax", 0.35), ("phone", 0.25), ("city", 0.3)):
            if name not in keep and pick.random() < share:
                found[name] = ""
        if pick.random() < 0.08:
            found["phone"] = (
                f"04{pick.randrange(10, 99)} {pick.randrange(100, 999)} {pick.randrange(100, 999)}"
            )
        if pick.random() < 0.05:
            found["email"] = f"sales@{clean['email'].partition('@')[2]}"
        return found

    def _name(self, name: str) -> str:
        pick = self.random
        changes: list[tuple[float, Callable[[str], str]]] = [
            (0.4, self._other_form),
            (0.5, lambda text: text.translate(_ACCENTS)),
            (0.3, lambda text: pick.choice([text.upper(), text.lower(), text.title()])),
            (0.2, lambda text: f"  {text.replace(' ', '  ')}"),
            (0.15, lambda text: " ".join(_SHORTER.get(word, word) for word in text.split())),
            (0.18, self._typo),
            (0.08, self._swapped),
            (0.06, lambda text: text.replace(" ", "", 1)),
            (0.1, lambda text: f"The {text}"),
        ]
        for share, change in changes:
            if pick.random() < share:
                name = change(name)
        return name

    def _other_form(self, name: str) -> str:
        form = next((form for form in _FORMS if form and name.endswith(f" {form}")), "")
        bare = name.removesuffix(form).strip()
        return f"{bare} {self.random.choice(_FORMS)}".strip()

    def _swapped(self, name: str) -> str:
        first, *rest = name.split()
        return " ".join([*rest[:1], first, *rest[1:]])

    def _typo(self, text: str) -> str:
        """One slip of the pen: a letter doubled, left out, changed, or two in the wrong order."""
        places = [n for n, c in enumerate(text) if c.isalpha() and 0 < n < len(text) - 1]
        if not places:
            return text
        at, how = self.random.choice(places), self.random.randrange(4)
        if how == 0:
            return text[:at] + text[at] + text[at:]
        if how == 1:
            return text[:at] + text[at + 1 :]
        if how == 2:
            return text[:at] + self.random.choice("aeiourstln") + text[at + 1 :]
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]

    def _phone(self, phone: str) -> str:
        digits = phone.replace(" ", "")
        return self.random.choice(
            [phone, digits, f"+61 {digits[1:]}", f"({digits[:2]}) {digits[2:]}", f"0011 61 {digits[1:]}"]
        )

    def _tax(self, tax: str) -> str:
        spaced = f"{tax[:2]} {tax[2:5]} {tax[5:8]} {tax[8:]}"
        return self.random.choice([tax, tax, spaced, f"ABN {spaced}", f"ABN: {tax}"])
