#!/usr/bin/env python3
"""Makes the C++ of the wire protocol from schemas/: structs, codecs, a dump as JSON, the lists of APIs and error codes.

  generate.py SCHEMAS OUT      writes OUT/kafka/wire/*.h and *.cc; files that would not change are left alone

Each message becomes one struct; each struct within it a nested struct, with read, write and dump. What a struct does with a
version is straight code: no table is interpreted while a request is decoded.
"""
import pathlib
import re
import sys

import schema
from schema import LAST, LENGTHS, PRIMITIVES

NUMBERS = {"bool": "bool", "int8": "std::int8_t", "int16": "std::int16_t", "uint16": "std::uint16_t",
           "int32": "std::int32_t", "int64": "std::int64_t", "float64": "double", "uuid": "Uuid", "error": "ErrorCode"}
VIEWS = {"string": "std::string_view", "legacy_string": "std::string_view", "bytes": "base::ByteView", "records": "base::ByteView"}
OWNED = {"string": "std::string", "legacy_string": "std::string", "bytes": "base::Bytes", "records": "Records"}
RESERVED = {"in", "out", "version", "json"}
LIMITS = {"-2147483648": "std::numeric_limits<std::int32_t>::min()", "2147483647": "std::numeric_limits<std::int32_t>::max()",
          "9223372036854775807": "std::numeric_limits<std::int64_t>::max()"}


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class MessageWriter:
    """The C++ of one message."""

    def __init__(self, message):
        self.m = message
        self.plain = self.structs_without_array()

    def structs_without_array(self):
        """Structs that are a field's whole value: they need to know whether they are all defaults."""
        found = {}
        for fields in [self.m.fields] + [s.fields for s in self.m.structs]:
            for f in fields:
                if f.struct and not f.array and not f.nullable:
                    found[f.struct.name] = f.struct
        return found

    # Types and defaults.

    def element(self, f):
        if f.struct:
            return f.struct.name
        return NUMBERS.get(f.type) or (VIEWS if self.m.views else OWNED)[f.type]

    def type(self, f):
        result = self.element(f)
        if f.array:
            result = f"std::vector<{result}>"
        return f"std::optional<{result}>" if f.nullable else result

    def initial(self, f):
        """What stands behind the name in the declaration."""
        if f.nullable:
            return "" if f.default == "null" or f.type == "records" else f" = {self.type(f)[14:-1]}()"
        if f.array or f.struct or f.type in LENGTHS or f.type == "uuid":
            return ""
        if f.type == "error":
            return " = ErrorCode::none"
        if f.type == "bool":
            return f" = {f.default or 'false'}"
        return f" = {LIMITS.get(f.default, f.default or '0')}"

    def is_default(self, f):
        if f.nullable:
            if f.default == "null" or f.type == "records":
                return f"!{f.name}.has_value()"
            return f"({f.name}.has_value() && {f.name}->empty())"
        if f.array or f.type in LENGTHS:
            return f"{f.name}.empty()"
        if f.struct:
            return f"{f.name}.is_default()"
        if f.type == "uuid":
            return f"{f.name} == Uuid{{}}"
        if f.type == "bool":
            return f.name if f.default == "true" else f"!{f.name}"
        if f.type == "error":
            return f"{f.name} == ErrorCode::none"
        return f"{f.name} == {LIMITS.get(f.default, f.default or '0')}"

    # Conditions on the version.

    def condition(self, versions):
        """Nothing when every version of the message is meant; None when no version is."""
        first, last = self.m.versions
        if versions[0] > last or versions[1] < first:
            return None
        parts = []
        if versions[0] > first:
            parts.append(f"version >= {versions[0]}")
        if versions[1] < last:
            parts.append(f"version <= {versions[1]}")
        return " && ".join(parts)

    def null_argument(self, f):
        """Which versions may say null."""
        if not f.nullable:
            return ""
        condition = self.condition((f.nullable_from, LAST)) if f.nullable_from > f.versions[0] else ""
        return f", {condition}" if condition else ", true"

    # The header.

    def declaration(self):
        m = self.m
        out = [f"// {m.title}, versions {m.versions[0]} to {m.versions[1]}.", f"struct {m.name} {{"]
        if m.api:
            out.append(f"  static constexpr ApiKey kApi = ApiKey::{snake(m.api)};")
            out.append(f"  static constexpr bool kIsRequest = {'true' if m.is_request else 'false'};")
        out.append(f'  static constexpr std::string_view kName = "{m.name}";')
        out.append(f"  static constexpr VersionRange kVersions{{{m.versions[0]}, {m.versions[1]}}};")
        out.append(f"  static constexpr std::int16_t kFlexibleFrom = {m.flexible_from};")
        out.append("")
        for struct in m.structs:
            out.append(f"  struct {struct.name} {{")
            out += ["    " + line for line in self.members(struct.fields)]
            if struct.name in self.plain:
                out.append("    [[nodiscard]] bool is_default() const;")
            out += ["    " + line for line in self.functions()] + ["  };", ""]
        out += ["  " + line for line in self.members(m.fields) + self.functions()]
        return out + ["};", ""]

    def members(self, fields):
        lines = []
        for f in fields:
            if f.name in RESERVED:
                raise schema.SchemaError(f"{self.m.name}: {f.name} is a name that the generated code uses")
            note = self.note(f)
            lines.append(f"{self.type(f)} {f.name}{self.initial(f)};" + (f"  // {note}" if note else ""))
        return lines

    def note(self, f):
        notes = []
        first, last = max(f.versions[0], self.m.versions[0]), min(f.versions[1], self.m.versions[1])
        if (first, last) != self.m.versions:
            notes.append(f"{first}+" if last == self.m.versions[1] else f"{first}-{last}")
        if f.nullable and f.nullable_from > first:
            notes.append(f"null from {f.nullable_from} on")
        if f.tag is not None:
            notes.append("tagged")
        return ", ".join(notes)

    @staticmethod
    def functions():
        return ["[[nodiscard]] bool read(Decoder& in, std::int16_t version);",
                "[[nodiscard]] bool write(Encoder& out, std::int16_t version) const;",
                "void dump(JsonText& json, std::int16_t version) const;"]

    # The codec.

    def read_call(self, f):
        extra = self.null_argument(f)
        if f.array:
            version = ", version" if f.struct else ""
            return f"in.get_array({f.name}{version}, {schema.element_size(self.m, f)}{extra})"
        if f.struct:
            return f"in.get_struct({f.name}, version)"
        legacy = "legacy_" if f.type == "legacy_string" else ""
        return f"in.get_{legacy}string({f.name}{extra})" if f.type in ("string", "legacy_string") else f"in.get({f.name}{extra})"

    def write_call(self, f):
        """The call, and whether it can fail."""
        extra = self.null_argument(f)
        if f.array:
            return f"out.put_array({f.name}{', version' if f.struct else ''}{extra})", True
        if f.struct:
            return f"out.put_struct({f.name}, version)", True
        if f.type in LENGTHS:
            name = {"string": "put_string", "legacy_string": "put_legacy_string"}.get(f.type, "put")
            return f"out.{name}({f.name}{extra})", True
        return f"out.put({f.name})", False

    def fields_that_exist(self, fields, tagged):
        return [(f, self.condition(f.versions)) for f in fields
                if (f.tag is not None) == tagged and self.condition(f.versions) is not None]

    def read_body(self, fields):
        lines = []
        for f, condition in self.fields_that_exist(fields, tagged=False):
            check = f"!{self.read_call(f)}"
            lines.append(f"  if ({condition + ' && ' if condition else ''}{check}) return in.failed(\"{f.name}\");")
        tagged = self.fields_that_exist(fields, tagged=True)
        if self.m.flexible_from > self.m.versions[1]:
            return lines + ["  return true;"]
        if not tagged:
            return lines + ["  return in.skip_tags();"]
        lines.append("  for (Tags tags = in.begin_tags(); in.next_tag(tags);) {")
        for f, condition in tagged:
            test = f"tags.tag == {f.tag}" + (f" && {condition}" if condition else "")
            lines.append(f"    if ({test}) {{")
            lines.append(f"      if (!{self.read_call(f)} || !in.end_tag(tags)) return in.failed(\"{f.name}\");")
            lines.append("      continue;")
            lines.append("    }")
        lines.append("    in.skip_tag(tags);")
        return lines + ["  }", "  return in.ok();"]

    def write_body(self, fields):
        lines = []
        for f, condition in self.fields_that_exist(fields, tagged=False):
            call, fails = self.write_call(f)
            if condition:
                lines.append(f"  if ({condition}) {{")
                lines.append(f"    if (!{call}) return out.failed(\"{f.name}\");" if fails else f"    {call};")
                lines.append("  }" if f.ignorable else f"  }} else if (!({self.is_default(f)})) {{")
                if not f.ignorable:
                    lines += [f"    return out.missing(\"{f.name}\");", "  }"]
            else:
                lines.append(f"  if (!{call}) return out.failed(\"{f.name}\");" if fails else f"  {call};")
        tagged = self.fields_that_exist(fields, tagged=True)
        for f, condition in tagged:
            given = f"  const bool has_{f.name} = !({self.is_default(f)})"
            if condition and not f.ignorable:
                lines.append(f"{given};")
                lines.append(f"  if (has_{f.name} && !({condition})) return out.missing(\"{f.name}\");")
            else:
                lines.append(given + (f" && {condition}" if condition else "") + ";")
        if self.m.flexible_from > self.m.versions[1]:
            return lines + ["  return true;"]
        count = " + ".join(f"std::uint32_t{{has_{f.name}}}" for f, _ in tagged) or "0"
        lines.append(f"  out.put_tag_count({count});")
        for f, _ in sorted(tagged, key=lambda pair: pair[0].tag):
            call, fails = self.write_call(f)
            lines.append(f"  if (has_{f.name}) {{")
            lines.append(f"    const std::size_t at = out.begin_tag({f.tag});")
            lines.append(f"    if (!{call}) return out.failed(\"{f.name}\");" if fails else f"    {call};")
            lines += ["    out.end_tag(at);", "  }"]
        return lines + ["  return true;"]

    def dump_body(self, fields):
        lines = ["  json.begin_object();"]
        for f in fields:
            condition = self.condition(f.versions)
            if condition is None:
                continue
            conditions = [condition] if condition else []
            if f.tag is not None:
                conditions.append(f"!({self.is_default(f)})")
            call = f"json.field(\"{f.camel}\", {f.name}{', version' if f.struct else ''});"
            if f.type == "records":
                call = f"json.records(\"{f.camel}\", {f.name});"
            lines.append(f"  if ({' && '.join(conditions)}) {call}" if conditions else f"  {call}")
        return lines + ["  json.end_object();"]

    def function(self, result, name, scope, parameters, const, body):
        text = "\n".join(body)
        unused = [p for p in parameters if not re.search(rf"\b{p.split()[-1].lstrip('&')}\b", text)]
        shown = ", ".join(re.sub(r" (\w+)$", r" /*\1*/", p) if p in unused else p for p in parameters)
        return [f"{result} {scope}::{name}({shown}){' const' if const else ''} {{"] + body + ["}", ""]

    def scopes(self):
        yield self.m.name, self.m.fields
        for struct in self.m.structs:
            yield f"{self.m.name}::{struct.name}", struct.fields

    def codec(self):
        out = []
        for scope, fields in self.scopes():
            if scope.split("::")[-1] in self.plain:
                test = " && ".join(self.is_default(f) for f in fields)
                out += [f"bool {scope}::is_default() const {{ return {test}; }}", ""]
            out += self.function("bool", "read", scope, ["Decoder& in", "std::int16_t version"], False, self.read_body(fields))
            out += self.function("bool", "write", scope, ["Encoder& out", "std::int16_t version"], True, self.write_body(fields))
        return out

    def dump(self):
        out = []
        for scope, fields in self.scopes():
            out += self.function("void", "dump", scope, ["JsonText& json", "std::int16_t version"], True, self.dump_body(fields))
        return out


def wrap(includes, body, origin, header):
    lines = [f"// Generated from {origin} by generate.py."] + (["#pragma once", ""] if header else [])
    return "\n".join(lines + includes + ["", "namespace baton::kafka::wire {", ""] + body + ["}  // namespace baton::kafka::wire", ""])


def api_files(files):
    apis = {}
    for m in (m for f in files for m in f.messages if m.api):
        apis[m.key] = m
    keys = ["enum class ApiKey : std::int16_t {"] + [f"  {snake(m.api)} = {key}," for key, m in sorted(apis.items())] + ["};"]
    rows = ["inline constexpr ApiInfo kApis[] = {"]
    for _, m in sorted(apis.items()):
        rows.append(f'    {{"{m.api}", ApiKey::{snake(m.api)}, {{{m.versions[0]}, {m.versions[1]}}}, {m.flexible_from}}},')
    info = ["struct ApiInfo {", "  std::string_view name;", "  ApiKey key;", "  VersionRange versions;  // those that the codec knows",
            "  std::int16_t flexible_from;", "};"]
    yield "api_key.h", wrap(["#include <cstdint>"], keys + [""], "schemas/*.schema", True)
    yield "api_list.h", wrap(["#include <string_view>", "", '#include "kafka/wire/types.h"'], info + [""] + rows + ["};", ""],
                             "schemas/*.schema", True)


def error_files(rows):
    codes = ["enum class ErrorCode : std::int16_t {"] + [f"  {name.lower()} = {code}," for code, name, _, _ in rows] + ["};"]
    table = ["inline constexpr ErrorInfo kErrors[] = {"]
    for _, name, retriable, text in rows:
        table.append(f'    {{"{name}", "{text}", ErrorCode::{name.lower()}, {"true" if retriable else "false"}}},')
    info = ["struct ErrorInfo {", "  std::string_view name;", "  std::string_view text;", "  ErrorCode code;", "  bool retriable;",
            "};"]
    yield "error_code.h", wrap(["#include <cstdint>"], codes + [""], "schemas/errors.table", True)
    yield "error_list.h", wrap(["#include <string_view>", "", '#include "kafka/wire/error_code.h"'], info + [""] + table + ["};", ""],
                               "schemas/errors.table", True)


def message_list(files):
    includes = [f'#include "kafka/wire/{f.name}.h"' for f in files] + ['#include "kafka/wire/messages.h"']
    names = [m.name for f in files for m in f.messages]
    body = ["namespace {", "", "constexpr MessageType kTypes[] = {"] + [f"    message_type<{name}>()," for name in names]
    body += ["};", "", "}  // namespace", "", "std::span<const MessageType> message_types() { return kTypes; }", ""]
    yield "message_list.cc", wrap(includes, body, "schemas/*.schema", False)


def outputs(directory):
    files = [schema.File(path) for path in sorted(directory.glob("*.schema"))]
    for file in files:
        writers = [MessageWriter(m) for m in file.messages]
        origin = f"schemas/{file.name}.schema"
        own = f'#include "kafka/wire/{file.name}.h"'
        about = [f"// {line}".rstrip() for line in file.about] + [""]
        yield f"{file.name}.h", wrap(['#include "kafka/wire/message.h"'], about + [line for w in writers for line in w.declaration()],
                                     origin, True)
        yield f"{file.name}.cc", wrap([own, "", '#include "kafka/wire/decoder.h"', '#include "kafka/wire/encoder.h"'],
                                      [line for w in writers for line in w.codec()], origin, False)
        yield f"{file.name}_dump.cc", wrap([own, '#include "kafka/wire/json_text.h"'],
                                           [line for w in writers for line in w.dump()], origin, False)
    yield from api_files(files)
    yield from error_files(schema.read_errors(directory / "errors.table"))
    yield from message_list(files)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    target = pathlib.Path(arguments[1]) / "kafka" / "wire"
    target.mkdir(parents=True, exist_ok=True)
    try:
        for name, text in outputs(pathlib.Path(arguments[0])):
            path = target / name
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
    except schema.SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
