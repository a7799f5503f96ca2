#include "gateway/gateway.h"

#include <algorithm>
#include <optional>

#include "base/suggest.h"
#include "gateway/problem.h"

namespace baton::gateway {
namespace {

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const auto end = std::min(path.find('/'), path.size());
    out.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

bool is_parameter(std::string_view segment) { return segment.starts_with('{'); }

// A client that takes us for a proxy sends the whole address, which a server takes, too (RFC 9112, section 3.2.2); Host has been looked at.
std::string_view without_authority(std::string_view target) {
  if (!target.starts_with("http://")) return target;
  const auto path = target.find('/', std::string_view("http://").size());
  return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
}

struct Pattern {
  const Route* route;
  std::vector<std::string_view> segments;
};

const std::vector<Pattern>& patterns() {
  static const auto all = [] {
    std::vector<Pattern> out;
    for (const auto& route : routes()) out.push_back({&route, segments_of(route.path)});
    return out;
  }();
  return all;
}

bool matches(const Pattern& pattern, const std::vector<std::string_view>& segments) {
  return std::ranges::equal(pattern.segments, segments, [](std::string_view wanted, std::string_view given) {
    return is_parameter(wanted) ? !given.empty() : wanted == given;
  });
}

std::string_view path_of(std::string_view target) {
  target = without_authority(target);
  return target.substr(0, target.find('?'));
}

// The route; or, when only the method is wrong, the methods that there are. A path that is spelled out comes before one with parameters: the table's order.
struct Match {
  const Pattern* pattern = nullptr;
  std::string allowed;
};
Match find(std::string_view method, const std::vector<std::string_view>& segments) {
  if (method == "HEAD") method = "GET";
  Match out;
  for (const auto& pattern : patterns()) {
    if (!matches(pattern, segments)) continue;
    if (pattern.route->method == method) {
      out.pattern = &pattern;
      return out;
    }
    if (out.allowed.find(pattern.route->method) != std::string::npos) continue;
    out.allowed += (out.allowed.empty() ? "" : ", ") + std::string(pattern.route->method);
    if (pattern.route->method == "GET") out.allowed += ", HEAD";
  }
  return out;
}

std::optional<Response> check_query(const Route& route, const Call::Parameters& query) {
  for (const auto& [name, value] : query) {
    const auto known = std::ranges::find_if(
        route.parameters, [&](const Parameter& p) { return p.in == Parameter::In::query && p.name == name; });
    if (known != route.parameters.end()) {
      if (known->type == "array" || std::ranges::count(query, name, &std::pair<std::string, std::string>::first) == 1) continue;
      return problem(400, "invalid-argument", "parameter '" + name + "' is there more than once", code_name(Code::invalid_argument));
    }
    std::vector<std::string> names;
    for (const auto& p : route.parameters) {
      if (p.in == Parameter::In::query) names.emplace_back(p.name);
    }
    std::string text = "parameter '" + name.substr(0, 64) + "' is not known here";
    if (!names.empty()) text += "; " + base::suggest(name, names);
    return problem(400, "invalid-argument", text, code_name(Code::invalid_argument));
  }
  return std::nullopt;
}

// Kafka's names.
std::string name_of(broker::Operation operation) {
  switch (operation) {
    case broker::Operation::read: return "Read";
    case broker::Operation::write: return "Write";
    case broker::Operation::create: return "Create";
    case broker::Operation::remove: return "Delete";
    case broker::Operation::alter: return "Alter";
    case broker::Operation::alter_configs: return "AlterConfigs";
    case broker::Operation::describe: return "Describe";
    default: return "All";
  }
}

// As they are configured: "Events.Example", "2001:db8::5".
GatewayOptions with_host_names(GatewayOptions options) {
  for (auto& host : options.http.hosts) host = host_name(host);
  return options;
}

}  // namespace

Gateway::Gateway(os::Env& env, Store& store, broker::Broker& broker, view::ViewManager* views, GatewayOptions options,
                 std::function<void(MetricsText&)> server_metrics)
    : env_(env),
      store_(store),
      broker_(broker),
      views_(views),
      options_(with_host_names(std::move(options))),
      server_metrics_(std::move(server_metrics)),
      handler_([this](Request request, const net::ConnectionInfo& connection, std::function<void(Response)> respond) {
        handle(std::move(request), *connection.core, std::move(respond));
      }),
      counts_(routes().size() + 1),
      readers_(env, options_.readers, options_.reads_waiting_max) {}

Gateway::~Gateway() = default;

net::Turn Gateway::turn(std::string_view method, std::string_view target) {
  if (method == "GET" || method == "HEAD" || method == "OPTIONS") return net::Turn::read;
  if (method != "POST") return net::Turn::alone;
  const auto match = find(method, segments_of(path_of(target)));
  return match.pattern != nullptr && match.pattern->route->appends ? net::Turn::append : net::Turn::alone;
}

void Gateway::handle(Request request, os::Executor& core, std::function<void(Response)> respond) {
  const auto began = env_.clock().monotonic_ns();
  const std::string_view target = without_authority(request.target);
  const auto question = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, question);
  const auto unrouted = [&](Response response) {
    count(routes().size(), response.status, began);
    respond(std::move(response));
  };
  if (!path.starts_with('/')) return unrouted(problem(400, "invalid-argument", "the target of a request is a path: /...", code_name(Code::invalid_argument)));
  const auto segments = segments_of(path);
  const auto match = find(request.method, segments);
  if (match.pattern == nullptr && match.allowed.empty())
    return unrouted(problem(404, "not-found", "there is nothing at this path; GET / lists what there is", "not_found"));
  if (match.pattern == nullptr) {
    Response response;
    if (request.method == "OPTIONS") response.status = 204;
    else response = problem(405, "method-not-allowed", "this path takes " + match.allowed);
    response.headers.emplace_back("Allow", match.allowed);
    return unrouted(std::move(response));
  }
  const Route& route = *match.pattern->route;
  const auto number = static_cast<std::size_t>(&route - routes().data());
  auto query = parse_query(target.substr(std::min(question + 1, target.size())));
  Call::Parameters parameters;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const auto wanted = match.pattern->segments[i];
    if (!is_parameter(wanted)) continue;
    auto value = percent_decoded(segments[i], false);
    if (!value) {
      query.reset();
      break;
    }
    parameters.emplace_back(wanted.substr(1, wanted.size() - 2), *std::move(value));
  }
  const auto call = std::make_shared<Call>(std::move(request), route, core, [this, number, began, respond = std::move(respond)](Response response) {
    count(number, response.status, began);
    respond(std::move(response));
  });
  call->arrived_ns = began;
  if (!query) return call->respond(problem(400, "invalid-argument", "a per cent sign in the target is followed by two hexadecimal digits",
                                           code_name(Code::invalid_argument)));
  if (auto wrong = check_query(route, *query)) return call->respond(*std::move(wrong));
  if (route.takes.empty() && !call->request.body.empty()) return call->respond(problem(400, "invalid-argument", "this request takes no body", code_name(Code::invalid_argument)));
  // A body is taken as it is: what is packed would be stored packed, under the name of what is in it.
  if (const auto coding = call->request.header("content-encoding"); !call->request.body.empty() && !coding.empty() && base::edit_distance(coding, "identity") != 0)
    return call->respond(problem(415, "unsupported-media-type", "no Content-Encoding is taken: send the body as it is", code_name(Code::invalid_argument)));
  call->path = std::move(parameters);
  call->query = *std::move(query);
  if (auto refused = refuse(*call)) return call->respond(*std::move(refused));
  route.run(*this, call);
}

bool Gateway::may(const Request& request, broker::Operation operation, broker::Resource resource, std::string_view name) const {
  return broker_.rights().may({broker::kAnonymous, request.host, request.local}, operation, resource, name);
}

std::optional<Response> Gateway::refuse(const Request& request, broker::Operation operation, std::string_view context) const {
  if (may(request, operation, broker::Resource::topic, context)) return std::nullopt;
  return forbidden(name_of(operation) + " on context '" + std::string(context) + "' (as a topic)");
}

bool Gateway::may_describe_store(const Request& request) const {
  return may(request, broker::Operation::describe, broker::Resource::cluster, broker::kClusterName);
}

std::optional<Response> Gateway::refuse(const Call& call) const {
  using broker::Operation;
  const auto on_context = [&](Operation operation) { return refuse(call.request, operation, call.in_path("context")); };
  const auto on_store = [&](Operation operation) -> std::optional<Response> {
    if (may(call.request, operation, broker::Resource::cluster, broker::kClusterName)) return std::nullopt;
    return forbidden(name_of(operation) + " on the cluster");
  };
  const auto may_create = [&] { return on_store(Operation::create) ? on_context(Operation::create) : std::nullopt; };  // one of the two
  switch (call.route().right) {
    case Right::open:
    case Right::handler: return std::nullopt;
    case Right::read: return on_context(Operation::read);
    case Right::write: {
      auto refused = on_context(Operation::write);
      if (refused || !broker_.rights().enabled()) return refused;
      const auto view = broker_.view();  // an append to a context that is not there makes it
      return view == nullptr || view->find(call.in_path("context")) != nullptr ? std::nullopt : may_create();
    }
    case Right::create: return may_create();
    case Right::remove: return on_context(Operation::remove);
    case Right::alter_configs: return on_context(Operation::alter_configs);
    case Right::describe: return on_context(Operation::describe);
    case Right::describe_store: return on_store(Operation::describe);
    case Right::alter_store: return on_store(Operation::alter);
  }
  return forbidden("what nobody has");
}

void Gateway::read(const CallPtr& call, std::function<Result<Response>()> read, ReadLanes::Lane lane) {
  const bool taken = readers_.post(lane, [call, read = std::move(read)] {
    auto response = read();
    if (response) call->respond(*std::move(response));
    else call->fail(response.error());
  });
  if (!taken) call->fail({Code::resource_exhausted, "too many reads are waiting: try again in a moment"});
}

void Gateway::count(std::size_t route, int status, std::int64_t began_ns) {
  auto& counts = counts_[route];
  counts.by_class[std::min<std::size_t>(static_cast<std::size_t>(status) / 100, 5)].fetch_add(1, std::memory_order_relaxed);
  counts.seconds.add(env_.clock().monotonic_ns() - began_ns);
}

std::string Gateway::metrics() {
  MetricsText out;
  const auto name_of = [](std::size_t i) { return i < routes().size() ? routes()[i].id : std::string_view("none"); };
  static constexpr std::array<std::string_view, 6> kClasses = {"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};
  out.begin("baton_http_requests_total", MetricsText::Kind::counter, "HTTP requests answered, by route and class of status.");
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    for (std::size_t j = 1; j < kClasses.size(); ++j) {
      if (counts_[i].by_class[j] > 0) out.sample(counts_[i].by_class[j], {{"route", name_of(i)}, {"status", kClasses[j]}});
    }
  }
  out.begin("baton_http_request_duration_seconds", MetricsText::Kind::histogram, "From the whole request to its answer.");
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const auto& by_class = counts_[i].by_class;
    if (std::ranges::any_of(by_class, [](const auto& n) { return n > 0; })) out.samples(counts_[i].seconds, "route", name_of(i));
  }
  out.gauge("baton_http_event_streams", "Streams of server-sent events that are open.", open_streams_);
  out.gauge("baton_http_reads_waiting", "Reads that wait for a thread, or run.", readers_.waiting());
  server_metrics_(out);
  return out.take();
}

}  // namespace baton::gateway
