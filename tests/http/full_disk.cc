// Preloaded into the program: while the file that FULL_DISK names is there, every disk says that it has no space left.
#include <dlfcn.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>

// NOLINTNEXTLINE: the C library's own function
extern "C" int statvfs(const char* path, struct statvfs* out) {
  using Function = int (*)(const char*, struct statvfs*);
  static const auto ask = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "statvfs"));
  const int result = ask(path, out);
  const char* mark = std::getenv("FULL_DISK");
  if (result == 0 && mark != nullptr && access(mark, F_OK) == 0) out->f_bavail = 0;
  return result;
}
