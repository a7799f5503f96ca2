// The functions of Cyrus SASL that librdkafka calls for one mechanism, GSSAPI (Kerberos): here they say that there is none.
//
// Debian has Cyrus SASL as a shared library only, which loads its mechanisms from more of them, and the program links nothing but the C
// library. PLAIN, SCRAM and OAUTHBEARER are librdkafka's own and do not come here; KafkaClient refuses GSSAPI before a client starts.

extern "C" {

enum : int { kSaslOk = 0, kSaslNoMechanism = -4 };  // as in <sasl/sasl.h>

int sasl_client_init(const void* /*callbacks*/) { return kSaslOk; }

int sasl_client_new(const char* /*service*/, const char* /*host*/, const char* /*local*/, const char* /*remote*/,
                    const void* /*callbacks*/, unsigned /*flags*/, void** connection) {
  *connection = nullptr;
  return kSaslNoMechanism;
}

int sasl_client_start(void* /*connection*/, const char* /*mechanisms*/, void** /*prompts*/, const char** /*out*/,
                      unsigned* /*length*/, const char** /*mechanism*/) {
  return kSaslNoMechanism;
}

int sasl_client_step(void* /*connection*/, const char* /*in*/, unsigned /*in_length*/, void** /*prompts*/, const char** /*out*/,
                     unsigned* /*length*/) {
  return kSaslNoMechanism;
}

int sasl_listmech(void* /*connection*/, const char* /*user*/, const char* /*prefix*/, const char* /*separator*/,
                  const char* /*suffix*/, const char** /*result*/, unsigned* /*length*/, int* /*count*/) {
  return kSaslNoMechanism;
}

int sasl_getprop(void* /*connection*/, int /*property*/, const void** /*value*/) { return kSaslNoMechanism; }

const char* sasl_errstring(int /*code*/, const char* /*languages*/, const char** /*language*/) {
  return "this program has no Kerberos";
}

const char* sasl_errdetail(void* /*connection*/) { return "this program has no Kerberos"; }

void sasl_dispose(void** connection) { *connection = nullptr; }

}  // extern "C"
