#include "store/heads_fold.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/try.h"
#include "log/batch.h"
#include "os/file.h"
#include "store/event_codec.h"
#include "store/heads_snapshot.h"

namespace baton::store {
namespace {

constexpr std::size_t kChunkBytes = 256u << 10;
constexpr std::size_t kStreamsAtOnce = 64u << 10;  // then what was gathered is merged into a file

class Fold {
 public:
  Fold(os::Env& env, const ContextView& context, const PartitionView& partition)
      : env_(env), partition_(partition), decoder_(context.name, nullptr, partition.key().partition), before_(partition.heads()) {}

  // Takes in records from `next` on, up to `upto` or until many streams were seen. Moves `next`.
  Status gather(log::Offset& next, log::Offset upto) {
    EventView event;
    while (next < upto && heads_.size() < kStreamsAtOnce) {
      chunk_.clear();
      const auto read = partition_.reader().read(next, kChunkBytes, chunk_, upto);
      if (!read) return read.error();
      if (!read->first) break;
      for (base::ByteView rest = chunk_; !rest.empty();) {
        BATON_TRY(cursor_.start(rest));
        while (cursor_.next()) {
          if (cursor_.record().offset < next || cursor_.record().offset >= upto) continue;
          BATON_TRY(decoder_.decode(cursor_.record(), cursor_.header().epoch, event));
          BATON_TRY(take_in(event));
        }
        BATON_TRY(cursor_.status());
        rest = rest.subspan(cursor_.header().total_bytes());
      }
      next = read->next;
    }
    next = heads_.size() < kStreamsAtOnce ? upto : next;
    return {};
  }

  // Writes what is known into a snapshot as of `offset`, which takes the place of the one before.
  Status merge(log::Offset offset) {
    std::vector<const StreamHead*> fresh;
    fresh.reserve(heads_.size());
    for (const auto& [name, head] : heads_) fresh.push_back(&head);
    const auto order = [](const StreamHead& a, const StreamHead& b) {
      const std::uint64_t ha = stream_hash(a.name);
      const std::uint64_t hb = stream_hash(b.name);
      return ha != hb ? ha < hb : a.name < b.name;
    };
    std::ranges::sort(fresh, [&](const StreamHead* a, const StreamHead* b) { return order(*a, *b); });
    BATON_TRY_ASSIGN(const auto writer, HeadsWriter::create(env_, partition_.directory(), partition_.key(), offset));
    std::size_t at = 0;
    Status outcome;
    if (before_ != nullptr) {
      BATON_TRY(before_->for_each([&](const StreamHead& old) {
        while (outcome && at < fresh.size() && order(*fresh[at], old)) outcome = writer->add(*fresh[at++]);
        if (outcome && at < fresh.size() && fresh[at]->name == old.name) {
          outcome = writer->add(*fresh[at++]);
        } else if (outcome) {
          outcome = writer->add(old);
        }
        return outcome.ok();
      }));
    }
    while (outcome && at < fresh.size()) outcome = writer->add(*fresh[at++]);
    BATON_TRY(std::move(outcome));
    BATON_TRY(writer->finish());
    heads_.clear();
    BATON_TRY_ASSIGN(before_, HeadsReader::open(env_, os::join(partition_.directory(), heads_file_name(offset)), partition_.key()));
    return {};
  }

 private:
  Status take_in(const EventView& event) {
    const auto [found, fresh] = heads_.try_emplace(std::string(event.stream));
    StreamHead& head = found->second;
    if (fresh) {
      head.name = event.stream;
      head.last_version = StreamVersion(-1);
      if (before_ != nullptr) {
        BATON_TRY_ASSIGN(auto known, before_->find(event.stream));
        if (known) head = *std::move(known);
      }
    }
    head.last_offset = log::Offset(event.offset);
    if (event.system.empty()) {
      head.last_version = StreamVersion(event.version);
      head.deleted = false;
      return {};
    }
    const auto before = truncated_before(event.system);
    head.deleted = !before;
    head.truncated_before = std::max(head.truncated_before, before ? StreamVersion(*before) : head.last_version.plus(1));
    return {};
  }

  os::Env& env_;
  const PartitionView& partition_;
  EventDecoder decoder_;
  log::RecordCursor cursor_;
  base::Bytes chunk_;
  std::shared_ptr<const HeadsReader> before_;
  std::unordered_map<std::string, StreamHead> heads_;  // sorted before it is looked at
};

}  // namespace

Status fold_heads(os::Env& env, const ContextView& context, const PartitionView& partition, log::Offset upto) {
  Fold fold(env, context, partition);
  log::Offset next = partition.reader().bounds().log_start;
  if (const auto heads = partition.heads()) next = std::max(next, heads->offset());
  do {
    BATON_TRY(fold.gather(next, upto));
    BATON_TRY(fold.merge(next));
  } while (next < upto);
  return {};
}

Status remove_other_heads(os::Env& env, const PartitionView& partition, log::Offset keep) {
  BATON_TRY_ASSIGN(const auto entries, env.fs().list(partition.directory()));
  for (const os::DirectoryEntry& entry : entries) {
    const auto offset = parse_heads_file_name(entry.name);
    if (offset && *offset != keep) BATON_TRY(env.fs().remove(os::join(partition.directory(), entry.name)));
  }
  return {};
}

}  // namespace baton::store
