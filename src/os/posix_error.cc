#include "os/posix_error.h"

#include <cerrno>
#include <cstring>

namespace baton::os {
namespace {

struct Meaning {
  Code code;
  const char* advice;
};

Meaning meaning_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR: return {Code::not_found, nullptr};
    case EEXIST: return {Code::already_exists, nullptr};
    case EINVAL:
    case EISDIR: return {Code::invalid_argument, nullptr};
    case ENOSPC: return {Code::no_space, "free some space on this file system"};
    case EDQUOT: return {Code::no_space, "free some space, or ask for a larger quota"};
    case EFBIG: return {Code::too_large, "the file system or the limit on file sizes (ulimit -f) allows no more"};
    case EROFS: return {Code::read_only, "the file system is mounted read-only"};
    case EACCES:
    case EPERM: return {Code::io_error, "check the owner and the mode of the path and of its directories"};
    case EMFILE: return {Code::resource_exhausted, "raise the limit on open files (ulimit -n, or LimitNOFILE in systemd)"};
    case ENFILE: return {Code::resource_exhausted, "the machine's limit on open files is reached (fs.file-max)"};
    case ENOMEM: return {Code::resource_exhausted, nullptr};
    case EIO: return {Code::io_error, "the device failed: look at the kernel's log"};
    default: return {Code::io_error, nullptr};
  }
}

}  // namespace

Error posix_error(std::string_view what, std::string_view path, int error_number) {
  const Meaning meaning = meaning_of(error_number);
  std::string detail(what);
  detail += ' ';
  detail += path;
  detail += ": ";
  const char* text = ::strerrordesc_np(error_number);
  detail += text != nullptr ? text : "unknown error";
  if (meaning.advice != nullptr) {
    detail += "; ";
    detail += meaning.advice;
  }
  return {meaning.code, std::move(detail)};
}

Error sync_error(std::string_view what, std::string_view path, int error_number) {
  Error error = posix_error(what, path, error_number);
  if (error.code == Code::no_space) error.code = Code::io_error;
  return error;
}

}  // namespace baton::os
