"""The rows of bench/kafka.py that ask HTTP: appends and reads with wrk at 64 connections, and nginx serving a file of the size of a read's answer."""
import re
import statistics
import urllib.request

from kafka_servers import Baton, Nginx, Scratch, run

CONNECTIONS = 64

# One thread of wrk, so one counter: each append is an event of one of 10,000 streams.
APPENDS = """
local n = 0
local body = '{"bike":473,"station":58,"note":"' .. string.rep('x', 165) .. '"}'
request = function()
  n = n + 1
  return wrk.format('POST', '/streams/bench/stream-' .. (n % 10000) .. '?type=RideEnded', {['Content-Type'] = 'application/json'}, body)
end
"""
# wrk's own count of errors is of sockets and of statuses above 399.
BAD = re.compile(r"Socket errors.*|Non-2xx.*")


def wrk(server, url, seconds, script=None):
    before = server.cpu()
    out = run(["wrk", "-t", "1", "-c", CONNECTIONS, "-d", f"{seconds}s", "--latency", *(["-s", script] if script else []), url])
    if bad := BAD.search(out):
        raise RuntimeError(f"wrk {url}: {bad[0]}")
    requests = int(re.search(r"(\d+) requests in", out)[1])
    return {"rate": float(re.search(r"Requests/sec:\s+(\S+)", out)[1]), "p99": re.search(r"99%\s+(\S+)", out)[1], "cpu": (server.cpu() - before) / requests * 1e6}


def told(runs):
    return f"{statistics.median(r['rate'] for r in runs):,.0f}/s (p99 {runs[-1]['p99']}, CPU a million {statistics.median(r['cpu'] for r in runs):.1f} s)"


def measure(directory, runs, seconds):
    """Requests a second of each side, in turn, and the size of the answer to a read."""
    script = directory / "appends.lua"
    script.write_text(APPENDS)
    with Baton(directory / "baton") as baton:
        base = f"http://127.0.0.1:{baton.http_port}/streams/bench/"
        body = b'{"bike":473,"station":58,"note":"' + b"x" * 165 + b'"}'
        urllib.request.urlopen(urllib.request.Request(base + "read-1?type=RideEnded", body, {"Content-Type": "application/json"})).read()
        answer = urllib.request.urlopen(base + "read-1").read()
        with Nginx(directory, answer) as nginx:
            url = f"http://127.0.0.1:{nginx.port}/file"
            sides = {"append": lambda: wrk(baton, base, seconds, script), "read": lambda: wrk(baton, base + "read-1", seconds), "nginx": lambda: wrk(nginx, url, seconds)}
            seen = {name: [] for name in sides}
            for _ in range(runs + 1):
                for name, side in sides.items():
                    seen[name].append(side())
    return {name: of[1:] for name, of in seen.items()}, len(answer)


def rows(report, runs, seconds):
    with Scratch("http") as directory:
        seen, size = measure(directory, runs, seconds)
    rate = {name: statistics.median(run["rate"] for run in of) for name, of in seen.items()}
    peer = f"nginx (a file of {size} bytes) {told(seen['nginx'])}; wrk, {CONNECTIONS} connections"
    report("http-append", rate["append"] / rate["nginx"], "x", None, f"Baton (fsync), an event of 200 bytes a request {told(seen['append'])}, {peer}")
    report("http-read", rate["read"] / rate["nginx"], "x", 0.3, f"Baton, a stream of one event {told(seen['read'])}, {peer}")
