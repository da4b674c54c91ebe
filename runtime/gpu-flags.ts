/**
 * @file WebGPU's flags, by their values in the standard ("WebGPU", W3C, sections 5.1 and 9.1). Hosts have them as globals, but
 * not in all realms: a program in Node can hold a device without installing any global.
 */

export const bufferUsage = {
  MAP_READ: 0x1,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
  INDIRECT: 0x100,
  QUERY_RESOLVE: 0x200,
} as const;

export const mapMode = { READ: 0x1 } as const;

export const shaderStage = { COMPUTE: 0x4 } as const;

/** Usage of buffers for arrays. */
export const storageUsage = bufferUsage.STORAGE | bufferUsage.COPY_SRC | bufferUsage.COPY_DST;

/** Usage of buffers that the host reads. */
export const stagingUsage = bufferUsage.MAP_READ | bufferUsage.COPY_DST;
