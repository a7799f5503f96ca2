"""docs/compatibility.md, from what was played."""
import json

from compare import EPOCHS, NORMALISED, TEXTS

AREAS = {"versions": "Versions and frames", "metadata": "Metadata", "topics": "Topics", "configs": "Settings", "produce": "Produce",
         "idempotence": "Producer ids and sequences", "fetch": "Fetch and offsets of records", "groups": "Groups", "offsets": "Committed offsets"}

HEAD = """# Compatibility with Kafka

This page is made by `tests/parity/parity_test.py BATON --write-docs`, which plays sessions of raw requests to Apache Kafka {kafka} and to Baton and compares the decoded
answers field by field. Requests are encoded and answers decoded by Kafka's own classes. The test `parity` plays them again and fails on a difference that is not here, on one
that is here and does not come any more, and when this page is not what it would write. {count} sessions are played, {plays} times with their versions; {equal} of them are equal in
every field but those that differ everywhere (below).

The sessions are in `tests/parity/sessions/`: valid requests, requests at the edge of what is valid, and wrong ones.

## What is compared
Every field of every answer: error codes, offsets, epochs, the time of throttling, defaults, what is null and what is empty. Not compared, since two brokers cannot have it in common:

| field | compared as | why |
|---|---|---|
"""


def ranges(numbers):
    numbers, out = sorted(numbers), []
    for n in numbers:
        if out and n == out[-1][1] + 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def cell(text):
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def shown(value, path, errors):
    leaf = path.rsplit(".", 1)[-1]
    if value == "(absent)":
        return "not there"
    if isinstance(value, (dict, list)):
        return "there" if value else "empty"
    if isinstance(value, str) and value.startswith("$t"):
        return "the producer's time"
    if "rrorCode" in leaf and str(value) in errors:
        return f"{value} {errors[str(value)]}"
    return value if isinstance(value, str) and value else json.dumps(value)


def leaf(path):
    return path.rsplit(".", 1)[-1] if not path.endswith("]") else path.rsplit(".", 1)[-1].split("[")[0]


def compared_section():
    rows = [f"| `{name}` | `{to}` | {why} |" for name, (to, why) in NORMALISED.items()]
    rows.append("| topic ids, member ids, producer ids | the name that the session gives to them | each broker makes its own; that the right one comes back is compared |")
    rows.append(f"| {', '.join(f'`{e}`' for e in EPOCHS)} | the distance from the broker's epoch | Kafka counts from 0 for a topic, Baton counts the starts of the store |")
    rows.append(f"| {', '.join(f'`{t}`' for t in TEXTS)} | whether there is a text | texts are for people |")
    rows.append("| times that the broker made | that they are of now | two clocks |")
    rows.append("| the order of topics, partitions, members, settings | by their names | clients do not look at it, and Kafka does not promise it |")
    return rows


def api_section(result, served, known):
    theirs, ours = served
    out = ["", "## APIs", "", "| API | Kafka | Baton | versions compared | sessions |", "|---|---|---|---|---|"]
    only = []
    for name, of in sorted(known["apis"].items(), key=lambda item: item[1]["key"]):
        key = of["key"]
        if key not in theirs and key not in ours:
            continue
        if key not in ours:
            only.append(f"{name}")
            continue
        played = result.by_api.get(name, {})
        sessions = {s for names in played.values() for s in names}
        out.append(f"| {name} | {theirs[key][0]}-{theirs[key][1]} | {ours[key][0]}-{ours[key][1]} | {ranges(played) or 'none'} | {len(sessions)} |")
    out += ["", f"Kafka alone serves {', '.join(only)}; why is among the differences of ApiVersions.", "",
            "Kafka's classes know Produce from version 3 and Fetch from version 4 on: what is older is not compared."]
    return out


def everywhere_section(result, errors):
    out = ["", "## Differences that any session may see", "", "| API | field | Kafka | Baton | why |", "|---|---|---|---|---|"]
    seen = {}
    for _, answer, path, theirs, ours, expected in result.expected:
        if any(expected is e for _, e in result.everywhere):
            seen.setdefault((answer.api, expected.reason), {}).setdefault(expected.path, (path, theirs, ours))
    for (api, reason), paths in sorted(seen.items()):
        fields = ", ".join(f"`{p}`" for p in sorted(paths))
        path, theirs, ours = next(iter(paths.values()))
        if len(paths) > 1:
            values = ("there", "not there") if ours == "(absent)" else ("not there", "there") if theirs == "(absent)" else ("", "")
        else:
            values = (shown(theirs, path, errors), shown(ours, path, errors))
        out.append(f"| {api} | {fields} | {cell(values[0])} | {cell(values[1])} | {cell(reason)} |")
    return out


def differing_section(result, errors):
    out = ["", "## Differences of a session"]
    rows = {}
    for play, answer, path, theirs, ours, expected in result.expected:
        if not any(expected is e for _, e in result.everywhere):
            key = (play.session.area, play.session.name, answer.step.line, expected.reason)
            rows.setdefault(key, []).append((answer.api, path, theirs, ours))
    for area, title in AREAS.items():
        of_area = {k: v for k, v in sorted(rows.items(), key=lambda kv: (kv[0][0], kv[0][2])) if k[0] == area}
        if not of_area:
            continue
        out += ["", f"### {title}", "", "| session | answer | Kafka | Baton | why |", "|---|---|---|---|---|"]
        for (_, name, _, reason), found in of_area.items():
            api, path, theirs, ours = next((f for f in found if "rrorCode" in f[1]), found[0])
            more = sorted({leaf(f[1]) for f in found} - {leaf(path)})
            also = f", and with it {', '.join(f'`{m}`' for m in more[:3])}{' and others' if len(more) > 3 else ''}" if more else ""
            out.append(f"| {cell(name)} | {api} `{leaf(path)}`{also} | {cell(shown(theirs, path, errors))} | {cell(shown(ours, path, errors))} | {cell(reason)} |")
    return out


def equal_section(sessions, result):
    out = ["", "## What is equal"]
    for area, title in AREAS.items():
        equal = [s for s in sessions if s.area == area and s.name not in result.differing]
        out += ["", f"### {title}", ""]
        for session in equal:
            versions = ""
            if session.versions:
                played = {a for a, sessions_of in result.by_api.get(session.versions[0], {}).items() if session.name in sessions_of}
                versions = f" ({session.versions[0]} {ranges(played)})" if played else ""
            out.append(f"- {session.name}{versions}")
    return out


def settings_section(of, title, settings):
    equal = [e for e in settings.equal if e[2] != "none"]
    out = ["", f"## {title}", "", f"{len(equal)} have the same type and the same default:", "", "| setting | type | default |", "|---|---|---|"]
    out += [f"| `{name}` | {kind} | `{cell(default) or ' '}` |" for name, kind, default in equal]
    if without := [f"`{name}`" for name, _, default in settings.equal if default == "none"]:
        out += ["", f"Of the same type, and without a default that is shown: {', '.join(without)}."]
    out += ["", "Other defaults:", "", "| setting | Kafka | Baton | why |", "|---|---|---|---|"]
    out += [f"| `{name}` | `{cell(theirs)}` | `{cell(ours)}` | {cell(why)} |" for name, theirs, ours, why in settings.differing]
    for kind, who in (("kafka", "Kafka"), ("baton", "Baton")):
        reasons = [r for r in settings.reasons if r.kind == kind]
        out += ["", f"Only {who} has:", ""]
        out += [f"- {', '.join(f'`{n}`' for n in sorted(r.met))}: {r.text}" for r in reasons]
    return out


def write(sessions, plays, result, defaults, served, known, kafka):
    lines = [HEAD.format(kafka=kafka, count=len(sessions), plays=len(plays), equal=len(sessions) - len(result.differing)).rstrip("\n")]
    lines += compared_section()
    lines += api_section(result, served, known)
    lines += everywhere_section(result, known["errors"])
    lines += differing_section(result, known["errors"])
    lines += equal_section(sessions, result)
    lines += settings_section("topic", "Settings of topics", defaults["topic"])
    lines += settings_section("broker", "Settings of the broker", defaults["broker"])
    return "\n".join(lines) + "\n"
