#!/usr/bin/env python3
"""bench/kafka.py [kafka | http | NAME...]: Baton beside Apache Kafka, bench/sink, nginx and UmaDB; bench/run calls it. bench/README.md says what each row asks.

Both servers run on one core and what drives them on another; the runs of one row alternate between the sides, and the medians are compared.
"""
import contextlib
import statistics
import sys

import kafka_servers as servers
from kafka_servers import Baton, Kafka, Others, Scratch, Sink, load, measured, setting, settle

RECORDS = setting("RECORDS", 5_000_000)
WARMUP = setting("WARMUP", 5_000_000)
RUNS = setting("RUNS", 5)
SECONDS = setting("SECONDS", 20)
RATE = setting("RATE", 10_000)
# What a partition of many has at a time: a sender that is not waiting gathers more than 5 ms of records.
SMALL_BATCH = 10
START_BYTES = setting("START_BYTES", 10_000_000_000)
MIB = 1 << 20
# What a client sends at once where its settings do not let it wait for more: the size that Kafka's own load generators are run with.
MEDIUM_BATCH_BYTES = 65_536
# An event is stored with more than its producer sends, and what is stored of a batch may have 1 MiB: librdkafka's default of 1,000,000 bytes is too much.
EVENT_BATCH_BYTES = 500_000

missed = False


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def report(name, value, unit, target, detail, starred=False, lower=False):
    """`name | measured | target | verdict | detail`, as the rows of bench/harness.cc; without a target the number is told."""
    global missed
    met = target is None or (value <= target if lower else value >= target)
    missed |= starred and not met
    wanted = "-" if target is None else f"{'<=' if lower else '>='} {number(target)}{unit}"
    verdict = "told" if target is None else "met" if met else "missed"
    print(f"{'* ' if starred else ''}{name} | {number(value)}{unit} | {wanted} | {verdict} | {detail}", flush=True)


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def interleaved(sides):
    """{name: [run, ...]}: each side in turn, RUNS times. The first of all is left out: a compiler that works while the program runs has not seen this load."""
    out = {name: [] for name in sides}
    for n in range(RUNS + 1):
        for name, side in sides.items():
            out[name].append(side(n))
    return {name: runs[1:] for name, runs in out.items()}


@contextlib.contextmanager
def pair(name):
    """A fresh Baton and a fresh Kafka."""
    with Scratch(name) as directory, Baton(directory / "baton") as baton, Kafka(directory / "kafka") as kafka:
        yield baton, kafka


def produce(server, topic, records, **arguments):
    """A client that has just started connects and takes memory, which is not what is asked here: its first records are not counted."""
    return measured(server, "produce", bootstrap=server.bootstrap, topic=topic, records=records, warmup=records // 5, **arguments)


def rates(runs):
    return f"{median(runs, 'rate'):,.0f}/s (client at {median(runs, 'client_cpu') * 100:.0f}% of its core)"


def replay(server, topic, records, batch):
    """Raw, so that the client is not the limit: the same batch again and again, 5 in flight."""
    return measured(server, "replay", to="sink" if topic is None else "kafka", topic=topic or "", port=server.port, records=records, batch=batch)


def plain():
    """cpu100, throughput, throughput-synced and rss: the same runs. Batches as large as librdkafka makes them."""
    plain_rows("", {}, of_memory=True)


def plain64():
    """The same with batches of 64 KiB, told beside them."""
    plain_rows("-64k", {"batch_bytes": MEDIUM_BATCH_BYTES})


def plain_rows(suffix, settings, of_memory=False):
    with pair("plain") as (baton, kafka):
        settle(kafka)
        idle = {side.name: side.memory() for side in (baton, kafka)}
        baton.create("plain")
        kafka.create("plain")
        kafka.create("synced", flush_messages=1)
        for side in (baton, kafka):
            load("produce", bootstrap=side.bootstrap, topic="plain", records=WARMUP, **settings)
        batch = produce(baton, "plain", RECORDS, **settings)["batch"]
        with Sink(baton.data.parent, "--sync") as sink, Sink(baton.data.parent, "--sync", "--again") as again:
            runs = interleaved({
                "baton": lambda n: produce(baton, "plain", RECORDS, **settings),
                "kafka": lambda n: produce(kafka, "plain", RECORDS, **settings),
                "synced": lambda n: produce(kafka, "synced", RECORDS, **settings),
                "sink": lambda n: replay(sink, None, RECORDS, batch),
                "again": lambda n: replay(again, None, RECORDS, batch),
                "baton_raw": lambda n: replay(baton, "plain", RECORDS, batch),
                "kafka_raw": lambda n: replay(kafka, "plain", RECORDS, batch),
                "synced_raw": lambda n: replay(kafka, "synced", RECORDS, batch),
            })
    report_plain(runs, batch, suffix)
    if not of_memory:
        return
    busy = {"Baton": max(run["rss"] for run in runs["baton"]), "Kafka": max(run["rss"] for run in runs["kafka"] + runs["synced"])}
    for state, held in (("idle", idle), ("under load", busy)):
        report(f"rss {state}", held["Baton"] / held["Kafka"], "x", 0.1, f"VmRSS: Baton {held['Baton'] / MIB:.0f} MiB, Kafka (-Xmx1g) {held['Kafka'] / MIB:.0f} MiB",
               starred=True, lower=True)


def report_plain(runs, batch, suffix):
    baton, kafka, synced = (runs[name] for name in ("baton", "kafka", "synced"))
    cpu = {name: median(of, "cpu") for name, of in runs.items()}
    seen = f"CPU a million records: Baton (fsync) {cpu['baton']:.3f} s, Kafka (no sync) {cpu['kafka']:.3f} s, Kafka (flush.messages=1) {cpu['synced']:.3f} s"
    report(f"cpu100{suffix} of Kafka's", cpu["baton"] / cpu["kafka"], "x", 0.5, seen, starred=not suffix, lower=True)
    report(f"cpu100{suffix} of the sink's", cpu["baton"] / cpu["sink"], "x", 2,
           f"Baton (fsync) {cpu['baton']:.3f} s, sink (fdatasync) {cpu['sink']:.3f} s, or {cpu['again']:.3f} s where it writes the same 64 MiB again and again; {batch} records a batch",
           starred=not suffix, lower=True)
    rate = median(baton, "rate")
    report(f"throughput{suffix}", rate / median(kafka, "rate"), "x", 1, f"Baton (fsync) {rates(baton)}, Kafka (no sync) {rates(kafka)}", starred=not suffix)
    report(f"throughput-synced{suffix}", rate / median(synced, "rate"), "x", 3, f"Baton (fsync) {rates(baton)}, Kafka (flush.messages=1) {rates(synced)}", starred=not suffix)
    raw = {name: median(runs[f"{name}_raw"], "rate") for name in ("baton", "kafka", "synced")}
    report(f"throughput{suffix}-raw", raw["baton"] / raw["kafka"], "x", None, "the same batch again and again, 5 in flight, so that the client is not the limit: "
           f"Baton (fsync) {rates(runs['baton_raw'])}, Kafka (no sync) {rates(runs['kafka_raw'])}")
    report(f"throughput-synced{suffix}-raw", raw["baton"] / raw["synced"], "x", None, f"likewise: Baton (fsync) {rates(runs['baton_raw'])}, Kafka (flush.messages=1) {rates(runs['synced_raw'])}")


def memory():
    with Scratch("memory") as directory, Baton(directory / "baton") as baton, Sink(directory) as sink, Sink(directory, "--again") as again:
        baton.create("memory", durability="memory")
        warm = produce(baton, "memory", WARMUP)
        batch = warm["batch"]
        runs = interleaved({
            "baton": lambda n: replay(baton, "memory", RECORDS, batch),
            "sink": lambda n: replay(sink, None, RECORDS, batch),
            "again": lambda n: replay(again, None, RECORDS, batch),
        })
    cpu = ", ".join(f"{median(of, 'cpu'):.3f}" for of in runs.values())
    report("memory", median(runs["baton"], "rate") / median(runs["sink"], "rate"), "x", 0.7,
           f"replayed batches of {batch}, 5 in flight: Baton (durability=memory) {rates(runs['baton'])}, sink (no sync) {rates(runs['sink'])}, writing again "
           f"{rates(runs['again'])}; CPU a million {cpu} s; librdkafka to Baton {warm['rate']:,.0f}/s")


def events():
    with pair("events") as (baton, kafka):
        baton.create("events", baton_kind="event")
        kafka.create("events")
        records = max(RECORDS // 2, 1)

        def side(server, run, count):
            return produce(server, "events", count, event=1, bytes=200, run=run, batch_bytes=EVENT_BATCH_BYTES)
        for server in (baton, kafka):
            side(server, "warm", WARMUP // 2)
        runs = interleaved({"baton": lambda n: side(baton, n, records), "kafka": lambda n: side(kafka, n, records)})
        rss = {name: max(run["rss"] for run in of) / MIB for name, of in runs.items()}
        anon = max(run["anon"] for run in runs["baton"]) / MIB
    rate = median(runs["baton"], "rate")
    report("events", rate, "/s", 100_000,
           f"streams, ids, types and tags indexed, ce_id on each: Baton (event topic, fsync) {rates(runs['baton'])}, Kafka (plain topic, the same records, no sync) "
           f"{rates(runs['kafka'])}: {rate / median(runs['kafka'], 'rate'):.2f}x; CPU a million {median(runs['baton'], 'cpu'):.2f} and {median(runs['kafka'], 'cpu'):.2f} s; "
           f"VmRSS {rss['baton']:.0f} MiB ({anon:.0f} anonymous) and {rss['kafka']:.0f} MiB", starred=True)


def consume():
    with pair("consume") as (baton, kafka):
        for side in (baton, kafka):
            side.create("plain")
            load("produce", bootstrap=side.bootstrap, topic="plain", records=max(RECORDS, WARMUP))

        def take(server, count):
            return measured(server, "consume", bootstrap=server.bootstrap, topic="plain", records=count)
        for side in (baton, kafka):
            take(side, WARMUP)
        runs = interleaved({"baton": lambda n: take(baton, RECORDS), "kafka": lambda n: take(kafka, RECORDS)})
    cpu = {name: median(of, "cpu") for name, of in runs.items()}
    report("consume", cpu["baton"] / cpu["kafka"], "x", 0.25,
           f"CPU a million from the page cache: Baton {cpu['baton']:.3f} s, Kafka {cpu['kafka']:.3f} s; {rates(runs['baton'])} and {rates(runs['kafka'])}", lower=True)


def latency():
    modes = {"synced": ({"durability": "fsync"}, {"flush_messages": 1}, "fsync", "flush.messages=1"),
             "interval": ({"durability": "interval"}, {}, "interval of 100 ms", "no sync")}
    with pair("latency") as (baton, kafka):
        for mode, (of_baton, of_kafka, _, _) in modes.items():
            baton.create(mode, **of_baton)
            kafka.create(mode, **of_kafka)
            for side in (baton, kafka):
                load("produce", bootstrap=side.bootstrap, topic=mode, records=WARMUP // 2)

        def one(server, mode):
            return measured(server, "latency", bootstrap=server.bootstrap, topic=mode, rate=RATE, seconds=SECONDS, linger=1)
        for mode, (_, _, of_baton, of_kafka) in modes.items():
            runs = interleaved({"baton": lambda n, m=mode: one(baton, m), "kafka": lambda n, m=mode: one(kafka, m)})
            lost = sum(run["lost"] for side in runs.values() for run in side)

            def told(side):
                # The queue grows as long as the run lasts: what is measured is its length.
                late = "DOES NOT KEEP UP, " if median(side, "p50_ms") > 1000 else ""
                return late + ", ".join(f"{k} {median(side, k + '_ms'):.2f} ms" for k in ("p50", "p99", "p999")) + f", CPU a million {median(side, 'cpu'):.1f} s"
            report(f"latency-{mode}", median(runs["baton"], "p99_ms") / median(runs["kafka"], "p99_ms"), "x", 0.5,
                   f"{RATE:,} records/s from due time to consumer: Baton ({of_baton}) {told(runs['baton'])}; Kafka ({of_kafka}) {told(runs['kafka'])}"
                   + (f"; {lost} RECORDS DID NOT COME" if lost else ""), lower=True)


def side_of_many(server, records):
    return produce(server, "many", records, keys=100_000, batch_records=SMALL_BATCH)


def partitions():
    with pair("partitions") as (baton, kafka):
        for side in (baton, kafka):
            side.create("many", partitions=1000)
            settle(side)
            side_of_many(side, WARMUP // 5)
            settle(side)
        runs = interleaved({side.name: lambda n, s=side: side_of_many(s, RECORDS // 5) for side in (baton, kafka)})
    report("partitions1000", median(runs["Baton"], "rate") / median(runs["Kafka"], "rate"), "x", 2,
           f"keyed, {median(runs['Baton'], 'batch'):.0f} and {median(runs['Kafka'], 'batch'):.0f} records a batch: Baton (fsync) {rates(runs['Baton'])}, "
           f"Kafka (no sync) {rates(runs['Kafka'])}; CPU a million {median(runs['Baton'], 'cpu'):.2f} and {median(runs['Kafka'], 'cpu'):.2f} s")


def size_of(directory):
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def read_all(directory):
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                while file.read(1 << 20):
                    pass


def fill(directory):
    """An event topic of START_BYTES, after a clean stop: how many million events."""
    millions = 0
    with Baton(directory / "baton") as baton:
        baton.create("events", baton_kind="event")
        while size_of(baton.data) < START_BYTES:
            load("produce", bootstrap=baton.bootstrap, topic="events", records=1_000_000, event=1, bytes=200, run=millions, batch_bytes=EVENT_BATCH_BYTES)
            millions += 1
    return millions


def start():
    times = []
    with Scratch("start") as directory:
        millions = fill(directory)
        data = directory / "baton"
        bytes_there = size_of(data)
        for n in range(RUNS):
            read_all(data)
            port = servers.free_port()
            first = load("first_ack", servers.PROGRAM, "--data", data, "serve", "--kafka-port", port, "--http-port", 0, port=port, topic="events", event=1, run=f"first{n}",
                         core=servers.server_core(), log=directory / "log")
            times.append(first["ms"])
            servers.stop_pid(first["pid"])
        kafka = start_kafka(directory)
    report("start", statistics.median(times), " ms", 100,
           f"to the first acknowledged record, {bytes_there / 1e9:.1f} GB of {millions} million events in 1 million streams, worst {max(times):.0f} ms; "
           f"Kafka with a plain topic of {WARMUP:,} records {kafka:,.0f} ms", starred=True, lower=True)


def start_kafka(directory):
    """Milliseconds of one clean restart; its script is a part of it, a few milliseconds of some seconds."""
    with Kafka(directory / "kafka") as kafka:
        kafka.create("plain")
        load("produce", bootstrap=kafka.bootstrap, topic="plain", records=WARMUP)
        servers.stop_pid(kafka.pid)
        words = ["env", f"KAFKA_PORT={kafka.port}", "KAFKA_HEAP=1g", f"KAFKA_CPUS={servers.server_core()}", servers.KAFKA, "restart", kafka.directory, "1"]
        return load("first_ack", *words, port=kafka.port, topic="plain", core=servers.server_core(), log=directory / "kafka.log")["ms"]


def http():
    import kafka_http
    kafka_http.rows(report, RUNS, SECONDS)


def umadb():
    import kafka_umadb
    kafka_umadb.rows(report, RUNS, SECONDS)


# The rows by the name that asks for them, and their groups.
ROWS = {
    "plain": ("kafka", plain), "plain64": ("kafka", plain64), "memory": ("kafka", memory), "events": ("kafka", events), "consume": ("kafka", consume), "latency": ("kafka", latency),
    "partitions1000-kafka": ("kafka", partitions), "start": ("kafka", start), "http": ("http", http), "umadb": ("http", umadb),
}


def main(names):
    if names == ["--names"]:
        return print(*ROWS, "kafka")
    for name, (group, row) in ROWS.items():
        if not names or name in names or group in names:
            row()
    if Others.seen and max(Others.seen) > 0.1:
        print(f"Other work took {max(Others.seen) * 100:.0f}% of a core in the worst run, {statistics.median(Others.seen) * 100:.0f}% in the median one (the kernel's threads are a part of it).")
    return sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
