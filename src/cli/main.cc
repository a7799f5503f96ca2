// The program `baton`.
#include "cli/session.h"

int main(int argc, char** argv) { return baton::cli::run_program(argc, argv, BATON_VERSION); }
