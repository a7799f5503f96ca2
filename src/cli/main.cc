// The program `baton`.
#include "cli/session.h"
#include "server/kafka_service.h"

int main(int argc, char** argv) { return baton::cli::run_program(argc, argv, BATON_VERSION, {.kafka = &baton::server::make_kafka_service, .http = true}); }
