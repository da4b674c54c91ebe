/** @file Mutants of the choice of devices: threads, the display of a demonstration, and the playground's switch. */
import { changed, type Mutant } from "./mutant.ts";

const onLive = "test/cli/live.test.ts";
const onStart = "test/cli/start.test.ts";

export const cliMutants: readonly Mutant[] = [
  ...changed(
    "cli/options.ts",
    ["test/cli/bad-input.test.ts"],
    [
      [
        "threads are for every device",
        'threads !== undefined && device !== "cpu"',
        'threads === 0 && device !== "cpu"',
      ],
    ],
  ),
  ...changed(
    "devices/open-device.ts",
    ["test/package/unknown-options.test.ts"],
    [
      ["threads may be no whole number", "!Number.isInteger(threads) || threads < 1", "threads < 1"],
      ["threads are for every device", 'if (device !== "cpu" && device !== "auto")', "if (threads < 0)"],
    ],
  ),
  ...changed(
    "cli/live/loss-curve.ts",
    [onLive],
    [
      ["the curve stands on its head", "(mean - low) / (high - low || 1)", "(high - mean) / (high - low || 1)"],
      [
        "a column is its largest loss",
        "(sum, loss) => sum + loss, 0) / inside.length",
        "(sum, loss) => Math.max(sum, loss), 0)",
      ],
      ["columns of steps to come are drawn", "if (first >= losses.length) break;", ""],
    ],
  ),
  ...changed(
    "cli/live/live-display.ts",
    [onLive],
    [
      ["a picture is drawn below the one before", "if (drawn > 0) moveCursor", "if (drawn < 0) moveCursor"],
      ["every step is drawn", ">= MILLISECONDS_PER_FRAME", ">= 0"],
      ["a sample steers the terminal", "cut(escapeControls(", "cut(String("],
      [
        "the picture is as high as it likes",
        "Math.max(2, Math.min(LARGEST.height, rows",
        "Math.max(8, Math.min(LARGEST.height, rows",
      ],
    ],
  ),
  ...changed(
    "cli/live/interim-samples.ts",
    [onLive, onStart],
    [
      ["a sample is taken after the last step too", "step > 0 && step < steps", "step > 0"],
      ["samples are of the first weights", "else this.#stream.setParameters(parameters);", ""],
    ],
  ),
  ...changed(
    "playground/worker/device-worker.ts",
    ["test/playground/switch-device.test.ts"],
    [
      [
        "runs begin anew on another device",
        "const { run } = await this.#openRun(opened, old.spec, old.kept);",
        "const { run } = await this.#openRun(opened, old.spec);",
      ],
      ["runs forget their learning rate on another device", "run.learningRate = old.learningRate;", ""],
      [
        "a loaded model stays behind",
        "if (loaded !== undefined && sampler !== undefined)",
        "if (runs.length < 0 && loaded !== undefined && sampler !== undefined)",
      ],
      [
        "runs move though one of them cannot",
        "await Promise.all(runs.map((run) => run.close()));\n      opened.device.destroy();",
        "before.destroy();",
      ],
    ],
  ),
  ...changed(
    "playground/page/session/device-speeds.ts",
    ["test/playground/device-speeds.test.ts"],
    [
      [
        "the speed is that of one run",
        "reduce((sum, speed) => sum + speed, 0)",
        "reduce((sum, speed) => Math.max(sum, speed), 0)",
      ],
      [
        "all devices are as fast as the last",
        "const runs = this.#speeds.get(kind);\n    return",
        "const runs = [...this.#speeds.values()].at(-1);\n    return",
      ],
    ],
  ),
  ...changed(
    "devices/open-device.ts",
    ["test/devices/open-device.test.ts"],
    [
      [
        "auto is nothing where there is no card",
        "if (!(error instanceof DeviceUnavailableError)) throw error;",
        "throw error;",
      ],
      [
        "auto forgets the threads",
        "throw error;\n    return openCpu(threads, timeout);",
        "throw error;\n    return openCpu(undefined, timeout);",
      ],
    ],
  ),
  ...changed(
    "cli/device.ts",
    ["test/cli/devices.test.ts"],
    [["every device has news", 'if (device === "cpu") line(stderr', "line(stderr"]],
  ),
  ...changed(
    "compiler/cpu-text.ts",
    ["test/cli/devices.test.ts"],
    [
      ["a text lacks what its functions call", "for (const callee of callees(each.body)) visit(callee);", ""],
      [
        "a text has its functions again and again",
        "if (each === undefined || found.has(each)) return;\n    found.add(each);",
        "if (each === undefined) return;\n    found.add({ ...each });",
      ],
    ],
  ),
  ...changed(
    "compiler/cpu-text.ts",
    ["test/cpu/text.test.ts"],
    [["sums are shown as no device runs them", "cpuKernels(planned, isFused)", "cpuKernels(planned)"]],
  ),
  ...changed(
    "playground/worker/opening.ts",
    ["test/playground/opening.test.ts"],
    [
      ["without a GPU software computes", 'device: "cpu" });\n      return', 'device: "software" });\n      return'],
      ["the interpreter takes any network", 'kind === "interpreter" && { maxWeights', 'kind === "gpu" && { maxWeights'],
    ],
  ),
];
