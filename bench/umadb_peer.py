#!/usr/bin/env python3
"""UmaDB's server, and two questions through its own client; bench/kafka_umadb.py starts this with the package umadb in PYTHONPATH.

  umadb_peer.py serve PORT FILE PIPELINED   serves until it is killed
  umadb_peer.py refused PORT                stores one event, and ends with 0 if it is refused when its condition does not hold any more
  umadb_peer.py count PORT                  prints how many events there are
"""
import sys

import umadb


def serve(port, file, pipelined):
    umadb.run_server_from_args(["umadb", "--listen", f"127.0.0.1:{port}", "--db-path", file, "--pipelined-writer", pipelined])


def connect(port):
    return umadb.Client(f"http://127.0.0.1:{port}")


def refused(port):
    client = connect(port)
    event = umadb.Event("RideEnded", b"{}", ["bike:0", "ride:refused"])
    unless = umadb.AppendCondition(umadb.Query([umadb.QueryItem([], ["ride:refused"])]))
    client.append([event], unless)
    before = client.head()
    try:
        client.append([event], unless)
    except umadb.IntegrityError:
        sys.exit(0 if client.head() == before else "it was refused, and is stored all the same")
    sys.exit("an append whose condition does not hold was not refused")


def count(port):
    print(connect(port).head() or 0)


if __name__ == "__main__":
    {"serve": serve, "refused": refused, "count": count}[sys.argv[1]](*sys.argv[2:])
