"""Computes a plan row by row, event by event, from its JSON form and plain lists: what the engine has to agree with.

Nothing of the engine is imported. It follows `docs/formats/feature-plan.md`: calendars by `zoneinfo`, numbers by
`fractions`. A value comes with an error bound, 0 where the format promises the bits; see `Naive.expected`.
"""

from __future__ import annotations

import json
import math
import operator
import struct
from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
COUNTS = {"count", "count_non_null", "distinct", "distinct_sketch", "decayed_count"}
ULP = 2.0**-53  # one rounding to float64, relative


class Naive:
    """A plan over tables of plain rows.

    Args:
        plan: `FeaturePlan.to_json()`.
        tables: `pyarrow.Table.to_pylist()` by stored table.
        spine: rows that ask; those of the plan's spine table by default.
    """

    def __init__(self, plan, tables, spine=None):
        self.plan = plan
        self.tables = {name: [_plain(row) for row in rows] for name, rows in tables.items()}
        self.spine = self.tables[plan["spine"]["table"]] if spine is None else [_plain(row) for row in spine]
        self.specs = {spec["name"]: spec for spec in [*plan["intermediates"], *plan["features"]]}
        self.views = {view["name"]: view for view in [*plan["event_views"], *plan["state_views"]]}
        self.known = {}

    def expected(self, name, row):
        """Smallest and largest float32 that a feature may be, equal where it is exact; NaN for no value.

        Rounding is monotone, so a float64 within `error` of the exact value rounds to a float32 within these two.
        """
        value, error = self.value(name, row)
        if value is None or math.isnan(value):
            return math.nan, math.nan
        if error == 0:
            return float32(value), float32(value)
        return float32(value - error), float32(value + error)

    def value(self, name, row):
        """A feature's value, None or NaN where there is none, and how far the engine's float64 may lie from it."""
        key = name, row
        if key not in self.known:
            step = self.specs[name]["step"]
            self.known[key] = getattr(self, f"_{step['kind']}")(step, row)
        return self.known[key]

    def time_of(self, row):
        """The query time of a spine row, microseconds."""
        at = self.plan["spine"]["at"]
        return self.spine[row][at["column"]] + at["offset_us"]

    def _window(self, step, row):
        events = self._events(step, row)
        columns = [[self._evaluate(column, event)[0] for event in events] for column in step["columns"]]
        times = [event[self.views[step["view"]]["event_time"]] for event in events]
        kept = [place for place in range(len(events)) if all(_has(values[place], step) for values in columns)]
        columns = [[values[place] for place in kept] for values in columns]
        value, error = statistic(step, columns, [times[place] for place in kept], self.time_of(row))
        if value is None:
            value = step["empty"] if step["empty"] is not None else 0 if step["statistic"] in COUNTS else None
        return value, error

    def _events(self, step, row):
        """The rows of a window, oldest first."""
        key = json.dumps([step[name] for name in ("view", "by", "on", "where", "span")]), row
        if key not in self.known:
            spine, span = self.spine[row], step["span"]
            asked = [spine[name] for name in step["on"]]
            seen = []
            if None not in asked:
                candidates = self._candidates(step["view"], step["where"])
                mine = [event for event in candidates if [event[name] for name in step["by"]] == asked]
                seen = inside(span, self._visible(step, mine, self.time_of(row)), self.time_of(row))
            seen = [event for _, event in seen]
            if span["include_current"] and None not in asked and self._holds(step["where"], spine):
                seen.append(spine)
            self.known[key] = seen
        return self.known[key]

    def _candidates(self, view_name, where):
        key = view_name, json.dumps(where)
        if key not in self.known:
            view = self.views[view_name]
            known = view["available_at"] or view["event_time"]
            kept = []
            for place, event in enumerate(self.tables[view["table"]]):
                if event[view["event_time"]] is None or event[known] is None or not self._holds(where, event):
                    continue
                sequence = event[view["sequence"]] if view["sequence"] else 0
                order = event[view["event_time"]], event[known], -math.inf if sequence is None else sequence, place
                kept.append((order, event))
            self.known[key] = [event for _, event in sorted(kept, key=lambda pair: pair[0])]
        return self.known[key]

    def _holds(self, where, event):
        return where is None or self._evaluate(where, event)[0] is True

    def _visible(self, step, events, now):
        view, peers = self.views[step["view"]], step["span"]["closed"] in {"right", "both"}
        known, happened = view["available_at"] or view["event_time"], view["event_time"]
        return [
            (event[happened], event)
            for event in events
            if event[known] + view["delay_us"] <= now and (event[happened] < now or (peers and event[happened] == now))
        ]

    def _state(self, step, row):
        return self._last_state(step["view"], step["on"], step["tolerance_us"], row, step["column"]), 0

    def _last_state(self, view_name, on, tolerance_us, row, column):
        view, now = self.views[view_name], self.time_of(row)
        since, asked = view["valid_from"], [self.spine[row][name] for name in on]
        best = None
        for place, state in enumerate(self.tables[view["table"]]):
            if None in asked or [state[name] for name in view["keys"]] != asked:
                continue
            start = 0 if since is None else state[since]
            if since is not None and (start is None or start + view["delay_us"] > now):
                continue
            if best is None or (start, place) > best[:2]:
                best = start, place, state
        if best is None or (since is not None and tolerance_us is not None and now - best[0] > tolerance_us):
            return None
        return best[2][column]

    def _calendar(self, step, row):
        moment = self.spine[row][step["column"]]
        if moment is None:
            return None, 0
        local = clock(moment, step["tz"])
        value, period, first = {
            "minute": (local.minute, 60, 0), "minute_of_day": (local.hour * 60 + local.minute, 1440, 0),
            "hour": (local.hour, 24, 0), "weekday": (local.weekday(), 7, 0), "day": (local.day, 31, 1),
            "month": (local.month, 12, 1), "day_of_year": (local.timetuple().tm_yday, 366, 1),
        }[step["field"]]  # fmt: skip
        if step["encoding"] == "number":
            return value, 0
        return {"sin": math.sin, "cos": math.cos}[step["encoding"]](2 * math.pi * (value - first) / period), 4 * ULP

    def _expression(self, step, row):
        value, error = self._evaluate(step["expression"], self.spine[row], row)
        return None if value is None else float(value), error

    def _evaluate(self, node, record, row=None):
        """Value of an expression, and its error; arithmetic on float64 is exact in the sense that the bits are."""
        if "column" in node:
            return record[node["column"]], 0
        if "literal" in node:
            return node["literal"], 0
        if "query_time" in node:
            return self.time_of(row), 0
        if "state" in node:
            return self._last_state(node["state"], node["on"], node["tolerance_us"], row, node["column_of_state"]), 0
        if "feature" in node:
            value, error = self.value(node["feature"], row)
            if self.specs[node["feature"]]["dtype"] == "float32" and value is not None:
                error = 0 if error == 0 else error + abs(value) * 2.0**-23
                value = float32(value)
            return (None, 0) if value is None or math.isnan(value) else (float(value), error)
        operands = node.get("of", [node.get("left"), node.get("right")])
        operands = [self._evaluate(each, record, row) for each in (operands if type(operands) is list else [operands])]
        name = node.get("unary") or node.get("binary") or node["call"]
        return _operation(name, operands, node.get("parameters", []))


def inside(span, seen, now):
    """What a span keeps of visible (time, event) pairs, oldest first."""
    kind, width = span["kind"], span["width_us"]
    if kind == "expanding":
        return seen
    if kind == "count":
        return seen[-span["events"] :]
    if kind == "session":
        begin, newer = len(seen), now
        while begin and newer - seen[begin - 1][0] <= width:
            begin -= 1
            newer = seen[begin][0]
        return seen[begin:]
    start = now - width if kind == "duration" else calendar_start(span, now)
    strict = span["closed"] in {"right", "none"}
    return [pair for pair in seen if pair[0] > start or (pair[0] == start and not strict)]


def calendar_start(span, now):
    """Where a calendar window begins: microseconds."""
    zone, local = ZoneInfo(span["tz"]), clock(now, span["tz"])
    if span["kind"] == "to_date":
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        start = {
            "day": lambda: midnight, "week": lambda: midnight - timedelta(days=local.weekday()),
            "month": lambda: midnight.replace(day=1), "year": lambda: midnight.replace(month=1, day=1),
        }[span["field"]]()  # fmt: skip
    else:
        year, month = divmod(local.year * 12 + local.month - 1 - span["months"], 12)
        day = local.day
        while True:
            try:
                start = local.replace(year=year, month=month + 1, day=day)
                break
            except ValueError:
                day -= 1
        start -= timedelta(days=span["days"])
    return (start.replace(tzinfo=zone, fold=0).astimezone(UTC) - EPOCH) // MICROSECOND


def clock(moment, tz):
    """What the clock of a zone shows, without a zone."""
    return (EPOCH + moment * MICROSECOND).astimezone(ZoneInfo(tz)).replace(tzinfo=None, fold=0)


def statistic(step, columns, times, now):  # noqa: PLR0911  # one return a family
    """Value and error of a statistic of values that are not null, oldest first; None where there is none."""
    name, parameter = step["statistic"], step["parameter"]
    if name in {"count", "count_non_null"}:
        return len(times), 0
    if name in {"decayed_count", "decayed_sum", "decayed_mean"}:
        return _decayed(name, columns[0] if columns else [1] * len(times), [t - now for t in times], parameter)
    if name == "since_last":
        return ((now - times[-1]) / parameter, 0) if times else (None, 0)
    if name in {"cov", "corr", "slope", "trend"}:
        right = columns[1] if len(columns) > 1 else times
        return _pairs(name, columns[0], right, [*step["resolution_bits"], 0])
    if name in {"distinct", "distinct_sketch", "mode", "top_share", "entropy"}:
        return _categories(name, columns[0], parameter)
    values = [value if isinstance(value, float) else int(value) for value in columns[0]]
    if name in {"first", "last", "lag", "diff", "ratio"}:
        return _ends(name, values, parameter), 0
    return _moments(name, values, parameter, 2 ** step["resolution_bits"][0])


def _moments(name, values, parameter, scale):  # noqa: C901, PLR0911  # one return a statistic
    count = len(values)
    if not values:
        return None, 0
    if any(math.isnan(value) for value in values):
        return math.nan, 0
    if name in {"min", "max", "range"}:
        low, high = float(min(values)), float(max(values))
        return {"min": low, "max": high, "range": high - low}[name], 0
    if name == "share":
        return Fraction(sum(value > parameter for value in values), count), 0
    if name == "quantile":
        return _quantile(sorted(map(float, values)), parameter)
    if name in {"var", "std"} and count < 2:
        return None, 0
    infinite = {value for value in values if math.isinf(value)}
    if infinite:
        return (math.nan if name in {"var", "std"} or len(infinite) > 1 else infinite.pop()), 0
    exact = [Fraction(round(Fraction(value) * scale), scale) for value in values]
    mean = sum(exact) / count
    if name == "sum":
        return sum(exact), 0
    if name == "mean":
        return mean, 2 * ULP * abs(mean)
    variance = sum((value - mean) ** 2 for value in exact) / (count - 1)
    if name == "var":
        return variance, 3 * ULP * variance
    return math.sqrt(variance), 4 * ULP * math.sqrt(variance)


def _quantile(ascending, p):
    """The position is a float64 product, as NumPy's; between neighbours nothing is rounded, in the engine thrice."""
    position = p * (len(ascending) - 1)
    low = ascending[math.floor(position)]
    high, fraction = ascending[math.ceil(position)], Fraction(position) - math.floor(position)
    if low == high or fraction == 0:
        return low, 0
    if math.isinf(low) or math.isinf(high):
        return low + high, 0
    return low + (Fraction(high) - Fraction(low)) * fraction, 4 * ULP * max(abs(low), abs(high))


def _ends(name, values, parameter):
    needed = {"lag": int(parameter or 0) + 1, "diff": 2, "ratio": 2}.get(name, 1)
    if len(values) < needed:
        return None
    if name == "ratio":
        return divide(float(values[-1]), float(values[-2]))
    picked = {"first": lambda: values[0], "last": lambda: values[-1], "diff": lambda: values[-1] - values[-2]}
    return picked.get(name, lambda: values[-1 - int(parameter)])()


def _categories(name, values, parameter):
    counts = Counter(values)
    if name == "distinct":
        return len(counts), 0
    if name == "distinct_sketch":  # 4,096 registers: two of a hundred values share one in most windows, not more
        return len(counts), max(1.0, 0.05 * len(counts)) if counts else 0
    if not counts:
        return None, 0
    if name == "mode":
        return min(counts, key=lambda value: (-counts[value], value)), 0
    shares = sorted((Fraction(count, len(values)) for count in counts.values()), reverse=True)
    if name == "top_share":
        return sum(shares[: int(parameter)]), 0
    return math.fsum(-float(share) * math.log(share) for share in shares), 1e-14


def _decayed(name, values, ages, half_life):
    """Each weight is within 2 ulp of 2**x and x is rounded once; sums round once an event."""
    weights = [2.0 ** max(age / half_life, -1100.0) for age in ages]
    if name == "decayed_count":
        total = math.fsum(weights)
        return total, total * ULP * (len(weights) + 4 + 2 * max((-age / half_life for age in ages), default=0))
    total = math.fsum(weights)
    if not values or (name == "decayed_mean" and total == 0):
        return None, 0
    terms = [weight * value for weight, value in zip(weights, values, strict=True)]
    if not all(math.isfinite(term) for term in terms):
        weighted = sum(terms)
        return (weighted if name == "decayed_sum" else divide(weighted, total)), 0
    least = len(terms) * 2.0**-1073 * max(abs(value) for value in values)  # of weights too small for all their digits
    rounding = ULP * (2 * len(terms) + 8 + 4 * max(-age / half_life for age in ages))
    error = rounding * math.fsum(map(abs, terms)) + least
    if name == "decayed_sum":
        return math.fsum(terms), error
    return math.fsum(terms) / total, error / total


def _pairs(name, left, right, bits):
    if not all(math.isfinite(value) for value in [*left, *right]):
        return math.nan, 0
    if len(left) < 2:
        return None, 0
    sides = [
        [Fraction(round(Fraction(v) * 2**b), 2**b) for v in side] for side, b in zip((left, right), bits, strict=False)
    ]
    means = [sum(side) / len(side) for side in sides]
    (x, y) = ([value - mean for value in side] for side, mean in zip(sides, means, strict=True))
    both, lefts, rights = (sum(a * b for a, b in zip(*two, strict=True)) for two in ((x, y), (x, x), (y, y)))
    if name == "cov":
        value = both / (len(left) - 1)
    elif rights == 0 or (name == "corr" and lefts == 0):
        return None, 0
    elif name == "corr":
        value = Fraction(math.copysign(math.sqrt(both * both / (lefts * rights)), both))
    else:
        value = both / rights * (1_000_000 if name == "trend" else 1)
    return value, 6 * ULP * abs(value)


def _operation(name, operands, parameters):  # noqa: PLR0911  # one return a kind
    values, error = [value for value, _ in operands], max(error for _, error in operands)
    if name == "is_null":
        return values[0] is None, 0
    if name in {"and", "or"}:
        decided = name == "or"
        return (decided if decided in values else None if None in values else not decided), 0
    if name == "coalesce":
        return next(((float(v) if _any_float(values) else v) for v in values if v is not None), None), error
    if name == "if_else":
        chosen = None if values[0] is None else values[1 if values[0] else 2]
        return (float(chosen) if chosen is not None and _any_float(values[1:]) else chosen), error
    if None in values:
        return None, 0
    if name == "log1p":
        low = -math.inf if values[0] == -1 else math.nan
        value = math.log1p(values[0]) if values[0] > -1 else low
        return value, error + (4 * ULP * abs(value) if math.isfinite(value) else 0)
    if name == "haversine":
        return _haversine(*map(float, values))
    value = _compute(name, values, parameters)
    if error:  # of the operands: carried on at the scale of the largest number that took part
        error = 8 * max(error, ULP * max(abs(each) for each in [*values, value]))
    return value, error


def _compute(name, values, parameters):
    if name in {"clip", "minimum", "maximum"}:
        return _chosen(name, values, parameters)
    if name in {"gt", "ge", "lt", "le", "eq", "ne"}:
        left, right = (float(value) if _any_float(values) else value for value in values)
        return getattr(operator, name)(left, right)
    return OPERATIONS[name](*values) if name != "is_in" else values[0] in parameters


def _chosen(name, values, parameters):
    """NaN stays; a bound that is None bounds nothing."""
    if any(isinstance(value, float) and math.isnan(value) for value in values):
        return math.nan
    if name != "clip":
        return min(values) if name == "minimum" else max(values)
    low, high = parameters
    value = values[0] if low is None else max(values[0], low)
    return value if high is None else min(value, high)


def _haversine(*degrees):
    """By vectors, whose products round to 1e-16 of the radius: within 1e-8 km."""
    if not all(abs(each) <= limit for each, limit in zip(degrees, (90, 360, 90, 360), strict=True)):
        return math.nan, 0
    lat1, lon1, lat2, lon2 = map(math.radians, degrees)
    points = [
        (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))
        for lat, lon in ((lat1, lon1), (lat2, lon2))
    ]
    apart, between = math.dist(*points), math.dist(points[0], [-value for value in points[1]])
    return 6371.0088 * 2 * math.atan2(apart, between), 1e-8


def divide(left, right):
    """As IEEE 754 divides."""
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def float32(value):
    """The nearest float32, ties to even, infinite beyond the largest."""
    value = float(value)
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def _plain(row):
    return {name: (v - EPOCH) // MICROSECOND if isinstance(v, datetime) else v for name, v in row.items()}


def _has(value, step):
    return value is not None and not (step["skip_nan"] and isinstance(value, float) and math.isnan(value))


def _any_float(values):
    return any(isinstance(value, float) for value in values)


def _escaped(value):
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("\\", "\\\\").replace("|", "\\|")


OPERATIONS = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg, "abs": abs,
    "not": operator.not_, "div": lambda left, right: divide(float(left), float(right)),
    "sqrt": lambda value: math.sqrt(value) if value >= 0 else math.nan,
    "year": lambda moment: (EPOCH + moment * MICROSECOND).year,
    "hours_since_epoch": lambda moment: moment / 3_600_000_000.0,
    "cross": lambda *parts: "|".join(map(_escaped, parts)),
}  # fmt: skip
