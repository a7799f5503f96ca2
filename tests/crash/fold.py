#!/usr/bin/env python3
"""Folds events into what the views of views.yaml should hold, without Baton: an independent answer to compare with.

    fold.py EVENTS.ndjson [--first N]

reads events as `baton append --ndjson` takes them and as `baton tail --json` prints them, and prints the rows of each table, sorted, as
JSON. With --first, only the first N events that change a table count. It shares no code with Baton.
"""
import argparse
import json

HANDLED = ("Deposited", "Withdrawn")  # the views know nothing of any other type


def fold(events, first=None):
    """Table -> sorted rows."""
    accounts, entries, words, applied = {}, [], [], 0
    for event in events:
        if event["type"] not in HANDLED:
            continue
        if applied == first:
            break
        applied += 1
        data = event["data"]
        cents = data["cents"] if event["type"] == "Deposited" else -data["cents"]
        balance, count, digest, last = accounts.get(data["account"], (0, 0, 0, None))
        # The digest depends on every event and on their order.
        accounts[data["account"]] = (balance + cents, count + 1, (digest * 31 + data["cents"]) % 1_000_003, event["id"])
        entries.append((event["id"], event["stream"], cents))
        if event["type"] == "Deposited":
            words.append((int(data["mark"].strip("#")), data["text"]))
    return {"account": sorted((a, *row) for a, row in accounts.items()), "entry": sorted(entries), "word": sorted(words), "applied": applied}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("events", type=argparse.FileType())
    arguments.add_argument("--first", type=int)
    options = arguments.parse_args()
    print(json.dumps(fold(map(json.loads, options.events), options.first)))


if __name__ == "__main__":
    main()
