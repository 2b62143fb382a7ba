/* The driver functions that CUDA regions use, over host memory: the signatures of the CUDA Driver API, one "device", one
   allocation of 256 bytes (0, 1, 2, ...), whose handle begins with 'H'. Built by test_protocol_cuda_memory.py. */
#include <stddef.h>
#include <string.h>

typedef int CUresult;
typedef int CUdevice;
typedef void *CUcontext;
typedef unsigned long long CUdeviceptr;
typedef struct { char reserved[64]; } CUipcMemHandle;

enum { SIZE = 256, INVALID_VALUE = 1, INVALID_DEVICE = 101, INVALID_CONTEXT = 201 };

static unsigned char memory[SIZE];
static int contexts, mappings;
static __thread CUcontext current;

int fake_contexts(void) { return contexts; }
int fake_mappings(void) { return mappings; }

CUresult cuInit(unsigned int flags) {
  for (int i = 0; i < SIZE; i++) memory[i] = (unsigned char)i;
  return flags ? INVALID_VALUE : 0;
}

CUresult cuGetErrorName(CUresult code, const char **name) {
  *name = code == INVALID_VALUE ? "CUDA_ERROR_INVALID_VALUE" : code == INVALID_DEVICE ? "CUDA_ERROR_INVALID_DEVICE" : NULL;
  return *name ? 0 : INVALID_VALUE;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  *device = 7;
  return ordinal == 0 ? 0 : INVALID_DEVICE;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  *context = &contexts;
  contexts++;
  return device == 7 ? 0 : INVALID_DEVICE;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  contexts--;
  return device == 7 ? 0 : INVALID_DEVICE;
}

CUresult cuCtxSetCurrent(CUcontext context) {
  current = context;
  return context == &contexts ? 0 : INVALID_CONTEXT;
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *pointer, CUipcMemHandle handle, unsigned int flags) {
  if (!current) return INVALID_CONTEXT;
  if (handle.reserved[0] != 'H' || handle.reserved[63] != 'E' || flags != 1) return INVALID_VALUE;
  *pointer = (CUdeviceptr)(size_t)memory;
  mappings++;
  return 0;
}

CUresult cuIpcCloseMemHandle(CUdeviceptr pointer) {
  mappings--;
  return current && pointer == (CUdeviceptr)(size_t)memory ? 0 : INVALID_VALUE;
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr pointer) {
  *base = (CUdeviceptr)(size_t)memory;
  *size = SIZE;
  return current && pointer >= *base && pointer < *base + SIZE ? 0 : INVALID_VALUE;
}

static int inside(CUdeviceptr pointer, size_t size) {
  const CUdeviceptr base = (CUdeviceptr)(size_t)memory;
  return current && pointer >= base && pointer + size <= base + SIZE;
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size) {
  if (!inside(from, size)) return INVALID_VALUE;
  memcpy(to, (void *)(size_t)from, size);
  return 0;
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size) {
  if (!inside(to, size)) return INVALID_VALUE;
  memcpy((void *)(size_t)to, from, size);
  return 0;
}
