"""All promises, in the order in which they are tried."""

from __future__ import annotations

from syncline.connect.conformance.describing import DESCRIBING
from syncline.connect.conformance.failing import FAILING
from syncline.connect.conformance.itemising import ITEMISING
from syncline.connect.conformance.losing import LOSING
from syncline.connect.conformance.promise import Promise
from syncline.connect.conformance.reading import READING
from syncline.connect.conformance.secrecy import SECRECY
from syncline.connect.conformance.signing_in import SIGNING_IN
from syncline.connect.conformance.writing import WRITING

PROMISES: tuple[Promise, ...] = (
    *DESCRIBING.promises,
    *SIGNING_IN.promises,
    *READING.promises,
    *WRITING.promises,
    *ITEMISING.promises,
    *LOSING.promises,
    *FAILING.promises,
    *SECRECY.promises,
)
