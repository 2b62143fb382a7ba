"""Will this flight arrive more than a quarter of an hour late? Asked two hours before its scheduled departure."""

from preparation import (
    NEW_YORK,
    flights_file,
    planes_file,
    prepare_flights,
    prepare_planes,
    prepare_weather,
    weather_file,
)

import headrace as hr

# Sources: which columns are read, as what, and what turns them into a table's columns.

FLIGHT_COLUMNS = {
    "year": "int64", "month": "int64", "day": "int64",
    "sched_dep_time": "int64", "dep_delay": "int64",
    "sched_arr_time": "int64", "arr_time": "int64", "arr_delay": "int64",
    "carrier": "string", "flight": "int64", "tailnum": "string", "origin": "string", "dest": "string",
    "air_time": "int64", "distance": "int64", "time_hour": "timestamp",
}  # fmt: skip
flights_csv = hr.CsvSource(flights_file, FLIGHT_COLUMNS, prepare=prepare_flights, line_column="source_line")
weather_csv = hr.CsvSource(
    weather_file,
    columns={
        "origin": "string", "temp": "float64", "dewp": "float64", "humid": "float64", "wind_dir": "float64",
        "wind_speed": "float64", "wind_gust": "float64", "precip": "float64", "pressure": "float64",
        "visib": "float64", "time_hour": "timestamp",
    },
    prepare=prepare_weather,
    line_column="source_line",
)  # fmt: skip
planes_csv = hr.CsvSource(
    planes_file,
    columns={
        "tailnum": "string", "year": "int64", "type": "string", "manufacturer": "string", "model": "string",
        "engines": "int64", "seats": "int64",
    },
    prepare=prepare_planes,
    line_column="source_line",
)  # fmt: skip

# Tables. The stored table of flights is seen from six sides: what is asked about, what waited 15 and 60 minutes after
# it was due to leave, what left, when its aircraft is expected back, what landed.

ENTITIES = ["origin", "carrier", "tailnum", "dest", "flight"]
FLIGHTS = hr.table("flights")
flights = hr.EventTable(
    "flights", flights_csv, ENTITIES, event_time="departs_at", available_at="arrives_at", resolution=1
)
checks_15 = hr.EventTable("checks_15", FLIGHTS, ENTITIES, event_time="check_15_at", resolution=1)
checks_60 = hr.EventTable("checks_60", FLIGHTS, ENTITIES, event_time="check_60_at", resolution=1)
takeoffs = hr.EventTable("takeoffs", FLIGHTS, ENTITIES, event_time="left_at", resolution=1)
turns = hr.EventTable("turns", FLIGHTS, ENTITIES, event_time="turns_at", available_at="left_at", resolution=1)
landings = hr.EventTable(
    "landings", FLIGHTS, ENTITIES, event_time="arrives_at", available_at="arrives_at", resolution=1
)
weather = hr.StateTable("weather", weather_csv, ["origin"], valid_from="observed_at")
planes = hr.StateTable("planes", planes_csv, ["tailnum"])

# What the tables must satisfy. A row that breaks a rule is set aside with the reason; a broken table stops the run.

AIRPORTS = ("EWR", "JFK", "LGA")
SCHEMAS = {
    "flights": hr.Schema(
        [
            hr.Field("flight_id", "string", unique=True),
            hr.Field("departs_at", "timestamp"),
            hr.Field("left_at", "timestamp", nullable=True),
            hr.Field("due_at", "timestamp"),
            hr.Field("arrives_at", "timestamp", nullable=True),
            hr.Field("scheduled_minutes", "int64", min=30, max=900, unit="minutes"),
            # The clock time of landing as recorded against the computed moment; one clock slept through March's change.
            hr.Field("clock_gap", "int64", nullable=True, min=0, max=0, severity="warn", unit="minutes"),
            hr.Field("origin", "string", allowed=AIRPORTS),
            hr.Field("dest", "string"),
            hr.Field("carrier", "string"),
            hr.Field("tailnum", "string", nullable=True, null_share_at_most=0.05),
            hr.Field("arr_delay", "int64", nullable=True, min=-120, max=1500, null_share_at_most=0.05, unit="minutes"),
            hr.Field("dep_delay", "int64", nullable=True, min=-120, max=1500, null_share_at_most=0.05, unit="minutes"),
            hr.Field("distance", "int64", min=10, max=6000, unit="miles"),
        ],
        rules=[
            hr.ForeignKey("tailnum", "planes", orphans_at_most=0.16),  # the register of aircraft is not complete
            hr.Volume(at_least=500, per="1d", column="departs_at", severity="warn"),
            hr.NoGaps("departs_at", longest="9h"),
        ],
        rows_at_least=300_000,
    ),
    "weather": hr.Schema(
        [
            hr.Field("origin", "string", allowed=AIRPORTS),
            hr.Field("observed_at", "timestamp"),
            hr.Field("temp", "float64", nullable=True, min=-30, max=120, unit="°F"),
            hr.Field("humid", "float64", nullable=True, min=0, max=100, unit="%"),
            hr.Field("visib", "float64", nullable=True, min=0, max=10, unit="miles"),
        ],
        rules=[hr.Unique(["origin", "observed_at"]), hr.NoGaps("observed_at", longest="6h")],
        rows_at_least=20_000,
    ),
    "planes": hr.Schema(
        [
            hr.Field("tailnum", "string", unique=True),
            hr.Field("year_built", "int64", nullable=True, min=1950, max=2013, null_share_at_most=0.05),
            hr.Field("seats", "int64", min=1, max=600),
        ]
    ),
}

# Features, all as they were known two hours before the scheduled departure.

DELAY = [hr.Mean(), hr.Share(above=15)]
AIRLINE_HERE = ["origin", "carrier"]


def each(events, prefix, keys, over, values):  # noqa: ANN001, ANN201
    """The same windows by several entities; a list of columns is one entity."""
    names = ["_".join(key) if isinstance(key, list) else key for key in keys]
    return [
        hr.windows(events, by=key, over=over, values=values, prefix=prefix + name)
        for key, name in zip(keys, names, strict=True)
    ]


landed = each(
    landings, "", ["origin", "carrier", "tailnum", "dest"], ["1h", "3h", "24h", "7d"],
    {"arr_delay": DELAY, None: [hr.Count()]},
)  # fmt: skip
habits = [
    *each(landings, "", [["carrier", "flight"]], ["7d", "30d"], {"arr_delay": DELAY}),
    *each(landings, "", [["origin", "dest"]], ["24h", "7d", "30d"], {"arr_delay": [hr.Mean()]}),
]
left = each(takeoffs, "left_", ["origin", "carrier", AIRLINE_HERE], ["1h", "3h"], {"dep_delay": [hr.Mean()]})
waiting = [
    *each(
        checks_15, "", ["origin", "carrier", "tailnum", "dest", AIRLINE_HERE], ["1h", "3h", "6h"],
        {"waiting_15": [hr.Mean()]},
    ),
    *each(checks_60, "", ["origin"], ["1h", "3h"], {"waiting_60": [hr.Mean()]}),
]  # fmt: skip
turned = [
    *each(turns, "turn_", ["tailnum"], ["3h", "210m", "4h", "5h", "8h", "24h"], {None: [hr.Count()]}),
    *each(turns, "turn_", ["tailnum"], ["3h", "6h", "24h"], {"dep_delay": [hr.Mean()]}),
]

departures = hr.FeatureSet(
    "departures",
    spine=flights,
    at="departs_at - 2h",
    row_id="flight_id",
    features=[
        *landed, *habits, *left, *waiting, *turned,
        hr.as_of(
            weather,
            ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"],
            tolerance="6h",
        ),
        hr.cyclic("departs_at", "hour", tz=NEW_YORK),
        hr.calendar("departs_at", ["hour", "weekday"], tz=NEW_YORK),
        hr.request("minute_of_day"),
        hr.request("distance"), hr.request("scheduled_minutes"),
        hr.lookup(planes, ["seats"]),
        (hr.query_time().year() - planes["year_built"]).named("aircraft_age"),
    ],
)  # fmt: skip

# The model, what it must show, how it is released and watched.

late = hr.Model(
    "late",
    features=departures,
    target=hr.column("arr_delay") > 15,
    split=hr.TimeSplit(train="2013-09-01", valid="2013-11-01", tz=NEW_YORK),
    metric="auc",
    params={
        "learning_rate": 0.08, "num_leaves": 63, "min_child_samples": 400, "lambda_l2": 50.0, "extra_trees": True,
        "feature_fraction": 0.3, "bagging_fraction": 0.8, "bagging_freq": 1,
    },
    rounds=1_500,
    gates=[
        hr.AtLeast("auc", 0.70),
        hr.Improves("naive", "auc", 0.05),
        hr.Improves("naive", "log_loss"),
        hr.AtMost("ece", 0.05),
        hr.MaxGap("auc", by="origin", gap=0.10),
    ],
    threshold=hr.CostThreshold(fp=1, fn=3),  # a needless warning costs one, a missed delay three
    slice_by=["origin", "carrier"],
    naive_by=["carrier", "origin", "dest"],
)  # fmt: skip

project = hr.Project(
    "flights",
    model=late,
    schemas=SCHEMAS,
    question="Will this flight arrive more than 15 minutes late? Asked two hours before its scheduled departure.",
    positives="late flights",
    release=hr.Release(share=0.10),
    monitoring=hr.Monitoring(
        window_days=7,
        drift=hr.DriftSettings(important_share=0.02),  # 105 features share the gain: few have more than a fiftieth
        rehearsal=hr.UnitChange("carrier_waiting_15_mean_3h", 100, "a share arrives as per cent"),
    ),
    units={
        "arr_delay": "minutes", "dep_delay": "minutes", "distance": "miles", "air_time": "minutes", "temp": "°F",
        "wind_speed": "mph", "visib": "miles", "pressure": "hPa", "seats": "seats", "year_built": "year",
    },
)  # fmt: skip
