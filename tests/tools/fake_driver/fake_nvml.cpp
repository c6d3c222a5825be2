// Stands for NVIDIA's management library.
#include <cstring>

extern "C" {
int nvmlInit_v2();
int nvmlSystemGetDriverVersion(char* version, unsigned length);
int nvmlShutdown();

int nvmlInit_v2() {
  return 0;
}
int nvmlSystemGetDriverVersion(char* version, unsigned length) {
  std::strncpy(version, "570.00", length);
  return 0;
}
int nvmlShutdown() {
  return 0;
}
}
