"""camt.052, 053 and 054: batches, returns, references and every version's namespace; and XML that is refused."""
from __future__ import annotations

import gzip

import pytest

from tracker.errors import BadFile
from tracker.transfer import bank, camt

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"
ACCOUNT = "<Acct><Id><IBAN>DE89370400440532013000</IBAN></Id><Ccy>EUR</Ccy></Acct>"


def entry(amount="29.90", sign="CRDT", details="", more="", status="<Sts>BOOK</Sts>", day="<Dt>2026-11-16</Dt>"):
    return (f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>{status}<BookgDt>{day}</BookgDt>{more}'
            f"<NtryDtls>{details}</NtryDtls></Ntry>")


def payment(name="Ada Okafor", amount="", text="INV 1", more=""):
    paid = f'<AmtDtls><TxAmt><Amt Ccy="EUR">{amount}</Amt></TxAmt></AmtDtls>' if amount else ""
    return (f"<TxDtls>{more}{paid}<RltdPties><Dbtr><Nm>{name}</Nm></Dbtr></RltdPties>"
            f"<RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls>")


@pytest.fixture
def write(tmp_path):
    def write(*entries, namespace=NAMESPACE, report="BkToCstmrStmt", statement="Stmt", account=ACCOUNT):
        path = tmp_path / "bank.xml"
        path.write_text(f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="{namespace}"><{report}>'
                        f"<GrpHdr><MsgId>1</MsgId></GrpHdr><{statement}><Id>1</Id>{account}{''.join(entries)}"
                        f"</{statement}></{report}></Document>", encoding="utf-8")
        return path

    return write


def read(path):
    file = bank.open_bank_file(path)
    return list(bank.lines(file)), file.left_out


def one(path):
    (line,), left_out = read(path)
    assert left_out == {}
    return line


@pytest.mark.parametrize(("message", "report", "statement"), [
    ("camt.052", "BkToCstmrAcctRpt", "Rpt"), ("camt.053", "BkToCstmrStmt", "Stmt"),
    ("camt.054", "BkToCstmrDbtCdtNtfctn", "Ntfctn"),
])
@pytest.mark.parametrize("version", [*range(1, 14)])
def test_each_message_of_each_version_is_read(message, report, statement, version, write):
    namespace = f"urn:iso:std:iso:20022:tech:xsd:{message}.001.{version:02}"
    path = write(entry(details=payment()), namespace=namespace, report=report, statement=statement)
    assert bank.open_bank_file(path).kind == message
    line = one(path)
    assert (str(line.amount), line.payer, line.reference, line.account) == (
        "29.90", "Ada Okafor", "INV 1", "DE89370400440532013000")


def test_a_message_without_a_namespace_and_one_in_an_envelope_are_read(tmp_path):
    inner = ("<BkToCstmrStmt><GrpHdr/><Stmt>" + ACCOUNT + entry(details=payment()) + "</Stmt></BkToCstmrStmt>")
    for text in (f"<Document>{inner}</Document>",
                 f"<Envelope><AppHdr><To>x</To></AppHdr><Document xmlns='{NAMESPACE}'>{inner}</Document></Envelope>"):
        path = tmp_path / "bank.xml"
        path.write_text("<?xml version='1.0'?>" + text)
        assert one(path).payer == "Ada Okafor"


@pytest.mark.parametrize(("status", "left_out"), [
    ("<Sts>BOOK</Sts>", {}), ("<Sts><Cd>BOOK</Cd></Sts>", {}), ("", {}),
    ("<Sts>PDNG</Sts>", {1: "It is not booked yet."}), ("<Sts><Cd>PDNG</Cd></Sts>", {1: "It is not booked yet."}),
    ("<Sts>INFO</Sts>", {1: "It is not booked yet."}), ("<Sts>\n <Cd>FUTR</Cd>\n</Sts>", {1: "It is not booked yet."}),
])
def test_only_what_is_booked_is_a_booking(status, left_out, write):
    lines, found = read(write(entry(details=payment(), status=status)))
    assert (len(lines), found) == (1 - len(left_out), left_out)


def test_a_status_of_the_bank_s_own_is_asked_about(write):
    line = one(write(entry(details=payment(), status="<Sts><Prtry>RESERVED</Prtry></Sts>")))
    assert line.doubt == "Its status is RESERVED."


@pytest.mark.parametrize(("day", "booked_on"), [
    ("<Dt>2026-11-16</Dt>", "2026-11-16"), ("<DtTm>2026-11-16T23:59:59+01:00</DtTm>", "2026-11-16"),
    ("", "2026-11-13"), ("<Dt>2026-11-16Z</Dt>", "2026-11-16"),
])
def test_the_day_is_that_of_booking_else_of_value(day, booked_on, write):
    line = one(write(entry(details=payment(), day=day, more="<ValDt><Dt>2026-11-13</Dt></ValDt>")))
    assert str(line.booked_on) == booked_on


def test_a_batch_gives_a_booking_for_each_payment(write):
    batch = payment("Ada", "10.00", "INV 1") + payment("Ben", "20.00", "INV 2") + payment("Cy", "5.00", "INV 3")
    lines, _ = read(write(entry("35.00", details=batch, more="<AcctSvcrRef>B1</AcctSvcrRef>")))
    assert [line.line for line in read(write(entry(details=batch), entry()))[0]] == [1, 2, 3, 4]
    assert [(line.line, str(line.amount), line.payer, line.reference, line.bank_id, line.doubt) for line in lines] == [
        (1, "10.00", "Ada", "INV 1", "B1", ""), (2, "20.00", "Ben", "INV 2", "B1", ""),
        (3, "5.00", "Cy", "INV 3", "B1", "")]
    assert len({line.key for line in lines}) == 3


def test_equal_payments_of_a_batch_are_as_many_bookings(write):
    lines, _ = read(write(entry("20.00", details=payment("Ada", "10.00") * 2, more="<AcctSvcrRef>B1</AcctSvcrRef>")))
    assert len({line.key for line in lines}) == 2


def test_a_batch_may_stand_in_several_details_and_have_debits_in_it(write):
    minus = "<CdtDbtInd>DBIT</CdtDbtInd>"
    batch = payment("Ada", "10.00") + "</NtryDtls><NtryDtls>" + payment("Ben", "4.00", more=minus)
    lines, _ = read(write(entry("6.00", details=batch)))
    assert [(str(line.amount), line.doubt) for line in lines] == [("10.00", ""), ("-4.00", "")]


def test_a_batch_whose_payments_do_not_add_up_is_doubted(write):
    lines, _ = read(write(entry("35.00", details=payment("Ada", "10.00") + payment("Ben", "20.00"))))
    doubt = "The 2 payments of its batch add up to 30.00, the booking is 35.00."
    assert [(str(line.amount), line.doubt) for line in lines] == [("10.00", doubt), ("20.00", doubt)]


def test_a_batch_without_amounts_is_one_booking_to_look_at(write):
    line = one(write(entry("35.00", details=payment("Ada", "10.00") + payment("Ben"),
                           more="<AddtlNtryInf>Sammler</AddtlNtryInf>")))
    assert (str(line.amount), line.payer, line.reference, line.doubt) == (
        "35.00", "", "Sammler", "It is a batch of 2 payments without their amounts.")


@pytest.mark.parametrize(("count", "doubt"), [
    ("12", "It is a batch of 12 payments that the bank does not tell apart; its camt.054 does."), ("1", ""), ("x", ""),
])
def test_a_batch_that_is_not_told_apart_is_one_booking_to_look_at(count, doubt, write):
    assert one(write(entry(details=f"<Btch><NbOfTxs>{count}</NbOfTxs></Btch>"))).doubt == doubt


@pytest.mark.parametrize(("amounts", "found"), [
    ('<Amt Ccy="EUR">10.00</Amt>', "10.00"), ('<AmtDtls><TxAmt><Amt Ccy="EUR">10.00</Amt></TxAmt></AmtDtls>', "10.00"),
    ('<AmtDtls><InstdAmt><Amt Ccy="EUR">10.00</Amt></InstdAmt></AmtDtls>', "10.00"),
    ('<Amt Ccy="USD">11.00</Amt><AmtDtls><CntrValAmt><Amt Ccy="EUR">10.00</Amt></CntrValAmt></AmtDtls>', "10.00"),
    ('<Amt Ccy="USD">11.00</Amt>', "30.00"), ('<Amt Ccy="EUR">10.005</Amt>', "30.00"),
    ('<Amt Ccy="EUR">x</Amt>', "30.00"),
    ('<Amt Ccy="EUR">NaN</Amt>', "30.00"), ('<Amt Ccy="EUR">-10.00</Amt>', "30.00"),
])
def test_a_payments_amount_is_that_in_the_accounts_currency(amounts, found, write):
    details = f"<TxDtls>{amounts}</TxDtls>" + payment("Ben", "20.00")
    assert str(read(write(entry("30.00", details=details)))[0][0].amount) == found


@pytest.mark.parametrize(("sign", "details", "more", "returned", "doubt"), [
    ("DBIT", "<TxDtls><RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf></TxDtls>", "", True, ""),
    ("DBIT", "", "<RvslInd>true</RvslInd>", True, ""), ("DBIT", "", "<RvslInd>1</RvslInd>", True, ""),
    ("DBIT", "", "<RvslInd>false</RvslInd>", False, ""), ("DBIT", "", "", False, ""),
    ("DBIT", "", "<BkTxCd><Domn><Fmly><SubFmlyCd>UPDD</SubFmlyCd></Fmly></Domn></BkTxCd>", True, ""),
    ("DBIT", "", "<BkTxCd><Domn><Fmly><SubFmlyCd>ESDD</SubFmlyCd></Fmly></Domn></BkTxCd>", False, ""),
    ("DBIT", "", "<BkTxCd><Prtry><Cd>NRTI+109+931</Cd></Prtry></BkTxCd>", True, ""),
    ("DBIT", "", "<BkTxCd><Prtry><Cd>NDDT+105+931</Cd></Prtry></BkTxCd>", False, ""),
    ("DBIT", "<TxDtls><BkTxCd><Prtry><Cd>NRTI+108+931</Cd></Prtry></BkTxCd></TxDtls>", "", True, ""),
    ("CRDT", "", "<RvslInd>true</RvslInd>", False, "It gives back what was paid from the account."),
])
def test_a_debit_that_takes_a_payment_back_is_marked(sign, details, more, returned, doubt, write):
    line = one(write(entry(sign=sign, details=details, more=more)))
    assert (str(line.amount), line.returned, line.doubt) == ("-29.90" if sign == "DBIT" else "29.90", returned, doubt)


def party(role, name, iban="", form="<Nm>{}</Nm>"):
    account = f"<{role}Acct><Id><IBAN>{iban}</IBAN></Id></{role}Acct>" if iban else ""
    return f"<{role}>{form.format(name)}</{role}>{account}"


@pytest.mark.parametrize(("sign", "parties", "payer", "account"), [
    ("CRDT", party("Dbtr", "Ada", "DE1") + party("Cdtr", "We", "DE89370400440532013000"), "Ada", "DE1"),
    ("DBIT", party("Dbtr", "We") + party("Cdtr", "Power", "DE2"), "Power", "DE2"),
    ("CRDT", party("Dbtr", "Office", "DE1") + party("UltmtDbtr", "Ada"), "Ada", "DE1"),
    ("CRDT", party("UltmtDbtr", "") + party("Dbtr", "Ada"), "Ada", ""),
    ("CRDT", party("Dbtr", "Ada", "", "<Pty><Nm>{}</Nm></Pty>"), "Ada", ""),
    ("CRDT", party("Dbtr", "We", "DE89 3704 0044 0532 0130 00") + party("Cdtr", "Ada", "DE1"), "Ada", "DE1"),
    ("CRDT", "<DbtrAcct><Id><Othr><Id>12 34</Id></Othr></Id></DbtrAcct>", "", "1234"),
    ("CRDT", party("Dbtr", "Müller &amp; Söhne"), "Müller & Söhne", ""), ("CRDT", "", "", ""),
])
def test_the_payer_is_the_other_side(sign, parties, payer, account, write):
    line = one(write(entry(sign=sign, details=f"<TxDtls><RltdPties>{parties}</RltdPties></TxDtls>")))
    assert (line.payer, line.payer_account) == (payer, account)


def test_of_a_returned_debit_the_payer_is_who_had_paid(write):
    parties = party("Dbtr", "Ada", "DE1") + party("Cdtr", "We")
    line = one(write(entry(sign="DBIT", details=f"<TxDtls><RltdPties>{parties}</RltdPties><RtrInf/></TxDtls>")))
    assert (line.payer, line.payer_account, line.returned) == ("Ada", "DE1", True)


@pytest.mark.parametrize(("remittance", "reference"), [
    ("<Ustrd>INV 1</Ustrd>", "INV 1"), ("<Ustrd>INV</Ustrd><Ustrd> 1 </Ustrd>", "INV 1"),
    (f"<Ustrd>{'x' * 139}1</Ustrd><Ustrd>2</Ustrd>", "x" * 139 + "12"),
    ("<Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd>", "RF18539007547034"),
    ("<Ustrd>Danke</Ustrd><Strd><CdtrRefInf><Ref>R1</Ref></CdtrRefInf></Strd>", "Danke R1"),
    ("<Strd><RfrdDocInf><Nb>INV 1</Nb></RfrdDocInf></Strd><Strd><RfrdDocInf><Nb>INV 2</Nb></RfrdDocInf></Strd>",
     "INV 1 INV 2"),
    ("<Strd><CdtrRefInf><Ref>R1</Ref></CdtrRefInf><AddtlRmtInf>Nov</AddtlRmtInf></Strd>", "R1 Nov"),
])
def test_the_reference_is_what_was_written_and_what_is_structured(remittance, reference, write):
    details = (f"<TxDtls><Refs><EndToEndId>E1</EndToEndId></Refs><RmtInf>{remittance}</RmtInf>"
               "<AddtlTxInf>no</AddtlTxInf></TxDtls>")
    assert one(write(entry(details=details))).reference == reference


@pytest.mark.parametrize(("details", "reference"), [
    ("<TxDtls><Refs><EndToEndId>E 1</EndToEndId></Refs><AddtlTxInf>T</AddtlTxInf></TxDtls>", "E 1"),
    ("<TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><AddtlTxInf>T</AddtlTxInf></TxDtls>", "T"),
    ("<TxDtls><Refs/></TxDtls>", "N"), ("", "N"),
])
def test_without_remittance_the_payers_id_or_the_banks_words_are_the_reference(details, reference, write):
    assert one(write(entry(details=details, more="<AddtlNtryInf>N</AddtlNtryInf>"))).reference == reference


@pytest.mark.parametrize(("of_entry", "of_detail", "bank_id"), [
    ("A1", "", "A1"), ("A1", "D1", "A1"), ("", "D1", "D1"), ("NONREF", "D1", "D1"), ("NONREF", "NOTPROVIDED", ""),
    ("", "", ""),
])
def test_the_banks_id_is_its_own_reference(of_entry, of_detail, bank_id, write):
    details = f"<TxDtls><Refs><AcctSvcrRef>{of_detail}</AcctSvcrRef></Refs></TxDtls>"
    assert one(write(entry(details=details, more=f"<AcctSvcrRef>{of_entry}</AcctSvcrRef>"))).bank_id == bank_id


def test_a_day_and_the_days_report_before_it_have_the_same_keys(write):
    one_of_day = entry(details=payment(), more="<AcctSvcrRef>A1</AcctSvcrRef>")
    report, _ = read(write(one_of_day, report="BkToCstmrAcctRpt", statement="Rpt"))
    statement, _ = read(write(entry("5.00", details=payment()), one_of_day))
    assert report[0].key == statement[1].key


def test_bookings_are_read_across_the_pieces_a_long_file_is_read_in(write):
    path = write(*(entry(f"{number}.00", details=payment(text=f"INV {number} " + "x" * 100)) for number in range(1,
    2001)))
    assert path.stat().st_size > 5 * camt.CHUNK
    lines, _ = read(path)
    assert [int(line.amount) for line in lines] == [line.line for line in lines] == [*range(1, 2001)]
    assert {line.account for line in lines} == {"DE89370400440532013000"}


def test_a_line_in_another_currency_than_the_account_is_doubted(write):
    account = ACCOUNT.replace("EUR", "GBP")
    assert one(write(entry(), account=account)).doubt == "It is in EUR, the account in GBP."


@pytest.mark.parametrize(("bad", "sentence"), [
    (entry("x"), "Booking 2 has no amount that can be read."), (entry("1.005"),
    "Booking 2 has no amount that can be read."),
    (entry("-1.00"), "Booking 2 has no amount that can be read."), (entry("1e12"),
    "Booking 2 has no amount that can be read."),
    (entry(day="<Dt>2026-02-30</Dt>"), "Booking 2 has no day that can be read."), (entry(day=""),
    "Booking 2 has no day that "
                                                                                  "can be read."),
    (entry(sign="?"), "Booking 2 does not say whether it is credit or debit."),
])
def test_a_booking_that_cannot_be_read_refuses_the_file(bad, sentence, write):
    with pytest.raises(BadFile) as caught:
        read(write(entry(), bad))
    assert str(caught.value) == sentence


@pytest.mark.parametrize("doctype", [
    '<!DOCTYPE Document [<!ENTITY x "y">]>', '<!DOCTYPE Document SYSTEM "file:///etc/passwd">',
    '<!DOCTYPE Document [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
])
def test_a_document_type_is_refused_with_its_entities(doctype, write):
    path = write(entry(details=payment("&x;")))
    path.write_text(path.read_text().replace("<Document ", doctype + "<Document ", 1))
    with pytest.raises(BadFile) as caught:
        bank.open_bank_file(path)
    assert str(caught.value) == f"{path} declares a document type, as no bank's file does; it is not read."


@pytest.mark.parametrize(("text", "sentence"), [
    ('<?xml version="1.0"?><Document xmlns="urn:pain.001.001.03"><CstmrCdtTrfInitn/></Document>',
     "is XML, but no account statement of a bank (camt.052, camt.053 or camt.054): it holds CstmrCdtTrfInitn."),
    ('<?xml version="1.0"?><Workbook/>',
     "is XML, but no account statement of a bank (camt.052, camt.053 or camt.054): it holds Workbook."),
    ('<?xml version="1.0"?><Document><BkToCstm', "is no XML that can be read: unclosed token in line 1."),
    ('<?xml version="1.0"?>\n<Document><a></b>', "is no XML that can be read: mismatched tag in line 2."),
    ('<?xml version="1.0"?>', "is no XML that can be read: no element found in line 1."),
])
def test_another_xml_is_refused(text, sentence, tmp_path):
    path = tmp_path / "bank.xml"
    path.write_text(text)
    with pytest.raises(BadFile) as caught:
        bank.open_bank_file(path)
    assert str(caught.value) == f"{path} {sentence}"


def test_a_packed_file_is_read(write):
    path = write(entry(details=payment()))
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert one(path).payer == "Ada Okafor"


def test_a_file_that_breaks_off_is_refused_after_what_could_be_read(write):
    path = write(entry(details=payment()), entry(details=payment("Ben")))
    path.write_text(path.read_text()[:-40])
    with pytest.raises(BadFile, match=r"bank\.xml is no XML that can be read, after booking \d: "):
        read(path)
