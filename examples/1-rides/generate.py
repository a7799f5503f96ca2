#!/usr/bin/env python3
"""Makes a year of bike rides with the oddities of real ones, for those who have no real data.

    generate.py DIRECTORY [--trips 60000] [--seed 1]

writes DIRECTORY/trips.csv.xz and DIRECTORY/stations.csv.xz with the columns of the public data set 'bikeshare14' (Bay Area Bike
Share, 2014). The same seed gives the same bytes. What is odd in it, on purpose: station ids that occur twice, trips that end in another city,
trips longer than a day, bikes that start elsewhere than they last ended (vans move them, unrecorded), a few that start before
their last trip ended, postal codes that are no numbers or missing, and the hour that happens twice when summer time ends.
"""
import argparse
import csv
import io
import lzma
import random
from datetime import datetime, timedelta
from pathlib import Path

CITIES = [("San Francisco", 37.785, -122.400, 36, 0.88), ("San Jose", 37.335, -121.890, 16, 0.06),
          ("Mountain View", 37.395, -122.080, 7, 0.03), ("Palo Alto", 37.443, -122.160, 5, 0.02),
          ("Redwood City", 37.487, -122.230, 6, 0.01)]
STREETS = ["Market", "Howard", "Folsom", "Townsend", "Kearny", "Post", "Beale", "Steuart", "Mission", "Spear", "Castro", "Main",
           "Broadway", "University", "Arena", "Park", "Adobe", "Ryland", "Almaden", "Japantown"]


def make_stations(rng):
    rows, by_city, station_id = [], {}, 2
    for city, latitude, longitude, count, _ in CITIES:
        for _ in range(count):
            station_id += rng.choice([1, 1, 2])
            first, second = rng.sample(STREETS, 2)
            row = [station_id, f"{first} at {second}", round(latitude + rng.uniform(-.02, .02), 6),
                   round(longitude + rng.uniform(-.02, .02), 6), rng.choice([11, 15, 19, 23, 27]), city, "2013-08-%02d" % rng.randint(1, 28)]
            rows.append(row)
            by_city.setdefault(city, []).append(row)
    for row in rng.sample(rows, 6):  # moved: the id occurs a second time, a little further on
        rows.append([row[0], row[1], round(row[2] + .001, 6), round(row[3] - .001, 6), *row[4:]])
    return rows, by_city


def on_the_clock(moment):
    """The hour from 2 to 3 on 2014-03-09 never was: clocks went from 2 to 3."""
    return moment + timedelta(hours=1) if datetime(2014, 3, 9, 2) <= moment < datetime(2014, 3, 9, 3) else moment


def make_trips(rng, by_city, count):
    start_of_year, minutes = datetime(2014, 1, 1), 365 * 24 * 60
    starts = sorted(rng.randrange(minutes) for _ in range(count - 5))
    starts = sorted(starts + [int((datetime(2014, 11, 2, 1, m) - start_of_year).total_seconds() // 60) for m in (2, 17, 18, 40, 59)])
    bikes, busy_until, cities = {}, {}, [c[0] for c in CITIES]
    fleet = {city: [i * 140 + n for n in range(1, 100 if city == "San Francisco" else 25)] for i, city in enumerate(cities)}
    trip = 139_545
    for minute in starts:
        trip += rng.choice([1, 1, 1, 2, 3])
        begin = on_the_clock(start_of_year + timedelta(minutes=minute))
        city = rng.choices(cities, [c[4] for c in CITIES])[0]
        end_city = city if rng.random() > .0015 else rng.choice(cities)
        bike = rng.choice(fleet[city])
        if busy_until.get(bike, begin) > begin and rng.random() > .002:
            bike = min(fleet[city], key=lambda b: busy_until.get(b, start_of_year))
        station = bikes.get(bike) if rng.random() > .2 else None
        station = station if station and station[5] == city else rng.choice(by_city[city])
        end = rng.choice(by_city[end_city])
        seconds = int(rng.lognormvariate(6.3, .6)) + 60
        if rng.random() < .0004:
            seconds = rng.randint(86_401, 300_000)
        finish = on_the_clock(begin + timedelta(minutes=seconds // 60))
        bikes[bike], busy_until[bike] = end, finish
        customer = rng.random() < .14
        postal = rng.choice(["", "", "v6z2x", "M4S1P", "94103-2585"]) if rng.random() < .02 else f"{rng.randint(94002, 95192)}"
        yield [trip, seconds, begin.isoformat(), station[1], station[0], finish.isoformat(), end[1], end[0], bike,
               "Customer" if customer else "Subscriber", postal]


def write(path, header, rows):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_bytes(lzma.compress(text.getvalue().encode(), preset=1))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("directory", type=Path)
    arguments.add_argument("--trips", type=int, default=60_000)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    rng = random.Random(options.seed)
    options.directory.mkdir(parents=True, exist_ok=True)
    stations, by_city = make_stations(rng)
    write(options.directory / "stations.csv.xz", ["station_id", "name", "lat", "long", "dock_count", "landmark", "install_date"], stations)
    write(options.directory / "trips.csv.xz", ["trip_id", "duration", "start_date", "start_station", "start_terminal", "end_date",
                                               "end_station", "end_terminal", "bike_id", "subscription_type", "zip_code"],
          make_trips(rng, by_city, options.trips))


if __name__ == "__main__":
    main()
