#include "store/verify.h"

#include <array>
#include <map>

#include "base/bytes.h"
#include "base/try.h"
#include "log/catalogue.h"
#include "log/recovery.h"
#include "log/settings.h"
#include "log/verify.h"
#include "os/file.h"
#include "store/checkpoint_store.h"
#include "store/heads_snapshot.h"
#include "store/index.h"
#include "store/verify_index.h"

namespace baton::store {
namespace {

class StoreVerifier {
 public:
  StoreVerifier(os::Env& env, std::string directory) : env_(env), directory_(std::move(directory)) {}
  Result<VerifyReport> run(const std::optional<log::Hash256>& root,
                           const std::function<void(std::uint64_t, std::uint64_t)>& progress);

 private:
  [[nodiscard]] Status open_partitions();
  [[nodiscard]] Status check_manifest(const std::string& directory, const std::string& name);
  [[nodiscard]] Status open_partition(const log::TopicInfo& topic, const log::PartitionKey& key);
  [[nodiscard]] Result<std::shared_ptr<const HeadsReader>> check_heads(const log::PartitionKey& key);
  [[nodiscard]] Status check_checkpoints();
  [[nodiscard]] std::optional<log::Offset> heads_of(const log::PartitionKey& key) const;
  [[nodiscard]] bool may_lose(const log::PartitionKey& key) const;

  os::Env& env_;
  const std::string directory_;
  std::unique_ptr<log::Catalogue> catalogue_;
  std::map<log::PartitionKey, std::unique_ptr<IndexCheck>> checks_;
  std::vector<log::Finding> findings_;
  std::vector<std::string> notes_;
  VerifyReport report_;
};

std::optional<log::Offset> StoreVerifier::heads_of(const log::PartitionKey& key) const {
  const auto named = catalogue_->state().heads_snapshot.find(key);
  if (named == catalogue_->state().heads_snapshot.end() || named->second.value() == 0) return std::nullopt;
  return named->second;
}

// Null: there is none, or it cannot be used.
bool StoreVerifier::may_lose(const log::PartitionKey& key) const {
  const log::CatalogueState& state = catalogue_->state();
  const log::TopicInfo& topic = state.topics.at(key.topic);
  return !state.clean_close && log::topic_config(topic.kind, topic.settings, {}).durability != log::Durability::fsync;
}

Result<std::shared_ptr<const HeadsReader>> StoreVerifier::check_heads(const log::PartitionKey& key) {
  std::shared_ptr<const HeadsReader> none;
  auto named = heads_of(key);
  if (!named) return none;
  const auto name = [&] { return os::join(log::partition_directory(key), heads_file_name(*named)); };
  auto heads = HeadsReader::open(env_, os::join(directory_, name()), key);
  if (!heads && heads.error().code == Code::not_found) {  // a writer may have replaced it
    BATON_TRY(catalogue_->refresh());
    named = heads_of(key);
    if (!named) return none;
    heads = HeadsReader::open(env_, os::join(directory_, name()), key);
  }
  Status read = heads ? (*heads)->for_each([&](const StreamHead&) {
    ++report_.heads;
    return true;
  })
                      : Status(heads.error());
  if (read) return *std::move(heads);
  const Code code = read.error().code;
  if (code != Code::corrupt && code != Code::not_found && code != Code::unsupported_format) return read.error();
  findings_.push_back(
      {name(), 0,
       code == Code::not_found ? "the file is missing: what it knows of streams is nowhere else" : read.error().detail});
  return none;
}

// Behind the last record may be a part of one, after a crash; not after a clean close.
Status StoreVerifier::check_manifest(const std::string& directory, const std::string& name) {
  BATON_TRY_ASSIGN(const base::Bytes bytes, IndexManifest::read_bytes(env_.fs(), directory));
  const std::size_t whole = IndexManifest::whole_bytes(bytes);
  if (whole > 0 && whole < bytes.size()) {  // 0: the index says so
    findings_.push_back({os::join(name + "/index", IndexManifestFile::kName), whole, index_finding("what follows is no record of the manifest")});
  }
  return {};
}

Status StoreVerifier::open_partition(const log::TopicInfo& topic, const log::PartitionKey& key) {
  BATON_TRY_ASSIGN(auto heads, check_heads(key));
  const std::string name = log::partition_directory(key);
  const std::string directory = os::join(os::join(directory_, name), "index");
  BATON_TRY_ASSIGN(const bool there, env_.fs().exists(os::join(directory, IndexManifestFile::kName)));
  std::unique_ptr<Index> index;
  if (there) {
    BATON_TRY_ASSIGN(index, Index::open(env_, directory, {.read_only = true}, nullptr, nullptr));
    if (catalogue_->state().clean_close) BATON_TRY(check_manifest(directory, name));
  } else {
    notes_.push_back(name + "/index has no manifest: the next open for writing makes the index from the log");
  }
  std::array<std::byte, 8> random{};
  env_.random().fill(random);
  checks_[key] = std::make_unique<IndexCheck>(name, topic.name, key.partition, std::move(index), std::move(heads),
                                              base::load_le<std::uint64_t>(random.data()),
                                              [this](log::Finding finding) { findings_.push_back(std::move(finding)); });
  return {};
}

// Before the log is read, so that it reaches as far as they do.
Status StoreVerifier::open_partitions() {
  auto catalogue = log::Catalogue::open(env_, directory_, true);
  if (!catalogue && catalogue.error().code == Code::corrupt) return {};  // the log says so
  if (!catalogue) return catalogue.error();
  catalogue_ = *std::move(catalogue);
  const auto topics = catalogue_->state().topics;
  for (const auto& [id, topic] : topics) {
    if (topic.removed || topic.kind != log::TopicKind::event) continue;
    for (std::int32_t p = 0; p < topic.partitions; ++p) BATON_TRY(open_partition(topic, {id, log::PartitionId(p)}));
  }
  return {};
}

Status StoreVerifier::check_checkpoints() {
  const std::string directory = "checkpoints";
  BATON_TRY_ASSIGN(const auto damaged, CheckpointStore(env_.fs(), os::join(directory_, directory)).damaged());
  for (const auto& [file, name] : damaged) {
    findings_.push_back({os::join(directory, file), 0,
                         "checkpoint '" + name + "' is damaged; no event is lost: who uses it is told, and begins again when the file is removed"});
  }
  return {};
}

Result<VerifyReport> StoreVerifier::run(const std::optional<log::Hash256>& root,
                                        const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  BATON_TRY(open_partitions());
  BATON_TRY(check_checkpoints());
  BATON_TRY_ASSIGN(report_.log, log::verify_and_visit(env_, directory_, root, progress, [&](const log::VerifiedBatch& batch) {
                     const auto check = checks_.find(batch.key);
                     if (check != checks_.end()) check->second->add(batch);
                   }));
  const bool whole = report_.log.to_end && report_.log.findings.empty();
  for (const auto& [key, check] : checks_) {
    auto outcome = check->finish(whole, may_lose(key));
    if (outcome.compared) ++report_.indexes;
    report_.index_entries += outcome.entries;
    if (!outcome.note.empty()) notes_.push_back(std::move(outcome.note));
  }
  auto& log = report_.log;
  log.findings.insert(log.findings.end(), findings_.begin(), findings_.end());
  log.notes.insert(log.notes.end(), notes_.begin(), notes_.end());
  return std::move(report_);
}

}  // namespace

Result<VerifyReport> verify_store(os::Env& env, const std::string& directory, std::optional<log::Hash256> root,
                                  const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  return StoreVerifier(env, directory).run(root, progress);
}

}  // namespace baton::store
