/**
 * @file A kernel of the IR as WGSL: uniforms, bindings, functions, parts and the entry point. Binding 0 holds the
 * sizes, binding 1 the steps of the enclosing loops, storage buffers follow from 2. Only this folder writes WGSL.
 */
import type { Dim } from "../compiler/graph/dim.ts";
import { at, InternalError } from "../compiler/graph/errors.ts";
import type { Expr, GlobalArray, GridPart, KernelCode, LocalArray, Part, Variable } from "../compiler/kernel/ir.ts";
import { bindingName, uniformNames } from "../compiler/kernel/names.ts";
import { arrayAt, sumAt } from "../compiler/kernel/places.ts";
import { placedArrays, sharedElements } from "../compiler/kernel/shared-place.ts";
import { expressionsIn, functionsOf, readsOtherLanes } from "../compiler/kernel/walk.ts";
import { elementText, expressionText, type Names, typeText } from "./expression.ts";
import { sharedText } from "./shared-text.ts";
import { functionText, indented, statementLines } from "./statement.ts";

const bindingOf = { sizes: 0, step: 1, storage: 2 } as const;

/** Equal kernels have equal text: it contains neither names nor positions in the program. */
export function kernelText(code: KernelCode): string {
  let usesOpaque = false;
  const opaque = (bits: string) => {
    usesOpaque = true;
    return `cg_opaque(${bits})`;
  };
  const names = namesOf(code, opaque);
  const { functions, body } = partsText(code, names);
  const helpers = functionsOf(code.parts).map((callee) => functionText(callee, names));
  const sections = [
    usesSubgroups(code) ? ["enable subgroups;"] : [],
    [uniformSection(code)],
    [bindings(code).join("\n")],
    [
      sharedInWorkgroup(code)
        .map((array) => `var<workgroup> ${array.name}: ${arrayType(array)};`)
        .join("\n"),
    ],
    code.runsIf === undefined ? [] : ["var<workgroup> runs: u32;"],
    usesOpaque ? [opaqueText] : [],
    helpers,
    functions,
    [
      [
        ...entryPoint(code),
        ...indented([...modelText(code, names), ...conditionText(code, names), ...placesText(code, names)]),
        ...(body === "" ? [] : [body]),
        "}",
      ].join("\n"),
    ],
  ];
  return `${sections
    .flat()
    .filter((section) => section !== "")
    .join("\n\n")}\n`;
}

function sharedInWorkgroup(code: KernelCode): readonly LocalArray[] {
  const placed = placedArrays(code);
  return code.shared.filter((array) => !placed.has(array));
}

const placeName = ({ name }: LocalArray): string => `${name}Place`;

/** Where the workgroup's own arrays begin in the buffer in which they lie. */
function placesText(code: KernelCode, names: Names): string[] {
  if (code.sharedPlace === undefined) return [];
  if (code.parts.length > 1) throw new InternalError("parts cannot have workgroup memory in a buffer");
  const start = `let sharedPlace = ${names.uniform(code.sharedPlace.offset)} + group * ${sharedElements(code.shared)}u;`;
  const arrays = [...placedArrays(code)].map(([array, first]) => `let ${placeName(array)} = sharedPlace + ${first}u;`);
  return [start, ...arrays];
}

/** Where the copies of the model begin in the buffers that have several. */
function modelText({ buffers, strides = [] }: KernelCode, names: Names): string[] {
  return strides.flatMap((stride, i) => {
    if (stride === undefined) return [];
    const vectors = at(buffers, i).array.element === "f32x4" ? " / 4u" : "";
    return [`let ${modelName(i)} = workgroup_id.z * (${names.uniform(stride)}${vectors});`];
  });
}

/** Ends the workgroups of models without work: all invocations at once, so that barriers can follow. */
function conditionText({ runsIf }: KernelCode, names: Names): string[] {
  if (runsIf === undefined) return [];
  const number = names.element(runsIf.array, names.uniform(runsIf.offset), undefined);
  return [
    "if (lane == 0u) {",
    `  runs = ${number};`,
    "}",
    "if (workgroupUniformLoad(&runs) == 0u) {",
    "  return;",
    "}",
  ];
}

const modelName = (place: number): string => `model${place}`;

function arrayType({ element, length, slots }: LocalArray): string {
  const plain = `array<${typeText[element]}, ${length}>`;
  return slots === 1 ? plain : `array<${plain}, ${slots}>`;
}

/** Keeps a bit pattern out of constant evaluation, which rejects NaN and infinity. */
const opaqueText = `fn cg_opaque(bits: u32) -> u32 {
  var kept = bits;
  return kept;
}`;

function namesOf(code: KernelCode, opaque: Names["opaque"]): Names {
  const fields = uniformNames(code);
  const byValue = new Map(code.uniforms.map((sum, i) => [sum.join(" + "), `sizes.${fields[i]}`]));
  const { counts, end } = code.steps;
  const builtins = new Map<Variable, string>(counts.map((variable, i) => [variable, `step.count${i}`]));
  if (end !== undefined) builtins.set(end, "step.end");
  const places = new Map(code.buffers.map(({ array }, i) => [array.buffer, i]));
  const globalElement = (array: GlobalArray, index: string) => {
    const place = named(places.get(array.buffer), array.name);
    const inModel = code.strides?.[place] === undefined ? index : `${modelName(place)} + ${index}`;
    return elementText(bindingName(place), inModel, undefined);
  };
  const placed = placedArrays(code);
  const { sharedPlace } = code;
  return {
    element: (array, index, slot) => {
      if (array.space === "global") return globalElement(array, index);
      if (sharedPlace === undefined || !placed.has(array)) return elementText(array.name, index, slot);
      const within = slot === undefined ? index : `${slot} * ${array.length}u + ${index}`;
      return globalElement(sharedPlace.array, `${placeName(array)} + ${within}`);
    },
    barriers: [
      ...(placed.size > 0 ? ["storageBarrier();"] : []),
      ...(placed.size === 0 || sharedInWorkgroup(code).length > 0 ? ["workgroupBarrier();"] : []),
    ],
    opaque,
    uniform: (sum) => named(byValue.get(sum.join(" + ")), sum.join(" + ")),
    builtin: (variable) => builtins.get(variable),
  };
}

function named<T>(found: T | undefined, what: string): T {
  if (found === undefined) throw new InternalError(`${what} is not declared by the kernel`);
  return found;
}

/** The body of a part, indented. */
function bodyText({ body, places }: Part, names: Names): string {
  if (places === undefined) return statementLines(body, names, "  ").join("\n");
  return sharedText(body, {
    ...names,
    element: (array, ...at) => names.element(array.space === "global" ? arrayAt(array, places) : array, ...at),
    uniform: (sum) => names.uniform(sumAt(sum, places)),
  });
}

/** A single part is the kernel's body; of several, each has its range of workgroups and its own function. */
function partsText({ parts, strides = [] }: KernelCode, names: Names): { functions: string[]; body: string } {
  const models = strides.flatMap((stride, i) => (stride === undefined ? [] : [modelName(i)]));
  const given = ["group", "lane", ...models].map((name) => `${name}: u32`).join(", ");
  if (parts.length === 1) return { functions: [], body: bodyText(at(parts, 0), names) };
  const functions = parts.map((part, i) => [`fn part${i}(${given}) {`, bodyText(part, names), "}"].join("\n"));
  const body = parts.flatMap(({ grid }, i) => {
    const start = i === 0 ? "0u" : `end${i - 1}`;
    const inside = i === 0 ? `group < end0` : `group >= ${start} && group < end${i}`;
    return [
      `let end${i} = ${start} + ${workgroupsText(grid, names)};`,
      `if (${inside}) {`,
      `  part${i}(${[`group - ${start}`, "lane", ...models].join(", ")});`,
      "}",
    ];
  });
  return { functions, body: indented(body).join("\n") };
}

/** The number of workgroups of a part. */
function workgroupsText({ rows, rowsPer, columns, lanes }: GridPart, names: Names): string {
  const text = (size: readonly Dim[]) => {
    const terms = size.map((dim) => dimText(dim, names)).join(" + ");
    return size.length > 1 ? `(${terms})` : terms;
  };
  const blocks = rowsPer === 1 ? text(rows) : `((${text(rows)} + ${rowsPer - 1}u) / ${rowsPer}u)`;
  return `(${blocks} * ${text(columns)} + ${lanes - 1}u) / ${lanes}u`;
}

function dimText(dim: Dim, names: Names): string {
  const known = { id: 0, type: "u32", depth: 0, isUniform: true, readsShared: false } as const;
  const expr: Expr =
    typeof dim === "number"
      ? { ...known, kind: "literal", value: dim, isConstant: true }
      : { ...known, kind: "size", dim, isConstant: false };
  return expressionText(expr, names);
}

function bindings({ buffers }: KernelCode): string[] {
  return buffers.map(
    ({ array: { element }, access }, i) =>
      `@group(0) @binding(${bindingOf.storage + i}) var<storage, ${access}> ${bindingName(i)}: array<${typeText[element]}>;`,
  );
}

function usesSubgroups({ parts }: KernelCode): boolean {
  return parts.some(({ body }) => expressionsIn(body).some(readsOtherLanes));
}

function uniformSection(code: KernelCode): string {
  const fields = uniformNames(code).map((name) => `  ${name}: u32,`);
  const { counts, end } = code.steps;
  const range = [
    ...counts.map((_, nesting) => `  count${nesting}: u32,`),
    ...(end === undefined ? [] : ["  end: u32,"]),
  ];
  const struct = (type: string, name: string, binding: number, lines: readonly string[]) =>
    [`struct ${type} {`, ...lines, "}", `@group(0) @binding(${binding}) var<uniform> ${name}: ${type};`].join("\n");
  return [
    fields.length === 0 ? "" : struct("Sizes", "sizes", bindingOf.sizes, fields),
    range.length === 0 ? "" : struct("Step", "step", bindingOf.step, range),
  ]
    .filter((text) => text !== "")
    .join("\n");
}

function entryPoint({ workgroupSize }: KernelCode): string[] {
  return [
    `@compute @workgroup_size(${workgroupSize})`,
    "fn main(",
    "  @builtin(workgroup_id) workgroup_id: vec3<u32>,",
    "  @builtin(num_workgroups) workgroups: vec3<u32>,",
    "  @builtin(local_invocation_index) lane: u32,",
    ") {",
    "  let group = workgroup_id.x + workgroup_id.y * workgroups.x;",
  ];
}
