"""How each remote module is reached: its endpoint, its ids, and the rules of its lists.

Sources: Xero's published OpenAPI description of the Accounting API, version 16.1 (parameters of each
list); its API documentation, Requests and responses (paging). The largest page is 1000, of quotes 100.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class Kind(Struct, frozen=True, kw_only=True):
    """One module's way to Xero.

    ``path``: its endpoint; ``collection``: its name in bodies; ``type``: the ``Type`` that sets it apart
    from another module of the same endpoint; ``key``: the field by which other records may refer to one;
    ``number``: what tells one apart from all others, where Xero sees to that; ``known_by``: by which value,
    in this order, a create is recognised later; ``page_size``: of the largest page, 0 where the list comes
    whole; ``by_ids``: whether several are asked for by their ids in one call; ``single``: whether one has
    an address of its own; ``four_places``: whether unit prices have two decimals unless four are asked for;
    ``params``: what every list asks; ``counted``: what a list of live records alone asks, where it can.
    """

    path: str
    id: str
    collection: str = ""
    type: str | None = None
    key: str | None = None
    number: str | None = None
    known_by: tuple[str, ...] = ()
    page_size: int = 0
    counted: Mapping[str, str] | None = None
    by_ids: bool = False
    single: bool = False
    four_places: bool = False
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def listed(self) -> str:
        return self.collection or self.path

    @property
    def sized(self) -> bool:
        """Whether the size of its pages can be asked for; pages of a hundred are the only ones of quotes."""
        return self.page_size > 100

    @property
    def scope(self) -> dict[str, str]:
        """The parameters that make a list that of the module alone."""
        if self.type is None:
            return dict(self.params)
        return {**self.params, "where": f'Type=="{self.type}"'}


def _ledger(path: str, noun: str, kind: str, **more: object) -> Kind:
    where = f'Type=="{kind}"'
    live = (
        {"where": where, "Statuses": "DRAFT,SUBMITTED,AUTHORISED,PAID"}
        if noun == "Invoice"
        else {"where": f'{where} AND Status!="VOIDED" AND Status!="DELETED"'}
    )
    values: dict[str, object] = {"counted": live, "page_size": 1000, "single": True, "four_places": True}
    return Kind(path=path, id=f"{noun}ID", type=kind, **{**values, **more})  # type: ignore[arg-type]


KINDS: Mapping[str, Kind] = {
    "Contacts": Kind(
        path="Contacts",
        id="ContactID",
        number="Name",
        known_by=("ContactNumber", "Name"),
        page_size=1000,
        counted={},
        by_ids=True,
        params={"includeArchived": "true"},
    ),
    "Items": Kind(
        path="Items",
        id="ItemID",
        key="Code",
        number="Code",
        known_by=("Code",),
        single=True,
        four_places=True,
    ),
    "Invoices": _ledger(
        "Invoices",
        "Invoice",
        "ACCREC",
        number="InvoiceNumber",
        known_by=("InvoiceNumber",),
        by_ids=True,
    ),
    "Bills": _ledger("Invoices", "Invoice", "ACCPAY", by_ids=True),
    "CreditNotes": _ledger(
        "CreditNotes",
        "CreditNote",
        "ACCRECCREDIT",
        number="CreditNoteNumber",
        known_by=("CreditNoteNumber",),
    ),
    "SupplierCredits": _ledger("CreditNotes", "CreditNote", "ACCPAYCREDIT"),
    "Quotes": Kind(
        path="Quotes",
        id="QuoteID",
        number="QuoteNumber",
        known_by=("QuoteNumber",),
        page_size=100,
        single=True,
    ),
    "PurchaseOrders": Kind(
        path="PurchaseOrders",
        id="PurchaseOrderID",
        number="PurchaseOrderNumber",
        known_by=("PurchaseOrderNumber",),
        page_size=1000,
        single=True,
    ),
    "Payments": Kind(
        path="Payments",
        id="PaymentID",
        page_size=1000,
        counted={"where": 'Status=="AUTHORISED"'},
        single=True,
    ),
    "Currencies": Kind(path="Currencies", id="Code", key="Code"),
    "TaxRates": Kind(path="TaxRates", id="TaxType", key="TaxType"),
    "Accounts": Kind(path="Accounts", id="AccountID", key="Code"),
    "TrackingCategories": Kind(
        path="TrackingCategories",
        id="TrackingCategoryID",
        key="Name",
        params={"includeArchived": "true"},
    ),
    "BrandingThemes": Kind(path="BrandingThemes", id="BrandingThemeID", key="Name"),
    "Users": Kind(path="Users", id="UserID", key="EmailAddress"),
    "Organisation": Kind(path="Organisation", collection="Organisations", id="OrganisationID"),
}
