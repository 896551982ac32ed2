"""The sites, services and devices of an import's customers, and which of them are stored.

Each step reads the temporary tables of tracker.transfer.people and of the steps before it; those that reject lines take
them out of import_lines.
"""
from __future__ import annotations

from tracker.cursor import Cursor

# How a line's service stands: what is said of it, or of all that the customer has.
STATE = """
    CASE
        WHEN service_status = 'closed' AND service_end >= CURRENT_DATE AND customer_status <> 'closed' THEN ''
        WHEN 'closed' IN (service_status, customer_status) OR service_end < CURRENT_DATE THEN 'closed'
        WHEN 'paused' IN (service_status, customer_status) THEN 'paused'
        WHEN 'active' IN (service_status, customer_status) THEN 'active'
        ELSE ''
    END
"""


def spell_sites_as_stored(cur: Cursor) -> None:
    """Give lines the stored address where that reads the same: another spelling is no other site, billed once more."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_addresses ON COMMIT DROP AS
        SELECT customer, location_id, address, address_folded
        FROM import_known
        JOIN locations USING (customer_id);

        CREATE INDEX ON import_addresses (customer);

        ANALYZE import_addresses;

        CREATE TEMPORARY TABLE import_respelt ON COMMIT DROP AS
        SELECT line, customer, address, folded(address) AS address_folded
        FROM import_lines
        WHERE address IS NOT NULL AND customer IN (SELECT customer FROM import_known)
          AND NOT EXISTS (
              SELECT FROM import_addresses AS exact
              WHERE exact.customer = import_lines.customer AND exact.address = import_lines.address
          );

        ANALYZE import_respelt;

        UPDATE import_lines
        SET address = stored.address
        FROM (
            SELECT line, min(import_addresses.address) AS address
            FROM import_respelt
            JOIN import_addresses USING (customer, address_folded)
            GROUP BY line
        ) AS stored
        WHERE stored.line = import_lines.line
        """
    )


def find_moves(cur: Cursor, is_whole: bool) -> None:
    """Fill import_moves with the sites that have another address in the file, and give lines the stored one.

    That is clear where a customer has one site here and one in the file, which is about all that customers have, and
    the customer is found by a number, or a service or device there is the same.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_moves ON COMMIT DROP AS
        SELECT customer, line, location_id, import_addresses.address AS old, import_respelt.address AS new
        FROM (SELECT customer, min(line) AS line FROM import_respelt GROUP BY customer) AS first
        JOIN import_respelt USING (customer, line)
        JOIN import_addresses USING (customer)
        JOIN import_known USING (customer)
        WHERE %(is_whole)s
          AND (SELECT count(*) FROM import_addresses AS here WHERE here.customer = first.customer) = 1
          AND import_addresses.address_folded <> import_respelt.address_folded;

        DELETE FROM import_moves AS move
        USING import_lines AS other
        WHERE other.customer = move.customer AND other.address <> move.new;

        DELETE FROM import_moves AS move
        USING import_known AS known
        WHERE known.customer = move.customer AND NOT is_sure
          AND NOT EXISTS (
              SELECT
              FROM import_lines
              JOIN services ON services.location_id = move.location_id
                           AND service_name_folded = folded(import_lines.service_name)
              WHERE import_lines.customer = move.customer
          )
          AND NOT EXISTS (
              SELECT
              FROM import_lines
              JOIN equipment ON equipment.location_id = move.location_id
                            AND serial_key(equipment.serial_number) = serial
              WHERE import_lines.customer = move.customer
          );

        UPDATE import_lines
        SET address = old
        FROM import_moves
        WHERE import_moves.customer = import_lines.customer AND import_lines.address IS NOT NULL
        """,
        {"is_whole": is_whole},
    )


def find_missing_addresses(cur: Cursor) -> dict[int, str]:
    """Give services and devices without an address that of their customer's only site; take out those of several."""
    cur.execute("SELECT EXISTS (SELECT FROM import_lines WHERE address IS NULL"
                " AND (service_name IS NOT NULL OR equipment_name IS NOT NULL)) AS any")
    if not cur.row()["any"]:
        return {}
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_only_sites ON COMMIT DROP AS
        SELECT customer, min(address) AS address, count(*) AS sites
        FROM (
            SELECT customer, address FROM import_addresses
            UNION
            SELECT customer, address FROM import_lines WHERE address IS NOT NULL
        ) AS site
        GROUP BY customer;

        UPDATE import_lines
        SET address = only_site.address
        FROM import_only_sites AS only_site
        WHERE only_site.customer = import_lines.customer AND sites = 1 AND import_lines.address IS NULL
          AND (service_name IS NOT NULL OR equipment_name IS NOT NULL);

        DELETE FROM import_lines
        USING import_callers
        LEFT JOIN import_only_sites USING (customer)
        WHERE import_callers.customer = import_lines.customer AND import_lines.address IS NULL
          AND (service_name IS NOT NULL OR equipment_name IS NOT NULL)
        RETURNING line, service_name, sites
        """
    )
    return {
        row["line"]: f"{'equipment_name' if row['service_name'] is None else 'service_name'} has no address"
                     f"{', and the customer has ' + str(row['sites']) + ' sites' if row['sites'] else ''}."
        for row in cur
    }


def reject_serials_elsewhere(cur: Cursor) -> dict[int, str]:
    """Take out lines whose serial number is stored at another place."""
    cur.execute(
        """
        WITH held AS MATERIALIZED (
            SELECT import_lines.line, min(equipment.equipment_id) AS equipment_id,
                   coalesce(' at location ' || min(location_id),
                            CASE WHEN min(retired_on) IS NULL THEN ' in stock' ELSE ', written off,' END) AS place
            FROM import_lines
            JOIN equipment ON serial_key(equipment.serial_number) = serial
            LEFT JOIN locations USING (location_id)
            LEFT JOIN import_known AS known
              ON known.customer = import_lines.customer AND known.customer_id = locations.customer_id
            GROUP BY import_lines.line
            HAVING bool_and(known.customer IS NULL OR locations.address IS DISTINCT FROM import_lines.address)
        )
        DELETE FROM import_lines
        USING held
        WHERE held.line = import_lines.line
        RETURNING held.line, held.equipment_id, held.place
        """
    )
    return {
        row["line"]: f"serial_number: Equipment {row['equipment_id']}{row['place']} has it."
        for row in cur
    }


def reject_serials_repeated(cur: Cursor) -> dict[int, str]:
    """Take out lines whose serial number stands in an earlier line at another place, or of another device."""
    cur.execute(
        """
        WITH repeated AS MATERIALIZED (
            SELECT line, first_line, elsewhere
            FROM (
                SELECT line, first_value(line) OVER same AS first_line,
                       (customer, address) IS DISTINCT FROM
                       (first_value(customer) OVER same, first_value(address) OVER same) AS elsewhere,
                       (equipment_name, equipment_cost) IS DISTINCT FROM
                       (first_value(equipment_name) OVER same, first_value(equipment_cost) OVER same) AS differs
                FROM import_lines
                WHERE serial IN (
                    SELECT serial FROM import_lines WHERE serial IS NOT NULL GROUP BY serial HAVING count(*) > 1
                )
                WINDOW same AS (PARTITION BY serial ORDER BY line)
            ) AS compared
            WHERE elsewhere OR differs
        )
        DELETE FROM import_lines
        USING repeated
        WHERE repeated.line = import_lines.line
        RETURNING repeated.line, first_line, elsewhere
        """
    )
    return {
        row["line"]: f"serial_number: Line {row['first_line']} has it "
                     f"{'at another place' if row['elsewhere'] else 'with another name or cost'}."
        for row in cur
    }


def reject_changed_services(cur: Cursor) -> dict[int, str]:
    """Take out lines whose service_id stands in an earlier line of the same site with another name or cost."""
    cur.execute(
        """
        WITH changed AS MATERIALIZED (
            SELECT line, first_line
            FROM (
                SELECT line, first_value(line) OVER same AS first_line,
                       (service_name, service_cost) <> (first_value(service_name) OVER same,
                                                        first_value(service_cost) OVER same) AS differs
                FROM import_lines
                WHERE service_id <> '' AND service_name IS NOT NULL
                WINDOW same AS (PARTITION BY customer, address, service_id ORDER BY line)
            ) AS compared
            WHERE differs
        )
        DELETE FROM import_lines
        USING changed
        WHERE changed.line = import_lines.line
        RETURNING changed.line, changed.first_line
        """
    )
    return {row["line"]: f"service_id: Line {row['first_line']} has it with another name or cost." for row in cur}


def match_sites(cur: Cursor) -> None:
    """Fill import_sites, each known by its first line, with its location_id if it is stored."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_sites ON COMMIT DROP AS
        SELECT site_line, customer, site.address, location_id
        FROM (
            SELECT customer, address, min(line) AS site_line
            FROM import_lines
            WHERE address IS NOT NULL
            GROUP BY customer, address
        ) AS site
        LEFT JOIN import_addresses AS stored USING (customer, address);

        ANALYZE import_sites
        """
    )


def match_services(cur: Cursor) -> None:
    """Fill import_services, each known by its first line, with the one stored that it is.

    At a site, one name, however it is written, and cost is one service, however many lines have it, unless the file
    tells several apart by their service_id. The nth of a name and cost is the nth stored. What is left of a name is
    then the nth left of those stored, at another cost; what has ended in the file may be one that goes on here. One
    that has ended here is none that goes on: who has it again has a new one.
    """
    cur.execute(
        f"""
        CREATE TEMPORARY TABLE import_services ON COMMIT DROP AS
        WITH name AS MATERIALIZED (
            SELECT service_name, folded(service_name) AS folded
            FROM (SELECT DISTINCT service_name FROM import_lines) AS named
        ), incoming AS (
            SELECT *, row_number() OVER (PARTITION BY site_line, folded, cost, has_ended
                                         ORDER BY service_id = '', line) AS nth
            FROM (
                SELECT min(line) AS line, site_line, location_id, service_id, service_name, folded,
                       service_cost AS cost, bool_and(state = 'closed') AS has_ended,
                       bool_or(state = 'paused') AND NOT bool_or(state = 'active') AS is_paused,
                       bool_or(state = 'active') AS is_active, max(service_end) AS ends
                FROM (
                    SELECT line, site_line, location_id, service_id, service_name, folded, service_cost, service_end,
                           {STATE} AS state
                    FROM import_lines
                    JOIN import_sites USING (customer, address)
                    JOIN name USING (service_name)
                ) AS stated
                GROUP BY site_line, location_id, service_id, service_name, folded, service_cost
            ) AS one
        ), stored AS (
            SELECT service_id, location_id, folded, cost, has_ended,
                   row_number() OVER (PARTITION BY location_id, folded, cost, has_ended ORDER BY service_id) AS nth
            FROM (
                SELECT service_id, location_id, service_name_folded AS folded, cost,
                       coalesce(ended_on < CURRENT_DATE, false) AS has_ended
                FROM services_today
                WHERE location_id IN (SELECT location_id FROM import_sites)
            ) AS here
        )
        SELECT line, site_line, location_id, service_name, folded, incoming.cost, stored.service_id,
               stored.cost AS old_cost, has_ended, is_paused, is_active, ends
        FROM incoming
        LEFT JOIN stored USING (location_id, folded, cost, nth, has_ended)
        WHERE incoming.service_id <> '' OR nth = 1;

        ANALYZE import_services
        """  # noqa: S608 (STATE holds no value)
    )


def match_changed_services(cur: Cursor) -> None:
    for ended, stored_ended in (("has_ended", "ended_on < CURRENT_DATE"), ("NOT has_ended", "{} IS NOT TRUE"),
                                ("has_ended", "{} IS NOT TRUE")):
        cur.execute(
            f"""
            UPDATE import_services
            SET service_id = stored.service_id, old_cost = stored.cost
            FROM (
                SELECT line, location_id, folded,
                       row_number() OVER (PARTITION BY location_id, folded ORDER BY line) AS nth
                FROM import_services
                WHERE service_id IS NULL AND location_id IS NOT NULL AND {ended}
            ) AS incoming
            JOIN (
                SELECT service_id, location_id, service_name_folded AS folded, cost,
                       row_number() OVER (PARTITION BY location_id, service_name_folded ORDER BY service_id) AS nth
                FROM services_today AS services
                WHERE location_id IN (
                          SELECT location_id FROM import_services WHERE service_id IS NULL AND {ended}
                      )
                  AND ({stored_ended.format('(ended_on < CURRENT_DATE)')})
                  AND NOT EXISTS (
                      SELECT FROM import_services WHERE import_services.service_id = services.service_id
                  )
            ) AS stored USING (location_id, folded, nth)
            WHERE import_services.line = incoming.line
            """  # noqa: S608 (the conditions stand above)
        )


def match_equipment(cur: Cursor) -> None:
    """Fill import_equipment as import_services; a serial number is one device, however many lines have it."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_equipment ON COMMIT DROP AS
        WITH name AS MATERIALIZED (
            SELECT equipment_name, folded(equipment_name) AS folded
            FROM (SELECT DISTINCT equipment_name FROM import_lines) AS named
        ), incoming AS (
            SELECT *, row_number() OVER (PARTITION BY site_line, folded, cost, serial
                                         ORDER BY equipment_id = '', line) AS nth
            FROM (
                SELECT min(line) AS line, site_line, location_id, equipment_id, equipment_name, folded,
                       min(serial_number) AS serial_number, serial, equipment_cost AS cost
                FROM import_lines
                JOIN import_sites USING (customer, address)
                JOIN name USING (equipment_name)
                GROUP BY site_line, location_id, equipment_id, equipment_name, folded, serial, equipment_cost
            ) AS one
        ), here AS MATERIALIZED (
            SELECT equipment_id, location_id, equipment_name_folded AS folded, serial_key(serial_number) AS serial, cost
            FROM equipment
            WHERE location_id IN (SELECT location_id FROM import_sites)
        ), numbered AS (
            SELECT DISTINCT ON (location_id, serial) equipment_id, location_id, serial, cost
            FROM here
            WHERE serial IS NOT NULL
            ORDER BY location_id, serial, equipment_id
        ), stored AS (
            SELECT equipment_id, location_id, folded, cost,
                   row_number() OVER (PARTITION BY location_id, folded, cost ORDER BY equipment_id) AS nth
            FROM here
            WHERE serial IS NULL
        )
        SELECT incoming.line, incoming.site_line, incoming.location_id, incoming.equipment_name, incoming.folded,
               incoming.serial_number, incoming.cost,
               coalesce(numbered.equipment_id, stored.equipment_id) AS equipment_id,
               coalesce(numbered.cost, stored.cost)                 AS old_cost
        FROM incoming
        LEFT JOIN numbered ON numbered.location_id = incoming.location_id AND numbered.serial = incoming.serial
        LEFT JOIN stored
          ON incoming.serial IS NULL
         AND (stored.location_id, stored.folded, stored.cost, stored.nth)
             = (incoming.location_id, incoming.folded, incoming.cost, incoming.nth)
        WHERE incoming.nth = 1 OR incoming.serial IS NULL AND incoming.equipment_id <> '';

        ANALYZE import_equipment
        """
    )


def match_changed_equipment(cur: Cursor) -> None:
    cur.execute(
        """
        UPDATE import_equipment
        SET equipment_id = stored.equipment_id, old_cost = stored.cost
        FROM (
            SELECT line, location_id, folded,
                   row_number() OVER (PARTITION BY location_id, folded ORDER BY line) AS nth
            FROM import_equipment
            WHERE equipment_id IS NULL AND serial_number IS NULL AND location_id IS NOT NULL
        ) AS incoming
        JOIN (
            SELECT equipment_id, location_id, equipment_name_folded AS folded, cost,
                   row_number() OVER (PARTITION BY location_id, equipment_name_folded ORDER BY equipment_id) AS nth
            FROM equipment
            WHERE location_id IN (
                      SELECT location_id FROM import_equipment WHERE equipment_id IS NULL AND serial_number IS NULL
                  )
              AND serial_number IS NULL
              AND NOT EXISTS (SELECT FROM import_equipment WHERE import_equipment.equipment_id = equipment.equipment_id)
        ) AS stored USING (location_id, folded, nth)
        WHERE import_equipment.line = incoming.line
        """
    )
