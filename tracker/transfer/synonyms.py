"""What the headers of other systems' files mean: Splynx, UISP, Invoice Ninja, WHMCS, QuickBooks, Xero, Zoho, Odoo, LMS,
FreshBooks, phpNuxBill, Powercode, Sonar, Salesforce, Google and Outlook contacts, and lists in a dozen languages.

Words stand as fold() leaves them: in small letters, without accents, spaces and signs.
"""
# ruff: noqa: RUF001 (letters of other languages)
from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable


def words(line: str) -> frozenset[str]:
    return frozenset(line.split())


FIELDS = (
    "customer_id", "account_number", "name", "phone_number", "email", "notes", "customer_status", "balance", "address",
    "service_id", "service_name", "service_cost", "service_status", "service_end",
    "equipment_id", "equipment_name", "serial_number", "equipment_cost",
)
# Each field's headers, the surest first; of two in one rank it is not clear which is meant.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "customer_id": ("customerid",),
    "account_number": (
        "accountnumber accountno accountnr acctnumber acctno acctnr accountcode accountid "
        "customernumber customerno "
        "customernr customercode custno custnum custcode clientnumber clientno clientnr clientcode "
        "subscribernumber "
        "subscriberno subscriberid abonentid customid clientcustomid customercustomid userident useridentification "
        "kundennummer kundennr kundennummern kdnr kdnummer kundenid debitornr debitornummer debitorennummer "
        "debitorennr debitorenkonto mitgliedsnummer teilnehmernummer nrklienta numerklienta kodklienta idklienta "
        "numerabonenta nrabonenta idabonenta identyfikatorklienta codigocliente codigodocliente codigodelcliente "
        "codcliente numerocliente numerodecliente nrocliente nocliente idcliente clienteid "
        "codigoabonado nroabonado "
        "numerodeabonado numeroabonado numerodecuenta numerodeconta numeroclient numclient codeclient refclient "
        "referenceclient idclient numeroabonne codicecliente klantnummer klantnr klantcode klantid relatienummer "
        "relatiecode debiteurnummer debiteurennummer kundenummer kundnummer kundnr asiakasnumero cislozakaznika "
        "zakaznickecislo ugyfelszam ugyfelkod musterino abonenumarasi aboneno idpelanggan codclient лицевоисчет "
        "номердоговора номерклиента "
        "basicaccount custnumber clientexternalid kundenr noдоговора noабонента noклиента noлс ccode "
        "klientanr nclient ncliente musterikodu "
        "musterinumarasi "
        "carikodu ugyfelazonosito partnerkod cisloklienta codiceinterno codcli asiakasnro "
        "номерлицевогосчета особовиирахунок κωδικοσπελατη αριθμοσπελατη رقمالمشترك رقمالعميل رقمالحساب "
        "رقمالاشتراك كودالعميل رقمالزبون מספרלקוח מסלקוח קודלקוח "
        "客户编号 客户号 用户编号 客戶編號 顧客番号 顧客コート お客様番号 会員番号 "
        "고객번호 makhachhang makh nomorpelanggan kodepelanggan nopelanggan गरहकसखय",
        "customerid clientid custid cust kundeid clientuid idnumber externalid externalref "
        "externalreference recordid "
        "contactid account konto contractnumber contractno vertragsnummer vertragsnr nrumowy numerumowy "
        "numerocontrato numerodecontrato nrocontrato numerocontratto cislosmlouvy szerzodesszam "
        "лс ncontrato ncontrat",
        "reference ref number nr no numer nummer numero code codigo codice "
        "κωδικοσ الكود الرقم 編號 编号 番号",
        "id",
        # Or what is in it.
        "contract contrato contratto smlouva договор cardid contractid numdogovor договір номердоговору 契約番号",
        "username login pppoeusername pppoelogin",
    ),
    "name": (
        "name customername clientname subscribername accountname fullname customerfullname "
        "clientfullname billingname "
        "billtoname companyorname kundenname kundename vorundnachname namevorname vornamename vornamenachname "
        "nachnamevorname namefirma firmaname nazwaklienta nazwiskoiimie nazwiskoimie imieinazwisko "
        "imienazwisko nazwa "
        "nomecliente nomedocliente nomecompleto nome nomerazaosocial nombrecliente nombredelcliente nombrecompleto "
        "nombre nombreyapellido nombreyapellidos apellidoynombre apellidosynombre apellidosynombres "
        "nombresyapellidos "
        "nomclient nomduclient nomcomplet nom nomprenom nometprenom prenomnom nominativo nomecognome cognomenome "
        "cognomeenome nomeecognome klantnaam naam volledigenaam navn kundenavn fulltnavn namn kundnamn nimi "
        "asiakkaannimi jmeno jmenozakaznika jmenoaprijmeni prijmeniajmeno nazev meno nev ugyfelnev "
        "adsoyad adisoyadi "
        "musteriadi isim nume numeclient numecomplet nama namapelanggan namalengkap имя фио имяклиента "
        "наименование "
        "fio фиоабонента фиоклиента полноеимя наименованиеклиента піб пібабонента імя назва επωνυμια "
        "ονοματεπωνυμο ονομα ονομαπελατη اسمالمشترك اسمالعميل اسمالزبون الاسم الاسمالكامل שםלקוח שםהלקוח "
        "שםמלא שם 客户名称 客户姓名 用户姓名 姓名 名称 客戶名稱 客戶姓名 氏名 お名前 名前 顧客名 契約者名 "
        "고객명 성명 이름 hovaten hoten "
        "tenkhachhang गरहककनम नम aboneadi cariadi cariunvani partnerneve partnernev vevoneve "
        "denominazione nomdutiers nameofledger partyname ledgername "
        "vardsuzvards vardasuzvardas vardaspavarde",
        "customer client subscriber kunde kunden klient abonent kontrahent cliente titular abonado "
        "assinante abonne "
        "intestatario klant asiakas zakaznik odberatel ugyfel musteri abone pelanggan клиент абонент "
        "контрагент πελατησ tiers vevo khachhang particulars お客様",
        "nameadressattypkeineangabe displayname displayas fileas",
    ),
    "phone_number": (
        "phonenumber phone dayphone phoneno phonenr phones telephone telephonenumber telephoneno telephonenr tel "
        "telno telnr primaryphone phoneprimary mainphone contactnumber contactno contactphone contactphonenumber "
        "clientphone customerphone customerphonenumber billingphone phonevalue msisdn telefon "
        "telefonnummer telefonnr "
        "telefonnumer rufnummer festnetz nrtelefonu numertelefonu telefonkontaktowy telefono telefonos telefone "
        "telefones fone numerotelefono numerodetelefono numerodetelefone telefonofijo telefonofisso telefoon "
        "telefoonnummer puhelin puhelinnumero telefonszam telefonnicislo telefonicislo telefonnumarasi "
        "numartelefon "
        "telepon notelepon notelp телефон номертелефона "
        "contactphones контактныителефон телефоны τηλεφωνο τηλ αριθμοστηλεφωνου رقمالهاتف الهاتف هاتف "
        "رقمالتليفون التليفون טלפון מספרטלפון טל 联系电话 电话 电话号码 聯絡電話 電話 電話番号 전화번호 "
        "연락처 "
        "sodienthoai sdt dienthoai फन फननबर telefoneprimario telefoneprincipal telefonoprincipal "
        "talrunis telefonas",
        "mobile mobiles mobileno mobilenr mobilenumber mobilephone mobilephonenumber phonemobile cell cellular "
        "cellphone cellno cellnumber gsm sms smsnumber whatsapp handy handynummer handynr mobil "
        "mobilnummer mobilnr "
        "mobiltelefon mobilfunk mobilfunknummer komorka telefonkomorkowy telkomorkowy telkom celular "
        "celulares movil "
        "telefonomovil telefonocelular telefonecelular portable telephoneportable telephonemobile "
        "mobiltelefonnummer "
        "cellulare telefonocellulare mobiel mobielnummer mobieltje matkapuhelin ceptelefonu ceptel nohp "
        "hp мобильныи "
        "мобильныителефон "
        "mobtel smstel telefonsms мобтелефон сотовыи сотовыителефон мобільнии мобільниителефон κινητο "
        "κινητοτηλεφωνο رقمالجوال الجوال الموبايل رقمالموبايل موبايل נייד טלפוןנייד פלאפון סלולרי 手机 手机号 "
        "手机号码 手機 携帯電話 携帯 携帯番号 휴대폰 핸드폰 didong मबइल मबइलनबर mobilszam",
        "homephone phonehome homephonenumber telephonehome telefonprivat telefonodecasa telefoneresidencial "
        "telefonefixo telefonocasa fixo fixe telephonefixe",
        "nightphone eveningphone tollfree workphone phonework workphonenumber businessphone officephone "
        "companyphone "
        "companymainphone telefongeschaftlich telefondienstlich telefonecomercial otherphone alternatephone "
        "alternativephone altphone secondaryphone "
        "telefonesecundario telefonosecundario defaultaddressphone",
    ),
    "email": (
        "email emailaddress mail emailid invoicingemail mailaddress primaryemail emailprimary contactemail "
        "contactemailaddress clientemail customeremail billingemail emailvalue emailadresse mailadresse adresemail "
        "adresmail adrespocztyelektronicznej correo correoelectronico correoe mailto courriel adresseemail "
        "adressemail adresseelectronique indirizzoemail postaelettronica emailadres mailadres epost epostadress "
        "epostadresse eposta epostaadresi sahkoposti emailcim почта электроннаяпочта surel "
        "emailprincipal emailwork epasts elpastas элпочта электронныиадрес пошта البريدالالكتروني "
        "الايميل אימייל דואל "
        "מייל דואראלקטרוני 邮箱 电子邮箱 电子邮件 電子郵件 メールアトレス メール 이메일 ईमल",
        "secondaryemail emailsecondary invoiceemail emailinvoices rechnungsemail otheremail alternateemail "
        "emailhome emailadresfacturen emailadresoffertes",
    ),
    "notes": (
        "notes note notiz notizen comment comments remark remarks bemerkung bemerkungen anmerkung "
        "anmerkungen hinweis "
        "uwagi notatki notatka komentarz observacao observacoes obs observacion observaciones notas "
        "nota comentario "
        "comentarios remarque remarques commentaire commentaires annotazioni osservazioni opmerking opmerkingen "
        "notitie notities merknad merknader kommentar kommentarer anmarkning huomautus huomautuksia "
        "poznamka poznamky "
        "megjegyzes aciklama not catatan примечание комментарии memo privatenotes publicnotes internalnotes "
        "internalnote clientnotes customernotes customernote adminnotes clientnote "
        "prim заметки примечания примітка примітки коментар σημειωσεισ παρατηρησεισ ملاحظات الملاحظات "
        "הערות הערה 备注 備註 備考 ghichu keterangan customerdetails",
    ),
    "customer_status": (
        "customerstatus clientstatus accountstatus subscriberstatus userstatus kundenstatus statusklienta "
        "statusabonenta statuscliente situacaocliente situacaodocliente estadocliente estadodelcliente "
        "statutclient "
        "statocliente klantstatus kundestatus",
        "status statut stato situacao estatus situacion estado stan durum custstatus activestatus stav "
        "allapot stare "
        "статус tila "
        "etat состояние стан κατασταση الحالة סטטוס מצב 状态 狀態 用户状态 状態 ステータス 契約状況 상태 trangthai "
        ""
        ""
        ""
        "tinhtrang सथत situacaodocontrato situacaocontrato statuss busena",
        "active isactive aktiv cliativado enableuser ativado inativo inactivo aktywny ativo activo actif attivo "
        "actief enabled archived isarchived archiviert inactive isinactive disabled isdisabled blocked isblocked "
        "suspended issuspended gesperrt zablokowany bloqueado deactivated cancelled canceled closed isclosed "
        "terminated "
        "ενεργοσ ενεργο активен активнии заблокирован блокировка blockstatus gearchiveerd geblokkeerd "
        "debaja spaerret sperret sparrad nieaktywny inaktiv aktif pasif",
    ),
    "balance": (
        "amountdue balancedue outstanding outstandingbalance outstandingamount outstandingreceivable "
        "outstandingreceivableamount outstandingreceivables accountoutstanding accountsreceivable totalreceivable "
        "receivable openbalance dueamount totaldue totaloutstanding amountowed amountowing owed owing arrears "
        "offenerbetrag offenersaldo offeneposten offenebetrage offen rueckstand ruckstand dozaplaty zadluzenie "
        "zaleglosc zaleglosci naleznosc naleznosci saldodevedor valoremaberto emaberto debito debitos divida deuda "
        "deudatotal adeudo saldopendiente importependiente montopendiente montoadeudado saldodeudor impaye impayes "
        "soldedu montantdu resteapayer restedu dovuto importodovuto saldodovuto insoluto openstaand "
        "openstaandsaldo "
        "openstaandbedrag tebetalen skyldig utestaende dluh nedoplatek tartozas borc tagihan tunggakan долг "
        "задолженность "
        "openrevenuegross saldoscoperto saldonaleznosci борг заборгованість οφειλη المبلغالمستحق المستحق "
        "الدين اجماليالدين חוב יתרתחוב 欠费 欠款",
        "balance accountbalance currentbalance customerbalance clientbalance saldo kontosaldo "
        "kontostand saldoatual "
        "saldoactual saldocuenta solde soldecompte saldokonta saldoklienta stankonta saldorekening egyenleg bakiye "
        "sold zustatek баланс "
        "due closingbalance υπολοιπο الرصيد יתרה 余额 餘額 残高 sodu",
        "openingbalance startingbalance saldoinicial eroffnungssaldo anfangssaldo",
    ),
    "service_id": ("serviceid subscriptionid",),
    "service_name": (
        "servicename planname packagename srvname tariffname servicetitle serviceplan serviceplanname internetplan "
        "internetplanname subscriptionname productname productservice serviceplans tariffplan rateplan packageplan "
        "tarifname produktname nazwauslugi nazwataryfy nazwapakietu nomedoplano nomeplano planodeinternet "
        "nombredelplan nombreplan plandeinternet plancontratado planinternet planointernet planocontratado "
        "nomduforfait nomforfait nomepiano nomeservizio "
        "тарифныиплан tpname profilename planodeacesso nomedoservico 套餐名称 названиетарифа",
        "service plan package tariff product abo subscription bundle tarif tarife dienst dienstleistung leistung "
        "produkt artikel paket anschluss vertrag taryfa usluga uslugi pakiet plano servico pacote produto servicio "
        "paquete producto forfait offre abonnement produit piano servizio abbonamento offerta pacchetto pakket "
        "tjeneste produktnavn tjanst paketti liittyma sluzba balicek csomag szolgaltatas hizmet pachet serviciu "
        "layanan услуга тариф пакет план tariffa "
        "тарифы тарифнииплан послуга packet internettariff tarifasdeinternet pakalpojums planas πακετο "
        "προγραμμα الباقة باقة الخدمة חבילה "
        "מסלול שירות 套餐 资费 フラン コース 요금제 goicuoc goi पलन",
        "description beschreibung opis descricao descripcion popis leiras profile profilo internet internetservice "
        "item itemname speed bandwidth abonament tarifa",
        "perfil planid",
    ),
    "service_cost": (
        "servicecost servicefee serviceprice monthlyfee monthlycost monthlycharge monthlyprice monthlyrate "
        "monthlyamount monthlyrecurringcharges recurringamt netprice productmonthlyprice monthlyproductprice "
        "monthlyrecurringcharge monthlyrecurring mrc mrr recurringamount recurringcharge recurringprice planprice "
        "plancost planfee planrate packageprice packagecost packagefee subscriptionprice "
        "subscriptionfee tariffprice "
        "monatspreis monatsbetrag monatsgebuhr monatlich monatlichekosten monatlichergebuhr grundgebuhr grundpreis "
        "abopreis tarifpreis preismonat preispromonat preisjemonat eurmonat oplatamiesieczna miesiecznaoplata "
        "abonamentmiesieczny kwotaabonamentu cenaabonamentu kwotamiesieczna mensalidade valormensal "
        "valormensalidade "
        "valordamensalidade valorplano valordoplano precoplano precioplan preciodelplan preciomensual totalcobrar "
        "mensualidad cuotamensual valormensual valorplan tarifamensual pagomensual abonomensual prixmensuel "
        "mensualite montantmensuel tarifmensuel canonemensile canone prezzomensile costomensile importomensile "
        "maandbedrag maandprijs maandtarief maandelijkskosten manadspris manedspris mesicnipoplatek mesicnicena "
        "cenasdph cenabezdph havidij aylikucret hargapaket hargabulanan абонентскаяплата абонплата "
        "monthlybill pretlunar abonesanasmaksa planunitprice mbill monthfee fixedcost valordoservico "
        "valorservico стоимостьтарифа вартістьтарифу "
        "абонентськаплата μηνιαιο μηνιαιαχρεωση الاشتراكالشهري سعرالباقة תשלוםחודשי מחירחודשי 月费 月租 月費 月額 "
        "月額料金 월요금 giacuoc cuocthang मसकशलक tagihanperbulan hargaperbulan biayabulanan ayliktutar",
        "price fee cost rate charge unitprice unitcost saleprice salesprice price1 preis gebuhr kosten einzelpreis "
        "cena kwota oplata abonament preco valor precio importe cuota tarifa monto coste costo prix montant tarif "
        "prezzo importo tariffa prijs tarief pris hinta ar dij fiyat ucret pret harga цена стоимость "
        "вартість ціна τιμη السعر המחיר מחיר 价格 價格 料金 요금 gia tutar",
        "amount total betrag bedrag belop summe summa lineamount netamount net netto brutto",
    ),
    "service_status": (
        "servicestatus servicestate planstatus subscriptionstatus packagestatus productstatus contractstatus "
        "dienststatus tarifstatus vertragsstatus statususlugi statusumowy statusservico statusdoservico "
        "statuscontrato estadoservicio estadodelservicio statutservice statoservizio internetstatus "
        "estadodelcontrato estadocontrato statusdocontrato statusacesso statusdoacesso حالةالاشتراك",
    ),
    "service_end": (
        "serviceend serviceenddate serviceendson serviceactiveto activeto terminationdate terminatedon "
        "dateterminated "
        "cancellationdate canceldate cancelleddate kundigungsdatum gekundigtzum gekundigtam kundigungzum "
        "datacancelamento datadecancelamento fechabaja fechadebaja dateresiliation datederesiliation "
        "datacessazione "
        "datadisdetta opzegdatum datarozwiazania",
    ),
    "equipment_id": ("equipmentid deviceid",),
    "equipment_name": (
        "equipmentname modeloantena modelocpe modelorouter modeloonu modelodeequipo antennamodel devicename "
        "devicemodel equipmentmodel routermodel modemmodel cpemodel onumodel routername cpename geratename "
        "geraetename geratetyp geratemodell nazwaurzadzenia modelurzadzenia modeloequipo nombreequipo "
        "nomequipement",
        "equipment device router modem cpe hardware onu ont gerat geraet gerate geraete endgerat "
        "endgeraet routertyp "
        "urzadzenie urzadzenia sprzet equipamento equipamentos aparelho roteador equipo equipos dispositivo "
        "equipement equipements appareil materiel apparato apparaat apparatuur utstyr utrustning laite zarizeni "
        "eszkoz cihaz echipament perangkat оборудование роутер",
        "antenna radio antena model modell modelo modele modello",
    ),
    "serial_number": (
        "serialnumber serial serialno serialnr sn deviceserial deviceserialnumber devicesn routerserial "
        "routerserialnumber modemserial equipmentserial equipmentserialnumber cpeserial onuserial onusn "
        "seriennummer "
        "seriennr serienr gerateseriennummer numerseryjny nrseryjny numerodeserie numeroserie nroserie noserie "
        "numerodiserie seriale matricola serienummer serijskibroj seriovecislo gyariszam gyartasiszam serino "
        "serinumarasi nomorseri серииныиномер",
        "maccpe mac macaddress macaddr macid macadresse adresmac enderecomac direccionmac adressemac indirizzomac "
        "macadres cpemac routermac devicemac modemmac onumac macrouter",
    ),
    "equipment_cost": (
        "equipmentcost equipmentprice equipmentvalue devicecost deviceprice devicevalue hardwarecost hardwareprice "
        "routerprice routercost modemprice worth geratewert geratepreis geraetewert geraetepreis hardwarepreis "
        "wartoscurzadzenia cenaurzadzenia wartoscsprzetu valorequipamento valordoequipamento "
        "valorequipo precioequipo "
        "costoequipo valorequipement prixequipement valoreapparato valoredispositivo waardeapparaat",
    ),
    "quantity": (
        "quantity qty servicequantity menge anzahl stueck stuck ilosc quantidade qtd qtde planquantity "
        "cantidad quantite quantita "
        "aantal antal maara pocet mennyiseg adet cantitate jumlah количество",
    ),
}
MULTIPLIED = words(
    "amount total betrag bedrag belop summe summa lineamount netamount net netto brutto")
FIRST_NAME = words(
    "firstname first vornameadressattypnaturlperson givenname givennames forename forenames fname contactfirstname "
    "clientfirstname customerfirstname billingfirstname primarycontactfirstname vorname vornamen "
    "imie imiona nombres "
    "primernombre primeironome prenom prenoms voornaam roepnaam fornavn fornamn etunimi krestnijmeno keresztnev "
    "utonev adi prenume namadepan "
    "שםפרטי الاسمالاول")
MIDDLE_NAME = words(
    "middlename middle middleinitial additionalname segundonombre tussenvoegsel zweitername drugieimie")
LAST_NAME = words(
    "lastname last nameadressattypnaturlperson surname familyname lname contactlastname clientlastname "
    "customerlastname billinglastname primarycontactlastname nachname familienname zuname nazwisko "
    "apellido apellidos "
    "sobrenome ultimonome nomdefamille cognome achternaam etternavn efternavn efternamn sukunimi "
    "prijmeni priezvisko "
    "vezeteknev csaladnev soyad soyadi numedefamilie namabelakang фамилия "
    "colastname прізвище επωνυμο שםמשפחה اسمالعايلة 姓")
# A whole name; beside a column of one half of a name, the other half.
BARE_NAME = words(
    "name nome nombre nom naam navn namn jmeno meno nev nume nama имя імя ονομα")
COMPANY = words(
    "company companyname organization organisation organizationname organisationname org firm firma firmenname "
    "unternehmen nazwafirmy empresa nombreempresa razao nameadressattypunternehmen nomeempresa razaosocial "
    "razonsocial nomefantasia nombrecomercial societe nomsociete nomdelasociete entreprise raisonsociale azienda "
    "societa ragionesociale bedrijf bedrijfsnaam firmanavn firmanaam foretag foretagsnamn yritys spolecnost cegnev "
    "ceg sirket unvan business businessname tradingname tradename companyorganization denumire "
    "perusahaan организация "
    "компания "
    "会社名 公司名称 公司 defaultaddresscompany פירמה שםחברה الشركة sirketadi firmaadi")
CONTACT = words(
    "contactname contact contactperson primarycontact primarycontactname billingcontact billingcontactname "
    "ansprechpartner kontaktperson osobakontaktowa contato contacto personadecontacto contatto referente "
    "contactpersoon")

# The parts of an address, and what may stand before or after them where a file has several addresses: the place of
# service is preferred.
STREET = words(
    "street street1 streetline1 streetname streetaddress streetaddress1 address1 addressline1 addr1 line1 "
    "addressstreet strasse strasse1 str strassehausnummer strasseundhausnummer strassehausnr "
    "strasseundnr strassenr "
    "strassenummer ulica ulicainumer ulicainr ulicanr logradouro rua calle calleynumero domicilio "
    "rue via viaenumero "
    "straat straatnaam straatenhuisnummer gate gateadresse gata gatuadress katuosoite ulice utca sokak улица jalan "
    "addresslineone вулиця strada οδοσ רחוב شارع الشارع")
FULL_ADDRESS = words(
    "fulladdress addressformatted formattedaddress enderecocompleto direccioncompleta completeaddress "
    "vollstandigeadresse pelnyadres adressecomplete")
ADDRESS = words(
    "address addr addressline addresslines customeraddress clientaddress adresse anschrift adres adreszamieszkania "
    "endereco direccion indirizzo adress osoite adresa cim lakcim alamat адрес "
    "адресподключения адресустановки адресабонента adrese adresas aadress фактическииадрес адреса "
    "адресапідключення "
    "διευθυνση العنوان عنوان כתובת 地址 安装地址 裝機地址 住址 住所 設置場所 주소 diachi diachilapdat पत")
PLACE = words(
    "location site premises standort lokalizacja local ubicacion sitename")
NUMBER = words(
    "housenumber houseno housenr house buildingnumber streetnumber streetno hausnummer hausnr nrdomu numerdomu "
    "nrbudynku numerocasa numeroexterior noexterior numcasa numerorua huisnummer huisnr husnummer "
    "husnr cislopopisne "
    "cislodomu hazszam дом "
    "build addressbuild addresshouse будинок מספרבית")
BARE_NUMBER = words(
    "numero num nro number nr")
FURTHER = words(
    "address2 address3 addressline2 addressline3 addressline4 addr2 addr3 line2 line3 line4 street2 street3 "
    "streetline2 streetaddress2 apartment apt aptno aptsuite aptunit unit unitno suite flat flatno "
    "building extendedaddress "
    "addressextendedaddress complemento nrlokalu numerlokalu nrmieszkania numermieszkania mieszkanie lokal "
    "adresszusatz zusatz strasse2 toevoeging huisnummertoevoeging complement complementadresse interno piso depto "
    "addresslinetwo addressflat addressapartment adresregel2 adres2 adress2 adresse2 direccion2 "
    "indirizzo2 endereco2 квартира кв דירה")
DISTRICT = words(
    "district suburb neighborhood neighbourhood bairro colonia barrio ortsteil "
    "ilce mahalle semt раион حي")
ZIP = words(
    "zip zipcode postcode postalcode zippostalcode zippostcode zipcodepostalcode postal plz postleitzahl kod "
    "kodpocztowy cep codigopostal codpostal cp codepostal cap postnr postnummer postinumero psc irsz iranyitoszam "
    "postakodu kodepos pincode eircode индекс addresspostalcode "
    "почтовыииндекс поштовииіндекс τκ ταχυδρομικοσκωδικασ מיקוד 邮编 郵遞區號 郵便番号 우편번호")
CITY = words(
    "city cityname town townname towncity citytown locality suburbcity ort stadt wohnort miasto miejscowosc cidade "
    "municipio ciudad localidad poblacion ville commune citta comune localita plaats woonplaats stad sted poststed "
    "postort kaupunki postitoimipaikka mesto obec varos telepules sehir oras localitate kota город "
    "addresscity plzort "
    "plzundort plzstadt ortplz postcodeplaats kodimiasto citystatezip citystate cityzip zipcity "
    "by πολη المدينة עיר ישוב 城市 市区町村 місто населениипункт населенныипункт")
STATE = words(
    "state stateprovince province region county countystate stateregion statecode provincecode addressregion "
    "bundesland kanton wojewodztwo uf provincia departamento departement prov provincie judet lan fylke provinsi "
    "il область νομοσ المحافظة 都道府県 省份")
# Which of several addresses: each with the words before or after its parts.
PURPOSES = (
    "service serviceable serviceaddress enderecodeinstalacao enderecoinstalacao "
    "servicio servico svc install installation installed site premises physical "
    "physicaladdress sa delivery location instalacji instalacao instalacion anschluss anschlussadresse standort",
    "",
    "customer client contact subscriber account address address1 addr1 defaultaddress main primary principal",
    "shipping ship shipto shippingaddress lieferadresse liefer shipto livraison",
    "home homeaddress privat",
    "billing bill billingaddress invoice invoiceaddress mailing mailingaddress postal postaladdress "
    "po pobox rechnung "
    "rechnungsadresse rechnungs korespondencyjny korespondencji facturation facturacion fatturazione cobranca "
    "factuur correspondence billto enderecodecobranca",
    "business work businessaddress company office firma",
    "other alternate otheraddress address2 address3 addr2 addr3",
)
# What belongs to a field, is never taken for it, and is better not overlooked.
BESIDE = {
    "balance": words(
        "credit credits accountcredit creditbalance availablecredit unusedcredits unusedcreditsamount "
        "deposit wallet "
        "walletbalance prepaid prepayment guthaben nadplata credito saldoafavor avoir vorauszahlung"),
    "service_end": words(
        "activeuntil validuntil validto enddate contractend contractenddate expiration expirationdate "
        "expirydate expireson "
        "expires vertragsende laufzeitende gultigbis validade vencimentocontrato fechafin finalizacion "
        "datafine datefin "
        "einddatum datazakonczenia срокдействия"),
    "phone_number": words(
        "phonecc phonecountrycode"),
    "service_cost": words(
        "term billingterm "
        "billingcycle billingperiod billingfrequency billinginterval billingtype cycle period "
        "serviceperiod interval "
        "frequency recurring months paymentcycle zahlweise zahlungsintervall abrechnungszeitraum turnus okres "
        "okresrozliczeniowy periodicidade periodicidad frecuencia frequence periodicite periodicita frequentie "
        "discount discountamount discountpercent discountpercentage rabatt rabat desconto descuento remise sconto "
        "korting"),
}
OWNERS = (r"\A(?:primarycontact|billingcontact|contact|customer|client|subscriber|cust|account|main|kunden|user|person"
          r"|organization)(?=..)")
UNFOLDED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


@functools.lru_cache(maxsize=10_000)
def fold(text: str) -> str:
    """Return text as it is compared: letters and digits alone, in small letters, without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold()).casefold().translate(UNFOLDED)  # № is No, and then no
    return "".join(filter(str.isalnum, plain))


@functools.lru_cache(maxsize=10_000)
def meaning(header: str) -> str:
    """Return a header's word, as it stands among the synonyms where there is one for it.

    Numbers (Phone 2 - Value), a plural, whose it is (Customer phone), what stands in brackets or after a slash may be
    left out for that; # is a number (Client #).
    """
    for part in (*_numbered(header), header, re.sub(r"\(.*?\)", "", header), re.split("[/&]", header)[0]):
        word = fold(part)
        for known in (word, re.sub("[0-9]+", "", word)):
            for singular in (known, known[:-1] if known.endswith("s") else known):
                for own in (singular, re.sub(OWNERS, "", singular)):
                    if own in _words():
                        return own
    return fold(header)


def _numbered(header: str) -> list[str]:
    return [header.replace("#", " number")] if re.search(r"\w\s*#", header) else []


@functools.lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    """Return all words that are of use as a header."""
    ranks: Iterable[str] = (rank for ranks in SYNONYMS.values() for rank in ranks)
    return frozenset().union(*map(str.split, ranks), FIRST_NAME, MIDDLE_NAME, LAST_NAME, COMPANY, CONTACT, STREET,
                             FULL_ADDRESS, ADDRESS, PLACE, NUMBER, FURTHER, DISTRICT, ZIP, CITY, STATE)


PARTS = (("street", STREET), ("full", FULL_ADDRESS), ("address", ADDRESS), ("place", PLACE), ("number", NUMBER),
         ("further", FURTHER), ("district", DISTRICT), ("zip", ZIP), ("city", CITY), ("state", STATE))


@functools.lru_cache(maxsize=10_000)
def address_part(header: str) -> tuple[int, str] | None:
    """Return of which address a header names a part, as its place among the purposes, and of what kind that is."""
    for part in (header, re.sub(r"\(.*?\)", "", header), *_halves(header)):
        if found := _address_part(fold(part)):
            return found
    return None


def _halves(header: str) -> list[str]:
    """Return the first half of City/Town, where the second is part of an address, too."""
    halves = re.split("[/&]", header)
    return halves[:1] if len(halves) == 2 and _address_part(fold(halves[1])) else []


def _address_part(word: str) -> tuple[int, str] | None:
    word = re.sub(r"\Aperson(?=..)", "", word)
    if kind := _kind_of_part(word):
        return PURPOSES.index(""), kind
    for place, names in enumerate(PURPOSES):
        if any(word in (name + "address", "addressof" + name) for name in names.split()):
            return place, "address"
    for place, names in enumerate(PURPOSES):
        for name in names.split():
            rest = word[len(name):] if word.startswith(name) else word[:-len(name)] if word.endswith(name) else ""
            kind = _kind_of_part(rest) or _kind_of_part(re.sub(r"\Aaddress(?=[a-z])", "", rest))
            if rest in BARE_NUMBER and "endereco" in name:
                return place, "number"
            if kind or (rest == "code" and "ship" in names + "ship" * ("bill" in names)):
                return place, kind or "zip"
    return None


def _kind_of_part(word: str) -> str:
    return next((kind for kind, words in PARTS if word in words), "")


def means_something(cells: Iterable[str]) -> int:
    """Count the cells that are known as headers."""
    return sum(bool(cell) and (meaning(cell) in _words() or address_part(cell) is not None) for cell in cells)
