#!/usr/bin/env python3
"""Folds the trips into what the views should say, without Baton: an independent answer to compare with.

    fold.py TRIPS.csv[.xz] STATIONS.csv[.xz] OUT_DIRECTORY [--before 2014-06-01T00:00:00Z]

writes one file a view table, sorted lines of tab-separated values: city_hour, station, bike, and totals. With --before, only what
happened before that moment counts. It shares no code with Baton and reads nothing but the two files.
"""
import argparse
import csv
import io
import lzma
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

HERE = ZoneInfo("America/Los_Angeles")


def rows(path):
    raw = path.read_bytes()
    text = (lzma.decompress(raw) if path.suffix == ".xz" else raw).decode()
    return csv.DictReader(io.StringIO(text))


def utc(local):
    # Of a time that happens twice, the earlier one: what map.yaml says too.
    return datetime.fromisoformat(local).replace(tzinfo=HERE, fold=0).astimezone(timezone.utc)


def events(trips, city_of):
    """(time, row, place in the row) and what happened, in the order in which the store has them."""
    result = []
    for number, row in enumerate(trips):
        result.append(((utc(row["start_date"]), number, 0), "start", row, city_of[row["start_terminal"]]))
        result.append(((utc(row["end_date"]), number, 1), "end", row, city_of[row["end_terminal"]]))
    result.sort(key=lambda event: event[0])
    return result


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("trips", "stations", "out"):
        arguments.add_argument(name, type=Path)
    arguments.add_argument("--before", type=lambda t: datetime.fromisoformat(t.replace("Z", "+00:00")))
    options = arguments.parse_args()

    city_of = {row["station_id"]: row["landmark"] for row in rows(options.stations)}  # the last row of an id wins
    city_hour, departures, arrivals, bike, totals = Counter(), Counter(), Counter(), {}, Counter()
    names = {}
    for (when, _, _), kind, row, city in events(rows(options.trips), city_of):
        if options.before and when > options.before:
            continue
        totals[kind] += 1
        side = "start" if kind == "start" else "end"
        station = int(row[side + "_terminal"])
        names[station] = row[side + "_station"]
        if kind == "start":
            city_hour[city, row["start_date"][:13]] += 1
            departures[station] += 1
        else:
            arrivals[station] += 1
        bike[int(row["bike_id"])] = (station, when.strftime("%Y-%m-%dT%H:%M:%SZ"))

    options.out.mkdir(parents=True, exist_ok=True)

    def write(name, lines):
        (options.out / name).write_text("".join("\t".join(map(str, line)) + "\n" for line in sorted(lines)))

    write("city_hour", ((city, hour, n) for (city, hour), n in city_hour.items()))
    write("station", ((s, names[s], departures[s], arrivals[s]) for s in names))
    write("bike", ((b, place, when) for b, (place, when) in bike.items()))
    write("totals", ((kind, n) for kind, n in totals.items()))


if __name__ == "__main__":
    main()
