// A record is written only after its effect on the state has been tried, so that a file never holds a record that a later open
// would refuse; it changes the state only after its sync.
#include "log/catalogue.h"

#include <utility>

#include "base/check.h"
#include "base/sha256.h"
#include "base/try.h"
#include "log/catalogue_records.h"

namespace baton::log {
namespace {

constexpr std::string_view kFileName = "catalogue";
constexpr std::string_view kTool = "baton";
constexpr std::uint64_t kFileBytesMax = 1u << 30;  // two million seals

}  // namespace

Result<std::unique_ptr<Catalogue>> Catalogue::create(os::Env& env, const std::string& directory, const StoreId& id) {
  const std::string path = os::join(directory, kFileName);
  BATON_TRY_ASSIGN(const bool there, env.fs().exists(path));
  if (there) return Error{Code::already_exists, "create " + path + ": the directory already holds a store"};
  BATON_TRY_ASSIGN(const base::Bytes payload, store_payload(id, env.clock().wall_ms(), kTool));
  BATON_TRY(os::replace_file(env.fs(), path, encode_record({}, CatalogueRecord::store, payload)));
  return open(env, directory, false);
}

Result<std::unique_ptr<Catalogue>> Catalogue::open(os::Env& env, const std::string& directory, bool read_only) {
  BATON_TRY_ASSIGN(auto catalogue, read(env, directory, read_only));
  if (!read_only) BATON_TRY(catalogue->write_again());
  return catalogue;
}

Result<std::unique_ptr<Catalogue>> Catalogue::read(os::Env& env, const std::string& directory, bool read_only) {
  std::unique_ptr<Catalogue> catalogue(new Catalogue);
  catalogue->path_ = os::join(directory, kFileName);
  catalogue->read_only_ = read_only;
  catalogue->fs_ = &env.fs();
  BATON_TRY_ASSIGN(catalogue->file_, env.fs().open(catalogue->path_, {.write = !read_only}));
  BATON_TRY_ASSIGN(catalogue->torn_bytes_, catalogue->load());
  if (catalogue->position_.sequence == 0) {
    return Error{Code::corrupt, catalogue->path_ + ", byte 0: the record that every store begins with is missing or damaged"};
  }
  return catalogue;
}

// What was read may be no more than written: the process before was killed, or its last sync failed, after which the page cache holds
// what the disk does not and never will. It must not be lost after it was relied on. So it is written again, whole or not at all. That of
// a store that was closed is spared it: a record whose sync fails is taken back by write().
Status Catalogue::write_again() {
  if (std::exchange(written_again_, true)) return {};
  os::FileSystem& fs = *fs_;
  if (state_.clean_close && torn_bytes_ == 0) return file_->sync_data();
  base::Bytes bytes(position_.end);
  BATON_TRY_ASSIGN(const std::size_t got, file_->read_at(0, bytes));
  if (got != bytes.size()) return Error{Code::io_error, path_ + ": it became shorter while it was read"};
  BATON_TRY(os::replace_file(fs, path_, bytes));
  BATON_TRY_ASSIGN(file_, fs.open(path_, {.write = true}));
  return {};
}

// Takes in what stands behind position_; returns what is left behind the last good record.
Result<std::uint64_t> Catalogue::load() {
  for (bool again = false;; again = true) {
    BATON_TRY_ASSIGN(const std::uint64_t size, file_->size());
    if (size < position_.end) {
      return Error{Code::corrupt, path_ + ": it has " + std::to_string(size) + " bytes, and " + std::to_string(position_.end) +
                                      " were there before: something else than Baton has shortened it"};
    }
    if (size > kFileBytesMax) {
      return Error{Code::too_large,
                   path_ + ": " + std::to_string(size) + " bytes; a catalogue has at most " + std::to_string(kFileBytesMax)};
    }
    base::Bytes bytes(size - position_.end);
    BATON_TRY_ASSIGN(const std::size_t got, file_->read_at(position_.end, bytes));
    bytes.resize(got);
    auto left = load_records(bytes, position_, state_, path_);
    // Beside a writer, the read may have met a record half written and the next one whole. A second look tells.
    if (left.ok() || !read_only_ || again || left.error().code != Code::corrupt) return left;
  }
}

Result<bool> Catalogue::refresh() {
  if (!read_only_) return false;
  BATON_TRY_ASSIGN(file_, fs_->open(path_, {}));  // a writer that opens writes the file again
  const std::uint64_t before = position_.sequence;
  BATON_TRY(load());
  return position_.sequence != before;
}

Status Catalogue::append(CatalogueRecord type, const Result<base::Bytes>& payload) {
  if (read_only_) return Error{Code::read_only, path_ + ": the store was opened without the right to write"};
  if (failed_) return Error{Code::store_failed, path_ + ": an earlier write failed; the store must be opened again"};
  if (!payload) return payload.error();
  if (payload->size() > kCataloguePayloadBytesMax) {
    return Error{Code::too_large, path_ + ": a record of " + std::to_string(payload->size()) + " bytes; at most " +
                                      std::to_string(kCataloguePayloadBytesMax) + " are allowed"};
  }
  const auto number = static_cast<std::uint16_t>(type);
  BATON_TRY(apply_record(state_, number, *payload, false));

  const base::Bytes record = encode_record(position_, type, *payload);
  if (auto written = write(record); !written) {
    failed_ = written.error().code != Code::no_space;
    return written;
  }
  move_behind(position_, record);
  const Status applied = apply_record(state_, number, *payload, true);
  BATON_CHECK(applied.ok(), "a catalogue record that was tried before cannot be applied");
  return {};
}

// no_space only when nothing was written.
Status Catalogue::write(base::ByteView record) {
  BATON_TRY(file_->allocate(position_.end, record.size()));
  Status status = file_->write_at(position_.end, record);
  if (status.ok()) {
    status = file_->sync_data();
    if (!status.ok()) (void)file_->truncate(position_.end);  // nobody shall read it from the page cache alone
  }
  if (!status.ok() && status.error().code == Code::no_space) status.error().code = Code::io_error;
  return status;
}

Status Catalogue::add_topic(const TopicInfo& topic) { return append(CatalogueRecord::topic, topic_payload(topic)); }

Status Catalogue::set_topic(const TopicId& id, const Settings& changed) {
  return append(CatalogueRecord::topic_settings, settings_payload(id, changed));
}

Status Catalogue::remove_topic(const TopicId& id) { return append(CatalogueRecord::topic_removed, topic_removed_payload(id)); }

Status Catalogue::add_partitions(const TopicId& id, std::int32_t partitions) {
  return append(CatalogueRecord::topic_partitions, topic_partitions_payload(id, partitions));
}

Status Catalogue::raise_epoch(Epoch epoch, std::int64_t wall_ms, bool restore,
                              const std::vector<std::pair<PartitionKey, Offset>>& moved) {
  return append(CatalogueRecord::epoch, epoch_payload(epoch, wall_ms, restore, moved));
}

Status Catalogue::add_seal(const Seal& seal) { return append(CatalogueRecord::seal, seal_payload(seal)); }

Status Catalogue::set_log_start(PartitionKey partition, Offset start, bool asked, Offset heads_snapshot) {
  return append(CatalogueRecord::start, start_payload(partition, start, asked, heads_snapshot));
}

Status Catalogue::mark_clean_close(Round round) { return append(CatalogueRecord::clean_close, clean_close_payload(round)); }

Status Catalogue::add_note(std::string_view text) { return append(CatalogueRecord::note, note_payload(text)); }

Status Catalogue::change_acls(const AclTable& removed, const AclTable& added) { return append(CatalogueRecord::acls, acls_payload(removed, added)); }

Status Catalogue::set_quota(const QuotaEntity& entity, const Settings& values) { return append(CatalogueRecord::quota, quota_payload(entity, values)); }

Hash256 next_root(const Hash256& root, base::ByteView seal_payload) {
  base::Sha256 sha;
  sha.update(std::as_bytes(std::span(root)));
  sha.update(seal_payload);
  return std::bit_cast<Hash256>(sha.finish());
}

}  // namespace baton::log
