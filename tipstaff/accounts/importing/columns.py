"""What a column of a spreadsheet means, from its heading. Pure.

Headings are compared without case, accents, spaces and punctuation: "Gültig ab", "gueltig_ab" and "GÜLTIG-AB" are one.
"""

import unicodedata
from collections.abc import Sequence

#: meaning → headings: the canonical one first, then what inventories in several languages use.
HEADINGS: dict[str, str] = {
    "prefix": "prefix cidr network subnet netz netzwerk subnetz ipprefix iprange range block netblock ipblock inetnum "
    "inet6num réseau reseau plage préfixe prefijo red rango prefisso rete sottorete netwerk subnetwerk sieć siec podsieć "
    "prefiks prefixo rede префикс сеть подсеть 前缀 网段 子网 プレフィックス ネットワーク ip address ipaddress adresse "
    "ipadresse adresseip direccion direccionip indirizzo indirizzoip adres adresip ipadres endereço endereçoip адрес "
    "ipадрес 地址 ip地址 アドレス ipアドレス firstip firstaddress startip startaddress rangestart ipfrom vonip",
    "prefix_end": "prefixend lastip lastaddress endip endaddress rangeend ipto bisip",
    "mask": "mask netmask subnetmask netzmaske masklength prefixlength masque máscara mascara maschera netmasker maska",
    "customer": "customer customerid customernumber customerno custid clientid client kundennummer kundennr kundenid kunde "
    "tenant tenantid account accountid accountnumber numéroclient noclient idclient cliente clienteid idcliente "
    "codicecliente klant klantid klantnummer klient klientid nrklienta numerklienta клиент номерклиента 客户 客户编号 "
    "顧客 顧客番号 subscriber subscriberid owner orgid organisation organization",
    "customer_name": "customername clientname tenantname accountname companyname company firma firmenname kundenname "
    "nomclient nomduclient société raisonsociale nombrecliente empresa razónsocial nomecliente azienda ragionesociale "
    "klantnaam bedrijf bedrijfsnaam nazwaklienta nazwafirmy nomedocliente имяклиента компания 客户名称 公司 顧客名 会社名 "
    "orgname organisationname organizationname",
    "reseller": "reseller parent parentcustomer resellerid partner wiederverkäufer händler revendeur revendedor distribuidor "
    "rivenditore wederverkoper odsprzedawca реселлер 经销商 代理店",
    "customer_class": "customerclass class segment kundenklasse kundengruppe classeclient clase classe klasse klasa",
    "protected_class": "protectedclass protected schutzklasse",
    "brand": "brand marke marque marca merk marka бренд 品牌 ブランド",
    "language": "language lang sprache langue idioma lingua taal język idioma язык 语言 言語",
    "timezone": "timezone zeitzone fuseauhoraire zonahoraria fusoorario tijdzone strefaczasowa fusohorário",
    "contract": "contract contractterms",
    "customer_ended": "customerended customerendedat",
    "service": "service serviceid servicenumber product productid contractid dienst dienstid vertragsnummer vertrag produkt "
    "idservice numéroservice servicio servicioid idservicio servizio idservizio usługa idusługi serviço idserviço услуга "
    "服务 服务编号 サービス サービスid circuit circuitid serverid server",
    "service_name": "servicename productname dienstname produktname nomservice nombreservicio nomeservizio nazwausługi "
    "nomedoserviço servername",
    "service_kind": "servicekind servicetype producttype dienstart produktart typeservice tiposervicio tiposervizio "
    "soorteddienst rodzajusługi tipodeserviço",
    "managed_by": "managedby management verwaltetvon betreuung",
    "carriage": "carriage conduit",
    "service_protected": "serviceprotected serviceprotectedclass",
    "service_brand": "servicebrand",
    "service_started": "servicestarted servicestartedat",
    "service_ended": "serviceended serviceendedat",
    "start": "start startdate from since validfrom begin beginn begins assignedfrom assignedat assigned allocated allocatedat "
    "ab von gültigab gueltigab seit zugewiesenam début datedébut àpartirde depuis valabledu desde inicio fechainicio dal da "
    "inizio datainizio vanaf begindatum startdatum od początek datapoczątkowa início datainício с начало датаначала "
    "开始 开始日期 起始日期 開始 開始日",
    "end": "end enddate to until till validto validuntil validtill ende bis gültigbis gueltigbis fin datefin jusquau "
    "hasta fechafin al fine datafine fino tot einde einddatum do koniec datakońcowa até fim datafim по конец датаокончания "
    "结束 结束日期 終了 終了日 released releasedat expires expiry",
    "ports": "ports portrange portbereich plagedeports rangodepuertos intervalloporte poortbereik zakresportów intervaloportas "
    "диапазонпортов 端口范围 ポート範囲",
    "port_from": "portfrom firstport startport portstart portvon portde puertodesde portoda",
    "port_to": "portto lastport endport portend portbis portà puertohasta portoa",
    "shared": "shared sharedaddress gemeinsam geteilt partagé compartido condiviso gedeeld współdzielony compartilhado общий "
    "共享 共有",
    "assignment": "assignment assignmentid allocationid zuweisung zuweisungid ref reference referenz",
    "contact": "contact contactid kontakt kontaktid contacto contatto",
    "contact_role": "contactrole role rolle rôle rol ruolo rola papel роль 角色 役割",
    "contact_name": "contactname contactperson ansprechpartner nomcontact nombrecontacto nomecontatto contactpersoon "
    "osobakontaktowa nomecontato контактноелицо 联系人 担当者",
    "email": "email mail abuseemail abusecontact abusemail contactemail courriel adresseemail correo correoelectrónico posta "
    "emailadres adresemail почта эпочта 邮箱 电子邮件 メール メールアドレス",
    "phone": "phone telephone tel telefon téléphone teléfono telefono telefoon telefone телефон 电话 電話",
    "contact_language": "contactlanguage",
    "name_kind": "namekind kindofname",
    "value": "value namevalue",
    "domain": "domain domainname domäne domaine dominio nomededomínio domena домен 域名 ドメイン zone",
    "host": "host hostname fqdn rechnername nomhôte vhost servername хост 主机名 ホスト名",
    "mailbox": "mailbox postfach boîteauxlettres buzón casella skrzynka ящик",
    "note": "note notes comment description bemerkung kommentar commentaire comentario nota opmerking komentarz observação "
    "примечание 备注 備考",
    "name": "name bezeichnung nom nombre nome naam nazwa имя название 名称 名前",
    "id": "id externalid number nummer nr no numéro número numero numer номер 编号 番号",
}  # fmt: skip


def plain(heading: str) -> str:
    """The heading as it is compared."""
    folded = unicodedata.normalize("NFKD", heading.casefold().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue"))
    return "".join(letter for letter in folded if letter.isalnum())


_MEANING: dict[str, str] = {}
for _meaning, _words in HEADINGS.items():
    _MEANING.setdefault(plain(_meaning), _meaning)
    for _word in _words.split():
        _MEANING.setdefault(plain(_word), _meaning)


def meanings(headings: Sequence[str]) -> list[str | None]:
    """What each column means, None where nobody knows; no meaning twice, the first column keeps it."""
    found: list[str | None] = []
    for heading in headings:
        meaning = _MEANING.get(plain(heading))
        found.append(meaning if meaning not in found else None)
    return _settle_general(found)


def _settle_general(found: list[str | None]) -> list[str | None]:
    """A bare "name" or "id" is the name or id of what the file is about."""
    known = set(found)
    about = next((thing for thing, marks in _SUBJECTS if known & marks), "customer")
    named = {"value": "value", "contact": "contact_name", "service": "service_name", "customer": "customer_name"}[about]
    numbered = {"value": "", "contact": "contact", "service": "service", "customer": "customer"}[about]
    settled = {"name": named, "id": numbered}
    return [
        (new if (new := settled[meaning]) and new not in known else None) if meaning in settled else meaning for meaning in found
    ]


#: What a file is about, by columns that only such a file has; the first that fits.
_SUBJECTS: tuple[tuple[str, set[str]], ...] = (
    ("value", {"name_kind", "value"}),
    ("customer", {"prefix", "reseller", "customer_class"}),
    ("contact", {"contact_role", "phone", "email", "contact"}),
    ("service", {"service_kind", "managed_by", "carriage", "service"}),
)
