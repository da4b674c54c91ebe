/*
 * A Vulkan layer for a driver with no GPU behind it. Pipelines are compiled by the driver; whatever would record, submit
 * or wait for work succeeds without reaching it. All mappings of memory show the same scratch pages, so contents of
 * buffers mean nothing. Used by `npm run bench:isa`, which only looks at what the compiler prints.
 */
#include <string.h>
#include <sys/mman.h>
#include <vulkan/vulkan.h>
#include <vulkan/vk_layer.h>

#define SCRATCH_BYTES ((size_t)1 << 32)

static struct {
  PFN_vkGetInstanceProcAddr instance_proc;
  PFN_vkGetDeviceProcAddr device_proc;
  VkInstance instance;
  char *scratch;
} below;

/* Both are called with other signatures; the x86-64 and AArch64 calling conventions allow it. */
static VKAPI_ATTR VkResult VKAPI_CALL report_success(void) { return VK_SUCCESS; }
static VKAPI_ATTR void VKAPI_CALL do_nothing(void) {}

static VKAPI_ATTR VkResult VKAPI_CALL map_scratch(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset,
                                                  VkDeviceSize size, VkMemoryMapFlags flags, void **address) {
  if (!below.scratch) {
    void *pages = mmap(NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) return VK_ERROR_MEMORY_MAP_FAILED;
    below.scratch = pages;
  }
  if (offset >= SCRATCH_BYTES) return VK_ERROR_MEMORY_MAP_FAILED;
  *address = below.scratch + offset;
  return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL far_ahead(VkDevice device, VkSemaphore semaphore, uint64_t *value) {
  *value = (uint64_t)1 << 62;
  return VK_SUCCESS;
}

static const struct {
  const char *name;
  PFN_vkVoidFunction replacement;
} replaced[] = {
    {"vkMapMemory", (PFN_vkVoidFunction)map_scratch},
    {"vkUnmapMemory", (PFN_vkVoidFunction)do_nothing},
    {"vkFlushMappedMemoryRanges", (PFN_vkVoidFunction)report_success},
    {"vkInvalidateMappedMemoryRanges", (PFN_vkVoidFunction)report_success},
    {"vkBeginCommandBuffer", (PFN_vkVoidFunction)report_success},
    {"vkEndCommandBuffer", (PFN_vkVoidFunction)report_success},
    {"vkResetCommandBuffer", (PFN_vkVoidFunction)report_success},
    {"vkResetCommandPool", (PFN_vkVoidFunction)report_success},
    {"vkQueueSubmit", (PFN_vkVoidFunction)report_success},
    {"vkQueueSubmit2", (PFN_vkVoidFunction)report_success},
    {"vkQueueWaitIdle", (PFN_vkVoidFunction)report_success},
    {"vkDeviceWaitIdle", (PFN_vkVoidFunction)report_success},
    {"vkWaitForFences", (PFN_vkVoidFunction)report_success},
    {"vkResetFences", (PFN_vkVoidFunction)report_success},
    {"vkGetFenceStatus", (PFN_vkVoidFunction)report_success},
    {"vkWaitSemaphores", (PFN_vkVoidFunction)report_success},
    {"vkGetSemaphoreCounterValue", (PFN_vkVoidFunction)far_ahead},
};

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char *name) {
  PFN_vkVoidFunction real = below.device_proc(device, name);
  if (!real) return NULL;
  if (strcmp(name, "vkGetDeviceProcAddr") == 0) return (PFN_vkVoidFunction)device_function;
  if (strncmp(name, "vkCmd", 5) == 0) return (PFN_vkVoidFunction)do_nothing;
  for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++)
    if (strcmp(name, replaced[i].name) == 0) return replaced[i].replacement;
  return real;
}

/* The loader passes the next layer in a chained structure; the link must be advanced before the call goes down. */
#define FIND_LINK(Type, info, wanted)                                                                              \
  Type *link = (Type *)(info)->pNext;                                                                              \
  while (link && (link->sType != (wanted) || link->function != VK_LAYER_LINK_INFO)) link = (Type *)link->pNext;    \
  if (!link) return VK_ERROR_INITIALIZATION_FAILED

static VKAPI_ATTR VkResult VKAPI_CALL new_instance(const VkInstanceCreateInfo *info,
                                                   const VkAllocationCallbacks *allocator, VkInstance *instance) {
  FIND_LINK(VkLayerInstanceCreateInfo, info, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
  below.instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  PFN_vkCreateInstance create = (PFN_vkCreateInstance)below.instance_proc(NULL, "vkCreateInstance");
  VkResult result = create(info, allocator, instance);
  if (result == VK_SUCCESS) below.instance = *instance;
  return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL new_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                                 const VkAllocationCallbacks *allocator, VkDevice *device) {
  FIND_LINK(VkLayerDeviceCreateInfo, info, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
  below.device_proc = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  PFN_vkCreateDevice create = (PFN_vkCreateDevice)below.instance_proc(below.instance, "vkCreateDevice");
  return create(physical, info, allocator, device);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_function(VkInstance instance, const char *name) {
  if (strcmp(name, "vkGetInstanceProcAddr") == 0) return (PFN_vkVoidFunction)instance_function;
  if (strcmp(name, "vkCreateInstance") == 0) return (PFN_vkVoidFunction)new_instance;
  if (strcmp(name, "vkCreateDevice") == 0) return (PFN_vkVoidFunction)new_device;
  if (strcmp(name, "vkGetDeviceProcAddr") == 0) return (PFN_vkVoidFunction)device_function;
  return below.instance_proc ? below.instance_proc(instance, name) : NULL;
}

VK_LAYER_EXPORT VKAPI_ATTR VkResult VKAPI_CALL compile_only_negotiate(VkNegotiateLayerInterface *interface) {
  if (interface->loaderLayerInterfaceVersion < 2) return VK_ERROR_INITIALIZATION_FAILED;
  interface->loaderLayerInterfaceVersion = 2;
  interface->pfnGetInstanceProcAddr = instance_function;
  interface->pfnGetDeviceProcAddr = device_function;
  interface->pfnGetPhysicalDeviceProcAddr = NULL;
  return VK_SUCCESS;
}
