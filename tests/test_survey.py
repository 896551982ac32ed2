"""What only a whole file shows: decimal signs, words of statuses, whose these are, the order in dates, prices."""
from __future__ import annotations

import pytest

from tracker import errors
from tracker.transfer import columns, reading, survey
from tracker.transfer import source as sources
from tracker.transfer.choices import Choices


@pytest.fixture
def surveyed(tmp_path):
    """Write a file and work out what it shows; what is said of it goes before."""
    def work_out(content, *maps, **said):
        path = tmp_path / "in.csv"
        path.write_text(content, encoding="utf-8")
        source = sources.open_source(path, "utf-8", ";")
        chosen = Choices(columns=dict(columns.parse_choice(source.headers, answer) for answer in maps), **said)
        return survey.work_out(source, columns.match_headers(source.headers, chosen), reading.silent)

    return work_out


def prices(*cells):
    return "Name;Address;Plan;Price\n" + "".join(f"Ada;1 Quay;Fibre {cell};{cell}\n" for cell in cells)


@pytest.mark.parametrize(("cells", "sign"), [
    (["29,90", "1.049,00 €", "1.234"], ","), (["29.90", "1,049.00", "1,234"], "."), (["49", "1.049,00"], ","),
    (["1.234.567"], ","),
    (["49.9000", "1.234"], "."), (["1'049.00"], "."),
])
def test_the_decimal_sign_is_that_of_the_whole_column(surveyed, cells, sign):
    assert surveyed(prices(*cells)).decimals == {"service_cost": sign}


def test_a_column_without_decimals_needs_no_sign(surveyed):
    assert surveyed(prices("29", "49 €", "NULL", "")).decimals == {}


def test_each_column_has_a_sign_of_its_own(surveyed):
    found = surveyed("Name;Address;Plan;Price;Router;Worth\nAda;1 Quay;Fibre;29,90;AX;89.00\n")
    assert found.decimals == {"service_cost": ",", "equipment_cost": "."}


def test_a_column_that_does_not_show_its_sign_is_asked_about(surveyed):
    with pytest.raises(errors.UnclearAmounts) as raised:
        surveyed(prices("1.234", "49"))
    assert str(raised.value) == "Price does not show its decimal sign: 1.234 may be 1234 or 1.234."
    assert (raised.value.field, raised.value.example) == ("service_cost", "1.234")
    assert surveyed(prices("1.234"), decimals={"service_cost": ","}).decimals == {"service_cost": ","}


def test_a_column_with_both_signs_is_asked_about(surveyed):
    with pytest.raises(errors.UnclearAmounts) as raised:
        surveyed(prices("29,90", "29.90"))
    assert str(raised.value) == (
        "Price has amounts with a decimal point, such as 29.90, and with a decimal comma, such as 29,90.")


def test_a_word_that_is_not_known_is_asked_about_and_can_be_said(surveyed):
    content = "Name;Status\nAda;Active\nBo;Purple\nCy;purple \nDi;Odd\n"
    with pytest.raises(errors.UnclearWords) as raised:
        surveyed(content)
    assert str(raised.value) == "Status has Odd, Purple: is that active, paused or closed?"
    assert raised.value.words == ["Odd", "Purple"]
    assert surveyed(content, states={"purple": "paused", "odd": "closed"}).states == {"purple": "paused",
                                                                                      "odd": "closed"}


def test_many_words_are_named_in_part(surveyed):
    with pytest.raises(errors.UnclearWords, match=r"has w0, w1, w2, w3, w4 and 2 more: is that"):
        surveyed("Name;Status\n" + "".join(f"Ada;w{number}\n" for number in range(7)))


STATUSES = "Account no;Name;Address;Plan;Price;Status\n1;Ada;1 Quay;Fibre;20;Active\n2;Bo;2 Quay;Fibre;20;Active\n"


def test_a_status_is_the_customers_unless_their_lines_differ(surveyed):
    assert "customer_status" in surveyed(STATUSES).columns
    differing = STATUSES + "1;Ada;1 Quay;Phone;5;Cancelled\n"
    assert "service_status" in surveyed(differing).columns
    assert "customer_status" not in surveyed(differing).columns
    assert "customer_status" in surveyed(differing, "customer_status=Status").columns


def test_in_a_file_of_services_alone_a_status_is_theirs(surveyed):
    found = surveyed("Account no;Plan;Price;Status\n1;Fibre;20;Active\n")
    assert "service_status" in found.columns
    assert "customer_status" not in found.columns


def test_the_order_in_dates_is_that_of_the_whole_column(surveyed):
    head = "Name;Address;Plan;Price;Service end\n"
    assert surveyed(head + "Ada;1 Quay;Fibre;20;01/05/2026\nBo;1;Fibre;20;13/05/2026\n").day_first is True
    assert surveyed(head + "Ada;1 Quay;Fibre;20;01/05/2026\nBo;1;Fibre;20;05/13/2026\n").day_first is False
    assert surveyed(head + "Ada;1 Quay;Fibre;20;2026-05-01\n").day_first is None
    with pytest.raises(errors.UnclearDays, match="It does not show whether 01/05/2026 has the day first, or the month"):
        surveyed(head + "Ada;1 Quay;Fibre;20;01/05/2026\n")
    with pytest.raises(errors.UnclearDays,
                       match="Some dates have the day first, such as 13/05/2026, and some the month"):
        surveyed(head + "Ada;1 Quay;Fibre;20;13/05/2026\nBo;1;Fibre;20;05/13/2026\n")


def test_plans_without_a_price_are_named(surveyed):
    content = "Name;Address;Plan\nAda;1 Quay;Fibre\nBo;2 Quay;Phone\nCy;3 Quay;FIBRE\n"
    with pytest.raises(errors.UnclearPrices) as raised:
        surveyed(content, prices={"fibre": "20.00"})
    assert str(raised.value) == "1 plan of the file has no price: Phone."
    assert surveyed(content, prices={"fibre": "20.00", "phone": "5.00"}).prices


def test_what_a_file_says_late_counts(surveyed):
    assert surveyed(prices(*["1.234"] * 5_000, "29,90")).decimals == {"service_cost": ","}


def test_the_look_tells_how_far_it_is(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(prices(*["29,90"] * 10_000))
    source = sources.open_source(path, "utf-8", ";")
    told = []
    survey.work_out(source, columns.match_headers(source.headers), lambda *step: told.append(step))
    assert len(told) > 3
    assert {(what, whole) for what, _, whole in told} == {("Looking through the file", path.stat().st_size)}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
