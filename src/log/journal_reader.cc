#include "log/journal_reader.h"

#include <algorithm>

#include "base/crc32c.h"
#include "base/try.h"
#include "log/journal.h"

namespace baton::log {
namespace {

constexpr std::uint64_t kReadBytes = 1u << 20;

Error corrupt(const std::string& name, std::uint64_t position, std::string_view what) {
  return {Code::corrupt, name + ", position " + std::to_string(position) + ": " + std::string(what)};
}

}  // namespace

Result<base::ByteView> JournalReader::bytes(const JournalFile& file, std::uint64_t position, std::uint64_t length) {
  length = position >= file.size ? 0 : std::min(length, file.size - position);
  const bool inside = buffer_of_ == file.file.get() && position >= buffer_at_ && position + length <= buffer_at_ + buffer_.size();
  if (!inside) {
    buffer_.resize(std::min(std::max(length, kReadBytes), file.size - std::min(position, file.size)));
    buffer_of_ = file.file.get();
    buffer_at_ = position;
    BATON_TRY_ASSIGN(const std::size_t got, file.file->read_at(position, buffer_));
    buffer_.resize(got);
    length = std::min<std::uint64_t>(length, got);
  }
  return base::ByteView(buffer_).subspan(position - buffer_at_, length);
}

Result<bool> JournalReader::record(const JournalFile& file, std::uint64_t position, ParsedRecord& out) {
  BATON_TRY_ASSIGN(const auto head, bytes(file, position, kRecordFixedBytes));
  const auto fixed = peek_record(head);
  if (!fixed || fixed->generation != file.generation || fixed->salt != file.header.salt) return false;
  if (fixed->total_bytes > file.size - position) return false;
  BATON_TRY_ASSIGN(const auto whole, bytes(file, position, fixed->total_bytes));
  return parse_record(whole, out).ok();
}

Result<JournalReader> JournalReader::open(os::FileSystem& fs, const std::string& directory, const StoreId& store_id,
                                          std::optional<Round> clean_round) {
  JournalReader reader;
  reader.clean_round_ = clean_round;
  BATON_TRY_ASSIGN(const bool there, fs.exists(journal_directory(directory)));
  if (!there) return reader;
  BATON_TRY_ASSIGN(const auto entries, fs.list(journal_directory(directory)));
  for (const auto& entry : entries) {
    const auto generation = parse_decimal_name(entry.name);
    if (!generation) continue;
    JournalFile file{.generation = *generation, .name = "journal/" + entry.name};
    BATON_TRY_ASSIGN(file.file, fs.open(journal_path(directory, *generation), {}));
    BATON_TRY_ASSIGN(file.size, file.file->size());
    BATON_TRY_ASSIGN(const bool good, reader.load_file(file, store_id));
    // A file that holds no round of its generation may have been begun in vain, before or after a later one was begun. If it was
    // needed, rounds are missing, or marks fall short of an extent. The same holds for a file whose name was lost.
    if (good) {
      reader.files_.push_back(std::move(file));
    } else {
      reader.ignored_.push_back(file.name);
    }
  }
  return reader;
}

// False: the file never became a generation.
Result<bool> JournalReader::load_file(JournalFile& file, const StoreId& store_id) {
  buffer_of_ = nullptr;  // a file that was closed may have had the address of this one
  BATON_TRY_ASSIGN(const auto sector, bytes(file, 0, kJournalHeaderBytes));
  auto header = parse_journal_header(sector);
  if (!header && header.error().code == Code::unsupported_format) {
    return Error{Code::unsupported_format, file.name + ", " + header.error().detail};
  }
  if (header && header->store_id != store_id) return corrupt(file.name, 24, "the file belongs to another store");
  if (header && header->generation == file.generation) {
    file.header = *header;
    ParsedRecord base;
    BATON_TRY_ASSIGN(const bool good, record(file, kJournalHeaderBytes, base));
    if (good && base.fixed.round.value() + 1 == header->first_round.value()) {
      file.base = base.fixed;
      return true;
    }
  }
  BATON_TRY_ASSIGN(const bool used, holds_own_record(file));
  if (used) return corrupt(file.name, 0, "the header or the base record is damaged, and rounds follow");
  return false;
}

// Whether a record of this generation stands behind the base record, by its own salt since the header's is not to be trusted.
Result<bool> JournalReader::holds_own_record(const JournalFile& file) {
  for (std::uint64_t at = kJournalHeaderBytes + kSectorBytes; at + kRecordFixedBytes <= file.size; at += kSectorBytes) {
    BATON_TRY_ASSIGN(const auto head, bytes(file, at, kRecordFixedBytes));
    const auto fixed = peek_record(head);
    if (!fixed || fixed->generation != file.generation || fixed->total_bytes > file.size - at) continue;
    BATON_TRY_ASSIGN(const auto whole, bytes(file, at, fixed->total_bytes));
    ParsedRecord parsed;
    if (parse_record(whole, parsed)) return true;
  }
  return false;
}

Status JournalReader::for_each(const Visit& visit) {
  torn_.reset();
  last_ = durable_ = Round(0);
  for (std::size_t i = 0; i < files_.size(); ++i) BATON_TRY(read_rounds(i, visit));
  if (clean_round_ && last_ != *clean_round_) {
    return corrupt(files_.empty() ? "journal" : files_.back().name, 0,
                   "the store was closed after round " + std::to_string(clean_round_->value()) + ", and the journal ends after round " +
                       std::to_string(last_.value()));
  }
  return {};
}

Status JournalReader::read_rounds(std::size_t index, const Visit& visit) {
  const JournalFile& file = files_[index];
  ParsedRecord parsed;
  BATON_TRY_ASSIGN(const bool base_good, record(file, kJournalHeaderBytes, parsed));
  if (!base_good) return corrupt(file.name, kJournalHeaderBytes, "the base record is damaged");
  if (index == 0) last_ = parsed.fixed.round;
  durable_ = std::max(durable_, parsed.fixed.durable_round);
  last_append_ms_ = std::max(last_append_ms_, parsed.fixed.append_ms);
  if (last_ == parsed.fixed.round) last_crc_ = parsed.fixed.previous_crc;
  BATON_TRY(visit({&file, kJournalHeaderBytes, true, index == 0}, parsed));
  std::uint32_t previous_crc = parsed.fixed.previous_crc;
  std::uint64_t position = kJournalHeaderBytes + record_file_bytes(parsed.fixed.total_bytes);
  Round expected = file.header.first_round;
  while (true) {
    BATON_TRY_ASSIGN(const bool good, record(file, position, parsed));
    if (!good || parsed.fixed.round != expected || parsed.fixed.previous_crc != previous_crc) break;
    const RecordFixed fixed = parsed.fixed;
    if (fixed.durable_round >= fixed.round) return corrupt(file.name, position, "a round says of itself, or of a later one, that it is durable");
    BATON_TRY(visit({&file, position, false, index == 0}, parsed));
    previous_crc = fixed.crc;
    durable_ = std::max(durable_, fixed.durable_round);
    last_append_ms_ = std::max(last_append_ms_, fixed.append_ms);
    if (expected >= last_) {
      last_ = expected;
      last_crc_ = fixed.crc;
    }
    ++expected;
    position += record_file_bytes(fixed.total_bytes);
  }
  return judge_end(index, position, expected);
}

// At `position` there is no record of the round `missing`: is that the end of the file, a torn tail, or damage?
Status JournalReader::judge_end(std::size_t index, std::uint64_t position, Round missing) {
  const JournalFile& file = files_[index];
  if (index + 1 < files_.size()) {
    if (files_[index + 1].header.first_round <= missing) return {};
    return corrupt(file.name, position,
                   "the record of round " + std::to_string(missing.value()) + " is damaged; it had been made durable");
  }
  if (clean_round_) return {};
  ParsedRecord parsed;
  for (std::uint64_t at = position + kSectorBytes; at + kRecordFixedBytes <= file.size; at += kSectorBytes) {
    BATON_TRY_ASSIGN(const auto head, bytes(file, at, kRecordFixedBytes));
    const auto fixed = peek_record(head);
    if (!fixed || fixed->generation != file.generation || fixed->salt != file.header.salt) continue;
    if (fixed->round <= missing || fixed->durable_round < missing) continue;
    BATON_TRY_ASSIGN(const bool good, record(file, at, parsed));
    if (!good) continue;
    return corrupt(file.name, position,
                   "the record of round " + std::to_string(missing.value()) + " is damaged; round " +
                       std::to_string(parsed.fixed.round.value()) + " at position " + std::to_string(at) + " says that it was durable");
  }
  BATON_TRY_ASSIGN(const auto head, bytes(file, position, kRecordFixedBytes));
  const auto fixed = peek_record(head);
  torn_ = Torn{file.name, position, fixed && fixed->generation == file.generation && fixed->salt == file.header.salt};
  return {};
}

}  // namespace baton::log
