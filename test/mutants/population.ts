/** @file Mutants of programs for many models: strides, copies, forks of a tape, and what a population trains. */
import { changed, type Mutant } from "./mutant.ts";

const ops = "test/population/ops.test.ts";
const training = "test/population/training.test.ts";
const gpuKernels = "test/population/gpu-kernels.test.ts";
const parallel = "test/gpu/parallel.test.ts";

export const populationMutants: readonly Mutant[] = [
  ...changed(
    "compiler/plan/population.ts",
    [ops, parallel],
    [
      ["shared inputs have a copy for each model", "(isShared.has(i) ? spec : {", "(false ? spec : {"],
      ["slabs have one copy for all models", "{ ...spec, size: times(spec.size), stride: spec.size }", "spec"],
      [
        "steps under a condition run for all models or none",
        'target === "cpu" ? given : withConditions',
        "given ?? withConditions",
      ],
    ],
  ),
  ...changed(
    "compiler/graph/models.ts",
    [ops],
    [
      ["names of shared inputs are not checked", "if (stranger !== undefined)", "if (!Array)"],
      ["shared inputs can be donated", "if (both !== undefined)", "if (!Array)"],
      ["no number of models is too large", " && models <= mostModels", ""],
      ["all models are the first", "data.slice(model * size, (model + 1) * size)", "data.slice(0, size)"],
    ],
  ),
  ...changed(
    "devices/device.ts",
    [ops],
    [["a population is not checked", "if (population !== undefined) checkPopulation", "if (!Array) checkPopulation"]],
  ),
  ...changed(
    "shaders/kernel.ts",
    [ops, gpuKernels],
    [
      [
        "parts see the first model",
        'const given = ["group", "lane", ...models]',
        'const given = ["group", "lane", ...models.map((m) => `${m}x`)]',
      ],
      ["models are strides of vectors", '"f32x4" ? " / 4u" : ""', '"f32x4" ? "" : ""'],
    ],
  ),
  ...changed(
    "runtime/instance.ts",
    [ops],
    [
      ["one model runs", "      program.models ?? 1,\n    ] as const", "      1,\n    ] as const"],
      ["all models have the offset of the first", "first + model * stride", "first"],
    ],
  ),
  ...changed(
    "runtime/loaded-program.ts",
    [ops],
    [["outputs overwrite each other", "buffer, model * bytes, bytes", "buffer, 0, bytes"]],
  ),
  ...changed(
    "runtime/cpu/tape.ts",
    [ops, training],
    [["all models are at the first", "offset + model * at(this.#strides, buffer)", "offset"]],
  ),
  ...changed(
    "runtime/cpu/thread-sharing.ts",
    [training],
    [["a thread runs the next branch", "runBranch(program, entry, range)", "runBranch(program, entry, range + 1)"]],
  ),
  ...changed(
    "runtime/cpu/tape-entries.ts",
    [training],
    [
      [
        "a branch runs the first workgroup of each kernel alone",
        "else if (countGroups(entry) > 0) runGroups(program, entry);",
        "else if (countGroups(entry) > 0) runPart(program, entry, 0, 0, 1);",
      ],
      [
        "a branch leaves its copies out",
        "if (word(entry) === ops.copy) copy(entry);\n      else if (countGroups(entry) > 0)",
        "if (word(entry) !== ops.copy && countGroups(entry) > 0)",
      ],
    ],
  ),
  ...changed(
    "runtime/cpu/engine.ts",
    [training],
    [
      ["branches run again after the fork", "next = entries.endOfBranches(entry, branches);", ""],
      ["reads have no stride", "from + i * stride, from + i * stride + size", "from, from + size"],
    ],
  ),
  ...changed(
    "runtime/cpu/loaded-program.ts",
    [ops],
    [["outputs have no stride", "address + i * stride, target", "address, target"]],
  ),
  ...changed(
    "devices/interpreter.ts",
    [training],
    [["models get all inputs of the first", "modelOf(array, model)", "modelOf(array, 0)"]],
  ),
  ...changed(
    "train/population.ts",
    [training],
    [
      ["all models have one seed", "seed + model : at", "seed : at"],
      ["kept models keep the rates of the first", "this.#rates = chosen(this.#rates);", ""],
      ["a kept model that has stopped goes on", "result?.finite === false ? 1 : 0", "0"],
      [
        "a step while models are left out is lost",
        'if (this.#isChanging) throw new UserError("step',
        'if (!Array) throw new UserError("step',
      ],
      ["a program that comes too late is kept", "if (this.#isDestroyed) executable.destroy();", ""],
      [
        "one model that stops ends a run",
        "results.every(({ finite }) => !finite)",
        "results.some(({ finite }) => !finite)",
      ],
    ],
  ),
  ...changed(
    "train/population-checkpoints.ts",
    [training],
    [["models at different batches are taken", "each.rows !== rows", "false"]],
  ),
  ...changed(
    "train/population-options.ts",
    [training],
    [
      ["a rate of dropout can be 1", " && each < below", ""],
      ["lists of other lengths are taken", "if (other !== undefined)", "if (!Array)"],
    ],
  ),
  ...changed(
    "train/hyperparameter.ts",
    [training],
    [["training gives no hyperparameter", "tensors[name] ?? constant", "constant"]],
  ),
  ...changed(
    "train/hyperparameter.ts",
    ["test/train/layers/dropout.test.ts"],
    [
      [
        "hyperparameters outside of training are 0",
        "if (current === undefined) return rate.value",
        "if (current === undefined) return 0",
      ],
    ],
  ),
  ...changed(
    "train/layers/dropout.ts",
    [training],
    [["a hyperparameter is the probability to stay", ": sub(1, rate), shape", ": rate, shape"]],
  ),
  ...changed(
    "cli/population/session.ts",
    ["test/cli/population.test.ts"],
    [
      ["the worse half stays", "scoreOf(models[a]) - scoreOf(models[b])", "scoreOf(models[b]) - scoreOf(models[a])"],
      ["a model that has diverged can be the best", "model.divergedAt !== undefined || ", ""],
      [
        "an interrupted run leaves steps behind",
        "if (isInterrupted()) return;",
        "if (isInterrupted()) throw new Error();",
      ],
      [
        "held-out losses of earlier rounds are kept",
        "modelAt(models, [model], 0).valLoss = undefined",
        "modelAt(models, [model], 0)",
      ],
    ],
  ),
  ...changed(
    "cli/population/settings.ts",
    ["test/cli/population.test.ts"],
    [
      ["halving has one round too few", "Math.ceil(Math.log2(models)) + 1", "Math.ceil(Math.log2(models))"],
      ["seeds are equal", "seed: seed + model,", "seed,"],
      ["rates are spread one short", "1 / (count - 1)", "1 / count"],
    ],
  ),
  ...changed(
    "cli/population/display.ts",
    ["test/cli/population.test.ts"],
    [["a frame has all models", "rows - OTHER_LINES)", "rows)"]],
  ),
  ...changed(
    "train/graphs-on-demand.ts",
    [training],
    [["all models are measured as the first", "all.slice(model * size, (model + 1) * size)", "all.slice(0, size)"]],
  ),
];
