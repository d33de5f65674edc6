"""What an application does with the `openai` package, unchanged but for its base URL.

Usage: openai_client.py SCENE SIDECAR_BASE_URL. Prints "ok" when all is as it must be.
"""

import asyncio
import hashlib
import sys

import openai

MODEL = "standin"
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]


def ask(text):
    return [{"role": "user", "content": text}]


def digest(text, role="user"):
    return hashlib.sha256(f"{role}\n{text}\n".encode()).hexdigest()[:12]


def answer(text):
    mark = digest(text)
    count = 20 + int(mark[:2], 16) % 30
    return "".join(f"{mark}.{i} " for i in range(count - 1)) + f"{mark}.end"


def expect(is_so, what):
    if not is_so:
        raise SystemExit(f"not so: {what}")


def plain(client):
    for _ in range(2):
        reply = client.chat.completions.create(model=MODEL, messages=ask("plain"))
        expect(reply.choices[0].message.content == answer("plain"), "the answer is the question's own")
        expect(reply.choices[0].finish_reason == "stop", "finish_reason is stop")
        expect(reply.usage.total_tokens > 0, "usage is there")


def stream(client):
    for _ in range(2):
        text = ""
        usage = None
        options = {"include_usage": True}
        for chunk in client.chat.completions.create(
            model=MODEL, messages=ask("stream"), stream=True, stream_options=options
        ):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
        expect(text == answer("stream"), "the stream adds up to the answer")
        expect(usage is not None and usage.total_tokens > 0, "the stream ends with its usage")


def tools(client):
    want = '{"digest":"%s"}' % digest("use the tool")
    for _ in range(2):
        reply = client.chat.completions.create(model=MODEL, messages=ask("use the tool"), tools=TOOLS)
        call = reply.choices[0].message.tool_calls[0]
        expect((call.function.name, call.function.arguments) == ("look", want), "the call is whole")
        expect(reply.choices[0].finish_reason == "tool_calls", "finish_reason is tool_calls")


def streamed_tools(client):
    want = '{"digest":"%s"}' % digest("stream the tool")
    for _ in range(2):
        name = arguments = ""
        for chunk in client.chat.completions.create(
            model=MODEL, messages=ask("stream the tool"), tools=TOOLS, stream=True
        ):
            for choice in chunk.choices:
                for call in choice.delta.tool_calls or []:
                    name += call.function.name or ""
                    arguments += call.function.arguments or ""
        expect((name, arguments) == ("look", want), "the pieces of the call add up")
    reply = client.chat.completions.create(model=MODEL, messages=ask("stream the tool"), tools=TOOLS)
    expect(reply.choices[0].message.tool_calls[0].function.arguments == want, "the folded call is the same")


def embeddings(client):
    replies = [client.embeddings.create(model="standin-embedding", input=["one", "two"]) for _ in range(2)]
    for reply in replies:
        expect(len(reply.data) == 2, "one vector an input")
        expect(len(reply.data[0].embedding) == 8, "eight numbers a vector")
    expect(replies[0].data == replies[1].data, "the second time they are the same")
    models = client.models.list()
    expect([model.id for model in models.data][0] == MODEL, "the list of models can be read")


def vector(text):
    """What the stand-in provider makes of a text: SplitMix64, entered at a place, seeded with the prompt's digest."""
    seed, mask = int(digest(text, role="input"), 16), (1 << 64) - 1
    numbers = []
    for index in range(8):
        z = (seed + (index + 1) * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        numbers.append(((z ^ (z >> 31)) % 8192 - 4096) / 4096)
    return numbers


async def gather_embeddings(base_url):
    """Forty texts at once, some of them spelled otherwise: as an array of one, as numbers instead of base64."""
    async with openai.AsyncOpenAI(base_url=base_url, api_key="sk-test", max_retries=0) as client:

        async def embed(number):
            text = f"text {number}"
            given = [text] if number % 3 == 0 else text
            form = {"encoding_format": "float"} if number % 2 == 0 else {}
            reply = await client.embeddings.create(model="standin-embedding", input=given, **form)
            expect([item.index for item in reply.data] == [0], "one vector, index 0")
            expect(reply.object == "list" and reply.data[0].object == "embedding", "objects are named")
            expect(reply.model == "standin-embedding", "the model is named")
            expect(list(reply.data[0].embedding) == vector(text), f"the vector is that of {text!r}")
            return reply.usage.prompt_tokens

        for _ in range(2):
            tokens = await asyncio.gather(*(embed(number) for number in range(40)))
            expect(all(count > 0 for count in tokens), "everybody has used something")


def refused_embedding(client):
    async def all_at_once():
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key="sk-test", max_retries=0) as one:
            texts = [f"text {number}" for number in range(6)] + ["a bad text"]
            return await asyncio.gather(
                *(one.embeddings.create(model="standin-embedding", input=text) for text in texts),
                return_exceptions=True,
            )

    *good, bad = asyncio.run(all_at_once())
    expect(isinstance(bad, openai.BadRequestError), f"the bad text is refused: {bad!r}")
    expect(bad.body["param"] in ("input", "input[0]"), f"as its own: {bad.body}")
    for number, reply in enumerate(good):
        expect(not isinstance(reply, Exception), f"the others are answered: {reply!r}")
        expect(list(reply.data[0].embedding) == vector(f"text {number}"), "with their own vectors")


def refused(client, status):
    try:
        client.chat.completions.create(model=MODEL, messages=ask(f"refuse {status}"))
    except openai.APIStatusError as error:
        expect(error.status_code == status, f"status {error.status_code} is {status}")
        expect(isinstance(error.body, dict) and error.body.get("message"), "the error has a message")
        if status == 429:
            expect(isinstance(error, openai.RateLimitError), "429 is a RateLimitError")
            expect(error.response.headers["retry-after"] == "7", "Retry-After has come through")
    else:
        raise SystemExit("no error")


def cut(client):
    try:
        for _ in client.chat.completions.create(model=MODEL, messages=ask("cut"), stream=True):
            pass
    except openai.APIError:
        return
    raise SystemExit("a stream that broke off looked like a whole one")


async def fifty(base_url):
    async with openai.AsyncOpenAI(base_url=base_url, api_key="sk-test", max_retries=0) as client:
        replies = await asyncio.gather(
            *(client.chat.completions.create(model=MODEL, messages=ask("fifty")) for _ in range(50))
        )
    for reply in replies:
        expect(reply.choices[0].message.content == answer("fifty"), "everyone has the answer")


def main():
    scene, base_url = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key="sk-test", max_retries=0, timeout=30)
    if scene == "fifty":
        asyncio.run(fifty(base_url))
    elif scene == "gather_embeddings":
        asyncio.run(gather_embeddings(base_url))
    elif scene.startswith("refused-"):
        refused(client, int(scene.removeprefix("refused-")))
    else:
        scenes = {f.__name__: f for f in (plain, stream, tools, streamed_tools, embeddings, cut, refused_embedding)}
        scenes[scene](client)
    print("ok")


main()
