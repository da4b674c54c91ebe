/**
 * @file The complete program that a random cell prints as: its loss as a model, its numbers, and the call that checks it.
 * Pasted into a module of a project with cellgrad, it runs and reports the violated property.
 */
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { NamedAval } from "../../index.ts";

/** An input of the loss, its value, and whether it is a parameter, a differentiated input, or fixed. */
export interface PrintedInput {
  readonly aval: NamedAval;
  readonly value: NdArray;
  readonly kind: "parameters" | "inputs" | "fixed";
}

/**
 * @param used names that the body imports from cellgrad
 * @param body lines of the loss, from its arguments to `return`, not indented
 */
export function printedProgram(
  used: ReadonlySet<string>,
  body: readonly string[],
  inputs: readonly PrintedInput[],
  seed: number,
): string {
  const named = (kind: PrintedInput["kind"]) => inputs.filter((input) => input.kind === kind);
  const symbolic = inputs.filter(({ aval }) => aval.shape.some((dim) => typeof dim === "string"));
  const shapes = symbolic.map(({ aval }) => `${aval.name}: ${JSON.stringify(aval.shape)}`);
  const arguments_ = inputs.filter(({ kind }) => kind !== "parameters").map(({ aval }) => aval.name);
  return [
    `import { ${[...used, "model", "ndarray", "openDevice"].sort().join(", ")} } from "cellgrad";`,
    'import { checkLoss, deviceExecutor } from "cellgrad/testing";',
    "",
    `const loss = model("loss", ({ ${arguments_.join(", ")} }) => {`,
    ...body.map((line) => `  ${line}`),
    "});",
    "const point = {",
    ...(["parameters", "inputs", "fixed"] as const).flatMap((kind) => [
      `  ${kind}: {`,
      ...named(kind).map(({ aval, value }) => `    ${JSON.stringify(aval.name)}: ${literal(value)},`),
      "  },",
    ]),
    ...(shapes.length === 0 ? [] : [`  shapes: { ${shapes.join(", ")} },`]),
    `  seed: ${seed},`,
    "};",
    "const device = await openDevice();",
    "export const outcome = await checkLoss(loss, point, [deviceExecutor(device.name, device, 1e-4)]).finally(device.destroy);",
    "console.log(outcome);",
    "",
  ].join("\n");
}

/** An array as a call that recreates it bit for bit. */
function literal({ dtype, shape, data }: NdArray): string {
  if (dtype === "f32")
    return `ndarray(${JSON.stringify(shape)}, Float32Array.of(${Array.from(data, shortest).join(", ")}))`;
  return `ndarray(${JSON.stringify(shape)}, ${JSON.stringify([...data])}, "${dtype}")`;
}

/** The fewest digits that parse to this f32 number. */
function shortest(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return String(text);
  }
  return String(Number(value.toPrecision(9)));
}
