"""What goes wrong, each kind a class whose text is one sentence for the administrator; and each rule's sentence."""
from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    "payment_allocations_own_bill": "A payment pays only its own customer's bills and refunds, and a void one none.",
    "payment_allocations_rule_sums": "Paid sums follow the payments' allocations and are not changed by hand.",
    "customers_email_form": "An e-mail address has one @ between its two parts, no spaces, and at most 254 characters.",
    "customers_account_number_form": "An account number is one line of 1 to 50 characters, with no spaces around it.",
    "customers_account_number_once": "Another customer has that account number.",
    "customers_closed_range": "An account is closed on a day between 2000-01-01 and 2199-12-31.",
    "customers_erased_closed": "Only a closed account can be erased.",
    "customers_erased_stays": "The customer is erased, and nobody knows any more who that was.",
    "customers_merged_into": "The customer whom this one was merged into no longer exists, or has others merged in.",
    "customers_erased_settled": "Only a closed account with nothing to pay and no credit can be erased.",
    "customers_merged_for_good": "A customer who was merged into another one stays so.",
    "customers_merged_into_open": "Customers are merged into one whose account is open, and none that is erased.",
    "customers_account_open": "The account is closed; reopen it first.",
    "customers_merged_closed": "A customer is merged into another one, and is closed with that.",
    "services_days_range": "A service's days lie between 2000-01-01 and 2199-12-31.",
    "services_days_in_order": "A service's last day is not before its first.",
    "service_pauses_pkey": "A pause with that ID exists already.",
    "service_pauses_service": "That service no longer exists.",
    "service_pauses_range": "A pause's days lie between 2000-01-01 and 2199-12-31.",
    "service_pauses_in_order": "A pause's last day is not before its first.",
    "service_pauses_apart": "The service is paused on some of these days already.",
    "unsettled_services_pkey": "That service is noted as unsettled already.",
    "price_changes_pkey": "A change of price with that ID exists already.",
    "price_changes_service": "That service no longer exists.",
    "price_changes_once_a_day": "The price of that service changes on that day already.",
    "price_changes_range": "A price changes on a day between 2000-01-01 and 2199-12-31.",
    "price_changes_cost_not_negative": "A service's monthly cost is 0 or more.",
    "equipment_retired": "What is written off stands nowhere.",
    "equipment_moves_pkey": "A move with that ID exists already.",
    "equipment_moves_equipment": "That equipment no longer exists.",
    "customer_notes_pkey": "A note with that ID exists already.",
    "customer_notes_customer": "That customer no longer exists.",
    "customer_notes_length": "A note has 1 to 2000 characters and is not blank.",
    "customer_notes_says": "A note has a text, or a promise.",
    "customer_notes_promise": "A promise is of an amount above 0, and until a day.",
    "customer_notes_range": "A promise is until a day between 2000-01-01 and 2199-12-31.",
    "billing_cancelled_is_empty": "A deleted bill is over nothing.",
    "billing_cancelled_for_good": "A deleted bill stays so.",
    "billing_late_fee_for": "The bill has a late fee, which is deleted first, or is no longer there.",
    "billing_late_fee_once": "That bill has its late fee already.",
    "billing_items_days": "A line's days are of one month, and as many as it says.",
    "payments_kind_known": "What is recorded is a payment, a credit note, a write-off or a refund.",
    "payments_from_bill": "The bill that the credit note is from no longer exists.",
    "payments_reason_length": "A reason has 1 to 200 characters and is not blank.",
    "payments_bank_line": "A payment comes by a line of the bank that exists.",
    "bank_formats_pkey": "A bank's way to write files has an ID of its own.",
    "bank_formats_name_length": "A bank's name has 1 to 50 characters and is not blank.",
    "bank_formats_name_once": "There is a bank of that name.",
    "bank_lines_pkey": "A line of the bank has an ID of its own.",
    "bank_lines_once": "That line of the bank is there already.",
    "bank_lines_range": "A line of the bank is of a day from 2000-01-01 to 2199-12-31.",
    "bank_lines_positive": "A line of the bank is over more than 0.",
    "bank_lines_not_overbooked": "No more can be booked of a line of the bank than it has.",
    "bank_lines_length": "A payer has up to 300 characters, an account 100, a reference 1000.",
    "bank_lines_set_aside": "Whoever sets a line of the bank aside is noted with the day.",
    "bank_lines_booked_while_open": "That line of the bank was set aside as no customer's; nothing was written.",
    "payments_reason_given": "A credit note or write-off has a reason; a payment or refund has none.",
    "payments_refunded_stays": "It was refunded, in part at least; void the refund first.",
    "payment_allocations_refund": "That refund no longer exists.",
    "payment_allocations_of_one": "Money goes to one bill, or into one refund.",
    "work_locks_pkey": "That work is known already.",
    "verifications_pkey": "A verification with that ID is noted already.",
    "verifications_counts_not_negative": "A verification counts bills, payments and findings from 0 on.",
    "verifications_first_finding": "A verification with findings says the first of them, in 1000 characters at most.",
    "backups_pkey": "A backup with that ID is noted already.",
    "backups_bytes_positive": "A backup's size is more than 0.",
    "backups_path_length": "A backup's path has 1 to 5000 characters.",
    "trail_pkey": "A change with that ID is noted already.",
    "trail_kind_known": "A change is added, changed or deleted.",
    "trail_knows_deletions": "Tables are emptied by DELETE, which the trail knows of, and not by TRUNCATE.",
    "payment_allocations_never_edited": "Allocations are never edited, only released, today; void the payment instead.",
}

# The field of a form that each rule is about, under the name that the functions of database.py give it.
FIELDS = {
    "service_pauses_apart": "first_day",
    "customers_name_length": "name",
    "customers_name_nfc": "name",
    "customers_phone_form": "phone_number",
    "customers_email_form": "email",
    "customers_account_number_form": "account_number",
    "customers_account_number_once": "account_number",
    "locations_address_length": "address",
    "locations_address_nfc": "address",
    "locations_address_once": "address",
    "services_name_length": "service_name",
    "services_name_nfc": "service_name",
    "services_cost_not_negative": "cost",
    "services_days_range": "started_on",
    "services_days_in_order": "started_on",
    "equipment_name_length": "equipment_name",
    "equipment_name_nfc": "equipment_name",
    "equipment_serial_length": "serial_number",
    "equipment_serial_once": "serial_number",
    "equipment_cost_not_negative": "cost",
    "billing_description_length": "description",
    "billing_description_nfc": "description",
    "billing_amount_not_negative": "amount",
    "billing_not_overpaid": "amount",
}


# What libpq, a server or a pooler says of a connection that fails (without what stands in quotes), and what that means;
# the first that fits, so that of several servers the one that spoke counts.
UNREACHABLE = {
    r"root certificate file \S+ does not exist|root certificate file does not exist":
        "sslmode asks for a root certificate, and there is none on this machine; name its file by sslrootcert in "
        "DATABASE_URI.",
    r"does not match host name|server certificate for":
        "The certificate of the server at {where} is another host's; write the name that it is for into DATABASE_URI.",
    r"certificate verify failed|certificate has expired|self.signed certificate":
        "The certificate of the server at {where} has expired, or no root that sslrootcert names has signed it.",
    r"valid client certificate":
        "The server at {where} wants a client certificate; name one by sslcert and sslkey in DATABASE_URI.",
    r"could not (open|read|load) certificate file|private key file|certificate present, but not":
        "The client certificate or its key cannot be used here; check sslcert and sslkey in DATABASE_URI.",
    r"does not support SSL|sslmode value .* invalid when SSL":
        "There is no SSL with {where}, and sslmode in DATABASE_URI asks for it.",
    r"SSL(/TLS)? (is )?required":
        "The server at {where} wants SSL; add sslmode=require to DATABASE_URI.",
    r"(Peer|Ident) authentication failed":
        "The server at {where} lets that user in only as the system user of that name; name another in DATABASE_URI.",
    r"authentication failed|auth failed":
        "The server at {where} refused the user or password for {database}.",
    r"no password supplied":
        "The server at {where} wants a password; put it into DATABASE_URI.",
    r"channel binding required|authentication method requirement":
        "The server at {where} does not check passwords in the way that DATABASE_URI demands.",
    r"pg_hba\.conf":
        "The pg_hba.conf of the server at {where} does not let that user into {database} from here; it may want "
        "sslmode=require.",
    r"not permitted to log in":
        "The user in DATABASE_URI may not log in at {where}; ALTER ROLE … LOGIN allows it.",
    r"permission denied for database":
        "The user in DATABASE_URI may not connect to {database} at {where}; GRANT CONNECT allows it.",
    r"database (\S+ )?does not exist|no such database|invalid database":
        "The server at {where} has no {database}.",
    r"role (\S+ )?does not exist|no such user":
        "The server at {where} has no such user.",
    r"not currently accepting connections":
        "At {where}, {database} takes no connections now; try again later, or ask who keeps it closed.",
    r"too many|connection slots|no more connections allowed|query_wait_timeout":
        "The server at {where} has no connection to spare; try again in a moment.",
    r"Hot standby mode is disabled":
        "The server at {where} is a standby that takes no connections; name the primary in DATABASE_URI.",
    r"starting up|not yet accepting|recovery mode":
        "The server at {where} is starting or recovering; try again in a moment.",
    r"shutting down|terminating connection":
        "The server at {where} is shutting down; try again once it is back.",
    r"session is read-only|server is in hot standby mode":
        "Of the servers at {where} those that answer are standbys or read-only, and target_session_attrs asks for one "
        "that takes changes; try again once there is one.",
    r"session is not read-only|server is not in hot standby mode":
        "No server at {where} is a standby, which target_session_attrs in DATABASE_URI asks for.",
    r"unsupported startup parameter":
        "The pooler at {where} takes no options at the start; leave them out of DATABASE_URI.",
    r"cannot connect to server|server login|server_login_retry|failed to connect to server":
        "The pooler at {where} answers, and does not reach its own server; see whether that runs.",
    r"configuration parameter|invalid value for parameter|requires a value|invalid command-line argument|set parameter":
        "The server at {where} does not take the options in DATABASE_URI.",
    r"invalid \w+ value|invalid integer value|invalid port number|invalid connection option|definition of service"
    r"|could not parse network address|missing . after":
        "A value in DATABASE_URI, or in a PG… variable of the environment, means nothing to PostgreSQL; look at "
        "{option}.",
    r"translate host name":
        "The host {host} cannot be found; check DATABASE_URI.",
    r"unexpected|invalid response|expected authentication|received invalid|reset by peer|SSL error|SSL SYSCALL":
        "What answers at {where} does not talk as PostgreSQL does, or hung up; check host, port and sslmode in "
        "DATABASE_URI.",
    r"timeout expired|timed out":
        "Nothing answered in time at {where}; check DATABASE_URI and the network.",
    r"No route to host|[Uu]nreachable|Host is down":
        "The network has no way to {where}; check DATABASE_URI and the network.",
    r"failed: Permission denied":
        "This system user may not open the socket at {where}; run as another, or name a host in DATABASE_URI.",
    r"refused|No such file":
        "Nothing answers at {where}; is PostgreSQL running there?",
    r"": "Cannot connect to {database} at {where}; check DATABASE_URI and that the server runs.",
}


def why_unreachable(said: str, where: str, host: str, database: str) -> str:
    """Return the sentence for what libpq said of a connection that failed; nothing of that is repeated but an option's
    name.
    """
    if 'parameter "TimeZone"' in said:
        return "The server does not know the time zone in TIMEZONE; use a name such as Europe/Paris."
    option = re.search(r'invalid (?!integer)(\w+) value|connection option "(\w+)"|invalid (port)|(service) ', said)
    named = next(filter(None, option.groups()), "") if option else ""
    plain = re.sub(r'"[^"]*"', '""', said)
    sentence = next(sentence for sign, sentence in UNREACHABLE.items() if re.search(sign, plain))
    return sentence.format(where=where, host=host, database=database, option=named or "each")


# What a server says of a login that it does not let in, in English; what nothing in UNREACHABLE fits is one, too, since
# servers say it in other languages.
REFUSALS = (
    r"authentication failed|auth failed|no password supplied|not permitted to log in|role .*does not exist|no such user"
    r"|pg_hba\.conf|permission denied for database"
)


def is_refusal(said: str) -> bool:
    """Tell whether what libpq said of a connection that failed may be about who wanted in."""
    plain = re.sub(r'"[^"]*"', '""', said)
    known = next(sign for sign in UNREACHABLE if re.search(sign, plain))
    return not known or names_refusal(said)


def names_refusal(said: str) -> bool:
    """Tell whether what libpq said is surely about who wanted in."""
    return re.search(REFUSALS, re.sub(r'"[^"]*"', '""', said)) is not None


class Error(Exception):
    """Something the administrator must know, as one sentence; each kind has its exit code and its HTTP status."""

    exit_code = 1
    http_status = 400


class Cancelled(Exception):
    """The administrator left the form: Ctrl-C, Ctrl-D, or the end of piped input."""

    exit_code = 1


class Left(Cancelled):
    """The administrator left a question by 0, q or Enter, before anything was entered; there is nothing to say."""


class WrongAnswer(Exception):
    """An answer was refused where nobody is there to mend it; what follows it was meant for another question."""

    exit_code = 1

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"Stopped at input line {line}: {why}")


class NotFound(Error):
    http_status = 404

    def __init__(self, kind: str, row_id: int | str) -> None:
        super().__init__(f"There is no {kind} {row_id}.")


class Conflict(Error):
    """A rule of the data forbids it, about the field that it names, if it is about one; nothing was written."""

    http_status = 409

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


class Changed(Conflict):
    """Somebody changed the same fields since they were shown; nothing was written. present is the record now."""

    def __init__(self, present: Mapping[str, Any]) -> None:
        super().__init__("Somebody changed that meanwhile; nothing was written. Look again.")
        self.present = present


class Forbidden(Error):
    """This login, or this server, takes no changes."""

    http_status = 403


class SignInRefused(Error):
    """The server does not let this login in with this password, or not any more."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__("That login and password are not let in here; try again, or ask who looks after people.")


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

    def __init__(self, reading: bool = False) -> None:
        super().__init__(f"The connection to the database was lost; {_left(reading)}. Try again.")


class NoAnswer(Unavailable):
    """The server fell silent before COMMIT was sent; nothing was written, and trying again now would wait as long."""

    def __init__(self, reading: bool = False) -> None:
        super().__init__(f"The server does not answer; {_left(reading)}. Try again when it does.")


def _left(reading: bool) -> str:
    return "not everything was read" if reading else "nothing was written"


class NotToBeSeen(Unavailable):
    """The tables are not to be looked at by this login."""

    http_status = 403


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
        super().__init__("The lines do not show what separates the columns.")


class BadEncoding(BadFile):
    """The file's bytes are no text in the encoding that is given."""


class UnclearEncoding(BadFile):
    """The file's bytes do not show their encoding; candidates are the likeliest, each with how it reads some names."""

    def __init__(self, candidates: list[tuple[str, list[str]]], name: str) -> None:
        super().__init__(f"{name} is not UTF-8, and does not show what it is.")
        self.candidates = candidates


class NoHeader(BadFile):
    """The file's first line is no header, but one of its records."""


class UnclearMapping(BadFile):
    """Which column is which field must be said; example is how, as FIELD=HEADER. missing is the field that a record
    has no column for, where a constant would do as well.
    """

    def __init__(self, sentence: str, example: str, missing: str = "") -> None:
        super().__init__(sentence)
        self.example = example
        self.missing = missing


class UnclearAmounts(BadFile):
    """A column of amounts does not show its decimal sign, or not one alone; example is a cell of it."""

    def __init__(self, sentence: str, field: str, example: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.example = example


class UnclearDays(BadFile):
    """A column of dates does not show whether the day or the month comes first; example is a cell of it."""

    def __init__(self, sentence: str, example: str) -> None:
        super().__init__(sentence)
        self.example = example


class UnclearWords(BadFile):
    """What words of a status column mean must be said."""

    def __init__(self, sentence: str, words: list[str]) -> None:
        super().__init__(sentence)
        self.words = words


class UnclearPrices(BadFile):
    """What plans cost must be said."""

    def __init__(self, sentence: str, plans: list[str]) -> None:
        super().__init__(sentence)
        self.plans = plans


class UnclearDates(BadFile):
    """Several orders fit every date of the file; readings has an example of each: DMY, MDY or YMD and what it says."""

    def __init__(self, written: str, readings: Mapping[str, str]) -> None:
        super().__init__(f"The dates do not show whether day or month comes first: {written} may be "
                         f"{' or '.join(readings.values())}.")
        self.written = written
        self.readings = dict(readings)


class UnclearDecimals(BadFile):
    """The amounts do not tell, or tell differently, whether a comma or a point stands before the cents."""


class FileExists(BadFile):
    http_status = 409

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists already.")
