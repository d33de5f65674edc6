"""Shows the main job: real prompts through the real openai client, the sidecar, L1, one shared call and Redis.

Every answer of the stand-in provider is a function of the messages, so each one is checked to be its own and whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
import urllib.request
from pathlib import Path

import openai

from answers import check_answer
from processes import Processes

CALLERS = 50
BUILT_IN_PROMPTS = [
    "Compose an engaging travel blog post about a recent trip to Hawaii.",
    "Describe how a samovar keeps water hot without electricity.",
    "Write a Python program that reads a file and prints its longest line.",
]


class Seen:
    """What was to be seen, and whether it was."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def line(self, ok: bool, what: str) -> None:
        print(f"  {'ok  ' if ok else 'FAIL'}  {what}", flush=True)
        if not ok:
            self.failed.append(what)


class Sidecar:
    """One sidecar as the demonstration sees it."""

    def __init__(self, ready: dict[str, str], key: str, model: str, checks: bool) -> None:
        self.base = f"http://{ready['http']}/v1"
        self.admin = f"http://{ready['admin']}"
        self.model = model
        self.checks = checks
        self.client = openai.OpenAI(base_url=self.base, api_key=key, max_retries=0, timeout=60)
        # Bounded, so that a demonstration that goes wrong ends.
        self.async_client = openai.AsyncOpenAI(base_url=self.base, api_key=key, max_retries=0, timeout=60)

    def upstream_calls(self) -> int:
        with urllib.request.urlopen(f"{self.admin}/stats.json", timeout=10) as reply:
            attempts = json.load(reply)["upstream"]["attempts"]
        return sum(sum(outcomes.values()) for outcomes in attempts.values())

    def right(self, prompt: str, text: str | None) -> bool:
        return bool(text) and (not self.checks or check_answer([{"role": "user", "content": prompt}], text))

    def ask(self, prompt: str) -> tuple[str, float, bool]:
        """Asks once: how it was answered, in milliseconds, and whether the answer is the right one."""
        start = time.perf_counter()
        raw = self.client.chat.completions.with_raw_response.create(
            model=self.model, messages=[{"role": "user", "content": prompt}]
        )
        took = (time.perf_counter() - start) * 1000
        status = raw.headers.get("cache-status", "")
        word = raw.headers.get("x-cache", "?") + (" from Redis" if "detail=l2" in status else "")
        return word, took, self.right(prompt, raw.parse().choices[0].message.content)

    async def ask_at_once(self, prompt: str, callers: int) -> list[tuple[str, bool]]:
        async def one() -> tuple[str, bool]:
            raw = await self.async_client.chat.completions.with_raw_response.create(
                model=self.model, messages=[{"role": "user", "content": prompt}]
            )
            return raw.headers.get("x-cache", "?"), self.right(prompt, raw.parse().choices[0].message.content)

        return list(await asyncio.gather(*(one() for _ in range(callers))))

    async def stream(self, prompt: str, started: asyncio.Event | None = None) -> tuple[str, bool, float]:
        """Streams once: how it was answered, whether the whole is right, and when the first token came."""
        start = time.perf_counter()
        first = 0.0
        text = ""
        raw = await self.async_client.chat.completions.with_raw_response.create(
            model=self.model, messages=[{"role": "user", "content": prompt}], stream=True
        )
        async for chunk in raw.parse():
            piece = chunk.choices[0].delta.content if chunk.choices else None
            if piece:
                first = first or (time.perf_counter() - start) * 1000
                text += piece
                if started and len(text) > 60:
                    started.set()
        if started:
            started.set()
        return raw.headers.get("x-cache", "?"), self.right(prompt, text), first


def prompts() -> list[str]:
    folder = os.environ.get("SAMOVAR_TEST_DATA")
    path = Path(folder) / "prompts" / "mt_bench-question.jsonl" if folder else None
    if path is None or not path.is_file():
        print("(built-in prompts: SAMOVAR_TEST_DATA names no folder with prompts)")
        return BUILT_IN_PROMPTS
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["turns"][0] for line in lines]


async def join_late(sidecar: Sidecar, prompt: str) -> list[tuple[str, bool, float]]:
    started = asyncio.Event()
    leader = asyncio.create_task(sidecar.stream(prompt, started))
    await started.wait()
    return [await sidecar.stream(prompt), await leader]


async def show(sidecar: Sidecar, asked: list[str], seen: Seen) -> None:
    miss, miss_ms, miss_right = sidecar.ask(asked[0])
    hit, hit_ms, hit_right = sidecar.ask(asked[0])
    seen.line(miss == "MISS" and miss_right, f"asked once:   {miss} in {miss_ms:.1f} ms")
    seen.line(hit == "HIT" and hit_right, f"asked again:  {hit} in {hit_ms:.1f} ms")

    before = sidecar.upstream_calls()
    answers = await sidecar.ask_at_once(asked[1], CALLERS)
    calls = sidecar.upstream_calls() - before
    right = sum(ok for _, ok in answers)
    shared = sum(word in ("COALESCED", "HIT") for word, _ in answers)
    seen.line(
        calls == 1 and right == CALLERS and shared == CALLERS - 1,
        f"{CALLERS} callers at once: {calls} upstream call, {shared} shared it, {right} right answers",
    )

    before = sidecar.upstream_calls()
    (late, late_right, late_first), (leader, leader_right, leader_first) = await join_late(sidecar, asked[2])
    calls = sidecar.upstream_calls() - before
    seen.line(
        calls == 1 and leader_right and late_right and late in ("COALESCED", "HIT"),
        f"a stream joined late: {calls} upstream call; first token {leader_first:.0f} ms for the leader ({leader}), "
        f"{late_first:.1f} ms for who joined ({late}); both whole",
    )
    await sidecar.async_client.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, help="the folder of the built executables")
    parser.add_argument("--once", action="store_true", help="stop everything after showing")
    arguments = parser.parse_args()
    seen = Seen()
    with Processes(Path(arguments.bin)) as processes:
        redis_url = os.environ.get("SAMOVAR_REDIS_URL") or processes.start_redis()
        upstream_url = os.environ.get("SAMOVAR_UPSTREAM_URL")
        stands_in = upstream_url is None
        if upstream_url is None:
            upstream_url = processes.start_provider()
        key = os.environ.get("SAMOVAR_UPSTREAM_API_KEY", "any-key")
        model = os.environ.get("SAMOVAR_MODEL", "deepseek-chat")
        config = processes.write_config(redis_url, upstream_url)

        asked = prompts()[:3]
        sidecar = Sidecar(processes.start_sidecar(config), key, model, checks=stands_in)
        print(f"real prompts through openai {openai.__version__} -> sidecar -> L1 -> one shared call -> Redis")
        asyncio.run(show(sidecar, asked, seen))
        processes.stop_sidecar()
        sidecar = Sidecar(processes.start_sidecar(config), key, model, checks=stands_in)
        before = sidecar.upstream_calls()
        word, took, right = sidecar.ask(asked[0])
        calls = sidecar.upstream_calls() - before
        seen.line(
            word == "HIT from Redis" and right and calls == 0,
            f"after a restart: {word} in {took:.1f} ms, {calls} upstream calls",
        )
        if seen.failed:
            print(f"not seen: {'; '.join(seen.failed)}", file=sys.stderr)
            return 1
        if arguments.once:
            return 0
        print(f"\nserving. OpenAI base URL  {sidecar.base}\n         admin            {sidecar.admin}")
        print(f"         try: samovar ask \"What is a samovar?\" --server {sidecar.base.split('/')[2]}")
        print("Ctrl-C stops everything that was started.", flush=True)
        processes.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
