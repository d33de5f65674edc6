"""Asks the servers of each case in turn, round by round."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import resource
import sys
import time
from collections import defaultdict

from benchlib.figures import Figure
from benchlib.figures import Goal as Bound
from benchlib.prompts import WrongAnswer

from .load import Sample
from .options import Options
from .servers import Peers, Target
from .tables import OURS, Case, Measure, Table


@dataclasses.dataclass
class Found:
    """Of one case: what each server did in each round."""

    case: Case
    measure: Measure
    samples: dict[str, list[Sample]]

    @property
    def ratios(self) -> list[Figure]:
        """One for each goal, round by round."""
        figures = []
        for goal in self.case.goals:
            rounds = []
            for index, ours in enumerate(self.samples[OURS]):
                each = [
                    self.measure.ratio(self.measure.of(ours), self.measure.of(self.samples[rival][index]))
                    for rival in goal.rivals
                ]
                rounds.append(max(each) if self.measure.at_most else min(each))
            bound = Bound(goal.bound, self.measure.at_most) if goal.bound is not None else None
            figures.append(Figure(" or ".join(goal.rivals), rounds, "x", bound))
        return figures


def measure(peers: Peers, tables: dict[str, Table], options: Options) -> dict[str, list[Found]]:
    """Returns what was found, by table. All servers are started and filled before the first round."""
    print("starting and filling", file=sys.stderr, flush=True)
    found = {
        name: [Found(case, table.measure, defaultdict(list)) for case in table.cases] for name, table in tables.items()
    }
    cases = [each for table in found.values() for each in table]
    targets = [{name: server(peers) for name, server in each.case.servers.items()} for each in cases]
    calls = peers.upstream_calls
    for round in range(options.rounds):
        print(f"round {round + 1} of {options.rounds}", file=sys.stderr, flush=True)
        for each, servers in zip(cases, targets, strict=True):
            turn = round % len(servers)
            names = list(servers)
            for name in names[turn:] + names[:turn]:
                each.samples[name].append(_sample(peers, servers[name], each.case, options.seconds))
    if peers.upstream_calls != calls:
        raise WrongAnswer(f"{peers.upstream_calls - calls} requests went upstream: these were no hits")
    return found


def _sample(peers: Peers, target: Target, case: Case, seconds: float) -> Sample:
    before, at_first = _Used.until_now(target), time.monotonic()
    outcome = peers.load.perform(
        "run", **target.options, connections=case.connections, in_flight=case.in_flight, seconds=seconds
    )
    used, elapsed = _Used.until_now(target) - before, time.monotonic() - at_first
    rate = outcome["ops"] / outcome["seconds"]
    micros = used.server / outcome["asked"] * 1e6
    others = max(0.0, used.machine - used.server - used.load) / elapsed
    latency = outcome["latency_us"]
    return Sample(
        rate, micros, latency["p50"], latency["p99"], micros * rate / 1e6, outcome["busy"], others,
        outcome["asked_again"] / outcome["asked"],
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class _Used:
    """Processor time in seconds: of a server, of loads that have ended, and of all cores together."""

    server: float
    load: float
    machine: float

    @staticmethod
    def until_now(target: Target) -> _Used:
        load = resource.getrusage(resource.RUSAGE_CHILDREN)
        # cpu, user, nice, system, idle, iowait, irq, softirq, steal (proc(5)).
        fields = pathlib.Path("/proc/stat").read_text().split()
        machine = sum(int(fields[index]) for index in (1, 2, 3, 6, 7, 8)) / os.sysconf("SC_CLK_TCK")
        return _Used(target.process.cpu_seconds, load.ru_utime + load.ru_stime, machine)

    def __sub__(self, before: _Used) -> _Used:
        return _Used(self.server - before.server, self.load - before.load, self.machine - before.machine)
