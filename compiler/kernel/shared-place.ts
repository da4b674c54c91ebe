/**
 * @file Workgroup memory that lies in a buffer. Browsers clear workgroup memory before a workgroup runs, and SwiftShader
 * makes one store of every element of it: its compiler takes seconds for what a loop of a recurrence needs.
 */
import type { KernelCode, LocalArray, SharedPlace } from "./ir.ts";

/** Whether an array lies in the buffer: those are of f32. */
const isOfFloats = ({ element }: LocalArray): boolean => element === "f32";

const elementsOf = ({ length, slots }: LocalArray): number => length * slots;

/** Elements of a workgroup in the buffer. */
export function sharedElements(shared: readonly LocalArray[]): number {
  return shared.filter(isOfFloats).reduce((sum, array) => sum + elementsOf(array), 0);
}

/** The arrays that lie in the buffer, each with its first element in the range of a workgroup; none without a buffer. */
export function placedArrays({
  shared,
  sharedPlace,
}: Pick<KernelCode, "shared" | "sharedPlace">): ReadonlyMap<LocalArray, number> {
  const first = new Map<LocalArray, number>();
  let next = 0;
  for (const array of sharedPlace === undefined ? [] : shared.filter(isOfFloats)) {
    first.set(array, next);
    next += elementsOf(array);
  }
  return first;
}

/** What a kernel needs, with the buffer in which its workgroup memory lies. */
export function withPlace(
  needs: Pick<KernelCode, "buffers" | "uniforms">,
  place: SharedPlace | undefined,
): Pick<KernelCode, "buffers" | "uniforms"> {
  if (place === undefined) return needs;
  const { array, offset } = place;
  const others = needs.buffers.filter((each) => each.array.buffer !== array.buffer);
  const buffers = [...others, { array, access: "read_write" } as const];
  const isKnown = needs.uniforms.some((sum) => sum.join(" + ") === offset.join(" + "));
  return {
    buffers: buffers.sort((a, b) => a.array.buffer - b.array.buffer),
    uniforms: isKnown ? needs.uniforms : [...needs.uniforms, offset],
  };
}
