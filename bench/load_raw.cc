// The raw modes of kafka_load: a client that is not the limit, since it builds its batch once; and one that waits for a server to start.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <deque>

#include "base/crc32c.h"
#include "base/varint.h"
#include "raw_batch.h"

namespace baton::bench {

using base::put_be;
using base::put_varint;

namespace {

constexpr std::int64_t kStartLimit = 60'000'000'000;

void put_text(base::Bytes& out, std::string_view text) {
  put_varint(out, static_cast<std::int32_t>(text.size()));
  base::put_bytes(out, base::as_bytes(text));
}

base::Bytes make_record(const RecordShape& shape, std::int64_t n, const std::string& value) {
  base::Bytes out;
  out.push_back(std::byte{0});                    // attributes
  put_varint(out, std::int64_t{0});               // timestamp delta
  put_varint(out, static_cast<std::int32_t>(n));  // offset delta
  if (shape.keys == 0) {
    put_varint(out, std::int32_t{-1});
  } else {
    put_text(out, record_key(shape, n));
  }
  put_text(out, value);
  put_varint(out, std::int32_t{shape.event ? 2 : 0});
  if (shape.event) {
    put_text(out, "ce_type");
    put_text(out, "RideEnded");
    put_text(out, "ce_id");
    put_text(out, shape.run + "-" + std::to_string(n));
  }
  return out;
}

}  // namespace

base::Bytes make_batch(const RecordShape& shape, std::int64_t records) {
  const auto value = record_value(shape.bytes);
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const std::int64_t ms = now.tv_sec * 1'000 + now.tv_nsec / 1'000'000;
  base::Bytes out;
  put_be<std::int64_t>(out, 0);   // base offset
  put_be<std::int32_t>(out, 0);   // length, below
  put_be<std::int32_t>(out, -1);  // leader epoch
  out.push_back(std::byte{2});    // magic
  put_be<std::uint32_t>(out, 0);  // CRC, below
  put_be<std::int16_t>(out, 0);   // attributes
  put_be<std::int32_t>(out, static_cast<std::int32_t>(records - 1));
  put_be<std::int64_t>(out, ms);
  put_be<std::int64_t>(out, ms);
  put_be<std::int64_t>(out, -1);  // producer id, epoch, sequence
  put_be<std::int16_t>(out, -1);
  put_be<std::int32_t>(out, -1);
  put_be<std::int32_t>(out, static_cast<std::int32_t>(records));
  for (std::int64_t n = 0; n < records; ++n) {
    const auto record = make_record(shape, n, value);
    put_varint(out, static_cast<std::int32_t>(record.size()));
    base::put_bytes(out, record);
  }
  base::store_be<std::int32_t>(out.data() + 8, static_cast<std::int32_t>(out.size() - 12));
  base::store_be<std::uint32_t>(out.data() + kBatchCrc, base::crc32c(0, base::ByteView(out).subspan(kBatchBegin)));
  return out;
}

base::Bytes produce_request(std::string_view topic, base::ByteView batch) {
  const auto put_string = [](base::Bytes& out, std::string_view text) {
    put_be<std::int16_t>(out, static_cast<std::int16_t>(text.size()));
    base::put_bytes(out, base::as_bytes(text));
  };
  base::Bytes out;
  put_be<std::int32_t>(out, 0);  // length, below
  put_be<std::int16_t>(out, 0);  // Produce
  put_be<std::int16_t>(out, 7);
  put_be<std::int32_t>(out, 1);  // correlation id
  put_string(out, "bench");
  put_be<std::int16_t>(out, -1);  // no transactional id
  put_be<std::int16_t>(out, -1);  // acks=all
  put_be<std::int32_t>(out, 30'000);
  put_be<std::int32_t>(out, 1);
  put_string(out, topic);
  put_be<std::int32_t>(out, 1);
  put_be<std::int32_t>(out, 0);  // partition
  put_be<std::int32_t>(out, static_cast<std::int32_t>(batch.size()));
  base::put_bytes(out, batch);
  base::store_be<std::int32_t>(out.data(), static_cast<std::int32_t>(out.size() - 4));
  return out;
}

int produce_error(base::ByteView answer) {
  base::Reader reader(answer);
  if (!reader.be<std::int32_t>() || reader.be<std::int32_t>() != 1) return -1'000;  // correlation id; one topic
  const auto length = reader.be<std::int16_t>();
  if (!length || !reader.bytes(static_cast<std::size_t>(*length))) return -1'000;
  if (reader.be<std::int32_t>() != 1 || !reader.be<std::int32_t>()) return -1'000;  // one partition; its number
  return reader.be<std::int16_t>().value_or(-1'000);
}

Connection::~Connection() { close(); }

void Connection::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

bool Connection::connect(std::uint16_t port) {
  close();
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool Connection::send(base::ByteView bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Connection::read(std::byte* to, std::size_t bytes) {
  while (bytes > 0) {
    const auto got = ::recv(socket_, to, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

bool Connection::receive(base::Bytes& answer) {
  std::byte length[4];
  if (!read(length, sizeof length)) return false;
  answer.resize(base::load_be<std::uint32_t>(length));
  return read(answer.data(), answer.size());
}

void run_replay(Arguments& arguments) {
  const auto shape = record_shape(arguments);
  const auto port = static_cast<std::uint16_t>(arguments.number("port", 9092));
  const auto batch_records = arguments.number("batch", 5'000);
  const auto in_flight = arguments.number("in_flight", 5);  // librdkafka's is 1,000,000, Java's 5
  const bool sink = arguments.text("to", "kafka") == "sink";
  const auto topic = arguments.text("topic", "bench");
  const auto batches = arguments.number("records", 1'000'000) / batch_records;
  arguments.check_all_used();
  const auto batch = make_batch(shape, batch_records);
  base::Bytes request;
  if (sink) {
    put_be<std::int32_t>(request, static_cast<std::int32_t>(batch.size()));
    base::put_bytes(request, batch);
  } else {
    request = produce_request(topic, batch);
  }
  Connection connection;
  if (!connection.connect(port)) fail("no server on port " + std::to_string(port));
  std::vector<std::int64_t> times;
  std::deque<std::int64_t> sent;
  base::Bytes answer;
  const auto take = [&] {
    if (!connection.receive(answer)) fail("the server closed the connection");
    if (!sink && produce_error(answer) != 0) fail("a batch was refused with error " + std::to_string(produce_error(answer)));
    times.push_back(now_ns() - sent.front());
    sent.pop_front();
  };
  const auto begin = now_ns();
  const auto cpu = process_cpu_seconds();
  for (std::int64_t n = 0; n < batches; ++n) {
    if (static_cast<std::int64_t>(sent.size()) == in_flight) take();
    sent.push_back(now_ns());
    if (!connection.send(request)) fail("the server closed the connection");
  }
  while (!sent.empty()) take();
  const auto seconds = static_cast<double>(now_ns() - begin) / 1e9;
  const auto records = batches * batch_records;
  std::printf(
      "{\"records\": %lld, \"seconds\": %.4f, \"rate\": %.0f, \"client_cpu\": %.3f, \"batch\": %lld, \"batch_bytes\": %zu, "
      "%s}\n",
      static_cast<long long>(records), seconds, static_cast<double>(records) / seconds, (process_cpu_seconds() - cpu) / seconds,
      static_cast<long long>(batch_records), batch.size(), percentiles_json(std::move(times)).c_str());
}

namespace {

// On a core of its own; 0 if there is nothing to start.
pid_t start_command(std::vector<std::string>& command, std::size_t core, const std::string& log) {
  if (command.empty()) return 0;
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (auto& word : command) words.push_back(word.data());
  words.push_back(nullptr);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (out < 0) fail("cannot write " + log);
  const auto child = fork();
  if (child == 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
    dup2(out, 1);
    dup2(out, 2);
    execvp(words[0], words.data());
    _exit(127);
  }
  close(out);
  return child;
}

}  // namespace

void run_first_ack(Arguments& arguments) {
  auto shape = record_shape(arguments);
  shape.keys = std::max(shape.keys, std::int64_t{1});
  const auto port = static_cast<std::uint16_t>(arguments.number("port", 9092));
  const auto topic = arguments.text("topic", "bench");
  const auto core = arguments.number("core", 0);  // of the server
  const auto log = arguments.text("log", "/dev/null");
  arguments.check_all_used();
  const auto request = produce_request(topic, make_batch(shape, 1));
  const auto begin = now_ns();
  const auto child = start_command(arguments.command, static_cast<std::size_t>(core), log);
  Connection connection;
  base::Bytes answer;
  int attempts = 0;
  int error = -1;
  while (error != 0) {
    if (now_ns() - begin > kStartLimit) {
      if (child > 0) kill(child, SIGKILL);
      fail("no acknowledged record within 60 s; the last error is " + std::to_string(error));
    }
    ++attempts;
    error = -1;
    if (connection.connect(port) && connection.send(request) && connection.receive(answer)) error = produce_error(answer);
    if (error != 0) sleep_until(now_ns() + 1'000'000);
  }
  std::printf("{\"ms\": %.2f, \"attempts\": %d, \"pid\": %d}\n", static_cast<double>(now_ns() - begin) / 1e6, attempts, child);
}

}  // namespace baton::bench
