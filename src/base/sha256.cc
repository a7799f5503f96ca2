// libcrypto's SHA256_ functions, not its EVP interface: EVP loads providers and reads the machine's openssl.cnf at its first
// use, which a library must not do behind its host's back, and adds megabytes to the binary. Both end in the same code.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/sha256.h"

#include <openssl/sha.h>

#include <new>

namespace baton::base {
namespace {
SHA256_CTX* context(void* state) { return std::launder(static_cast<SHA256_CTX*>(state)); }
}  // namespace

Sha256::Sha256() noexcept {
  static_assert(sizeof(state_) == sizeof(SHA256_CTX) && alignof(SHA256_CTX) <= 8);
  SHA256_Init(new (state_.data()) SHA256_CTX);
}

void Sha256::update(ByteView data) noexcept { SHA256_Update(context(state_.data()), data.data(), data.size()); }

Sha256Digest Sha256::finish() noexcept {
  Sha256Digest digest;
  SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), context(state_.data()));
  return digest;
}

Sha256Digest sha256(ByteView data) noexcept {
  Sha256 hash;
  hash.update(data);
  return hash.finish();
}

}  // namespace baton::base
