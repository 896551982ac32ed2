"""A made-up provider of any size: customers, sites, services, equipment, and twelve months of bills and payments.

The same size and seed give the same provider on the same day; the dates follow the database's today, so that three
in a hundred customers are late whenever it is made. Nothing is real: the phone numbers are from the ranges that
regulators keep for fiction.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4

from psycopg2 import sql

import database
from database import outside_transactions, transaction
from tracker import accounts, bulk, credits, reports
from tracker.cursor import Cursor, be_patient
from tracker.errors import Conflict

DEMO_CUSTOMERS = 200
MONTHS = 12
DAYS_TO_PAY = 14
INDEX_LATER_FROM = 5_000
TABLES = (
    "customers", "locations", "services", "equipment", "billing", "billing_items", "payments", "payment_allocations",
)


class Culture(NamedTuple):
    """Where a share of the customers comes from: their names, streets and phone numbers."""

    share: int
    name_form: str      # 1 given name, 2 family name
    given: str
    family: str
    double: str         # joins two family names; empty where nobody has two
    address_form: str   # 1 house number, 2 street, 3 town
    streets: str
    towns: str
    phone_form: str     # 1 range, 2 the number in it
    ranges: str
    room: int           # numbers in a range


BRITISH_RANGES = (
    "20 7946 0|113 496 0|114 496 0|115 496 0|116 496 0|117 496 0|118 496 0|121 496 0|131 496 0|141 496 0|151 496 0|"
    "161 496 0|191 498 0|28 9018 0|29 2018 0|1632 960|7700 900"
)
AMERICAN_RANGES = "|".join(str(area) for area in range(202, 990, 8))
FRENCH_RANGES = "1 99 00|2 61 91|3 53 01|4 65 71|5 36 49|6 39 98"
GERMAN_RANGES = "30 23125|40 66969|69 90009|89 99998|221 4710"
BRITISH_STREETS = (
    "Harbour Street|Mill Lane|Station Road|Church Row|Orchard Close|Kiln Hill|Quay Side|Meadow View|Priory Gardens|"
    "Chapel Walk|Beacon Road|Fuller's Yard|Saltmarsh Drive|Lower Green|Thornfield Avenue|Cooper's Court|Ferry Lane|"
    "Observatory Terrace|Weavers Row|Almond Crescent|Northgate|Drovers Way|Tannery Street|Lighthouse Road"
)
BRITISH_TOWNS = (
    "Ashcombe|Little Marlow Bay|Port Ellery|Stonebridge|Westhaven|Crowmere|Upper Tarn|Kingsferry|Oldcastle|Fennick|"
    "Bramley Cross|Saltby|Eastmoor|Thistleford|Greywell|Holmside"
)
AMERICAN_STREETS = (
    "Main St|Oak Ave|2nd St|3rd St|Cedar Ln|Lakeview Dr|Railroad Ave|Prairie Rd|Maple Ct|Sunset Blvd|Cottonwood Dr|"
    "County Rd 9|Mission St|Pine Hollow Rd|Elm St|Juniper Way|Old Mill Rd|Ranch Rd|Bluff St|Canal St"
)
AMERICAN_TOWNS = (
    "Cedar Falls Junction|Mesa Blanca|Port Defiance|Elk Prairie|New Leiden|Harlow Springs|Pine Bluff Landing|"
    "Santa Rosalía|Copper Gap|Lake Amity|Fort Marian|Two Rivers Bend"
)
CULTURES = (
    Culture(
        30, "%1$s %2$s",
        "Ada|Amara|Arthur|Beatrice|Ben|Callum|Charlotte|Chidi|Daniel|Deirdre|Edith|Eleanor|Emeka|Fatima|Fergus|"
        "Freya|George|Grace|Hannah|Harriet|Imogen|Isaac|Ivy|James|Kwame|Liam|Lucy|Mabel|Martha|Mohammed|Nia|Niamh|"
        "Noah|Olivia|Oscar|Patrick|Priya|Rhys|Rosa|Ruth|Samuel|Seán|Sorcha|Theo|Tunde|Una|Violet|William|Winifred|Zoë",
        "Abbott|Adeyemi|Ainsworth|Barlow|Blackwood|Brontë|Burrell|Carmichael|Chaudhry|Clegg|Cromarty|Dalgleish|"
        "Davenport|Doyle|Eze|Fairclough|Finch|Garrick|Ghosh|Hargreaves|Holloway|Iqbal|Jarvis|Kaur|Kendrick|Lovelace|"
        "MacAulay|Marchbanks|Mensah|Nightingale|Ó Briain|Okafor|Osei|Oyelaran|Pemberton|Pettigrew|Quill|Rahman|"
        "Ravenscroft|Sharpe|Sinclair|Stanhope|Thackeray|Trelawney|Underhill|Vane|Wainwright|Whitlock|Wren|Yardley",
        "-", "%1$s %2$s, %3$s", BRITISH_STREETS, BRITISH_TOWNS, "+44 %1$s%2$s", BRITISH_RANGES, 1000,
    ),
    Culture(
        20, "%1$s %2$s",
        "Aaliyah|Alejandro|Ana|Andre|Ashley|Benicio|Brandon|Camila|Carlos|Dakota|Darnell|Diego|Emily|Ethan|Gabriela|"
        "Hailey|Hector|Isabela|Jamal|Javier|Jesús|Jordan|José|Juan|Kayla|Latoya|Luis|Luz|Malik|María|Mateo|Mia|Nicole|"
        "Noelia|Pedro|Ramón|Raúl|Sofía|Tyrone|Wyatt",
        "Alvarado|Anderson|Baker|Bauer|Castañeda|Coleman|Cruz|Delgado|Duarte|Ellison|Espinoza|Fletcher|Freeman|"
        "García|Gómez|Hawkins|Henderson|Herrera|Ibáñez|Jefferson|Johansson|Kowalski|Lindqvist|López|Maldonado|Martínez|"
        "McCoy|Montoya|Muñoz|Núñez|Ortega|Peña|Prescott|Quiñones|Ramsey|Rivera|Salazar|Schroeder|Tallchief|Vásquez|"
        "Washington|Whitefeather|Yoder|Zamora",
        " ", "%1$s %2$s, %3$s", AMERICAN_STREETS, AMERICAN_TOWNS, "(%1$s) 555-01%2$s", AMERICAN_RANGES, 100,
    ),
    Culture(
        12, "%1$s %2$s",
        "Adèle|Aurélie|Baptiste|Benoît|Camille|Cécile|Céline|Chloé|Clément|Élodie|Étienne|Fabrice|François|Geneviève|"
        "Hélène|Inès|Jérôme|Joël|Léa|Loïc|Maëlle|Margaux|Noémie|Océane|Raphaël|Rémi|Solène|Théo|Yasmine|Zélie",
        "Aubert|Barthélemy|Beaulieu|Besançon|Caron|Chevallier|Côté|Delacroix|Dubois|Dupré|Évrard|Fontaine|Gauthier|"
        "Géraud|Hébert|Joubert|Lacombe|Lefèvre|Lemaître|Mallard|Moreau|Nguyen|Ouédraogo|Perrault|Prévost|Renaud|"
        "Rivière|Sénéchal|Traoré|Vauclair",
        "-", "%1$s %2$s, %3$s",
        "rue de l'Étang|rue du Marché|allée des Tilleuls|place de la République|chemin des Vignes|quai des Brumes|"
        "rue Saint-Éloi|impasse du Moulin|avenue de la Forêt|boulevard du Phare|rue des Écoles|passage de l'Horloge",
        "Bellecombe|Fontenay-sur-Lys|Montclair|Port-Aurèle|Saint-Amand-le-Vieux|Villeneuve-aux-Prés|Aubrac-la-Tour",
        "+33 %1$s %2$s", FRENCH_RANGES, 10000,
    ),
    Culture(
        12, "%1$s %2$s",
        "Anneliese|Björn|Bärbel|Dieter|Emre|Friederike|Günter|Hannelore|Ingrid|Jürgen|Käthe|Lars|Liselotte|Mehmet|"
        "Monika|Ömer|Renate|Rüdiger|Sabine|Sören|Ulrike|Uwe|Zeynep|Øystein|Åsa|Łukasz|Małgorzata|Wojciech|Jiří|Željka",
        "Ahlers|Baumgärtner|Böttcher|Çelik|Dreßler|Eichhörn|Fröhlich|Groß|Hänsel|Jäger|Köhler|Krüger|Lindström|Löwe|"
        "Müller|Nordmann|Öztürk|Pfäffle|Ångström|Rößler|Schäfer|Schönberg|Strauß|Sørensen|Wałęsa|Weiß|Yıldız|Zöllner|"
        "Dvořák|Šimić",
        "-", "%2$s %1$s, %3$s",
        "Hafenstraße|Mühlenweg|Am Weiher|Bahnhofstraße|Kastanienallee|Schloßgasse|Unter den Eichen|Färbergasse|"
        "Goethestraße|Zur Alten Brücke|Kirchplatz|Lindenhof",
        "Altenbrück|Grünwalde|Hohenfähr|Niederau|Rothenstein|Seewinkel|Überlingshausen",
        "+49 %1$s %2$s", GERMAN_RANGES, 1000,
    ),
    Culture(
        8, "%1$s %2$s",
        "Acorn|Albatross|Anchor|Bluebird|Broadside|Castle|Cobalt|Compass|Copperfield|Crescent|Driftwood|Evergreen|"
        "Falcon|Foxglove|Granite|Harbour|Heron|Juniper|Kestrel|Lantern|Meridian|Northgate|Oakfield|Pinnacle|Quayside|"
        "Redwood|Saffron|Sextant|Silverline|Summit|Tidewater|Umbra|Vantage|Willow|Zephyr",
        "Accountants|Bakery|Books|Brewery Ltd|Builders Ltd|Care Home|Coffee|Dental Practice|Farm Shop|Florists|Garage|"
        "Gym|Hotel|Joinery|Law LLP|Logistics Ltd|Nursery|Opticians|Pharmacy|Primary School|Print & Copy|Software GmbH|"
        "Surgery|Tailors|Veterinary Clinic",
        " & ", "%1$s %2$s, %3$s", BRITISH_STREETS, BRITISH_TOWNS, "+44 %1$s%2$s", BRITISH_RANGES, 1000,
    ),
    Culture(
        5, "%1$s %2$s",
        "Александр|Алёна|Богдан|Валентина|Галина|Дмитрий|Екатерина|Зоя|Игорь|Йордан|Ксения|Людмила|Оксана|Пётр|Светлана|"
        "Тарас|Фёдор|Юлия|Ярослав|Їжак",
        "Бондаренко|Василевский|Гончар|Дорошенко|Ершов|Иваненко|Ковальчук|Лысенко|Мельник|Новак|Озеров|Петренко|Радич|"
        "Савченко|Ткаченко|Ушаков|Шевчук|Щербак|Юрченко|Яковлев",
        "-", "%1$s %2$s, %3$s", BRITISH_STREETS, BRITISH_TOWNS, "+44 %1$s%2$s", BRITISH_RANGES, 1000,
    ),
    Culture(
        4, "%1$s %2$s",
        "Αθηνά|Γιώργος|Δήμητρα|Ελένη|Ζωή|Κώστας|Μαρία|Νίκος|Σοφία|Χρήστος",
        "Αγγελόπουλος|Βλαχάκης|Γεωργίου|Δημητρίου|Κατσαρός|Λαμπράκης|Νικολαΐδης|Παπαδάκης|Σταθόπουλος|Χατζής",
        "-", "%1$s %2$s, %3$s", BRITISH_STREETS, BRITISH_TOWNS, "+44 %1$s%2$s", BRITISH_RANGES, 1000,
    ),
    Culture(
        3, "%1$s %2$s",
        "أحمد|أمينة|حسن|خديجة|زينب|سمير|فاطمة|ليلى|محمود|يوسف",
        "الأندلسي|البغدادي|التونسي|الحداد|الخطيب|الشامي|العمري|القاسم|المصري|النجار",
        "", "%1$s %2$s, %3$s", AMERICAN_STREETS, AMERICAN_TOWNS, "(%1$s) 555-01%2$s", AMERICAN_RANGES, 100,
    ),
    Culture(
        3, "%2$s%1$s",
        "伟|芳|秀英|敏|静|丽|强|磊|洋|艳|美咲|翔太|陽菜|健一|さくら",
        "王|李|张|刘|陈|杨|赵|黄|周|吴|佐藤|鈴木|高橋|田中|渡辺",
        "", "%1$s %2$s, %3$s", AMERICAN_STREETS, AMERICAN_TOWNS, "(%1$s) 555-01%2$s", AMERICAN_RANGES, 100,
    ),
    Culture(
        3, "%1$s %2$s",
        "अमित|अनिता|दीपक|गीता|काव्या|नेहा|प्रिया|राहुल|सुनीता|विजय",
        "शर्मा|गुप्ता|सिंह|पटेल|वर्मा|जोशी|मेहता|यादव|नायर|चौधरी",
        "", "%1$s %2$s, %3$s", AMERICAN_STREETS, AMERICAN_TOWNS, "(%1$s) 555-01%2$s", AMERICAN_RANGES, 100,
    ),
)
# What a site subscribes to: of a hundred sites, how many have this as their first service, and as their second.
PLANS = (
    (34, 0, "Fibre 100", "29.90"), (22, 0, "Fibre 300", "39.90"), (11, 0, "Fibre 1000", "54.90"),
    (9, 0, "DSL 16", "19.95"), (8, 0, "DSL 50", "24.95"), (6, 0, "Wireless 50", "34.50"),
    (3, 0, "Satellite 25", "69.00"), (5, 0, "Business 500", "119.00"), (2, 0, "Dedicated Line 1G", "489.00"),
    (0, 40, "TV Basic", "9.99"), (0, 25, "Phone Line", "7.50"), (0, 15, "TV Plus", "18.49"),
    (0, 12, "Static IP", "5.00"), (0, 8, "Backup over LTE", "14.90"),
)
# What stands at a site: of a hundred sites, how many have it.
DEVICES = (
    (100, "Router AX3000", "RT", "89.00"), (35, "Optical terminal GPON-4", "ON", "64.50"),
    (8, "TV box 4K", "TV", "49.90"),
)
SITES = [1] * 940 + [2] * 42 + [3] * 13 + [4] * 5           # how many sites a customer has, of a thousand customers
METHODS = (["direct debit"] * 60 + ["card"] * 20 + ["transfer"] * 14 + ["cash"] * 3 + ["cheque"] * 2 + ["other"])
MONTHS_BEHIND = [1, 2, 1, 3, 1, 5, 1, 2, 1, 2, 1, 4, 1, 2, 1, 3, 1, 8, 1, 2]   # of those who are late


def fill(customers: int, seed: int = 1, say: Callable[[str], None] = lambda step: None) -> None:
    """Make a provider with that many customers; say is told each step. Raise Conflict when there are some already."""
    with transaction() as cur:
        be_patient(cur)
        _claim(cur)
        with _triggers_and_indexes_later(cur, customers >= INDEX_LATER_FROM, say):
            today = _today(cur)
            _prepare_chance(cur, seed)
            say("customers, sites, services, equipment")
            _insert_customers(cur, customers, today)
            _insert_locations(cur)
            _insert_services(cur)
            _insert_equipment(cur)
            _insert_months(cur, customers, today, seed, say)
        _advance_ids(cur)
        cur.execute("DROP FUNCTION pg_temp.one_of, pg_temp.chance")
    say("statistics")
    _vacuum()


def enliven() -> None:
    """Let some of the made-up customers go on living, as few whatever the size: services that ended, rest, or will cost
    more; accounts that closed; notes, promises and a credit note; and devices in stock.
    """
    with transaction() as cur:
        _put_in_stock(cur)
        _age_services(cur, _today(cur))
    punctual = _punctual_customers()
    last_day = database.today().replace(day=1) - timedelta(days=1)
    for customer_id in punctual[:2]:
        accounts.close(customer_id, last_day, to_stock=True)
    for customer_id in punctual[2:]:
        credits.add_credit_note(customer_id, Decimal(5), "Two days without service", uuid4())
    _note_what_was_said()


def _put_in_stock(cur: Cursor) -> None:
    cur.execute(
        """
        INSERT INTO equipment (equipment_name, serial_number, cost, retired_on)
        SELECT equipment_name, prefix || '-NEW' || n, cost, CASE WHEN n > 6 THEN CURRENT_DATE END
        FROM unnest(%(names)s, %(prefixes)s, %(costs)s::numeric[]) WITH ORDINALITY
             AS device (equipment_name, prefix, cost, number)
        JOIN generate_series(1, 7) AS n ON mod(n, cardinality(%(names)s)) = number - 1
        ORDER BY n
        """,
        dict(zip(("names", "prefixes", "costs"), map(list, zip(*(device[1:] for device in DEVICES))))),
    )


def _age_services(cur: Cursor, today: date) -> None:
    """End, pause and raise the price of the first services that are their location's second."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE aging ON COMMIT DROP AS
        SELECT service_id, cost, row_number() OVER (ORDER BY service_id) AS nth
        FROM services
        WHERE EXISTS (
            SELECT FROM services AS first
            WHERE first.location_id = services.location_id AND first.service_id < services.service_id
        )
        ORDER BY service_id
        LIMIT 6;

        UPDATE services SET ended_on = %(today)s FROM aging WHERE aging.service_id = services.service_id AND nth <= 2;

        INSERT INTO service_pauses (service_id, first_day, last_day)
        SELECT service_id, %(today)s, CASE nth WHEN 3 THEN %(today)s::date + 20 END FROM aging WHERE nth IN (3, 4);

        SELECT change_prices(array_agg(service_id), array_agg(cost + 2), %(next_month)s) FROM aging WHERE nth > 4
        """,
        {"today": today, "next_month": (today.replace(day=1) + timedelta(days=32)).replace(day=1)},
    )


def _punctual_customers() -> list[int]:
    """Return the first three customers who are not late."""
    rows: list[Any] = database.fetch_all(
        """
        SELECT customer_id
        FROM customers
        WHERE NOT EXISTS (
            SELECT FROM billing_status WHERE billing_status.customer_id = customers.customer_id AND is_late
        )
        ORDER BY customer_id
        LIMIT 3
        """
    )
    return [row["customer_id"] for row in rows]


def _note_what_was_said() -> None:
    """Note what customers said who are late: nothing, that they will pay, and that they would have by now."""
    said: list[tuple[int, str, int | None]] = [
        (0, "Rang twice, nobody there", None), (0, "Will pay all of it", 9), (-20, "Pays after the holidays", -6),
    ]
    with transaction() as cur:
        for customer, (day, note, until) in zip(reports.late_customers(limit=len(said)), said):
            cur.execute(
                """
                INSERT INTO customer_notes (customer_id, noted_at, noted_on, note, promised_until, promised_amount)
                VALUES (%(customer_id)s, now() + make_interval(days => %(day)s), CURRENT_DATE + %(day)s, %(note)s,
                        CURRENT_DATE + %(until)s::integer, %(amount)s)
                """,
                {"customer_id": customer["customer_id"], "day": day, "note": note, "until": until,
                 "amount": customer["amount_late"] if until else None},
            )


def _claim(cur: Cursor) -> None:
    """Keep every other writer out until the end, and refuse a database in use."""
    cur.execute("LOCK TABLE customers IN SHARE ROW EXCLUSIVE MODE")
    cur.execute("SELECT EXISTS (SELECT FROM customers) AS used")
    if cur.row()["used"]:
        raise Conflict("The database has customers already; made-up ones go only into an empty database.")


def _today(cur: Cursor) -> date:
    cur.execute("SELECT CURRENT_DATE AS today")
    today: date = cur.row()["today"]
    return today


@contextmanager
def _triggers_and_indexes_later(
    cur: Cursor, later: bool, say: Callable[[str], None]
) -> Iterator[None]:
    """Load many rows without user triggers, indexes and keys, then make these again, which checks every row.

    Safe for the triggers because the rows already say what the triggers would compute; test_demo.py compares.
    """
    if not later:
        yield
        return
    def say_once(done: int, whole: int) -> None:
        if not done:
            say("keys and indexes")

    with bulk.without_triggers(cur, TABLES), bulk.indexes_later(cur, TABLES, say_once):
        yield


def _prepare_chance(cur: Cursor, seed: int) -> None:
    """Define chance(n, what, sides), a die that falls the same way for the same n and what, and what it picks."""
    cur.execute(
        """
        CREATE FUNCTION pg_temp.chance(n bigint, what text, sides integer) RETURNS integer
            LANGUAGE sql IMMUTABLE
            RETURN mod(hashint8extended(n, hashtextextended(what, %(seed)s)) & 9223372036854775807, sides)::integer;
        CREATE FUNCTION pg_temp.one_of(words text[], n bigint, what text) RETURNS text
            LANGUAGE sql IMMUTABLE
            RETURN words[1 + pg_temp.chance(n, what, cardinality(words))];
        CREATE TEMPORARY TABLE culture (
            number        integer  PRIMARY KEY,
            name_form     text,
            given         text[],
            family        text[],
            double        text,
            address_form  text,
            streets       text[],
            towns         text[],
            phone_form    text,
            ranges        text[],
            room          integer
        ) ON COMMIT DROP;
        CREATE TEMPORARY TABLE plan (number integer, service_name text, cost numeric) ON COMMIT DROP;
        CREATE TEMPORARY TABLE device (
            number integer, of_hundred integer, equipment_name text, prefix text, cost numeric
        ) ON COMMIT DROP
        """,
        {"seed": seed},
    )
    for column in ("given", "family", "streets", "towns", "ranges"):
        # else unpacked for each row
        cur.execute(f"ALTER TABLE pg_temp.culture ALTER COLUMN {column} SET STORAGE PLAIN")
    for number, culture in enumerate(CULTURES):
        values = [value.split("|") if isinstance(value, str) and "|" in value else value for value in culture[1:]]
        cur.execute("INSERT INTO culture VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", (number, *values))
    for number, (_, _, name, cost) in enumerate(PLANS):
        cur.execute("INSERT INTO plan VALUES (%s, %s, %s)", (number, name, cost))
    for number, device in enumerate(DEVICES):
        cur.execute("INSERT INTO device VALUES (%s, %s, %s, %s, %s)", (number, *device))


def _tickets(shares: Iterable[int]) -> list[int]:
    """Return the number of each share as often as the share says: a hundred tickets to draw from."""
    return [number for number, share in enumerate(shares) for _ in range(share)]


def _insert_customers(cur: Cursor, customers: int, today: date) -> None:
    """Every fiftieth customer has the phone number of another; past a range's end, numbers have an extension."""
    cur.execute(
        """
        INSERT INTO customers (customer_id, name, phone_number, created_at)
        OVERRIDING SYSTEM VALUE
        SELECT n,
               format(name_form, pg_temp.one_of(given, n, 'given'),
                      pg_temp.one_of(family, n, 'family')
                      || CASE WHEN double <> '' AND pg_temp.chance(n, 'double', 8) = 0
                              THEN double || pg_temp.one_of(family, n, 'second family') ELSE '' END),
               format(phone_form, ranges[1 + mod(line / room, cardinality(ranges))],
                      lpad(mod(line, room)::text, length(room::text) - 1, '0'))
               || coalesce('/' || nullif(line / (room * cardinality(ranges)), 0), ''),
               %(today)s::date - 366 - pg_temp.chance(n, 'since', 1800)
        FROM (
            SELECT n, (%(tickets)s::integer[])[1 + pg_temp.chance(n, 'culture', 100)] AS number,
                   n - CASE WHEN mod(n, 50) = 0 THEN 1 ELSE 0 END AS line
            FROM generate_series(1, %(customers)s::bigint) AS n
        ) AS person
        JOIN culture USING (number)
        """,
        {"customers": customers, "today": today, "tickets": _tickets(culture.share for culture in CULTURES)},
    )


def _insert_locations(cur: Cursor) -> None:
    cur.execute(
        """
        INSERT INTO locations (location_id, customer_id, address)
        OVERRIDING SYSTEM VALUE
        SELECT row_number() OVER (ORDER BY customer_id, site), customer_id,
               format(address_form, 4 * pg_temp.chance(customer_id, 'house', 60) + site,
                      pg_temp.one_of(streets, customer_id * 4 + site, 'street'),
                      pg_temp.one_of(towns, customer_id * 4 + site, 'town'))
        FROM (
            SELECT customer_id, (%(tickets)s::integer[])[1 + pg_temp.chance(customer_id, 'culture', 100)] AS number,
                   (%(sites)s::integer[])[1 + pg_temp.chance(customer_id, 'sites', 1000)] AS sites
            FROM customers
        ) AS person
        JOIN culture USING (number)
        CROSS JOIN generate_series(1, sites) AS site
        """,
        {"tickets": _tickets(culture.share for culture in CULTURES), "sites": SITES},
    )


def _insert_services(cur: Cursor) -> None:
    cur.execute(
        """
        INSERT INTO services (service_id, location_id, service_name, cost)
        OVERRIDING SYSTEM VALUE
        SELECT row_number() OVER (ORDER BY location_id, place), location_id, service_name, cost
        FROM (
            SELECT location_id, place,
                   CASE place WHEN 1 THEN (%(first)s::integer[])[1 + pg_temp.chance(location_id, 'plan', 100)]
                              ELSE (%(second)s::integer[])[1 + pg_temp.chance(location_id, 'extra', 100)] END AS number
            FROM locations
            CROSS JOIN generate_series(1, 2) AS place
            WHERE place = 1 OR pg_temp.chance(location_id, 'two services', 1000) < 153
        ) AS subscription
        JOIN plan USING (number)
        """,
        {"first": _tickets(plan[0] for plan in PLANS), "second": _tickets(plan[1] for plan in PLANS)},
    )


def _insert_equipment(cur: Cursor) -> None:
    """A serial number is the ID times an odd number modulo 2**32, so no two are the same; one in twenty is unknown."""
    cur.execute(
        """
        INSERT INTO equipment (equipment_id, location_id, equipment_name, serial_number, cost)
        OVERRIDING SYSTEM VALUE
        SELECT equipment_id, location_id, equipment_name,
               CASE WHEN pg_temp.chance(equipment_id, 'serial', 20) > 0
                    THEN prefix || '-' || upper(lpad(to_hex(mod(equipment_id * 2654435761, 4294967296)), 8, '0')) END,
               cost
        FROM (
            SELECT row_number() OVER (ORDER BY location_id, number) AS equipment_id, location_id, equipment_name,
                   prefix, cost
            FROM locations
            JOIN device ON pg_temp.chance(location_id * 8 + number, 'device', 100) < of_hundred
        ) AS placed
        """
    )


def _insert_months(
    cur: Cursor, customers: int, today: date, seed: int, say: Callable[[str], None]
) -> None:
    """Bill twelve months, the last one this month, and pay what was paid."""
    _prepare_payers(cur)
    last_due = MONTHS if _period(today, MONTHS) + timedelta(DAYS_TO_PAY) < today else MONTHS - 1
    payments = 0
    for month in range(1, MONTHS + 1):
        period = _period(today, month)
        say(f"bills and payments of {period:%Y-%m}")
        values = {
            "before": (month - 1) * customers,
            "period": period,
            "today": today,
            "due_date": period + timedelta(DAYS_TO_PAY),
            "age": last_due - month + 1,
            "newest": month == MONTHS,
            "pays_ahead": month % 2 == 1,
            "payments": payments,
            "seed": seed,
        }
        _plan_month(cur, values)
        _insert_bills(cur, values)
        payments = _insert_payments(cur, values) or payments


def _period(today: date, month: int) -> date:
    """Return the first day of the month-th of the twelve months of which today is in the last."""
    months = today.year * 12 + today.month - 1 - (MONTHS - month)
    return date(months // 12, months % 12 + 1, 1)


def _prepare_payers(cur: Cursor) -> None:
    """Decide how each customer pays, and write down what each is billed every month.

    Of every hundred customers in turn, three are late (one of them in part), one has credit or none, and one pays two
    months at once.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE bill_line ON COMMIT DROP AS
        SELECT customer_id, service_id, service_name || ', ' || address AS description, cost AS amount
        FROM services
        JOIN locations USING (location_id)
        ORDER BY service_id;

        CREATE TEMPORARY TABLE payer ON COMMIT DROP AS
        SELECT customer_id, amount,
               pg_temp.chance(customer_id, 'pay day', %(days_to_pay)s + 1) AS pay_day,
               pg_temp.one_of(%(methods)s, customer_id, 'method') AS method,
               CASE WHEN seat < 3 THEN (%(behind)s::integer[])[1 + mod(3 * hundred + seat, cardinality(%(behind)s))]
                    ELSE 0 END AS months_behind,
               seat = 1 AND mod(hundred, 2) = 0 AS pays_in_part,
               CASE WHEN seat = 3 AND mod(hundred, 2) = 0 THEN 5 * (1 + pg_temp.chance(customer_id, 'credit', 20))
                    ELSE 0 END AS credit,
               seat = 4 AS pays_two,
               NULL::bigint AS payment_id,
               NULL::date   AS paid_on
        FROM (
            SELECT customer_id, sum(amount) AS amount, (customer_id - 1) / 100 AS hundred,
                   mod(customer_id + pg_temp.chance((customer_id - 1) / 100, 'seat', 100), 100) AS seat
            FROM bill_line
            GROUP BY customer_id
        ) AS billed
        ORDER BY customer_id;

        CREATE TEMPORARY TABLE month_bill (
            billing_id bigint, customer_id bigint, amount numeric, paid numeric, paid_on date, payment_id bigint,
            payment numeric, allocated numeric, method text
        ) ON COMMIT DROP;
        ANALYZE payer
        """,
        {"days_to_pay": DAYS_TO_PAY, "methods": METHODS, "behind": MONTHS_BEHIND},
    )


def _plan_month(cur: Cursor, values: dict[str, Any]) -> None:
    """Decide for each bill of a month what is paid on it, when, and by which payment.

    age counts the months back from the latest one that is past due, which has 1; a bill not yet due has 0 or less.
    Somebody months behind has not paid that many of the latest past due. Those with credit, or two months paid at
    once, have paid the newest bill too, as the bill run would have used their credit.
    """
    cur.execute(
        """
        TRUNCATE month_bill;
        INSERT INTO month_bill
        SELECT billing_id, customer_id, amount, paid,
               CASE WHEN paid > 0 THEN least(paid_on, %(today)s) END,
               CASE WHEN paid > 0 THEN payment_id END,
               CASE WHEN paid > 0 THEN paid * months + credit END,
               CASE WHEN paid > 0 THEN paid * months END,
               method
        FROM (
            SELECT *,
                   CASE WHEN late AND pays_in_part AND months_behind = %(age)s THEN round(amount / 2, 2)
                        WHEN late OR paid_on > %(today)s AND NOT prepaid THEN 0
                        ELSE amount END AS paid
            FROM (
                SELECT %(before)s + customer_id AS billing_id, customer_id, amount, method, payment_id, months_behind,
                       pays_in_part,
                       CASE WHEN pays_two AND %(pays_ahead)s THEN 2 ELSE 1 END AS months,
                       CASE WHEN %(newest)s THEN credit ELSE 0 END AS credit,
                       credit > 0 OR pays_two AS prepaid,
                       months_behind > 0 AND months_behind >= %(age)s AS late,
                       coalesce(paid_on, %(period)s::date
                                + CASE WHEN months_behind > 0 AND months_behind = %(age)s THEN %(days_to_pay)s
                                       WHEN %(age)s > 1 AND pg_temp.chance(%(before)s + customer_id, 'slow', 12) = 0
                                       THEN %(days_to_pay)s + 1 + pg_temp.chance(customer_id, 'slow days', 12)
                                       ELSE pay_day END) AS paid_on
                FROM payer
            ) AS bill
        ) AS settled
        ORDER BY billing_id
        """,
        {**values, "days_to_pay": DAYS_TO_PAY},
    )


def _insert_bills(cur: Cursor, values: dict[str, Any]) -> None:
    """Bill a whole month, by the day as a bill run does: what changes afterwards, the next run makes good."""
    cur.execute(
        """
        INSERT INTO billing (billing_id, customer_id, description, period, issued_on, due_date, amount_billed,
                             amount_paid, last_payment_date)
        OVERRIDING SYSTEM VALUE
        SELECT billing_id, customer_id, to_char(%(period)s::date, 'FMMonth YYYY'), %(period)s, %(period)s,
               %(due_date)s, amount, paid, paid_on
        FROM month_bill;

        INSERT INTO billing_items (billing_id, service_id, description, amount, first_day, last_day, days, monthly_cost)
        SELECT %(before)s + customer_id, service_id, description, amount, %(period)s, next_month - 1,
               next_month - %(period)s, amount
        FROM bill_line
        CROSS JOIN (SELECT (%(period)s::date + interval '1 month')::date AS next_month) AS month
        """,
        values,
    )


def _insert_payments(cur: Cursor, values: dict[str, Any]) -> int | None:
    """Number payments in the order in which the money came, and return the last one's number.

    The second of two months paid at once has no payment of its own.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE month_payment ON COMMIT DROP AS
        SELECT billing_id, customer_id, paid, paid_on, payment, allocated, method, payment_id,
               %(payments)s + row_number() OVER (ORDER BY paid_on, billing_id) AS new_id
        FROM month_bill
        WHERE paid > 0 AND payment_id IS NULL;

        INSERT INTO payments (payment_id, customer_id, amount, amount_allocated, paid_on, method, reference, entry_key,
                              recorded_at)
        OVERRIDING SYSTEM VALUE
        SELECT new_id, customer_id, payment, allocated, paid_on, method,
               CASE WHEN method = 'transfer' THEN 'Customer ' || customer_id END,
               md5(%(seed)s || ' ' || new_id)::uuid, paid_on
        FROM month_payment
        ORDER BY new_id;

        INSERT INTO payment_allocations (payment_id, billing_id, amount)
        SELECT coalesce(month_bill.payment_id, new_id), billing_id, month_bill.paid
        FROM month_bill
        LEFT JOIN month_payment USING (billing_id)
        WHERE month_bill.paid > 0
        ORDER BY billing_id;

        UPDATE payer
        SET payment_id = CASE WHEN %(pays_ahead)s THEN new_id END,
            paid_on = CASE WHEN %(pays_ahead)s THEN month_bill.paid_on END
        FROM month_bill
        LEFT JOIN month_payment USING (billing_id)
        WHERE pays_two AND payer.customer_id = month_bill.customer_id
        """,
        values,
    )
    cur.execute("SELECT max(new_id) AS payments FROM month_payment")
    payments: int | None = cur.row()["payments"]
    cur.execute("DROP TABLE month_payment")
    return payments


def _advance_ids(cur: Cursor) -> None:
    """Let each identity column go on after the highest ID that was given by hand."""
    for table in TABLES:
        cur.execute(
            """
            SELECT attname
            FROM pg_attribute
            WHERE attrelid = %(table)s::regclass AND attidentity <> ''
            """,
            {"table": table},
        )
        column = cur.row()["attname"]
        go_on = sql.SQL("SELECT setval(pg_get_serial_sequence(%s, %s), max({})) FROM {}")
        cur.execute(go_on.format(sql.Identifier(column), sql.Identifier(table)), (table, column))


def _vacuum() -> None:
    with outside_transactions() as cur:
        cur.execute(f"VACUUM (ANALYZE) {', '.join(TABLES)}")
