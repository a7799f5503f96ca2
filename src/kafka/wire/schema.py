"""Reads the table of the wire protocol: schemas/*.schema, described in schemas/README.md."""
import dataclasses
import re

PRIMITIVES = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "int64": 8, "float64": 8, "uuid": 16, "error": 2}
LENGTHS = {"string": 2, "legacy_string": 2, "bytes": 4, "records": 4}  # bytes of the length when it is not compact
LAST = 32767


class SchemaError(Exception):
    pass


@dataclasses.dataclass
class Field:
    name: str
    type: str  # a primitive, a length type, or the name of a struct
    array: bool
    versions: tuple  # first, last
    nullable_from: int | None  # the first version that may say null
    default: str | None
    tag: int | None
    ignorable: bool
    struct: "Struct | None" = None

    def has(self, version):
        return self.versions[0] <= version <= self.versions[1]

    @property
    def nullable(self):
        return self.nullable_from is not None

    @property
    def camel(self):
        first, *rest = self.name.split("_")
        return first + "".join(word[:1].upper() + word[1:] for word in rest)


@dataclasses.dataclass
class Struct:
    name: str
    fields: list


@dataclasses.dataclass
class Message:
    name: str  # ProduceRequest
    title: str  # "Produce request"
    key: int | None
    api: str | None
    is_request: bool
    views: bool  # strings and bytes point into the frame
    versions: tuple
    flexible_from: int
    fields: list
    structs: list  # in the order of their definition, inner ones first

    def flexible(self, version):
        return version >= self.flexible_from

    @property
    def range(self):
        return range(self.versions[0], self.versions[1] + 1)


def parse_versions(text):
    match = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
    if not match:
        raise SchemaError(f"'{text}' is no range of versions")
    first = int(match[1])
    return (first, LAST if match[2] == "+" else int(match[3]) if match[3] else first)


def parse_field(line):
    """One line without its indentation: name type [= default] [versions] [tag N] [ignorable]. A field that says no versions is
    there whenever its struct is."""
    match = re.fullmatch(
        r"(?P<name>[a-z]\w*) +(?P<open>\[)?(?P<type>\w+)(?P<close>\])?(?P<null>\?(?P<from>\d+\+)?)?"
        r"(?: += (?P<default>\S+))?(?: +(?P<versions>\d\S*))?(?: +tag (?P<tag>\d+))?(?P<ignorable> +ignorable)?", line)
    if not match or bool(match["open"]) != bool(match["close"]):
        raise SchemaError(f"not a field: {line}")
    versions = parse_versions(match["versions"]) if match["versions"] else (0, LAST)
    nullable_from = None
    if match["null"]:
        nullable_from = int(match["from"][:-1]) if match["from"] else versions[0]
    return Field(match["name"], match["type"], bool(match["open"]), versions, nullable_from, match["default"],
                 int(match["tag"]) if match["tag"] else None, bool(match["ignorable"]))


class File:
    def __init__(self, path):
        self.name = path.name.removesuffix(".schema")
        self.about = []
        self.messages = []
        api, message, stack = None, None, []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                if line.startswith("#") and not self.messages and not api:
                    self.about.append(line[1:].strip())
                text = line.split("#")[0].rstrip()
                if not text:
                    continue
                if text.startswith(" "):
                    self.add(message, stack, (len(text) - len(text.lstrip())) // 2, text.strip())
                elif text.startswith("api "):
                    api = re.fullmatch(r"api (\d+) (\w+) (\S+) flexible (\S+)", text)
                else:
                    message = self.begin(api, text)
                    stack = [(message.fields, None)]
            except (SchemaError, TypeError, AttributeError, IndexError) as error:
                raise SchemaError(f"{path}:{number}: {error}") from error
        for message in self.messages:
            self.finish(message)

    def begin(self, api, text):
        if text in ("request", "response"):
            name, versions, flexible, views = api[2] + text.capitalize(), api[3], api[4], text == "request"
            title, key = f"{api[2]} {text}", int(api[1])
        else:
            data = re.fullmatch(r"data (\w+) (\S+) flexible (\S+)( views)?", text)
            name, versions, flexible, views = data[1], data[2], data[3], bool(data[4])
            title, key = name, None
        flexible_from = LAST if flexible == "none" else parse_versions(flexible)[0]
        message = Message(name, title, key, api[2] if api else None, text == "request", views, parse_versions(versions),
                          flexible_from, [], [])
        self.messages.append(message)
        return message

    @staticmethod
    def add(message, stack, depth, text):
        """A field at a depth: the struct it belongs to is that of the last line that is less deep."""
        del stack[depth:]
        fields, owner = stack[-1]
        field = parse_field(text)
        if owner is not None and owner.struct is None:
            owner.struct = Struct(owner.type, fields)
            message.structs.append(owner.struct)
        fields.append(field)
        stack.append(([], field))

    @staticmethod
    def finish(message):
        """Fields that only name a struct get the one that is described elsewhere in the message; inner structs first."""
        by_name = {}
        for struct in message.structs:
            if struct.name in by_name:
                raise SchemaError(f"{message.name}: {struct.name} is described twice")
            by_name[struct.name] = struct
        ordered = []

        def visit(fields):
            tags = []
            for field in fields:
                if field.tag is not None:
                    tags.append(field.tag)
                if field.type in PRIMITIVES or field.type in LENGTHS:
                    continue
                field.struct = field.struct or by_name.get(field.type)
                if field.struct is None:
                    raise SchemaError(f"{message.name}: what is {field.type}?")
                visit(field.struct.fields)
                if field.struct not in ordered:
                    ordered.append(field.struct)
            if len(set(tags)) != len(tags):
                raise SchemaError(f"{message.name}: a tag is used twice")

        visit(message.fields)
        message.structs = ordered


def minimum_size(message, struct_or_field, version, in_array=False):
    """The fewest bytes that a value can have on the wire."""
    flexible = message.flexible(version)
    if isinstance(struct_or_field, Struct):
        size = sum(minimum_size(message, f, version) for f in struct_or_field.fields if f.has(version) and f.tag is None)
        return size + (1 if flexible else 0)
    field = struct_or_field
    if field.array and not in_array:
        return 1 if flexible else 4
    if field.type in PRIMITIVES:
        return PRIMITIVES[field.type]
    if field.type in LENGTHS:
        return 1 if flexible and field.type != "legacy_string" else LENGTHS[field.type]
    return 1 if field.nullable and not in_array else minimum_size(message, field.struct, version)


def element_size(message, field):
    """The fewest bytes of an element of an array, in any version that has the array."""
    sizes = [minimum_size(message, field.struct or field, v, in_array=True) for v in message.range if field.has(v)]
    return max(1, min(sizes, default=1))


def read_errors(path):
    """(code, name, retriable, text) of each line of the table of error codes."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"(-?\d+) ([A-Z_]+)( retriable)? : (.+)", line)
        if not match:
            raise SchemaError(f"{path}:{number}: not an error code: {line}")
        rows.append((int(match[1]), match[2], bool(match[3]), match[4]))
    return rows


# The table in the form in which Kafka's own classes print theirs, so that tests/wire can compare the two as text.

def show_type(message, field, version):
    flexible = message.flexible(version)
    null = field.nullable and version >= field.nullable_from
    compact = "compact_" if flexible and field.type in LENGTHS and field.type != "legacy_string" else ""
    if field.struct:
        element = show_fields(message, field.struct.fields, version)
    elif field.type in LENGTHS:
        element = compact + ("nullable_" if null and not field.array else "") + field.type.removeprefix("legacy_")
    else:
        element = {"error": "int16", "bool": "boolean"}.get(field.type, field.type)
    if field.array:
        return ("compact " if flexible else "") + ("nullable " if null else "") + "array of " + element
    return element


def show_fields(message, fields, version):
    parts = [f"{f.name} {show_type(message, f, version)}" for f in fields if f.has(version) and f.tag is None]
    if message.flexible(version):
        tagged = sorted((f.tag, f) for f in fields if f.has(version) and f.tag is not None)
        parts.append("_tagged_fields tags{"
                     + ", ".join(f"{tag}: {f.name} {show_type(message, f, version)}" for tag, f in tagged) + "}")
    return "{" + ", ".join(parts) + "}"
