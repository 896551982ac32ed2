"""Fill an empty database with a made-up provider: python -m benchmarks.generate --customers 1000000."""
from __future__ import annotations

import argparse
import sys
import time

import database
from tracker import demo, errors, interrupts

MOST_CUSTOMERS = 20_000_000


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m benchmarks.generate",
        description="Fill an empty database, DATABASE_URI's or the embedded one, with a made-up provider.",
    )
    top.add_argument("--customers", type=int, default=10_000, help="how many (default %(default)s)")
    top.add_argument("--seed", type=int, default=1, help="another number makes another provider (default %(default)s)")
    return top


def main(argv: list[str] | None = None) -> int:
    """Generate; return 0, or 1 after one sentence when the database cannot be used."""
    command_line = parser()
    arguments = command_line.parse_args(argv)
    if not 1 <= arguments.customers <= MOST_CUSTOMERS:
        command_line.error(f"--customers must be from 1 to {MOST_CUSTOMERS}")
    begin = time.monotonic()

    def say(step: str) -> None:
        print(f"{time.monotonic() - begin:6.1f} s  {step}", flush=True)

    interrupts.install()
    try:
        database.connect()
        demo.fill(arguments.customers, arguments.seed, say)
        demo.enliven()
    except errors.Error as exc:
        print(exc, file=sys.stderr)
        return 1
    finally:
        database.disconnect()
    say(f"done: {arguments.customers} customers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
