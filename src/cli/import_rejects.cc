#include "cli/import_rejects.h"

#include <utility>

#include "base/bytes.h"
#include "base/try.h"

namespace baton::cli {

namespace {

constexpr std::size_t kBufferBytes = 256u << 10;

void put_csv(std::string& out, std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace

Result<RejectFile> RejectFile::open(os::FileSystem& fs, std::string path) {
  BATON_TRY_ASSIGN(const bool there, fs.exists(path));
  if (there) {
    BATON_TRY_ASSIGN(const auto file, fs.open(path, {}));
    base::Bytes head(kHeader.size());
    BATON_TRY_ASSIGN(const auto got, file->read_at(0, head));
    if (got > 0 && base::as_text(base::ByteView(head).first(got)) != kHeader)
      return Error{Code::invalid_argument, path + " is no reject file and will not be replaced; name another one with --rejects FILE"};
  }
  return RejectFile(fs, std::move(path));
}

Result<std::unique_ptr<os::File>> RejectFile::make_part() const {
  auto file = fs_->open(part(), {.write = true, .create = true, .truncate = true});
  if (!file) return Error{file.error().code, file.error().detail + "; rows that do not fit go there: name another file with --rejects FILE"};
  return file;
}

Status RejectFile::try_place() const {
  BATON_TRY(make_part());
  return fs_->remove(part());
}

Status RejectFile::add(std::uint64_t row, const Rejection& rejection, std::string_view raw) {
  if (!file_) {
    BATON_TRY_ASSIGN(file_, make_part());
    buffer_ = kHeader;
  }
  buffer_ += std::to_string(row) + ",";
  put_csv(buffer_, rejection.column);
  buffer_ += ',';
  put_csv(buffer_, rejection.detail.empty() ? rejection.reason : rejection.reason + ": " + rejection.detail);
  buffer_ += ',';
  put_csv(buffer_, raw);
  buffer_ += '\n';
  return buffer_.size() >= kBufferBytes ? flush() : Status();
}

Status RejectFile::flush() {
  BATON_TRY(file_->write_at(offset_, base::as_bytes(buffer_)));
  offset_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<bool> RejectFile::finish() {
  if (!file_) {
    for (const auto& old : {path_, part()}) {
      BATON_TRY_ASSIGN(const bool there, fs_->exists(old));
      if (there) BATON_TRY(fs_->remove(old));
    }
    return false;
  }
  BATON_TRY(flush());
  BATON_TRY(file_->sync_data());
  file_.reset();
  BATON_TRY(fs_->rename(part(), path_));
  const auto directory = os::parent(path_);
  BATON_TRY(fs_->sync_directory(directory.empty() ? "." : directory));
  return true;
}

}  // namespace baton::cli
