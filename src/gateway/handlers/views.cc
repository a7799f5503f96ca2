// /views: queries of SQL views, now and as they were.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/base64.h"
#include "base/try.h"
#include "gateway/event_pages.h"
#include "gateway/handlers/handlers.h"
#include "gateway/json.h"
#include "gateway/problem.h"

namespace baton::gateway {
namespace {

constexpr std::int64_t kRowsDefault = 1'000;
constexpr std::int64_t kRowsMax = 100'000;

Error no_views() { return {Code::not_found, "no views are kept here: start the server with --views FILE"}; }

void put_value(std::string& out, const view::Value& value) {
  struct {
    std::string& out;
    void operator()(std::monostate) const { out += "null"; }
    void operator()(std::int64_t n) const { out += std::to_string(n); }
    void operator()(double x) const { out += std::isfinite(x) ? fmt::format("{}", x) : "null"; }
    void operator()(const std::string& text) const { put_json_string(out, text); }
    void operator()(const view::Blob& blob) const { put_json_string(out, base::to_base64(blob.bytes)); }
  } put{out};
  std::visit(put, value);
}

std::string_view state_name(view::ViewInfo::State state) {
  switch (state) {
    case view::ViewInfo::State::ready: return "ready";
    case view::ViewInfo::State::live: return "live";
    case view::ViewInfo::State::needs_rebuild: return "needs_rebuild";
    case view::ViewInfo::State::stopped: return "stopped";
  }
  return "unknown";
}

void put_view(std::string& out, const view::ViewInfo& info) {
  JsonObject object(out);
  object.text("name", info.name);
  object.text("context", info.context);
  object.text("state", state_name(info.state));
  object.text_if("detail", info.detail);
  object.text("position", info.position.token);
  object.number("events", info.events);
  if (info.lag) object.number("lag", *info.lag);
  object.number("generation", info.generation);
  object.end();
}

std::string result_body(const view::QueryResult& result) {
  std::string body;
  JsonObject out(body);
  out.key("columns");
  put_json_array(body, result.columns, [&](const auto& column) { put_json_string(body, column); });
  out.key("rows");
  put_json_array(body, result.rows, [&](const auto& row) { put_json_array(body, row, [&](const auto& value) { put_value(body, value); }); });
  if (result.truncated) out.boolean("truncated", true);
  out.end();
  return body;
}

// An object a row.
std::string rows_body(const view::QueryResult& result) {
  std::string body;
  JsonObject out(body);
  out.key("rows");
  put_json_array(body, result.rows, [&](const auto& row) {
    JsonObject object(body);
    for (std::size_t i = 0; i < row.size(); ++i) {
      object.key(result.columns[i]);
      put_value(body, row[i]);
    }
    object.end();
  });
  if (result.truncated) out.boolean("truncated", true);
  out.end();
  return body;
}

Result<view::QueryResult> run(Gateway& gateway, const Call& call, const std::string& sql, std::size_t rows_max) {
  if (gateway.views() == nullptr) return no_views();
  // A query's time begins when it arrives: so none waits longer behind others than it might take itself, also behind those whose clients have gone.
  const std::int64_t timeout_ms = gateway.options().query_timeout_ms;
  const std::int64_t deadline_ns = call.arrived_ns + timeout_ms * 1'000'000;
  const std::int64_t left_ms = (deadline_ns - gateway.clock().monotonic_ns()) / 1'000'000;
  const auto in_time = [&] { return gateway.clock().monotonic_ns() < deadline_ns; };
  const Error waited{Code::resource_exhausted, "other queries have taken the time of this one (http.query_timeout_ms): try again in a moment"};
  if (left_ms <= 0) return waited;
  const view::QueryLimits limits{.timeout_ms = left_ms, .rows_max = rows_max, .bytes_max = kQueryBytes, .stop = &gateway.stopping()};
  BATON_TRY_ASSIGN(const auto as_of, call.as_of());
  const auto& view = call.in_path("view");
  const bool past = as_of.position || as_of.recorded || as_of.time;
  auto result = past ? gateway.views()->query_as_of(view, sql, as_of, limits, [&](const view::FeedProgress&) { return !gateway.stopping() && in_time(); })
                     : gateway.views()->query(view, sql, limits);
  const bool too_long = !result && (result.error().code == Code::timed_out || (result.error().code == Code::cancelled && !gateway.stopping()));
  if (!too_long) return result;
  if (left_ms * 2 < timeout_ms) return waited;
  return Error{Code::timed_out, "the query took longer than " + std::to_string(timeout_ms) + " ms (http.query_timeout_ms): " +
                                    (past ? "ask for a moment that is nearer to a kept copy ('keep' of the view), or on the command line, where the past may take its time"
                                          : "narrow it, or add an index to the view's tables")};
}

std::string quoted_name(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string quoted_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + '\'';
}

// "name=value", as a condition.
Result<std::string> condition_of(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || text.find('\0') != std::string_view::npos)
    return Error{Code::invalid_argument, "parameter 'where' is COLUMN=VALUE"};
  return "t." + quoted_name(text.substr(0, equals)) + " = " + quoted_text(text.substr(equals + 1));
}

// Who may read the events that a view is made of may read the view. Who may not does not learn whether there is one of this name, or of what.
std::optional<Response> refuse_view(Gateway& gateway, const Call& call) {
  if (gateway.views() == nullptr || !gateway.broker().rights().enabled()) return std::nullopt;
  const auto info = gateway.views()->info(call.in_path("view"));
  if (info && !info->context.empty() && !gateway.refuse(call.request, broker::Operation::read, info->context)) return std::nullopt;
  if (!info && gateway.may_describe_store(call.request)) return std::nullopt;  // and hears what is wrong
  return forbidden("Read on the view's context");
}

}  // namespace

void list_views(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway, call]() -> Result<Response> {
    std::string body = "{\"views\":[";
    if (gateway.views() != nullptr) {
      BATON_TRY_ASSIGN(auto views, gateway.views()->list());
      std::erase_if(views, [&](const auto& view) {
        if (view.context.empty()) return !gateway.may_describe_store(call->request);  // its definition cannot be read
        return gateway.refuse(call->request, broker::Operation::describe, view.context).has_value();
      });
      for (auto& view : views) {
        if (gateway.refuse(call->request, broker::Operation::read, view.context)) view.detail.clear();  // names streams and events
      }
      for (const auto& view : views) {
        if (&view != views.data()) body += ',';
        put_view(body, view);
      }
    }
    return json_response(body + "]}");
  });
}

void query_view(Gateway& gateway, const CallPtr& call) {
  const auto limit = call->number("limit", kRowsDefault, 1, kRowsMax);
  if (!limit) return call->fail(limit.error());
  gateway.read(call, [&gateway, call, limit = *limit]() -> Result<Response> {
    if (auto refused = refuse_view(gateway, *call)) return *std::move(refused);
    if (call->has("sql")) {
      BATON_TRY_ASSIGN(const auto result, run(gateway, *call, std::string(call->given("sql")), static_cast<std::size_t>(limit)));
      return json_response(result_body(result));
    }
    if (gateway.views() == nullptr) return no_views();
    BATON_TRY_ASSIGN(const auto info, gateway.views()->info(call->in_path("view")));
    BATON_TRY_ASSIGN(const auto tables,
                     run(gateway, *call, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' "
                                         "AND name NOT LIKE 'baton_%' ORDER BY name", 1'000));
    std::string body;
    JsonObject out(body);
    out.key("view");
    put_view(body, info);
    out.key("tables");
    put_json_array(body, tables.rows, [&](const auto& row) { put_value(body, row.front()); });
    out.end();
    return json_response(std::move(body));
  }, ReadLanes::Lane::queries);
}

void read_view_table(Gateway& gateway, const CallPtr& call) {
  const auto limit = call->number("limit", kRowsDefault, 1, kRowsMax);
  const auto offset = call->number("offset", 0, 0, INT64_MAX);
  if (!limit) return call->fail(limit.error());
  if (!offset) return call->fail(offset.error());
  std::string where;
  for (const auto& text : call->all("where")) {
    const auto condition = condition_of(text);
    if (!condition) return call->fail(condition.error());
    where += (where.empty() ? " WHERE " : " AND ") + *condition;
  }
  gateway.read(call, [&gateway, call, where, limit = *limit, offset = *offset]() -> Result<Response> {
    if (auto refused = refuse_view(gateway, *call)) return *std::move(refused);
    const auto& table = call->in_path("table");
    BATON_TRY_ASSIGN(const auto known, run(gateway, *call, "SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = " + quoted_text(table), 1));
    if (known.rows.empty() || table.starts_with("sqlite_") || table.starts_with("baton_"))
      return problem(404, "not-found", "view '" + call->in_path("view") + "' has no table '" + table + "'", "not_found");
    // A column that is not there is an error only when its table is named; alone, SQLite takes it for a text.
    std::string sql = "SELECT * FROM " + quoted_name(table) + " AS t" + where;
    if (call->has("order")) {
      auto order = call->given("order");
      const bool down = order.starts_with('-');
      if (down) order.remove_prefix(1);
      sql += " ORDER BY t." + quoted_name(order) + (down ? " DESC" : "");
    }
    // One more than is told, so that it is known whether there are more.
    sql += " LIMIT " + std::to_string(limit + 1) + " OFFSET " + std::to_string(offset);
    BATON_TRY_ASSIGN(const auto result, run(gateway, *call, sql, static_cast<std::size_t>(limit)));
    return json_response(rows_body(result));
  }, ReadLanes::Lane::queries);
}

}  // namespace baton::gateway
