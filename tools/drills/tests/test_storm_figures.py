"""What the storm makes of outcomes: `python3 -m unittest discover tools/drills/tests`."""

from __future__ import annotations

import pathlib
import sys
import unittest
from collections.abc import Callable

_TOOLS = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_TOOLS), str(_TOOLS / "bench")]

from drills.storm.faults import back_after  # noqa: E402
from drills.storm.load import Ending, Outcome, Verdict  # noqa: E402
from drills.storm.plan import Arrival, Question  # noqa: E402
from drills.storm.runs import Run, Tally  # noqa: E402
from drills.storm.watch import gauges  # noqa: E402

_QUESTION = Question("What is a samovar?")


def answered(due: float, seconds: float, label: str = "HIT", late: float = 0) -> Outcome:
    ended = due + seconds
    return Outcome(
        Arrival(due, _QUESTION), due + late, ended, ended, 200, 0, Ending.WHOLE, Verdict.PRIMARY, label, "", ""
    )


def refused(due: float) -> Outcome:
    arrival = Arrival(due, _QUESTION)
    return Outcome(arrival, due, due, due, 503, 1, Ending.WHOLE, Verdict.NONE, "BYPASS", "queue_full", "")


def run_of(outcome: Callable[[float], Outcome], seconds: int) -> Run:
    """Twenty requests a second."""
    return Run("test", [outcome(place / 20) for place in range(20 * seconds)], [], 0, 0)


class Recovering(unittest.TestCase):
    """Ten seconds well, ten of a fault, twenty after."""

    def test_at_once(self) -> None:
        self.assertEqual(back_after(run_of(lambda due: answered(due, 0.3), 40), 10, 20), 0)

    def test_once_latency_is_what_it_was(self) -> None:
        seen = run_of(lambda due: answered(due, 2.0 if 20 <= due < 23.5 else 0.3), 40)
        self.assertEqual(back_after(seen, 10, 20), 4)

    def test_a_later_failure_counts(self) -> None:
        seen = run_of(lambda due: refused(due) if 20 <= due < 21 or due == 27.0 else answered(due, 0.3), 40)
        self.assertEqual(back_after(seen, 10, 20), 8)

    def test_never_is_as_long_as_was_looked(self) -> None:
        seen = run_of(lambda due: refused(due) if due >= 10 else answered(due, 0.3), 40)
        self.assertGreaterEqual(back_after(seen, 10, 20), 19)


class Counting(unittest.TestCase):
    """Of outcomes and gauges."""

    def test_kinds_are_shares_of_all_that_was_offered(self) -> None:
        tally = Tally([answered(0, 0.1), answered(1, 0.3, "STALE"), refused(2), refused(3)])
        self.assertEqual((tally.offered, tally.success, tally.percent("503"), tally.unanswered), (4, 50, 50, 2))
        self.assertAlmostEqual(tally.mean, 200)

    def test_stale_and_refused_are_not_fresh(self) -> None:
        tally = Tally([answered(0, 0.1), answered(0, 0.1, "COALESCED"), answered(0, 0.1, "STALE"), refused(0)])
        self.assertEqual(tally.not_fresh(), 2)

    def test_latency_counts_from_the_planned_instant(self) -> None:
        self.assertAlmostEqual(answered(1, 0.3, late=0.2).seconds, 0.3)

    def test_a_load_that_is_late_makes_the_run_invalid(self) -> None:
        self.assertTrue(run_of(lambda due: answered(due, 0.3, late=0.004), 5).is_valid)
        self.assertFalse(run_of(lambda due: answered(due, 0.3, late=0.006), 5).is_valid)

    def test_gauges_are_summed_over_labels(self) -> None:
        text = (
            "# TYPE samovar_queue_flights gauge\n"
            'samovar_queue_flights{upstream="a",class="interactive"} 12\n'
            'samovar_queue_flights{upstream="a",class="batch"} 3\n'
            "samovar_flights 15\nsamovar_l1_entries 4\n"
        )
        self.assertEqual(gauges(text), {"queue_flights": 15, "flights": 15})


if __name__ == "__main__":
    unittest.main()
