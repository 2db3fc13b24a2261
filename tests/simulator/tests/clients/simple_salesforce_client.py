"""simple-salesforce against the simulator: login by SOAP, with every refusal that it can meet.

simple-salesforce speaks SOAP for login only; the session that it gets is then used for SOAP calls by plain requests.

Usage: simple_salesforce_client.py URL
"""

import sys
import xml.etree.ElementTree as ElementTree

import requests
from simple_salesforce import SalesforceLogin
from simple_salesforce.exceptions import SalesforceAuthenticationFailed

URL = sys.argv[1].rstrip("/")
USER, PASSWORD, TOKEN = "admin@example.com", "correct horse", "TOKEN123"
PARTNER = "{urn:partner.soap.sforce.com}"
SOBJECT = "{urn:sobject.partner.soap.sforce.com}"


def login(**arguments):
    """Logs in; `scratch_url` is simple-salesforce's way to name a host of one's own."""
    arguments = {"username": USER, "password": PASSWORD, "sf_version": "64.0", "scratch_url": URL} | arguments
    return SalesforceLogin(**arguments)


def refused(**arguments):
    """The code and text of a login that fails."""
    try:
        login(**arguments)
    except SalesforceAuthenticationFailed as error:
        return error.code, error.auth_message
    raise AssertionError(f"login should have failed: {arguments.keys()}")


def control(method, path, body=None):
    answer = requests.request(method, f"{URL}/_control{path}", json=body, timeout=30)
    answer.raise_for_status()
    return answer.json()


def call(session, body):
    envelope = (
        '<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns="urn:partner.soap.sforce.com"><e:Header><SessionHeader><sessionId>{session}</sessionId>'
        f"</SessionHeader></e:Header><e:Body>{body}</e:Body></e:Envelope>"
    )
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
    answer = requests.post(f"{URL}/services/Soap/u/66.0", envelope.encode(), headers=headers, timeout=30)
    return answer.status_code, ElementTree.fromstring(answer.content)


def equal(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


# The session and the host come back.
session, instance = login(security_token=TOKEN)
equal(instance, URL.removeprefix("http://"))
assert session.startswith("00D") and "!" in session, session
equal(login(security_token=TOKEN)[0], session)

# Refusals, as simple-salesforce reads them.
invalid = "Invalid username, password, security token; or user locked out."
equal(refused(password="wrong", security_token=TOKEN), ("INVALID_LOGIN", invalid))
equal(refused(username="no&body@example.com", security_token=TOKEN), ("INVALID_LOGIN", invalid))
equal(refused()[0], "LOGIN_MUST_USE_SECURITY_TOKEN")
code, message = refused(sf_version="65.0", security_token=TOKEN)
equal(code, "INVALID_OPERATION")
assert message.startswith("The SOAP Login operation is not available in the API version specified (65.0)."), message
control("PATCH", "/settings", {"soapLoginEnabled": False})
code, message = refused(security_token=TOKEN)
equal(code, "INVALID_OPERATION")
assert message.startswith("SOAP API login() is disabled by default in this org."), message
control("PATCH", "/settings", {"soapLoginEnabled": True})
control("POST", "/rules", {"call": "login", "what": {"http": {"status": 503, "body": "no <XML"}}})
equal(refused(security_token=TOKEN), (503, "no <XML"))

# No token from a trusted address, with and without an organization.
control("PATCH", "/settings", {"trustedAddress": True})
equal(login()[0], session)
equal(login(organizationId="00D000000000001EAA")[0], session)
control("PATCH", "/settings", {"trustedAddress": False})

# A password with all that XML escapes.
user = {"username": "second@example.com", "password": "a<b>&\"c'", "token": "T&T", "viewAllData": True}
control("POST", "/users", user)
# simple-salesforce escapes the password, and leaves the token as it is.
second, _ = login(username="second@example.com", password=user["password"], security_token="T&amp;T")
assert second != session

# The session is good for SOAP.
status, answer = call(session, "<query><queryString>SELECT Id, Name, Account.Name FROM Contact LIMIT 3</queryString></query>")
equal(status, 200)
records = answer.findall(f".//{PARTNER}records")
equal(len(records), 3)
for record in records:
    equal([child.text for child in record.findall(f"{SOBJECT}type")], ["Contact"])
    ids = [child.text for child in record.findall(f"{SOBJECT}Id")]
    assert len(ids) == 2 and ids[0] == ids[1] and len(ids[0]) == 18, ids
status, answer = call(session, "<logout/>")
equal(status, 200)
status, answer = call(session, "<getUserInfo/>")
equal((status, answer.findtext(".//faultcode")), (500, "sf:INVALID_SESSION_ID"))

# The versions that the host has.
versions = requests.get(f"{URL}/services/data/", timeout=30).json()
equal(versions[-1], {"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"})

print("simple-salesforce: all is well")
