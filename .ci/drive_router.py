"""Configures a simulated router with librouteros and with RouterOS-api: each adds, reads, queries, sets, is refused, and removes."""

import hashlib
import os
import ssl
import sys

import librouteros
import routeros_api
from librouteros.exceptions import TrapError
from librouteros.query import Key

HOST = "127.0.0.1"
USER = "admin"
PASSWORD = os.environ["LODESTAR_SIM_ROUTEROS_PASSWORD"]


def trusting_one(port, fingerprint):
    """A TLS context that trusts the certificate with this SHA-256 and no other."""
    pem = ssl.get_server_certificate((HOST, port))
    assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() == fingerprint
    context = ssl.create_default_context(cadata=pem)
    context.check_hostname = False
    return context


def drive_librouteros(api):
    assert [row["name"] for row in api.path("system", "identity")] == ["MikroTik"]
    pools = api.path("ip", "pool")
    first = pools.add(name="first", ranges="192.0.2.10-192.0.2.20")
    second = pools.add(name="second", ranges="198.51.100.10-198.51.100.20", comment="a = b, ü")
    assert first.startswith("*") and first != second
    name, comment = Key("name"), Key("comment")
    assert list(pools.select(name).where(comment == "a = b, ü")) == [{"name": "second"}]
    assert list(pools.select(name).where(name.In("first", "third"))) == [{"name": "first"}]
    pools.update(**{".id": first, "next-pool": "second"})
    assert [row.get("next-pool") for row in pools] == ["second", None]
    try:
        pools.add(name="first", ranges="192.0.2.1")
        raise AssertionError("a second pool of this name")
    except TrapError as error:
        assert error.message == "failure: pool with such name exists", error.message
    rules = api.path("ip", "firewall", "filter")
    ids = [rules.add(chain="input", action="accept", disabled=True, comment=text) for text in ("one", "two")]
    assert [row["disabled"] for row in rules] == [True, True]
    tuple(rules("move", numbers=ids[1], destination=ids[0]))
    assert [row["comment"] for row in rules] == ["two", "one"]
    rules.remove(*ids)
    pools.remove(first, second)
    assert list(pools) == [] and list(rules) == []
    api.close()


def drive_routeros_api(pool):
    api = pool.get_api()
    lists = api.get_resource("/ip/firewall/address-list")
    lists.add(list="blocked", address="192.0.2.0/24", comment="first")
    lists.add(list="blocked", address="198.51.100.7")
    rows = lists.get(list="blocked")
    assert [row["address"] for row in rows] == ["192.0.2.0/24", "198.51.100.7"], rows
    lists.set(id=rows[1]["id"], disabled="yes")
    assert [row["address"] for row in lists.get(disabled="true")] == ["198.51.100.7"]
    try:
        lists.add(list="blocked", address="192.0.2.0/24")
        raise AssertionError("a second entry")
    except routeros_api.exceptions.RouterOsApiCommunicationError as error:
        assert b"already have such entry" in error.original_message, error.original_message
    for row in rows:
        lists.remove(id=row["id"])
    assert lists.get() == []
    settings = api.get_resource("/ip/dns")
    settings.set(servers="192.0.2.53,198.51.100.53")
    assert settings.get()[0]["servers"] == "192.0.2.53,198.51.100.53"
    settings.set(servers="")
    pool.disconnect()


def main():
    port, tls_port, fingerprint = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    context = trusting_one(tls_port, fingerprint)

    def wrap(raw):
        return context.wrap_socket(raw, server_hostname=HOST)

    drive_librouteros(librouteros.connect(HOST, USER, PASSWORD, port=port, encoding="utf-8"))
    drive_librouteros(librouteros.connect(HOST, USER, PASSWORD, port=tls_port, encoding="utf-8", ssl_wrapper=wrap))
    login = {"username": USER, "password": PASSWORD, "plaintext_login": True}
    drive_routeros_api(routeros_api.RouterOsApiPool(HOST, port=port, **login))
    drive_routeros_api(routeros_api.RouterOsApiPool(HOST, port=tls_port, use_ssl=True, ssl_context=context, **login))
    try:
        librouteros.connect(HOST, USER, "wrong", port=port)
        raise AssertionError("let in with a wrong password")
    except TrapError as error:
        assert "invalid user name or password" in error.message
    print("librouteros and RouterOS-api configured the router, without TLS and with it")


if __name__ == "__main__":
    main()
