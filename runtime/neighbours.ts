/**
 * @file Which invocations of a workgroup are neighbours in a subgroup. WGSL does not say how invocations are mapped to
 * lanes, so a kernel that runs once for each device looks.
 */
import { withErrorScopes } from "./error-scopes.ts";
import { mapMode, stagingUsage, storageUsage } from "./gpu-flags.ts";

const lanes = 256;

/** Each invocation adds up, as bits, the distances over which it gets the number of the invocation that it expects. */
function probe(largest: number): string {
  const distances = distancesBelow(largest);
  const lines = distances.map((distance, bit) => {
    const quad = { 1: "quadSwapX", 2: "quadSwapY" }[distance];
    const value = quad === undefined ? `subgroupShuffleXor(lane, ${distance}u)` : `${quad}(lane)`;
    return `  found |= select(0u, ${1 << bit}u, ${value} == (lane ^ ${distance}u));`;
  });
  // Four neighbours must be numbered in order, too.
  if (distances.includes(2)) lines.push("  found &= select(1u, ~0u, quadBroadcast(lane, 1u) == ((lane & ~3u) | 1u));");
  return `enable subgroups;
@group(0) @binding(0) var<storage, read_write> result: array<u32>;
@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) lane: u32) {
  var found = 0u;
${lines.join("\n")}
  result[lane] = found;
}`;
}

const distancesBelow = (largest: number) => [1, 2, 4, 8, 16, 32, 64].filter((distance) => distance < largest);

/**
 * How many invocations in a row exchange values in their subgroup: a power of two, at most `minSize`, and 1 where the
 * device has no subgroups or maps invocations in another way.
 */
export async function findNeighbours(device: GPUDevice, minSize: number | undefined): Promise<number> {
  if (!device.features.has("subgroups") || minSize === undefined || minSize < 2) return 1;
  // Scopes are one stack per device, which others may share: none is open across an await.
  const scoped = <T>(calls: () => T): T => {
    const { result, errors } = withErrorScopes(device, calls);
    errors.catch(() => {});
    return result;
  };
  const [storage, readable] = scoped(() => [
    device.createBuffer({ size: 4 * lanes, usage: storageUsage }),
    device.createBuffer({ size: 4 * lanes, usage: stagingUsage }),
  ]);
  try {
    const pipeline = await scoped(() => {
      const module = device.createShaderModule({ code: probe(minSize) });
      return device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } });
    });
    await scoped(() => {
      const layout = pipeline.getBindGroupLayout(0);
      const group = device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: storage } }] });
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(1);
      pass.end();
      encoder.copyBufferToBuffer(storage, 0, readable, 0, 4 * lanes);
      device.queue.submit([encoder.finish()]);
      return readable.mapAsync(mapMode.READ);
    });
    return neighboursIn(new Uint32Array(readable.getMappedRange()), minSize);
  } catch {
    // A device that refuses the kernel, such as one without these functions, exchanges through memory.
    return 1;
  } finally {
    storage.destroy();
    readable.destroy();
  }
}

/** From what the invocations found: each distance must hold for all of them, and so must all smaller ones. */
export function neighboursIn(found: Uint32Array, minSize: number): number {
  const all = found.reduce((both, bits) => both & bits, -1);
  let neighbours = 1;
  for (const [bit, distance] of distancesBelow(minSize).entries()) {
    if ((all & (1 << bit)) === 0) break;
    neighbours = 2 * distance;
  }
  return neighbours;
}
