#!/usr/bin/env python3
"""Random messages of every API, version and direction, with the bytes and the JSON that Apache Kafka's own classes give them.

  tests/wire/vectors.py                       makes tests/wire/vectors/ and the corpus of src/kafka/wire/message_fuzz.cc anew;
                                              needs Java and Maven (tools/peers/kafka)
  tests/wire/vectors.py --live TEST [SEED]    compares fields and error codes with Kafka's, then makes other messages in a
                                              temporary directory and has the program TEST (test_wire) check them

A line of vectors/NAME.txt is: message, version, bytes in hexadecimal, JSON.
"""
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCHEMAS = ROOT / "src/kafka/wire/schemas"
ORACLE = ROOT / "tools/peers/kafka"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SCHEMAS.parent))
import schema  # noqa: E402

# What Kafka 4 does not have any more is asked of the last Kafka 3.
OLD = {"ProduceRequest": 2, "ProduceResponse": 2, "FetchRequest": 3, "FetchResponse": 3}


def ask(command, *arguments, text=""):
    answer = subprocess.run([ORACLE, command, *arguments], input=text, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        sys.exit(f"{ORACLE} {command} {arguments[0]} failed:\n{answer.stderr}")
    return answer.stdout.splitlines()


def tables():
    return [schema.File(path) for path in sorted(SCHEMAS.glob("*.schema"))]


def make(directory, seed, count):
    old, new = [], []
    for message in (m for table in tables() for m in table.messages):
        first, last = message.versions
        if message.name in OLD:
            old.append(f"{message.name} {first}-{OLD[message.name]}")
            first = OLD[message.name] + 1
        new.append(f"{message.name} {first}-{last}")
    lines = ask("old-wire", "vectors", str(seed), str(count), text="\n".join(old) + "\n")
    lines += ask("wire", "vectors", str(seed), str(count), text="\n".join(new) + "\n")
    by_message = {}
    for line in lines:
        by_message.setdefault(line.split(" ", 1)[0], []).append(line)
    directory.mkdir(exist_ok=True)
    for table in tables():
        chosen = [line for m in table.messages for line in by_message[m.name]]
        (directory / f"{table.name}.txt").write_text("\n".join(chosen) + "\n", encoding="utf-8")
    print(f"{len(lines)} messages")
    return by_message


def make_corpus(directory, by_message):
    """One input a message, as message_fuzz.cc reads them: the last version, with something in every field."""
    directory.mkdir(parents=True, exist_ok=True)
    data = 0
    for message in (m for table in tables() for m in table.messages):
        last = [line for line in by_message[message.name] if line.split(" ")[1] == str(message.versions[1])]
        key = message.key
        if key is None:
            key, data = 0x2000 + data, data + 1
        elif not message.is_request:
            key |= 0x4000
        body = bytes.fromhex(last[1].split(" ")[2])
        (directory / message.name).write_bytes(key.to_bytes(2, "big") + message.versions[1].to_bytes(2, "big") + body)


def compare_schemas():
    """The fields of every version, in the words of Kafka's classes."""
    theirs, api = {}, ""
    for command in ("old-wire", "wire"):
        for line in ask(command, "schemas"):
            if line.startswith("#"):
                api = line.split()[2]
            else:
                head, fields = line.split(": ", 1)
                # Kafka 3 did not show that records may be null; its classes read and write null.
                fields = re.sub(r"\brecords records\b", "records nullable_records", fields)
                kind, version, _, header = head.split()
                theirs[(api + kind.capitalize(), int(version[1:]))] = (header, fields)
    wrong = compared = 0
    for message in (m for table in tables() for m in table.messages if m.key is not None):
        for version in message.range:
            flexible = int(message.flexible(version))
            header = flexible + 1 if message.is_request else 0 if message.api == "ApiVersions" else flexible
            ours = (f"v{header}", schema.show_fields(message, message.fields, version))
            compared += 1
            if theirs.get((message.name, version)) != ours:
                wrong += 1
                print(f"{message.name} v{version}\n  ours  {ours}\n  Kafka {theirs.get((message.name, version))}")
    print(f"{compared} schemas compared, {wrong} differ")
    return wrong


def compare_errors():
    ours = [f"{code} {name}{' retriable' if retriable else ''}" for code, name, retriable, _ in
            schema.read_errors(SCHEMAS / "errors.table")]
    theirs = ask("wire", "errors")
    for line in sorted(set(ours) ^ set(theirs), key=lambda text: int(text.split()[0])):
        print(f"{'Baton' if line in ours else 'Kafka'}: {line}")
    print(f"{len(theirs)} error codes compared")
    return int(ours != theirs)


def live(program, seed):
    failed = compare_schemas() + compare_errors()
    with tempfile.TemporaryDirectory() as directory:
        print(f"seed {seed}")
        make(pathlib.Path(directory), seed, 12)
        result = subprocess.run([program, "--gtest_filter=Vectors.*"], check=False, capture_output=True, text=True,
                                env={**os.environ, "BATON_WIRE_VECTORS": directory, "GTEST_OUTPUT": ""})
        ran = re.search(r"(\d+) messages equal", result.stdout)
        print(result.stdout if result.returncode else ran[0] if ran else "the test compared nothing")
        failed += result.returncode != 0 or not ran
    return int(failed != 0)


if __name__ == "__main__":
    if len(sys.argv) in (3, 4) and sys.argv[1] == "--live":
        sys.exit(live(sys.argv[2], int(sys.argv[3]) if len(sys.argv) == 4 else random.randrange(1 << 32)))
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    make_corpus(ROOT / "src/kafka/wire/corpus/message", make(HERE / "vectors", 1, 6))
