#include "kafka/node.h"

#include "base/hex.h"

namespace baton::kafka {

std::string Node::cluster_id() const { return base::to_base64url(base::from_hex(broker.store_id()).value_or(base::Bytes())); }

}  // namespace baton::kafka
