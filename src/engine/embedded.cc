#include "engine/embedded.h"

#include <utility>

#include "base/try.h"
#include "store/position_codec.h"

namespace baton::engine {
namespace {

class Embedded final : public Engine {
 public:
  explicit Embedded(Store& store) : store_(store) {}

  Capabilities capabilities() const override {
    return {.stream_condition = Support::exact,
            .query_condition = Support::exact,
            .idempotent_append = Support::exact,
            .read_by_tag = Support::exact,
            .as_of = Support::exact};
  }
  Result<ContextInfo> context(const std::string& name) override { return store_.context(name); }
  Result<Appended> append(Append request) override { return store_.append(std::move(request)); }
  void append_async(Append request, AppendDone done) override { store_.append_async(std::move(request), std::move(done)); }
  Result<std::unique_ptr<Subscription>> subscribe(const SubscribeOptions& options) override { return store_.subscribe(options); }
  Result<Scanned> scan(const ReadContext& request, const std::function<bool(const EventView&)>& visit) override {
    return store_.scan(request, visit);
  }
  Result<std::int64_t> rank(const std::string& context, const Position& position) override {
    return store_.rank(context, position);
  }
  Result<std::vector<std::int64_t>> next_offsets(const std::string& context, const Position& position) override {
    BATON_TRY_ASSIGN(const ContextInfo info, store_.context(context));
    if (position.is_beginning()) return std::vector<std::int64_t>(static_cast<std::size_t>(info.options.partitions), 0);
    BATON_TRY(store_.rank(context, position));  // that it is of this log
    BATON_TRY_ASSIGN(const store::PositionParts parts, store::parse_position(position));
    std::vector<std::int64_t> next = parts.offsets;
    for (auto& offset : next) ++offset;  // kNoOffset becomes 0
    return next;
  }
  Result<Position> start_of(const std::string& context) override {
    BATON_TRY_ASSIGN(const ContextInfo info, store_.context(context));
    return info.start;
  }
  Result<Position> position_at(const std::string& context, std::optional<Time> recorded) override {
    return store_.position_at(context, recorded);
  }

 private:
  Store& store_;
};

}  // namespace

std::unique_ptr<Engine> make_embedded(Store& store) { return std::make_unique<Embedded>(store); }

}  // namespace baton::engine
