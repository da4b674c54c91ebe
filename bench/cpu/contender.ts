/** @file The process of a contender in JavaScript: `contender.mjs NAME CASE`. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { cellgradOn } from "../contenders/cellgrad.ts";
import type { Contender, Run } from "../measure/contender.ts";
import { makeWorkload } from "../measure/workload.ts";
import { caseNamed } from "./cases.ts";
import { type Answer, learningRate, type Request, type ScriptName } from "./protocol.ts";

const cellgrad = (options: Parameters<typeof cellgradOn>[0]) => async () =>
  cellgradOn(options, "gradient, Adam", { learningRate });

const contenders: Readonly<Record<ScriptName, () => Promise<Contender>>> = {
  "cellgrad-cpu-1": cellgrad({ device: "cpu", threads: 1 }),
  "cellgrad-cpu-2": cellgrad({ device: "cpu", threads: 2 }),
  "cellgrad-software": cellgrad({ device: "software" }),
  "jax-js": async () => (await import("../contenders/jax.ts")).jaxJsWasm(learningRate),
  "tfjs-cpu": async () => {
    await import("@tensorflow/tfjs-backend-cpu");
    return tensorFlow("cpu");
  },
  "tfjs-wasm": async () => {
    const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
    const main = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
    setWasmPaths(join(dirname(main), "/"));
    return tensorFlow("wasm");
  },
};

async function tensorFlow(backend: "cpu" | "wasm"): Promise<Contender> {
  // The package's bundle for Node lacks the gradients, and Node cannot load this file as a module; the bundler includes it.
  await import("../node_modules/@tensorflow/tfjs-core/dist/register_all_gradients.js");
  return (await import("../contenders/tfjs.ts")).tensorFlowOn(backend);
}

// Keeps the output of libraries off standard output, which is the protocol's.
console.log = console.error;
console.info = console.error;
const answer = (value: Answer) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function main(name: string, caseName: string | undefined): Promise<void> {
  if (!Object.hasOwn(contenders, name)) throw new Error(`unknown contender ${name}`);
  const { cell, sizes } = caseNamed(caseName);
  const contender = await contenders[name as ScriptName]();
  await contender.open();
  answer({ version: contender.version, work: contender.work, runsOn: contender.adapter() });
  let run: Run | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    if (request.kind === "end") break;
    run ??= await contender.prepare(makeWorkload(cell, sizes));
    const losses: number[] = [];
    const milliseconds: number[] = [];
    for (let i = 0; i < request.count; i++) {
      const start = performance.now();
      losses.push(await run.step());
      milliseconds.push(performance.now() - start);
    }
    answer({ losses, milliseconds });
  }
}

main(process.argv[2] ?? "", process.argv[3]).then(
  () => process.exit(0),
  (error: unknown) => {
    const { message } = error instanceof Error ? error : new Error(String(error));
    process.stdout.write(`${JSON.stringify({ fault: message.replaceAll(/\s+/g, " ").slice(0, 300) })}\n`, () =>
      process.exit(1),
    );
  },
);
