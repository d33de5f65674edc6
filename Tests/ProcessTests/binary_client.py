"""Scenes of the Python client against a running sidecar; each prints "ok" or says what is wrong.

usage: binary_client.py FOLDER SCENE ADDRESS ADMIN_TOKEN
"""

import concurrent.futures
import hashlib
import sys
import threading

sys.path.insert(0, sys.argv[1])
import samovar  # noqa: E402

ADDRESS, TOKEN = sys.argv[3], sys.argv[4]


def chat(prompt, **more):
    return {"model": "standin", "messages": [{"role": "user", "content": prompt}], **more}


def expected(prompt):
    """What the stand-in provider says to this, with 200 tokens."""
    digest = hashlib.sha256(f"user\n{prompt}\n".encode()).hexdigest()[:12]
    return "".join(f"{digest}.{index} " for index in range(199)) + f"{digest}.end"


def said(answer):
    return answer.json()["choices"][0]["message"]["content"]


def check(condition, what):
    if not condition:
        raise SystemExit(f"not so: {what}")


def connect(**how):
    return samovar.Client(ADDRESS, **how)


def ask():
    with connect() as client:
        first, second = client.ask(chat("hello")), client.ask(chat("hello"))
        check(first.result.name == "MISS" and second.result.name == "L1_HIT", "a miss, then a hit")
        check(said(first) == said(second) == expected("hello"), "the answer")
        check(client.ask(kind="models").json()["object"] == "list", "models")
        check(client.ping() < 10, "ping")


def digest_first():
    with connect() as client:
        for result in ("MISS", "L1_HIT", "L1_HIT"):
            answer = client.ask(chat("digest"), digest_first=True)
            check(answer.result.name == result, f"{answer.result.name}, not {result}")
            check(said(answer) == expected("digest"), "the answer")


def text_of(chunks):
    import json

    events = [part for part in b"".join(chunks).decode().split("\n\n") if part]
    check(events[-1] == "data: [DONE]", "[DONE]")
    choices = [choice for event in events[:-1] for choice in json.loads(event[6:])["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def stream():
    with connect() as client:
        for _ in range(2):
            check(text_of(list(client.stream(chat("stream")))) == expected("stream"), "the stream")


def events():
    with connect(window=1024) as client:
        for _ in range(2):
            got = list(client.stream(chat("events"), events=True))
            check(all(bytes(event).count(b"\n\n") == 1 for event in got), "one event at a time")
            check(text_of([bytes(event) for event in got]) == expected("events"), "the events")


def cancel():
    with connect() as client:
        with client.stream(chat("left early")) as left:
            next(iter(left))
        try:
            client.ask(chat("no time"), deadline=0.05)
            check(False, "a deadline")
        except samovar.DeadlineExceeded:
            pass
        check(client.ask(chat("goes on")).result.name == "MISS", "the connection goes on")


def administer():
    body = chat("given")
    with connect(admin_token=TOKEN) as client:
        answer = client.ask(chat("a model for answers")).body
        check(client.put(body, answer).outcome.name == "STORED", "put")
        check(client.ask(body).result.name == "L1_HIT", "what was put is a hit")
        check(client.ask(body).body == answer, "as it was put")
        check(client.invalidate(body).count == 1, "invalidate")
        check(client.ask(body).result.name == "MISS", "what was invalidated is a miss")
        check(client.warm(chat("warmed")).outcome.name == "STORED", "warm")
        check(client.warm(chat("warmed")).outcome.name == "CACHED", "warm again")
        check(client.ask(chat("warmed")).result.name == "L1_HIT", "what was warmed is a hit")
        check(client.stats()["connections"] >= 1, "stats")


def without_token():
    with connect() as client:
        answer = client.ask(chat("a model for answers")).body
        for order in (
            client.stats,
            lambda: client.put(chat("x"), answer),
            lambda: client.invalidate(chat("x")),
            lambda: client.warm(chat("x")),
        ):
            try:
                order()
                check(False, "forbidden")
            except samovar.Forbidden:
                pass
    with connect(admin_token="guessed", retries=0) as client:
        try:
            client.ask(chat("x"))
            check(False, "unauthenticated")
        except samovar.Unauthenticated:
            pass


def controls():
    with connect() as client:
        try:
            client.ask(chat("cold"), only_if_cached=True)
            check(False, "not cached")
        except samovar.NotCached:
            pass
        check(client.ask(chat("cold"), no_store=True).result.name == "BYPASS", "no-store")
        check(client.ask(chat("cold")).result.name == "MISS", "nothing was stored")
        check(client.ask(chat("cold"), only_if_cached=True).result.name == "L1_HIT", "only-if-cached")
        check(client.ask(chat("cold"), no_cache=True).result.name == "MISS", "no-cache")
        check(client.ask(chat("cold"), show_tenant=True).tenant is not None, "the tenant")


def concurrent_calls():
    with connect() as client, concurrent.futures.ThreadPoolExecutor(32) as pool:
        prompts = [f"prompt {index % 40}" for index in range(400)]
        for prompt, answer in zip(prompts, pool.map(lambda prompt: client.ask(chat(prompt)), prompts)):
            check(said(answer) == expected(prompt), f"the answer to {prompt}")
    check(not [thread for thread in threading.enumerate() if thread.name == "samovar"], "no thread is left")


def tenants():
    with connect(authorization="Bearer one") as one, connect(authorization="Bearer two") as two:
        for result in ("MISS", "L1_HIT"):
            for client in (one, two):
                answer = client.ask(chat("shared?"), digest_first=True)
                check(answer.result.name == result, f"{answer.result.name}, not {result}")


SCENES = {
    function.__name__: function
    for function in (ask, digest_first, stream, events, cancel, administer, without_token, controls, tenants)
}
SCENES["concurrent"] = concurrent_calls
SCENES[sys.argv[2]]()
print("ok")
