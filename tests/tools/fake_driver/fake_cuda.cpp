// Stands for NVIDIA's driver: two GPUs, of which the second cannot be asked for its memory.
#include <cstddef>
#include <cstring>

extern "C" {
int cuInit(unsigned flags);
int cuDriverGetVersion(int* version);
int cuDeviceGetCount(int* count);
int cuDeviceGet(int* device, int ordinal);
int cuDeviceGetName(char* name, int length, int device);
int cuDeviceTotalMem_v2(std::size_t* bytes, int device);
int cuDeviceGetAttribute(int* value, int attribute, int device);

int cuInit(unsigned) {
  return 0;
}
int cuDriverGetVersion(int* version) {
  *version = 12080;  // CUDA 12.8
  return 0;
}
int cuDeviceGetCount(int* count) {
  *count = 2;
  return 0;
}
int cuDeviceGet(int* device, int ordinal) {
  *device = 10 + ordinal;
  return 0;
}
int cuDeviceGetName(char* name, int length, int device) {
  std::strncpy(name, device == 10 ? "Fake H100" : "Fake A100", static_cast<std::size_t>(length));
  return 0;
}
int cuDeviceTotalMem_v2(std::size_t* bytes, int device) {
  if (device != 10) return 1;
  *bytes = 85'000'000'000;
  return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  if (attribute != 75 && attribute != 76) return 1;
  *value = attribute == 75 ? (device == 10 ? 9 : 8) : 0;
  return 0;
}
}
