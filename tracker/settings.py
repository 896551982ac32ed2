"""The settings of the program: the environment, else the file .env."""
from __future__ import annotations

import functools
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from tracker import fields
from tracker.errors import Unavailable

BACKUPS = "backups"  # the folder of them in the data folder
MOST_SECONDS = 2_147_483  # in milliseconds the most that PostgreSQL takes
installed = False  # whether this is the installed command isp-tracker, and not main.py


def command(words: str) -> str:
    """Return what is typed to run a command of the program, such as upgrade."""
    return f"isp-tracker {words}" if installed else f"python main.py {words}"


class LateFee(NamedTuple):
    """What a bill costs that is so many days late."""

    amount: Decimal
    after_days: int


def _env_path() -> Path | None:
    """Return where .env stands: beside main.py; an installed program has it in the user's configuration folder, if any.

    A path from wherever the program is started is none: any folder could then change the settings.
    """
    if not installed:
        return Path(__file__).parents[1] / ".env"
    if os.geteuid() == 0:
        return Path("/etc/isp-customer-tracker/.env")
    import platformdirs  # only where needed

    try:
        path = Path(platformdirs.user_config_dir("isp-customer-tracker")) / ".env"
    except (RuntimeError, KeyError):
        return None
    return path if path.is_absolute() else None


@functools.cache
def _env_file() -> dict[str, str | None]:
    path = _env_path()
    if not path or not path.exists():
        return {}
    from dotenv import dotenv_values  # only where needed: it takes as long to import as a query takes
    try:
        return dotenv_values(path)
    except (OSError, UnicodeDecodeError):
        raise Unavailable(f"{path} cannot be read as UTF-8 text.") from None


def get(name: str, default: str = "") -> str:
    """Return a setting from the environment, else from .env, else the default."""
    return os.environ.get(name) or _env_file().get(name) or default


def data_folder() -> Path:
    """Return the folder of the embedded database and of the log: ISP_DATA_DIR, else the user's own, or root's.

    A path from wherever the program is started would be another, empty database in each place. Raise Unavailable for
    such a one, and when there is none.
    """
    chosen = get("ISP_DATA_DIR")
    if not chosen and os.geteuid() == 0:
        return Path("/var/lib/isp-customer-tracker")
    import platformdirs  # only where needed

    try:
        folder = Path(chosen or platformdirs.user_data_dir("isp-customer-tracker")).expanduser()
    except (RuntimeError, KeyError):
        raise Unavailable(f"ISP_DATA_DIR is {chosen}, but there is no such home folder; set it to a whole path, such "
                          "as /srv/isp-customer-tracker." if chosen else
                          "There is no home folder for the data; set ISP_DATA_DIR to a folder.") from None
    if not folder.is_absolute():
        raise Unavailable(f"The data folder {chosen or folder} would be another one wherever the program is started; "
                          "set ISP_DATA_DIR to a whole path, such as /srv/isp-customer-tracker.")
    return folder


def whole_number(name: str, default: int, most: int = MOST_SECONDS) -> int:
    value = get(name, str(default))
    if not re.fullmatch(r"[1-9][0-9]{0,6}", value, re.ASCII) or int(value) > most:
        raise Unavailable(f"{name} must be a whole number from 1 to {most}.")
    return int(value)


def is_set(name: str) -> bool:
    """Return whether a setting that is yes or no is yes; raise Unavailable when it is neither."""
    value = get(name, "no").casefold()
    if value not in ("yes", "no"):
        raise Unavailable(f"{name} must be yes or no.")
    return value == "yes"


def country_code() -> str:
    """Return the digits of COUNTRY_CODE, which phone numbers have that are written without one; nothing when unset."""
    code = get("COUNTRY_CODE")
    if not re.fullmatch(r"(\+?[1-9][0-9]{0,2})?", code, re.ASCII):
        raise Unavailable("COUNTRY_CODE must be a country's telephone code, such as 44.")
    return code.lstrip("+")


def late_fee() -> LateFee | None:
    """Return the late fee of LATE_FEE and LATE_FEE_AFTER_DAYS; None when both are unset."""
    amount, days = get("LATE_FEE"), get("LATE_FEE_AFTER_DAYS")
    if not amount and not days:
        return None
    try:
        if not re.fullmatch("[1-9][0-9]{0,2}", days, re.ASCII):
            raise ValueError
        return LateFee(fields.positive_amount(amount), int(days))
    except ValueError:
        raise Unavailable("LATE_FEE must be an amount such as 5.00, and LATE_FEE_AFTER_DAYS a whole number of days "
                          "from 1 to 999: set both, or neither.") from None
