#include "store/beside_server.h"

#include <utility>

#include "base/try.h"
#include "store/limits.h"
#include "store/local_socket.h"
#include "store/read_only_store.h"
#include "store/server_client.h"
#include "store/server_json.h"

namespace baton::store {
namespace {

std::string target(std::initializer_list<std::string_view> segments) {
  std::string out;
  for (const auto segment : segments) out += '/' + percent_encoded(segment);
  return out;
}

// The condition of a stream as a header would have it; here it is a part of the target, as the client sends no headers of its own.
std::string condition_text(const Expect& expect) {
  switch (expect.kind) {
    case Expect::Kind::any: return "any";
    case Expect::Kind::no_stream: return "no-stream";
    case Expect::Kind::exists: return "exists";
    case Expect::Kind::exact: return std::to_string(expect.version);
  }
  return "any";
}

// Saves checkpoints through the server; all else is the reader's.
class BesideSubscription final : public Subscription {
 public:
  BesideSubscription(std::unique_ptr<Subscription> inner, ServerClient& client, std::string context)
      : inner_(std::move(inner)), client_(client), context_(std::move(context)) {}
  Result<std::size_t> next(std::size_t max, std::int64_t timeout_ms, const std::function<bool(const EventView&)>& visit) override {
    return inner_->next(max, timeout_ms, visit);
  }
  [[nodiscard]] Position position() const override { return inner_->position(); }
  [[nodiscard]] std::int64_t removed() const override { return inner_->removed(); }
  [[nodiscard]] bool at_end() const override { return inner_->at_end(); }
  [[nodiscard]] bool live() const override { return inner_->live(); }
  Status save_checkpoint(std::string_view name) override {
    return status_of(client_.ask({"PUT", target({"contexts", context_, "checkpoints", name}) + "?position=" + percent_encoded(position().token), ""}));
  }
  void cancel() override { inner_->cancel(); }

 private:
  const std::unique_ptr<Subscription> inner_;
  ServerClient& client_;
  const std::string context_;
};

class BesideServer final : public Store {
 public:
  BesideServer(std::unique_ptr<os::Env> env, std::unique_ptr<Store> reader, std::unique_ptr<ServerClient> client)
      : env_(std::move(env)), client_(std::move(client)), reader_(std::move(reader)) {}
  ~BesideServer() override { (void)close(); }

  Status close() override {
    BATON_TRY(client_->close());
    return reader_->close();
  }

  Result<Appended> append(Append request) override {
    BATON_TRY(check_has_data(request));
    return appended_of(client_->ask(append_request(request)));
  }
  void append_async(Append request, AppendDone done) override {
    if (Status shape = check_has_data(request); !shape) {
      if (done) done(std::move(shape).error());
      return;
    }
    client_->send(append_request(request), [done = std::move(done)](Result<ServerAnswer> answer) {
      if (done) done(appended_of(std::move(answer)));
    });
  }
  Status create_context(const std::string& name, const ContextOptions& options) override {
    return status_of(client_->ask({"PUT", target({"contexts", name}), options_json(options)}));
  }
  Status configure_context(const std::string& name, const ContextOptions& options) override {
    return status_of(client_->ask({"PATCH", target({"contexts", name}), options_json(options)}));
  }
  Status save_snapshot(const std::string& context, const std::string& stream, const Snapshot& snapshot) override {
    return status_of(client_->ask({"PUT",
                                   target({"streams", context, stream, "snapshot"}) + "?version=" + std::to_string(snapshot.version) +
                                       "&shape=" + std::to_string(snapshot.shape),
                                   snapshot.bytes}));
  }
  Result<Position> delete_stream(const std::string& context, const std::string& stream, Expect condition) override {
    return position_of(client_->ask({"DELETE", target({"streams", context, stream}) + "?expect=" + condition_text(condition), ""}));
  }
  Result<Position> truncate_stream(const std::string& context, const std::string& stream, std::int64_t before_version,
                                   Expect condition) override {
    return position_of(client_->ask({"POST",
                                     target({"streams", context, stream, "truncate"}) + "?before=" + std::to_string(before_version) +
                                         "&expect=" + condition_text(condition),
                                     ""}));
  }
  Status confirm_clock() override { return status_of(client_->ask({"POST", "/clock", ""})); }
  Status apply_retention() override { return status_of(client_->ask({"POST", "/retention", ""})); }

  // Reads see what was acknowledged before they began, by whomever.
  Result<std::vector<ContextInfo>> contexts() override {
    BATON_TRY(refresh());
    return reader_->contexts();
  }
  Result<ContextInfo> context(const std::string& name) override {
    BATON_TRY(refresh());
    return reader_->context(name);
  }
  Result<StreamPage> read_stream(const ReadStream& request) override {
    BATON_TRY(refresh());
    return reader_->read_stream(request);
  }
  Result<ContextPage> read_context(const ReadContext& request) override {
    BATON_TRY(refresh());
    return reader_->read_context(request);
  }
  Result<StreamsPage> streams(const std::string& context, const std::string& prefix, const std::string& after, std::size_t limit) override {
    BATON_TRY(refresh());
    return reader_->streams(context, prefix, after, limit);
  }
  Result<StreamHead> stream_head(const std::string& context, const std::string& stream) override {
    BATON_TRY(refresh());
    return reader_->stream_head(context, stream);
  }
  Result<std::unique_ptr<Subscription>> subscribe(const SubscribeOptions& options) override {
    BATON_TRY(refresh());
    BATON_TRY_ASSIGN(auto inner, reader_->subscribe(options));
    return std::unique_ptr<Subscription>(std::make_unique<BesideSubscription>(std::move(inner), *client_, options.context));
  }
  Result<std::optional<Position>> checkpoint(const std::string& context, std::string_view name) override {
    BATON_TRY(refresh());
    return reader_->checkpoint(context, name);
  }
  Result<std::int64_t> rank(const std::string& context, const Position& position) override {
    BATON_TRY(refresh());
    return reader_->rank(context, position);
  }
  Result<Position> position_at(const std::string& context, std::optional<Time> recorded) override {
    BATON_TRY(refresh());
    return reader_->position_at(context, recorded);
  }
  Result<Scanned> scan(const ReadContext& request, const std::function<bool(const EventView&)>& visit) override {
    BATON_TRY(refresh());
    return reader_->scan(request, visit);
  }
  Result<Loaded> load(const std::string& context, const std::string& stream, const LoadOptions& options) override {
    BATON_TRY(refresh());
    return reader_->load(context, stream, options);
  }
  Status backup(const std::string& target_directory, const std::function<void(std::uint64_t, std::uint64_t)>& progress) override {
    return reader_->backup(target_directory, progress);
  }
  Result<StoreInfo> info() override {
    BATON_TRY(refresh());
    return reader_->info();
  }
  Status refresh() override { return reader_->refresh(); }

 private:
  static ServerRequest append_request(const Append& append) {
    return {"POST", target({"contexts", append.context, "append"}), append_json(append)};
  }

  const std::unique_ptr<os::Env> env_;
  const std::unique_ptr<ServerClient> client_;
  const std::unique_ptr<Store> reader_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_beside_server(std::unique_ptr<os::Env> env, const std::string& directory, const Options& options) {
  BATON_TRY_ASSIGN(auto client, ServerClient::connect(*env, os::join(directory, std::string(kLocalSocket)), options.pending_bytes_max));
  Options reading = options;
  reading.read_only = true;
  BATON_TRY_ASSIGN(auto reader, open_read_only(*env, directory, reading));
  return std::unique_ptr<Store>(std::make_unique<BesideServer>(std::move(env), std::move(reader), std::move(client)));
}

}  // namespace baton::store
