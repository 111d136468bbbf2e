# SPDX-License-Identifier: BSL-1.0
"""What is measured, what came out, and whether a goal is met.

A case is one figure; a peer is one way to come to it; a record is what one peer took for one case, round by round.
"""
import dataclasses
import math
import statistics

# How far apart what a figure may be in truth may be before a goal that lies between is left undecided: for a minimum it
# and the median of the rounds, for a median the interval in which it lies with 95 %.
MOST_SPREAD = {"minimum": 0.15, "median": 0.10}


@dataclasses.dataclass(frozen=True)
class Goal:
    """What the peer `subject` is to reach: `limit` times what `of` takes in the same run; if `added`, what `of` takes
    and `limit` more; without `of`, the plain figure `limit`."""

    subject: str
    limit: float
    of: str | None = None
    added: bool = False

    def text(self, lower_is_better=True):
        sign = "≤" if lower_is_better else "≥"
        if self.of is None:
            return f"{sign} {self.limit:g}"
        return f"{sign} {self.of} + {self.limit:g}" if self.added else f"{sign} {self.limit:g}x {self.of}"


@dataclasses.dataclass(frozen=True)
class Case:
    section: str
    name: str
    title: str
    unit: str
    goals: tuple = ()
    lower_is_better: bool = True
    # Of the rounds: "minimum" where whatever disturbs only adds (processor time), else "median".
    statistic: str = "minimum"
    # How many processors others may keep busy meanwhile for a goal to be decided; None: any number.
    most_load: float | None = None
    # Ratios in tables are each peer's to this one; None: "weft" to each peer.
    reference: str | None = None


@dataclasses.dataclass
class Record:
    case: Case
    peer: str
    values: list = dataclasses.field(default_factory=list)
    # Why there are none: a tool is not installed, the peer has no such thing, or it failed.
    missing: str = ""
    # Processors that others kept busy, on average.
    load: float = 0.0

    @property
    def value(self):
        """The one figure, or None."""
        if not self.values:
            return None
        if self.case.statistic == "median":
            return statistics.median(self.values)
        return min(self.values) if self.case.lower_is_better else max(self.values)

    @property
    def extremes(self):
        """Of what its value may be in truth."""
        if self.case.statistic == "median":
            return median_bounds(self.values)
        return min(self.values), max(self.values)

    @property
    def spread(self):
        """How far apart the rounds are, as a part of the figure: of a median all of them; of a minimum the better
        half, since what disturbs the others does not change it."""
        if not self.values or not self.value:
            return 0.0
        if self.case.statistic == "median":
            return (max(self.values) - min(self.values)) / abs(self.value)
        return abs(statistics.median(self.values) - self.value) / abs(self.value)

    def as_dict(self):
        goals = [dataclasses.asdict(goal) for goal in self.case.goals if goal.subject == self.peer]
        return {"section": self.case.section, "case": self.case.name, "title": self.case.title, "peer": self.peer,
                "unit": self.case.unit, "lower_is_better": self.case.lower_is_better,
                "statistic": self.case.statistic, "value": self.value, "spread": self.spread, "values": self.values,
                "missing": self.missing, "load": self.load, "goals": goals}


def median_bounds(values):
    """The smallest interval of two of the values in which the median of all that could have been measured lies with
    95 %, whatever their distribution is: each of them is below it or above with even odds. All, if there are less than
    nine."""
    ordered, below, left_out = sorted(values), 0.0, 0
    while 2 * left_out < len(ordered):
        below += math.comb(len(ordered), left_out) / 2 ** len(ordered)
        if below > 0.025:
            break
        left_out += 1
    left_out = max(left_out - 1, 0)
    return ordered[left_out], ordered[-1 - left_out]


def rounds_ratios(record, other):
    """Of medians, what each round gives, since peers of one round met the same machine; else None."""
    if record.case.statistic == "median" and len(record.values) == len(other.values) and all(other.values):
        return [a / b for a, b in zip(record.values, other.values)]
    return None


def ratio(record, other):
    """Of the figures; of medians, the median of what the rounds give. None if there is none."""
    if record is None or other is None or not record.values or not other.value:
        return None
    of_rounds = rounds_ratios(record, other)
    return statistics.median(of_rounds) if of_rounds else record.value / other.value


@dataclasses.dataclass(frozen=True)
class Verdict:
    goal: Goal
    figure: float | None  # in the goal's terms: a ratio, or the figure itself
    result: str  # "met", "not met", "too noisy", "machine busy", "one round" or "not measured"


def judge(goal, records):
    """`records` are those of one case, by peer."""
    record = records.get(goal.subject)
    other = records.get(goal.of) if goal.of else None
    if record is None or not record.values or (goal.of and (other is None or not other.values)):
        return Verdict(goal, None, "not measured")
    case = record.case
    peers = [record] + ([other] if other else [])
    if other and not goal.added:
        figure = ratio(record, other)
        of_rounds = rounds_ratios(record, other)
        extremes = median_bounds(of_rounds) if of_rounds else [a / b for a in record.extremes for b in other.extremes if b]
    else:
        base = other.value if other else 0.0
        figure = record.value - base
        extremes = [extreme - base for extreme in record.extremes]

    def good(value):
        return value <= goal.limit if case.lower_is_better else value >= goal.limit

    if case.most_load is not None and max(r.load for r in peers) > case.most_load:
        return Verdict(goal, figure, "machine busy")
    if min(len(r.values) for r in peers) < 2:
        return Verdict(goal, figure, "one round")
    undecided = len({good(value) for value in extremes}) > 1
    if case.statistic == "median":
        noisy = max(extremes) - min(extremes) > MOST_SPREAD["median"] * abs(figure)
    else:
        noisy = any(r.spread > MOST_SPREAD["minimum"] for r in peers)
    if undecided and noisy:
        return Verdict(goal, figure, "too noisy")
    return Verdict(goal, figure, "met" if good(figure) else "not met")
