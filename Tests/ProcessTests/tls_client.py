"""Callers of a sidecar that speaks TLS; each scene prints "ok" or says what is wrong.

usage: tls_client.py FOLDER SCENE HTTP_ADDRESS BINARY_ADDRESS CERTIFICATE KEY
"""

import http.client
import json
import socket
import ssl
import sys
import time

sys.path.insert(0, sys.argv[1])
import samovar  # noqa: E402

HTTP, BINARY, CERTIFICATE, KEY = sys.argv[3:7]
TOKEN = "the-doors-own"
CHAT = {"model": "standin", "messages": [{"role": "user", "content": "behind TLS"}]}


def check(condition, what):
    if not condition:
        raise SystemExit(f"not so: {what}")


def context(certificate=False):
    made = ssl.create_default_context(cafile=CERTIFICATE)
    made.check_hostname = False
    if certificate:
        made.load_cert_chain(CERTIFICATE, KEY)
    return made


def post(token=None, certificate=False, authorization=None, size=0):
    host, port = HTTP.rsplit(":", 1)
    connection = http.client.HTTPSConnection(host, int(port), context=context(certificate), timeout=20)
    headers = {"Host": "localhost", "Content-Type": "application/json"}
    if token:
        headers["Proxy-Authorization"] = f"Bearer {token}"
    if authorization:
        headers["Authorization"] = authorization
    connection.request("POST", "/v1/chat/completions", json.dumps(CHAT) + " " * size, headers)
    reply = connection.getresponse()
    return reply.status, dict(reply.getheaders()), reply.read()


def binary(token=None, certificate=False):
    return samovar.Client(BINARY, tls=context(certificate), access_token=token)


def said(answer):
    return json.loads(answer)["choices"][0]["message"]["content"]


def token():
    for cache in ("MISS", "HIT"):
        status, headers, body = post(TOKEN)
        check(status == 200 and headers["x-cache"] == cache, f"{status}, {headers}")
    with binary(TOKEN) as client:
        answer = client.ask(CHAT)
        check(answer.result.name == "L1_HIT", "one memory behind both doors")
        check(answer.json()["choices"][0]["message"]["content"] == said(body), "one answer")


def without():
    for shown in (None, "wrong", TOKEN + "x"):
        status, headers, body = post(shown)
        check(status == 407 and headers.get("proxy-authenticate") == "Bearer", f"{status}, {headers}")
        check(TOKEN not in body.decode(), "the token is told")
    # What is the caller's own is no token for the door.
    check(post(None, authorization=f"Bearer {TOKEN}")[0] == 407, "Authorization opens the door")
    time.sleep(1.1)
    for shown in (None, "wrong"):
        try:
            with binary(shown) as client:
                client.ask(CHAT)
            raise SystemExit("not so: the binary port lets anyone in")
        except samovar.SamovarError as error:
            check("UNAUTHENTICATED" in repr(error) or "token" in str(error), repr(error))


def guessing():
    """After five wrong ones within a second the sixth is not heard, be it right; in another second it is."""
    refused, shut = 0, False
    for _ in range(200):
        try:
            status = post("a guess")[0]
            check(status == 407, f"{status}")
            refused += 1
        except (OSError, http.client.HTTPException):
            shut = True
            break
    check(shut, f"{refused} guesses were heard")
    time.sleep(1.1)
    check(post(TOKEN)[0] == 200, "the right token is not heard in the next second")


def certificate():
    check(post(certificate=True)[0] == 200, "the certificate opens the door")
    with binary(certificate=True) as client:
        check(client.ask(CHAT).result.name == "L1_HIT", "the binary port too")
    try:
        post()
        raise SystemExit("not so: no certificate is needed")
    except (OSError, http.client.HTTPException):
        pass


def plain():
    """Whoever speaks no TLS is told nothing and is not kept."""
    host, port = HTTP.rsplit(":", 1)
    for words in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x00" * 64):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(words)
            try:
                said = connection.recv(4096)
            except ConnectionResetError:
                said = b""
            check(b"HTTP/1.1" not in said, f"{said!r}")
    check(post(TOKEN)[0] == 200, "others are served")


globals()[sys.argv[2]]()
print("ok")
