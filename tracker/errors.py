"""What goes wrong, each kind a class whose text is one sentence for the administrator; and each rule's sentence."""
from __future__ import annotations

from pathlib import Path

RULES = {
    "money_amount_exact": "An amount has at most two decimals and ten digits before them.",
    "business_day_range": "A date lies between 2000-01-01 and 2199-12-31.",
    "schema_version_pkey": "This schema version is installed already.",
    "customers_pkey": "A customer with that ID exists already.",
    "customers_name_length": "A customer's name has 1 to 200 characters and is not blank.",
    "customers_name_nfc": "A customer's name must be in Unicode's composed form (NFC).",
    "customers_phone_form": "A phone number has 3 to 15 digits, spaces, + ( ) - . /, and perhaps an extension: ext 12.",
    "locations_pkey": "A location with that ID exists already.",
    "locations_customer": "That customer no longer exists.",
    "locations_address_length": "An address has 1 to 300 characters and is not blank.",
    "locations_address_nfc": "An address must be in Unicode's composed form (NFC).",
    "locations_address_once": "This customer already has a location with that address.",
    "services_pkey": "A service with that ID exists already.",
    "services_location": "That location no longer exists.",
    "services_name_length": "A service's name has 1 to 100 characters and is not blank.",
    "services_name_nfc": "A service's name must be in Unicode's composed form (NFC).",
    "services_cost_not_negative": "A service's monthly cost is 0 or more.",
    "equipment_pkey": "A piece of equipment with that ID exists already.",
    "equipment_location": "That location no longer exists.",
    "equipment_name_length": "The equipment's name has 1 to 100 characters and is not blank.",
    "equipment_name_nfc": "The equipment's name must be in Unicode's composed form (NFC).",
    "equipment_serial_length": "A serial number has 1 to 100 characters and is not blank.",
    "equipment_serial_once": "Another piece of equipment already has that serial number.",
    "equipment_cost_not_negative": "What equipment is worth is 0 or more.",
    "billing_pkey": "A bill with that ID exists already.",
    "billing_customer": "The customer has bills, or no longer exists.",
    "billing_description_length": "A bill's description has 1 to 200 characters and is not blank.",
    "billing_description_nfc": "A bill's description must be in Unicode's composed form (NFC).",
    "billing_period_first_day": "A billing period begins on the first day of a month.",
    "billing_once_a_period": "This customer already has a bill for that month.",
    "billing_amount_not_negative": "A bill's amount is 0 or more.",
    "billing_not_overpaid": "More would be paid on the bill than was billed.",
    "billing_items_pkey": "A bill line with that ID exists already.",
    "billing_items_bill": "That bill no longer exists.",
    "billing_items_description_length": "A bill line's description has 1 to 500 characters and is not blank.",
    "payments_pkey": "A payment with that ID exists already.",
    "payments_customer": "The customer has payments, or no longer exists.",
    "payments_entry_once": "This payment was recorded already.",
    "payments_amount_positive": "A payment's amount is more than 0.",
    "payments_not_overallocated": "More would be taken from the payment than it has left.",
    "payments_method_known": "A payment's method is cash, card, transfer, direct debit, cheque or other.",
    "payments_reference_length": "A payment's reference has 1 to 100 characters and is not blank.",
    "payments_void_reason_length": "The reason for a void has 1 to 200 characters and is not blank.",
    "payments_void_has_reason": "A void payment has a reason, and only a void one.",
    "payment_allocations_pkey": "An allocation with that ID exists already.",
    "payment_allocations_payment": "That payment no longer exists.",
    "payment_allocations_bill": "That bill no longer exists.",
    "payment_allocations_amount_positive": "An allocation's amount is more than 0.",
    "payment_allocations_own_bill": "A payment pays only its own customer's bills, and a void one none.",
    "payment_allocations_rule_sums": "Paid sums follow the payments' allocations and are not changed by hand.",
    "payment_allocations_never_edited": "Allocations are never edited; void the payment instead.",
}


class Error(Exception):
    """Something the administrator must know, as one sentence; each kind has its exit code and its HTTP status."""

    exit_code = 1
    http_status = 400


class Cancelled(Exception):
    """The administrator left the form: Ctrl-C, Ctrl-D, or the end of piped input."""

    exit_code = 1


class NotFound(Error):
    http_status = 404

    def __init__(self, kind: str, row_id: int) -> None:
        super().__init__(f"There is no {kind} {row_id}.")


class Conflict(Error):
    """A rule of the data forbids it; nothing was written."""

    http_status = 409


class Forbidden(Error):
    """This login, or this server, takes no changes."""

    http_status = 403


class Busy(Error):
    """Others hold what this needed, longer than it may wait; nothing was written."""

    http_status = 503


class Deadlock(Busy):
    """The server chose this transaction as the victim; nothing was written, and trying again helps."""


class Unavailable(Error):
    """The database cannot be reached, or cannot be used."""

    exit_code = 2
    http_status = 503


class ConnectionLost(Unavailable):
    """The connection broke before COMMIT was sent; nothing was written."""


class ServerError(Unavailable):
    """The embedded server cannot be used."""


class OutcomeUnknown(Error):
    """The connection broke while COMMIT was under way; it may or may not have been written."""

    http_status = 503

    def __init__(self) -> None:
        super().__init__("The connection was lost while saving: look whether it was saved before you enter it again.")


class Refused(Error):
    """The database refused for a reason that the program has no sentence for; nothing was written."""

    http_status = 500


class BadFile(Error):
    """The file cannot be read or written as it is; nothing was imported."""


class UnclearDelimiter(BadFile):
    def __init__(self) -> None:
        super().__init__("The header does not show what separates the columns.")


class BadEncoding(BadFile):
    """The file's bytes are no text in the encoding that is given."""


class UnclearMapping(BadFile):
    """Which column is which field must be said; example is how, as FIELD=HEADER."""

    def __init__(self, sentence: str, example: str) -> None:
        super().__init__(sentence)
        self.example = example


class FileExists(BadFile):
    http_status = 409

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists already.")
