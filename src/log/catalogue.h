// The catalogue log: what the store is (docs/formats/catalogue.md). Loaded whole at open, kept in memory, appended to rarely.
//
// Owned by the Log; called on the store's thread only. A copy of state() may be handed to other threads.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "log/types.h"
#include "os/env.h"

namespace baton::log {

using Hash256 = std::array<std::uint8_t, 32>;
using StoreId = std::array<std::uint8_t, 16>;
using Settings = std::map<std::string, std::string>;

struct TopicInfo {
  TopicId id;
  std::string name;
  TopicKind kind = TopicKind::plain;
  std::int32_t partitions = 1;
  Settings settings;
  bool removed = false;
  friend bool operator==(const TopicInfo&, const TopicInfo&) = default;
};

// Topics of the server itself: clients see them nowhere, and what they need on a full disk comes out of the reserve (F14).
[[nodiscard]] inline bool is_internal(std::string_view topic) { return topic.starts_with("__baton"); }

// Whose a quota is: of all with a user, with a client id, or with both.
struct QuotaEntity {
  enum class Of : std::uint8_t { any = 0, others = 1, named = 2 };  // whoever it is; each that has none by name (Kafka: the default); the named one
  Of user = Of::any;
  Of client = Of::any;
  std::string user_name;  // of a named one
  std::string client_id;
  friend auto operator<=>(const QuotaEntity&, const QuotaEntity&) = default;
};
using QuotaTable = std::map<QuotaEntity, Settings>;  // key: "producer_byte_rate", ...; value: a number as text

// Who may, or must not, do what to what: an access control list has one line of this kind. Names and numbers are Kafka's, as its clients send them.
struct Acl {
  enum class Resource : std::uint8_t { topic = 2, group = 3, cluster = 4, transactional_id = 5 };
  enum class Pattern : std::uint8_t { literal = 3, prefixed = 4 };  // literal "*": every name
  enum class Operation : std::uint8_t {
    all = 2, read, write, create, remove, alter, describe, cluster_action, describe_configs, alter_configs, idempotent_write
  };
  enum class Permission : std::uint8_t { deny = 2, allow = 3 };
  Resource resource = Resource::topic;
  Pattern pattern = Pattern::literal;
  std::string name;
  std::string principal;  // "User:alice"; "User:*": everyone
  std::string host;       // an address as text; "*": any
  Operation operation = Operation::all;
  Permission permission = Permission::allow;
  friend auto operator<=>(const Acl&, const Acl&) = default;
};
using AclTable = std::set<Acl>;

struct EpochStart {
  Epoch epoch;
  Offset start;  // the first offset that this epoch could write
  friend bool operator==(const EpochStart&, const EpochStart&) = default;
};

struct Seal {
  PartitionKey partition;
  Offset base_offset;
  Offset next_offset;
  std::uint64_t bytes = 0;
  std::int64_t max_timestamp = 0;
  Hash256 previous{};
  Hash256 hash{};
  Hash256 root{};  // the store's root after this seal (not stored: computed while loading)
  friend bool operator==(const Seal&, const Seal&) = default;
};

// What the catalogue says, as plain data.
struct CatalogueState {
  std::uint32_t format = 1;
  StoreId store_id{};
  std::int64_t created_ms = 0;
  Epoch epoch;                                             // the newest
  std::map<TopicId, TopicInfo> topics;                     // removed ones stay, flagged
  std::map<PartitionKey, std::vector<EpochStart>> epochs;  // ascending
  std::vector<Seal> seals;                                 // in the order of the root
  std::map<PartitionKey, std::size_t> last_seal;           // index into seals: the newest of each partition that has one
  std::map<PartitionKey, Offset> log_start;                // absent: 0
  std::map<PartitionKey, Offset> heads_snapshot;           // newest snapshot named by a start record
  QuotaTable quotas;                                       // of clients; none is empty
  AclTable acls;
  Hash256 root{};
  bool clean_close = false;  // the last record is a clean close
  Round clean_round;
  friend bool operator==(const CatalogueState&, const CatalogueState&) = default;
};

enum class CatalogueRecord : std::uint16_t;  // the types of docs/formats/catalogue.md: catalogue_records.h

// Where the next record goes, and what it must follow.
struct CataloguePosition {
  std::uint64_t end = 0;       // bytes, a multiple of 512
  std::uint64_t sequence = 0;  // of the next record
  std::uint32_t previous_crc = 0;
};

class Catalogue {
 public:
  // Creates a new store's file, whole or not at all whatever happens, with its first record. already_exists if there is one.
  static Result<std::unique_ptr<Catalogue>> create(os::Env& env, const std::string& directory, const StoreId& id);
  // Loads, cuts a torn tail (and syncs), refuses corruption and newer formats. read_only: changes nothing, ignores a torn tail.
  // not_found: there is no catalogue here. A newer format is refused before anything is changed.
  static Result<std::unique_ptr<Catalogue>> open(os::Env& env, const std::string& directory, bool read_only);
  // The same in two steps, for who has more to look at before anything is changed: a writer's first record comes after write_again().
  static Result<std::unique_ptr<Catalogue>> read(os::Env& env, const std::string& directory, bool read_only);
  [[nodiscard]] Status write_again();

  [[nodiscard]] const CatalogueState& state() const { return state_; }
  // What open() cut off (or, read_only, ignored): for a warning. 0: nothing.
  [[nodiscard]] std::uint64_t torn_bytes() const { return torn_bytes_; }
  // The synced size of the file: a copy of so many bytes is a catalogue (backup).
  [[nodiscard]] std::uint64_t bytes() const { return position_.end; }

  // Each appends one record, synced before it returns. Refused with nothing changed: no_space, read_only, and what contradicts the
  // state (invalid_argument, already_exists, not_found, too_large). After any other error (io_error) the store must end: a later
  // call gets store_failed.
  [[nodiscard]] Status add_topic(const TopicInfo& topic);
  [[nodiscard]] Status set_topic(const TopicId& id, const Settings& changed);
  [[nodiscard]] Status remove_topic(const TopicId& id);
  [[nodiscard]] Status add_partitions(const TopicId& id, std::int32_t partitions);  // so many in all: more than there are
  [[nodiscard]] Status raise_epoch(Epoch epoch, std::int64_t wall_ms, bool restore,
                                   const std::vector<std::pair<PartitionKey, Offset>>& moved);
  [[nodiscard]] Status add_seal(const Seal& seal);  // seal.root is filled in the state
  [[nodiscard]] Status set_log_start(PartitionKey partition, Offset start, bool asked, Offset heads_snapshot);
  [[nodiscard]] Status mark_clean_close(Round round);
  [[nodiscard]] Status add_note(std::string_view text);
  // All that the entity has from now on.
  [[nodiscard]] Status set_quota(const QuotaEntity& entity, const Settings& values);
  // Both in one record. One that is there already is added, and one that is not is removed, without an effect.
  [[nodiscard]] Status change_acls(const AclTable& removed, const AclTable& added);
  // For a reader beside the writer: takes in what was appended since. True when something was.
  [[nodiscard]] Result<bool> refresh();

 private:
  Catalogue() = default;
  [[nodiscard]] Status append(CatalogueRecord type, const Result<base::Bytes>& payload);
  [[nodiscard]] Status write(base::ByteView record);
  [[nodiscard]] Result<std::uint64_t> load();

  os::FileSystem* fs_ = nullptr;
  std::unique_ptr<os::File> file_;
  std::string path_;
  CatalogueState state_;
  CataloguePosition position_;
  std::uint64_t torn_bytes_ = 0;
  bool written_again_ = false;
  bool read_only_ = false;
  bool failed_ = false;
};

[[nodiscard]] Hash256 next_root(const Hash256& root, base::ByteView seal_payload);
// The payload of a seal record: what next_root wants.
[[nodiscard]] base::Bytes seal_payload(const Seal& seal);

}  // namespace baton::log
