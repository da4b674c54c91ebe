/** @file Mutants of what models are made of: loops of cells, parameters, random numbers, layers. */
import { changed, type Mutant } from "./mutant.ts";

const onDsl = "test/dsl/dsl.test.ts";
const onDropout = "test/train/layers/dropout.test.ts";
const onLayers = "test/train/layers/layers.test.ts";
const onLengths = "test/train/layers/lengths.test.ts";
const onFeeding = "test/train/layers/feeding.test.ts";

const dsl: readonly Mutant[] = [
  ...changed(
    "compiler/dsl/recurrence.ts",
    [onLengths, onDsl],
    [
      ["what lies past the end is read", "exists === undefined ? now : ", "exists !== null ? now : "],
      [
        "a state goes on past the end",
        "carries: states.map((state, i) => whereRows(exists, state, at(carriesIn, i)))",
        "carries: states",
      ],
      [
        "outputs past the end are those of the state",
        "ys: outputs.map((y) => whereRows(exists, y, zerosLike(y)))",
        "ys: outputs",
      ],
      [
        "a mask holds for other rows",
        "where(broadcast(reshape(mask, [...mask.shape, ...shape.slice(1).map(() => 1)]), shape), a, b)",
        "where(broadcast(reshape(mask, [...mask.shape, ...shape.slice(1).map(() => 1)]), shape), b, a)",
      ],
    ],
  ),
  ...changed(
    "compiler/dsl/randomness.ts",
    [onDropout],
    [
      ["every place draws the same", "site: fnv1a(`/${name}`, random.site)", "site: random.site"],
      ["every step draws the same", "index: positions(shape), ...at }", "index: positions(shape) }"],
      [
        "every step of training has one key",
        'step, index: constant(0, "u32")',
        'step: constant(0, "u32"), index: constant(0, "u32")',
      ],
      ["drawn are those above the probability", "less(draw(), threshold)", "less(threshold, draw())"],
    ],
  ),
  ...changed(
    "compiler/dsl/parameters.ts",
    [onDsl],
    [
      ["an instance has other weights at each use", "this.#scopeOf.set(instance, known);", ""],
      [
        "instances share their weights",
        "for (let count = 1; this.#taken.has(scope); count++) scope = `${base}_${count}`;",
        "",
      ],
      [
        "a scope does not end",
        "    } finally {\n      this.#path = before;\n    }\n  }\n\n  /** Runs `body` in the scope of an instance",
        "    } finally {\n      this.#path = [...before, name];\n    }\n  }\n\n  /** Runs `body` in the scope of an instance",
      ],
    ],
  ),
  ...changed(
    "compiler/dsl/dense.ts",
    ["test/dsl/dense.test.ts"],
    [
      [
        "no bias",
        'return add(product, parameter("bias", [units], start));',
        'parameter("bias", [units], start);\n    return product;',
      ],
      ["a bias where none is wanted", "if (bias === false) return product;", ""],
    ],
  ),
];

const layers: readonly Mutant[] = [
  ...changed(
    "train/layers/dropout.ts",
    [onDropout],
    [
      ["what stays is not scaled", "where(mask, mul(x, scale), 0)", "where(mask, x, 0)"],
      ["what stays is scaled by the rate", "1 / (1 - rate) : div", "1 / rate : div"],
      ["kept with the rate", "? 1 - rate : sub(1, rate), shape", "? rate : sub(1, rate), shape"],
      [
        "every step of a sequence has its mask",
        "broadcast(keptWith(random, value, xs.shape.slice(1)), xs.shape)",
        "keptWith(random, value, xs.shape)",
      ],
    ],
  ),
  ...changed(
    "train/layers/zoneout.ts",
    [onDropout],
    [
      ["old and new change places", "time), old, next)", "time), next, old)"],
      [
        "the expectation of the other rate",
        "add(mul(old, rate), mul(next, 1 - rate))",
        "add(mul(old, 1 - rate), mul(next, rate))",
      ],
      ["every state has one mask", "bernoulli(fork(random, name), rate", "bernoulli(random, rate"],
      [
        "what is shown is the state without zoneout",
        "shown === undefined ? after.output : state[shown]",
        "after.output",
      ],
    ],
  ),
  ...changed(
    "train/layers/recurrent-dropout.ts",
    [onDropout],
    [
      [
        "what the cell carries on is dropped too",
        "inputs.map(({ id, tensor }) => [id, tensor])",
        'inputs.map(({ id, tensor, state }) => [id, masked.get(state ?? "") ?? tensor])',
      ],
      ["products read what is whole", "products.has(id) ? dropped.value(id) : undefined", "undefined"],
      ["products of states with states are with weights", "factors.length === 1 && ", ""],
      ["every step has one mask", 'each === "step" ? time : undefined', "undefined"],
    ],
  ),
  ...changed(
    "train/layers/depth.ts",
    [onLayers, onLengths, "test/train/layers/training.test.ts"],
    [
      ["padding goes around a layer", "mask === undefined ? input : whereTrue(mask, input)", "input"],
      ["a residual layer drops what came in", "add(input, outputs))", "outputs)"],
      [
        "a highway's gate the other way round",
        "add(mul(transform, outputs), mul(oneMinus(transform), input))",
        "add(mul(transform, input), mul(oneMinus(transform), outputs))",
      ],
      ["a highway begins closed", "bias = -1", "bias = 1"],
      [
        "layers of a stack all read the input",
        "within(name, layer, outputs, context)",
        "within(name, layer, input, context)",
      ],
      ["dropout of a step is that of the sequence", 'options.each === "step" || isStep', "isStep"],
    ],
  ),
  ...changed(
    "train/layers/layer.ts",
    [onLayers],
    [
      ["both directions run forward", "{ ...around, reverse: true }", "around"],
      ["a given state is not taken", "state[name] ?? own[name]", "own[name]"],
      ["a mean of two directions is their sum", "mul(add(a, b), 0.5)", "add(a, b)"],
      ["one direction alone is heard", "join(first.outputs, second.outputs)", "join(first.outputs, first.outputs)"],
      [
        "a learned state is zero",
        'options.initial === "learned" ? learnedState(instance, batch) : zeroState(instance, batch)',
        "zeroState(instance, batch)",
      ],
    ],
  ),
  ...changed(
    "train/layers/lengths.ts",
    [onLengths],
    [
      [
        "one step more exists",
        "less(iota(shape, 0), broadcast(lengths, shape))",
        "less(iota(shape, 0), broadcast(add(lengths, 1), shape))",
      ],
      ["a mean is over all steps", 'max(sum(cast(mask, "f32")), 1)', 'max(sum(cast(equal(mask, mask), "f32")), 1)'],
      [
        "the last output is that of the padding",
        "equal(add(iota([time, batch], 0), 1), broadcast(ends, [time, batch]))",
        "equal(iota([time, batch], 0), broadcast(ends, [time, batch]))",
      ],
      ["a length above the time ends nowhere", 'min(lengths, cast(dimSize(time), "i32"))', "lengths"],
      ["a backward layer is read at the last step", "return stepOf(outputs, 0);", "return stepOf(outputs, -1);"],
      ["both directions are read at the last step", "if (ending !== undefined) return ending(lengths);", ""],
      [
        "what was computed of a backward layer is read at the last step",
        "if (readsReverseLoop(outputs)) {",
        "if (false) {",
      ],
      ["a backward layer may have read the padding", "if (lengths === undefined || isMasked(reverse))", "if (true)"],
    ],
  ),
  ...changed(
    "train/layers/direction.ts",
    [onLengths],
    [
      ["a sum over time keeps steps apart", "node.attrs.axes.includes(0)", "false"],
      ["a forward loop is taken for a backward one", "scan.attrs.reverse && node.attrs.index", "node.attrs.index"],
    ],
  ),
  ...changed(
    "train/layers/feeding.ts",
    [onFeeding],
    [
      ["the truth is not a step late", "({ state: x, output: before })", "({ state: x, output: x })"],
      ["truth and what was said change places", "where(wide, said, truth)", "where(wide, truth, said)"],
      [
        "in evaluation the model's word is taken",
        "if (random === undefined || rate === 0) return truth;",
        "if (random === undefined) return said;\n  if (rate === 0) return truth;",
      ],
      [
        "what is no number is not found",
        "or(isNotANumber(values), equal(values, reduceMax(values, -1, { keepAxes: true })))",
        "equal(values, reduceMax(values, -1, { keepAxes: true }))",
      ],
      [
        "the last of those that tie",
        "where(isLargest, neg(place), -classes), -1)",
        "where(isLargest, place, -classes), -1)",
      ],
      [
        "Gumbel's numbers with the other sign",
        "argmax(sub(logits, log(neg(log(uniform)))))",
        "argmax(sub(logits, neg(log(neg(log(uniform))))))",
      ],
    ],
  ),
];

export const layerMutants: readonly Mutant[] = [...dsl, ...layers];
