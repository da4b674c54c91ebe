/** @file Mutants of training: optimizers, schedules, the step and its guard, starts of parameters, data. */
import { changed, type Mutant } from "./mutant.ts";

const onOptimizers = "test/train/optimizers/optimizers.test.ts";
const onUpdates = "test/train/optimizers/update.test.ts";
const onGuard = "test/train/guard.test.ts";
const onSteps = "test/train/training-step.test.ts";

export const trainingMutants: readonly Mutant[] = [
  ...changed(
    "compiler/graph/options.ts",
    ["test/package/unknown-options.test.ts"],
    [
      ["an option that there is not is let through", "return unknownOption(name, names);", "continue;"],
      ["options are of any kind", "value !== undefined && !fits(value, kind)", "value === null"],
      ["the name that was meant is the last one", "b[0] < a[0] ? b : a", "b"],
    ],
  ),
  ...changed(
    "train/batch-inputs.ts",
    ["test/train/bad-options.test.ts"],
    [
      [
        "a batch may hold what nothing reads",
        "given[name] !== undefined && !names.includes(name)",
        "name === undefined",
      ],
      ["a batch may have parts that there are not", "!parts.includes(key)", 'key === ""'],
    ],
  ),
  ...changed(
    "train/trainer.ts",
    ["test/package/wrong-arguments.test.ts"],
    [["a trainer is used after its end", "if (this.#isDestroyed) throw", "if (this.#count < 0) throw"]],
  ),
  ...changed(
    "compiler/trace/expect.ts",
    ["test/package/wrong-arguments.test.ts"],
    [
      [
        "what is no tensor goes on",
        "if (values.some((value) => !(value instanceof Tensor)))",
        "if (values.length === 0)",
      ],
    ],
  ),
  ...changed(
    "compiler/trace/tensor.ts",
    ["test/dsl/user-errors.test.ts"],
    [["a tensor in an operator is its text", 'hint === "string"', "hint.length > 0"]],
  ),
  ...changed(
    "train/optimizers/gradient-descent.ts",
    [onOptimizers],
    [
      [
        "the gradient's direction",
        "sub(parameter, mul(learningRate, gradient))",
        "add(parameter, mul(learningRate, gradient))",
      ],
      ["no momentum", "add(mul(slots.velocity as Float, beta), gradient)", "gradient"],
      ["Nesterov's step is Polyak's", "nesterov ? add(gradient, mul(velocity, beta)) : velocity", "velocity"],
      ["Adam's mean is a sum", "mul(gradient, 1 - beta1)", "gradient"],
      ["Adam's variance is of the gradient", "mul(square(gradient), 1 - beta2)", "mul(gradient, 1 - beta2)"],
      ["Adam's mean is not corrected", "div(learningRate, oneMinusPower(beta1, step))", "learningRate"],
      ["Adam's variance is not corrected", "sqrt(div(variance, oneMinusPower(beta2, step)))", "sqrt(variance)"],
      [
        "epsilon under the root",
        "add(sqrt(div(variance, oneMinusPower(beta2, step))), epsilon)",
        "sqrt(add(div(variance, oneMinusPower(beta2, step)), epsilon))",
      ],
      [
        "the power that corrects a mean",
        "expm1(mul(step, Math.log(beta)))",
        "expm1(mul(step, 1.001 * Math.log(beta)))",
      ],
      [
        "AdamW is Adam",
        "{ rate: weightDecay, ...(decays && { decays }) }",
        "{ rate: 0 * weightDecay, ...(decays && { decays }) }",
      ],
    ],
  ),
  ...changed(
    "train/optimizers/adaptive.ts",
    [onOptimizers],
    [
      ["an average square is a sum", "add(mul(slot, decay), mul(value, 1 - decay))", "add(mul(slot, decay), value)"],
      ["centred is not", "max(sub(ofSquare, square(mean)), 0)", "ofSquare"],
      ["a root of what is below 0", "max(sub(ofSquare, square(mean)), 0)", "sub(ofSquare, square(mean))"],
      ["no velocity of scaled gradients", "add(mul(slots.velocity as Float, momentum), scaled)", "scaled"],
      ["Adagrad forgets", "add(slots.squares as Float, square(gradient))", "square(gradient)"],
      ["Adagrad starts at 0", "initial === 0 ? squares : add(squares, initial)", "squares"],
      ["Lion steps by its average", "sign(blend(beta1))", "sign(blend(beta2))"],
      [
        "Lion's sign of 0",
        'sub(cast(less(0, x), "f32"), cast(less(x, 0), "f32"))',
        'sub(mul(cast(less(0, x), "f32"), 2), 1)',
      ],
    ],
  ),
  ...changed(
    "train/optimizers/clipping.ts",
    [onUpdates, onOptimizers],
    [
      ["the norm of one gradient", "list.map((gradient)", "list.slice(0, 1).map((gradient)"],
      ["what is below the limit grows", "div(limit, max(norm, limit))", "div(limit, norm)"],
      ["elements are clipped above alone", "max(min(gradient, limit), -limit)", "min(gradient, limit)"],
    ],
  ),
  ...changed(
    "train/optimizers/weight-decay.ts",
    [onOptimizers],
    [
      ["weights decay whatever the learning rate", "sub(1, mul(learningRate, rates))", "sub(1, rates)"],
      ["decay through the gradient shrinks weights", 'through === "gradient"', 'through === "none"'],
      ["all parameters decay", "(isDecaying(entry) ? rate : 0)", "(rate)"],
    ],
  ),
  ...changed(
    "train/optimizers/weight-average.ts",
    [onOptimizers, onUpdates],
    [
      ["the average starts at 0", "where(equal(input.step, 1), parameter, next)", "next"],
      [
        "the average keeps what it should forget",
        "mul(sub(parameter, before), 1 - decay)",
        "mul(sub(parameter, before), decay)",
      ],
    ],
  ),
  ...changed(
    "train/optimizers/schedules.ts",
    ["test/train/optimizers/schedules.test.ts"],
    [
      ["the first update is the second", "div(sub(update, 1), updates)", "div(update, updates)"],
      ["a way down goes on", "min(div(sub(update, 1), updates), 1)", "div(sub(update, 1), updates)"],
      ["the decay ends at 0", "add(mul(share, 1 - to), to)", "mul(share, 1 - to)"],
      ["half a cosine is a whole one", "mul(progress(update), Math.PI)", "mul(progress(update), 2 * Math.PI)"],
      ["steps one update late", "sub(update, 0.5), every", "sub(update, 1.5), every"],
      ["what follows the warm-up counts from the start", "then(sub(update, updates))", "then(update)"],
      ["the warm-up ends early", "lessEqual(update, updates)", "lessEqual(update, updates / 2)"],
    ],
  ),
  ...changed(
    "train/optimizers/plateau.ts",
    ["test/train/optimizers/schedules.test.ts"],
    [
      [
        "any loss is an improvement",
        "loss < best - threshold * Math.abs(best)",
        "loss < best + threshold * Math.abs(best)",
      ],
      ["patience is one shorter", "if (bad > patience) {", "if (bad >= patience) {"],
      ["no cooldown", "cooling = cooldown;", ""],
      ["the rate falls for ever", "Math.max(current * factor, lowest)", "current * factor"],
    ],
  ),
  ...changed(
    "train/optimizers/update.ts",
    [onUpdates],
    [
      [
        "gradients of batches are added and not averaged",
        "where(counts, div(weight, where(counts, count, 1)), 0)",
        "1",
      ],
      [
        "batches count alike, whatever their losses are means over",
        "weight = constant(1) } = input;",
        "} = input, weight = constant(1);",
      ],
      ["the last gradient alone counts", "{ ...input, gradient: mean }", "input"],
      ["the mean is not emptied", "[meanSlot]: where(isDue, 0, mean)", "[meanSlot]: mean"],
      ["the count is not emptied", "[countSlot]: where(isDue, 0, count)", "[countSlot]: count"],
      ["updates are counted in batches", 'cast(number, "f32"));', "input.step);"],
      [
        "slots change with every batch",
        "where(isDue, due.slots[name] as Float, slots[name] as Float)",
        "due.slots[name] as Float",
      ],
      [
        "the schedule is not asked",
        "rateSchedule === undefined ? learningRate : mul(learningRate, rateSchedule(number))",
        "learningRate",
      ],
      ["elements are not clipped", "clipValue === undefined ? byNorm : clipByValue(gradient, clipValue)", "byNorm"],
    ],
  ),
  ...changed(
    "train/trainer.ts",
    ["test/train/trainer.test.ts"],
    [
      [
        "weights that are given are not trained on",
        "parameters ?? initialize(network.specs, seed)",
        "initialize(network.specs, seed)",
      ],
    ],
  ),
  ...changed(
    "train/files/model-file.ts",
    ["test/train/files/saved-again.test.ts"],
    [
      ["a model is not read when it is written", "  checkReadable(model, tensors, metadata);\n", ""],
      ["what a kind does not keep is dropped", "if (lost !== undefined)", "if (false)"],
    ],
  ),
  ...changed(
    "train/data/series-text.ts",
    ["test/train/series-text.test.ts"],
    [
      ["a byte order mark is part of a text", 'source.replace(/^\\uFEFF/, "")', "source"],
      [
        "how a text is read may not be said",
        "parsedTable(text, name, { separator, decimal }, parse)",
        "parsedTable(text, name, {}, parse)",
      ],
    ],
  ),
  ...changed(
    "train/objective.ts",
    ["test/train/uses/objectives.test.ts"],
    [["a batch may hold what a step has already", "if (taken !== undefined)", "if (false)"]],
  ),
  ...changed(
    "train/prediction-step.ts",
    ["test/train/uses/objectives.test.ts"],
    [
      [
        "what only a gradient reads is kept",
        "withoutCallSites(() => withoutCustomGradients(traced))",
        "withoutCallSites(() => traced)",
      ],
    ],
  ),
  ...changed(
    "train/metrics.ts",
    ["test/train/metrics.test.ts"],
    [
      [
        "a metric is measured of what has no targets",
        "prediction === undefined || avals.targets === undefined",
        "prediction === undefined",
      ],
    ],
  ),
  ...changed(
    "train/class-guesses.ts",
    ["test/train/uses/objectives.test.ts"],
    [["a padded sequence is read at the last step", "((length - 1) * rows + row)", "((steps - 1) * rows + row)"]],
  ),
  ...changed(
    "train/cell-stack.ts",
    ["test/train/uses/cells-per-layer.test.ts"],
    [
      ["a rate may be of a state that no layer has", "if (stranger === undefined) continue;", "continue;"],
      ["all layers take the rates of all states", ".filter(([name]) => name in cell.stateShapes)", ""],
    ],
  ),
  ...changed(
    "train/trainer.ts",
    ["test/train/uses/objectives.test.ts"],
    [
      [
        "gradients start from zeros",
        "const isCarried = !batch.fresh && rows === this.#batch;",
        "const isCarried = false;",
      ],
    ],
  ),
  ...changed(
    "train/training-step.ts",
    ["test/train/uses/objectives.test.ts"],
    [
      [
        "gradients draw the random numbers of the first step",
        'stepKey(given.seed as Tensor<"u32">, cast(given.step as Float, "u32"))',
        'stepKey(given.seed as Tensor<"u32">, cast(constant(0), "u32"))',
      ],
    ],
  ),
  ...changed(
    "train/forms/along-time.ts",
    ["test/train/uses/objectives.test.ts", "test/train/uses/every-kind.test.ts"],
    [
      ["a loop that runs backwards goes step by step", "if (reverse) throw", "if (false) throw"],
      [
        "a sum over time goes step by step",
        'throw cannot("goes over all steps of a sequence");\n      }',
        "return soFar;\n      }",
      ],
      ["the first step is the last one", "node.attrs.start === -1 &&", ""],
      [
        "steps may be numbered",
        "if (isNumber && !(inSegments && node.attrs.shape[axis] === time)) throw",
        "if (false) throw",
      ],
      [
        "what is known at the end may be read at every step",
        "if (isSoFar && (along !== undefined || isTimed(node.aval.shape)))",
        "if (false)",
      ],
      ["time stays where it was when axes are turned", "node.attrs.permutation.indexOf(first.axis)", "first.axis"],
    ],
  ),
  ...changed(
    "train/forms/step-of-sequence.ts",
    ["test/train/uses/objectives.test.ts", "test/train/uses/every-kind.test.ts"],
    [
      [
        "a loop starts at zero whatever it says",
        "if (state === undefined || isZero(graph, carry.start)) return",
        "if (true) return",
      ],
      ["a loop starts anew at every step", "...(isBegun ? [constant(1)] : []),", "...(isBegun ? [constant(0)] : []),"],
    ],
  ),
  ...changed(
    "train/predictor.ts",
    ["test/train/uses/objectives.test.ts"],
    [["weights may not be changed", "weights = device.upload(fitting, ", "weights = device.upload(packed, "]],
  ),
  ...changed(
    "train/prediction.ts",
    ["test/train/uses/objectives.test.ts"],
    [
      [
        "what predicting expects of lengths is forgotten",
        "for (const { index, mask, ...range } of checked)",
        "for (const { index, mask, ...range } of checked.slice(1))",
      ],
      [
        "a prediction may ask for what is not trained",
        "if (known === undefined)\n      throw",
        "if (false)\n      throw",
      ],
    ],
  ),
  ...changed(
    "train/files/model-kinds.ts",
    [
      "test/train/files/saved-again.test.ts",
      "test/train/uses/objectives.test.ts",
      "test/train/uses/every-kind.test.ts",
    ],
    [
      [
        "a classifier of texts has to have columns",
        'const isText = fields.text("columns") === undefined &&',
        "const isText = false &&",
      ],
      ["an objective keeps no classes", "...(classes && { classes }),", ""],
      ["sizes of an objective may be known from nothing", "if (unknown !== undefined) throw", "if (false) throw"],
    ],
  ),
  ...changed(
    "train/files/safetensors.ts",
    ["test/train/files/saved-again.test.ts"],
    [
      ["a tensor may have other numbers than its shape", "data?.length !== sizeOfNumbers(shape)", "data === undefined"],
      [
        "whole numbers are cut off",
        "const stranger = data.find((value) => !holds(dtype, value));",
        "const stranger = data.find(() => false);",
      ],
      [
        "a tensor of an object's own name is lost",
        "JSON.stringify(Object.fromEntries(header))",
        "JSON.stringify(header.reduce((all, [name, value]) => { all[name] = value; return all; }, {}))",
      ],
    ],
  ),
  ...changed(
    "train/files/tuned.ts",
    ["test/train/files/saved-again.test.ts"],
    [["an adapter's name is kept as it is", "tuning, adapter: name, batch", "tuning, adapter, batch"]],
  ),
  ...changed(
    "train/index-checks.ts",
    ["test/train/index-checks.test.ts"],
    [
      [
        "what a mask leaves out has to be in order",
        "if (mask === undefined || mask.data[Math.floor((i * mask.data.length) / data.length)] !== 0)",
        "",
      ],
      ["an index may be a fraction", "value >>> 0 === value && value <= to", "!(value < 0) && !(value > to)"],
      ["the range is one too long", "to: evaluateDim(to, sizes) - below", "to: evaluateDim(to, sizes)"],
      ["loops are not looked into", 'if (node.op !== "scan") return [];', "return [];"],
      ["a fraction may be an i32", "const position = strangerTo(dtype, data);", "const position = -1;"],
      ["a lookup is checked twice", "...looked.filter(isNew)", "...looked"],
      ["the row is said to be the step", 'T: "step", B: "row"', 'T: "row", B: "step"'],
    ],
  ),
  ...changed(
    "compiler/graph/ndarray.ts",
    ["test/train/index-checks.test.ts"],
    [
      ["an i32 is as large as a u32", "(value | 0) === value", "value >>> 0 === value"],
      ["a u32 may be a fraction", ": value >>> 0 === value;", ": value >= 0 && value < 2 ** 32;"],
    ],
  ),
  ...changed(
    "devices/device.ts",
    ["test/devices/copies.test.ts"],
    [["anything with a shape and a dtype is uploaded", " ?? numbersFault(value as NdArray)", ""]],
  ),
  ...changed(
    "devices/interpreter.ts",
    ["test/devices/copies.test.ts"],
    [
      ["uploads stay the caller's", "new HostArray(copyOf(value))", "new HostArray(value)"],
      ["what is read is the array itself", "=> copyOf(this.value);", "=> this.value;"],
      ["an output is the caller's input", "given.has(output.data) ? copyOf(output) : output", "output"],
    ],
  ),
  ...changed(
    "train/loss-parts.ts",
    ["test/train/loss-parts.test.ts"],
    [
      ["every batch counts alike", "total += value * weight;", "total += value; weights += 1; continue;"],
      ["a guarded count is 1 where nothing counts", 'if (node.op === "max" && a && b && isAbove0(b))', "if (false)"],
      ["a term has the weight of the first", "part.weight?.id === weight?.id", "part.value.id >= 0"],
      ["what cannot be told counts 1", "weight: this.#rows }]", "weight: undefined }]"],
      ["a loss's own weight is not asked", "if (!(loss instanceof Tensor)) return loss.weight;", ""],
      [
        "means over other counts are accumulated by the first",
        "if (others.every(({ id }) => id === weight.id)) return weight;",
        "return weight;",
      ],
      [
        "a quotient in a quotient is not looked for",
        "const divisors = [b, ...this.#divisorsIn(a)];",
        "const divisors = [b];",
      ],
    ],
  ),
  ...changed(
    "train/training-step.ts",
    [onGuard, onSteps, "test/train/layers/training.test.ts"],
    [
      ["what was halted goes on", 'and(not(given.halted as Tensor<"bool">), finite(loss))', "finite(loss)"],
      [
        "a loss that is not finite is applied",
        'and(not(given.halted as Tensor<"bool">), finite(loss))',
        'not(given.halted as Tensor<"bool">)',
      ],
      ["a gradient that is not finite is applied", "[finite(updated.norm), fits]", "[fits]"],
      ["an update that overflows is applied", "finite(updated.norm), fits]", "finite(updated.norm)]"],
      ["slots may overflow", "[updated.parameters, ...flatSlots], arena.size", "[updated.parameters], arena.size"],
      ["parameters are written whatever the loss", "where(ok, updated.parameters, parameters)", "updated.parameters"],
      [
        "slots are written whatever the loss",
        "where(ok, updated.slots[name] as Float, before[name] as Float)",
        "updated.slots[name] as Float",
      ],
      ["steps are counted whatever the loss", "where(ok, next, step)", "next"],
      [
        "states are written whatever the loss",
        "where(goesOn, at(nextState, i), given[name] as Float)",
        "at(nextState, i)",
      ],
      ["the first update has the number 0", "step: next, learningRate", "step, learningRate"],
      [
        "every step has the key of the first",
        'stepKey(given.seed as Tensor<"u32">, cast(step, "u32"))',
        'stepKey(given.seed as Tensor<"u32">, cast(zerosLike(step), "u32"))',
      ],
      [
        "evaluation forgets the state",
        "{ batch, state: before });",
        "{ batch, state: Object.fromEntries(Object.entries(before).map(([name, x]) => [name, zerosLike(x)])) });",
      ],
    ],
  ),
  ...changed(
    "train/arena.ts",
    ["test/train/arena.test.ts", onSteps],
    [
      [
        "parameters begin where the last began",
        "offset: offset - size, size };",
        "offset: Math.max(0, offset - 2 * size), size };",
      ],
      ["every parameter is the first", "slice(flat, 0, offset, size)", "slice(flat, 0, 0, size)"],
      ["equal numbers do not add up", "last.size += entry.size;", "last.size = entry.size;"],
      ["arrays are cut at the start", "flat.data.slice(offset, offset + size)", "flat.data.slice(0, size)"],
      ["arrays are put at the start", "data.set(array.data, offset);", "data.set(array.data, 0);"],
    ],
  ),
  ...changed(
    "train/initialize.ts",
    ["test/train/initialize.test.ts"],
    [
      ["Glorot's limit by one fan", "Math.sqrt(6 / (fanIn + fanOut))", "Math.sqrt(6 / fanIn)"],
      [
        "a wide matrix has orthonormal columns",
        "rows <= columns ? vector * columns + k : k * columns + vector",
        "rows <= columns ? k * rows + vector : vector * rows + k",
      ],
      ["no gain", "gain * (vectors[placeOf(vector, k, length)] ?? 0)", "vectors[placeOf(vector, k, length)] ?? 0"],
      [
        "an identity beside the diagonal",
        "Math.floor(i / columns) === i % columns ? gain : 0",
        "Math.floor(i / columns) === (i + 1) % columns ? gain : 0",
      ],
      [
        "blocks of rows have one fan",
        "sample(part.initializer, [part.rows, ...rest], random, path)",
        "sample(part.initializer, shape, random, path).slice(0, part.rows * sizeOfNumbers(rest))",
      ],
      ["parameters are not rounded to f32", "data: new Float64Array(new Float32Array(numbers))", "data: numbers"],
      ["every parameter has one stream", "randomStream(seed, path), path)", 'randomStream(seed, ""), path)'],
    ],
  ),
  ...changed(
    "train/orthogonal.ts",
    ["test/train/initialize.test.ts"],
    [
      ["a reflection that is none", "square === 0 ? 0 : 2 / square", "square === 0 ? 0 : 1 / square"],
      [
        "reflections of four without their T",
        "factor[4 * i + j] = -scale * sum",
        "factor[4 * i + j] = 0 * scale * sum",
      ],
      ["the first reflection comes first", ".reverse())", ")"],
      ["reflections end at the cache's block", "group < groups", "group < end"],
      ["signs that make Q uniform are left out", "return x < 0 ? 1 : -1", "return 1"],
      ["the fourth's combination of the third", "f23 * v2", "f33 * v2"],
    ],
  ),
  ...changed(
    "train/metrics.ts",
    ["test/train/metrics.test.ts"],
    [
      [
        "of equal logits the last counts",
        "and(equal(given, ofTarget), less(target, classes))",
        "and(equal(given, ofTarget), less(classes, target))",
      ],
      [
        "ties are won",
        "and(equal(given, ofTarget), less(target, classes))",
        "and(equal(given, ofTarget), less(sub(given, given), sub(given, given)))",
      ],
      ["bits are nats", "return nats / Math.LN2;", "return nats;"],
    ],
  ),
  ...changed(
    "train/gradient-flow.ts",
    ["test/train/gradient-flow.test.ts"],
    [
      [
        "the loss of all steps",
        "slice(output, 0, -1, 1), slice(targets as Tensor, 0, -1, 1)",
        "output, targets as Tensor",
      ],
      [
        "the state that a step leaves",
        "carries: names.map((name) => next.state[name] as Float)",
        "carries: names.map((name, i) => add(next.state[name] as Float, at(perturbation, i) as Float))",
      ],
      ["norms are not of the root", "return sqrt(sum(square(gradient), axes));", "return sum(square(gradient), axes);"],
    ],
  ),
  ...changed(
    "testing/random-cells/check-loss.ts",
    ["test/testing/not-a-number.test.ts"],
    [["gradients of subnormal parts are compared", "2 ** (24 - 126)", "0"]],
  ),
  ...changed(
    "testing/random-training/update-spread.ts",
    ["test/testing/update-spread.test.ts"],
    [
      [
        "signs that rounding decides are not probed",
        "if (!isOpen.includes(1)) return spread;",
        "if (isOpen[0] !== 2) return spread;",
      ],
      ["no gradient is 0", "  0,\n  ...Array", "  ...Array"],
      ["gradients are of one sign", "-(2 ** (i - halvings))", "2 ** (i - halvings)"],
      [
        "gradients go past their range",
        "Math.min(centre + range, Math.max(centre - range, x))",
        "x + 0 * (centre + range)",
      ],
      ["nothing lies between points", "Math.max(most, distance(value), between)", "Math.max(most, distance(value))"],
    ],
  ),
  ...changed(
    "testing/random-training/compare-step.ts",
    ["test/testing/update-spread.test.ts"],
    [
      ["more of an element is open than all", "Math.min(Math.abs(x), moved.data[k] ?? 0)", "moved.data[k] ?? x"],
      ["nothing is left open", "Math.min(Math.abs(x), moved.data[k] ?? 0)", "0 * (moved.data[k] ?? x)"],
    ],
  ),
  ...changed(
    "train/data/batches.ts",
    ["test/train/data.test.ts"],
    [
      ["targets are what comes in", "targets: shifted(ahead), fresh", "targets: shifted(0), fresh"],
      ["rows start at the same place", "start + row * rowLength + first", "start + first"],
      ["rows do not go on where they stopped", "const first = window * time;", "const first = window * (time + 1);"],
      ["every batch is fresh", "window === 0)", "window >= 0)"],
      ["what is held out is trained on", "start: trained - ahead, rows", "start: 0, rows"],
      ["the last window goes past the row", "Math.min(time, rowLength - first)", "time"],
    ],
  ),
];
