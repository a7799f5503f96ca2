// librdkafka, driven by clients.py. A job a process:
//
//   rdkafka produce NAME=VALUE...                      settings of librdkafka, then on standard input a record a line:
//                                                      TOPIC PARTITION TIMESTAMP KEY VALUE [NAME=HEADER]...
//   rdkafka consume TOPIC PARTITION OFFSET COUNT NAME=VALUE...
//   rdkafka create TOPIC PARTITIONS N NAME=VALUE... NAME=VALUE...    N settings of the topic, then those of librdkafka
//
// KEY, VALUE and HEADER are hexadecimal, '-' is none, and '' is written as '='. PARTITION -1: the partitioner chooses. TIMESTAMP 0: now.
// produce prints PARTITION OFFSET ERROR for each record, in their order; consume OFFSET TIMESTAMP KEY VALUE [NAME=HEADER]...; create ERROR TEXT.
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kWaitMs = 30000, kErrorText = 512 };

static void fail(const char* what) {
  fprintf(stderr, "rdkafka: %s\n", what);
  exit(1);
}

static rd_kafka_conf_t* configuration(int count, char** settings) {
  char text[kErrorText];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (int i = 0; i < count; ++i) {
    char* equals = strchr(settings[i], '=');
    if (equals == NULL) fail("a setting is NAME=VALUE");
    *equals = '\0';
    if (rd_kafka_conf_set(conf, settings[i], equals + 1, text, sizeof text) != RD_KAFKA_CONF_OK) fail(text);
  }
  return conf;
}

static rd_kafka_t* start(rd_kafka_type_t type, rd_kafka_conf_t* conf) {
  char text[kErrorText];
  rd_kafka_t* rk = rd_kafka_new(type, conf, text, sizeof text);
  if (rk == NULL) fail(text);
  return rk;
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// In place. Gives NULL for '-'.
static char* from_hex(char* text, size_t* size) {
  *size = 0;
  if (strcmp(text, "-") == 0) return NULL;
  if (strcmp(text, "=") == 0) return text;
  for (const char* at = text; at[0] != '\0'; at += 2) text[(*size)++] = (char)(digit(at[0]) << 4 | digit(at[1]));
  return text;
}

static void print_hex(const void* data, size_t size) {
  if (data == NULL) {
    printf("-");
  } else if (size == 0) {
    printf("=");
  }
  for (size_t i = 0; data != NULL && i < size; ++i) printf("%02x", ((const unsigned char*)data)[i]);
}

struct Result {
  long long offset;
  int partition;
  int error;
};
static struct Result* results;

static void delivered(rd_kafka_t* rk, const rd_kafka_message_t* message, void* opaque) {
  (void)rk;
  (void)opaque;
  const size_t i = (size_t)message->_private;
  results[i] = (struct Result){message->offset, message->partition, message->err};
}

static void send_line(rd_kafka_t* rk, char* line, size_t number) {
  const char* topic = strtok(line, " \n");
  const int partition = atoi(strtok(NULL, " \n"));
  const long long timestamp = atoll(strtok(NULL, " \n"));
  size_t key_size = 0;
  size_t value_size = 0;
  char* key_text = strtok(NULL, " \n");
  char* value_text = strtok(NULL, " \n");
  const char* key = from_hex(key_text, &key_size);
  char* value = from_hex(value_text, &value_size);
  rd_kafka_headers_t* headers = rd_kafka_headers_new(4);
  for (char* header = strtok(NULL, " \n"); header != NULL; header = strtok(NULL, " \n")) {
    char* equals = strchr(header, '=');
    *equals = '\0';
    size_t size = 0;
    const char* bytes = from_hex(equals + 1, &size);
    rd_kafka_header_add(headers, header, -1, bytes, bytes == NULL ? -1 : (ssize_t)size);
  }
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  do {
    rd_kafka_poll(rk, error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 100 : 0);
    error = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_TIMESTAMP(timestamp),
                              RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_VALUE(value, value_size), RD_KAFKA_V_HEADERS(headers),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE((void*)number), RD_KAFKA_V_END);
  } while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  rd_kafka_headers_destroy(headers);
  results[number] = (struct Result){-1, -1, error};
}

static void produce(int count, char** settings) {
  rd_kafka_conf_t* conf = configuration(count, settings);
  rd_kafka_conf_set_dr_msg_cb(conf, delivered);
  rd_kafka_t* rk = start(RD_KAFKA_PRODUCER, conf);
  char* line = NULL;
  size_t room = 0;
  size_t n = 0;
  // Room for all results before any can come: a callback writes them.
  size_t results_max = 1 << 20;
  results = calloc(results_max, sizeof *results);
  if (results == NULL) fail("no memory");
  for (; getline(&line, &room, stdin) > 0 && n < results_max; ++n) send_line(rk, line, n);
  if (rd_kafka_flush(rk, kWaitMs) != RD_KAFKA_RESP_ERR_NO_ERROR) fail("not everything was delivered in time");
  for (size_t i = 0; i < n; ++i) printf("%d %lld %d\n", results[i].partition, results[i].offset, results[i].error);
  rd_kafka_destroy(rk);
}

static void print_message(const rd_kafka_message_t* message) {
  printf("%lld %lld ", (long long)message->offset, (long long)rd_kafka_message_timestamp(message, NULL));
  print_hex(message->key, message->key_len);
  printf(" ");
  print_hex(message->payload, message->len);
  rd_kafka_headers_t* headers = NULL;
  if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = NULL;
    const void* value = NULL;
    size_t size = 0;
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      printf(" %s=", name);
      print_hex(value, size);
    }
  }
  printf("\n");
}

static void consume(int count, char** arguments) {
  if (count < 4) fail("consume TOPIC PARTITION OFFSET COUNT");
  rd_kafka_t* rk = start(RD_KAFKA_CONSUMER, configuration(count - 4, arguments + 4));
  rd_kafka_poll_set_consumer(rk);
  rd_kafka_topic_partition_list_t* assigned = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(assigned, arguments[0], atoi(arguments[1]))->offset = atoll(arguments[2]);
  if (rd_kafka_assign(rk, assigned) != RD_KAFKA_RESP_ERR_NO_ERROR) fail("assign");
  rd_kafka_topic_partition_list_destroy(assigned);
  for (long left = atol(arguments[3]); left > 0;) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(rk, kWaitMs);
    if (message == NULL) fail("nothing came in time");
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) fail(rd_kafka_message_errstr(message));
    print_message(message);
    --left;
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consumer_close(rk);
  rd_kafka_destroy(rk);
}

static void create(int count, char** arguments) {
  if (count < 3) fail("create TOPIC PARTITIONS N");
  const int settings = atoi(arguments[2]);
  char text[kErrorText];
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(arguments[0], atoi(arguments[1]), 1, text, sizeof text);
  if (topic == NULL) fail(text);
  for (int i = 0; i < settings; ++i) {
    char* equals = strchr(arguments[3 + i], '=');
    *equals = '\0';
    rd_kafka_NewTopic_set_config(topic, arguments[3 + i], equals + 1);
  }
  rd_kafka_t* rk = start(RD_KAFKA_PRODUCER, configuration(count - 3 - settings, arguments + 3 + settings));
  rd_kafka_queue_t* queue = rd_kafka_queue_new(rk);
  rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, kWaitMs);
  if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) fail("CreateTopics");
  size_t n = 0;
  const rd_kafka_topic_result_t** done = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
  const char* why = rd_kafka_topic_result_error_string(done[0]);
  printf("%d %s\n", rd_kafka_topic_result_error(done[0]), why == NULL ? "" : why);
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy(topic);
  rd_kafka_destroy(rk);
}

int main(int count, char** arguments) {
  const char* job = count > 1 ? arguments[1] : "";
  if (strcmp(job, "produce") == 0) {
    produce(count - 2, arguments + 2);
  } else if (strcmp(job, "consume") == 0) {
    consume(count - 2, arguments + 2);
  } else if (strcmp(job, "create") == 0) {
    create(count - 2, arguments + 2);
  } else {
    fail("produce, consume or create");
  }
  return 0;
}
