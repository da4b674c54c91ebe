/** @file Ways to break what the benchmarks make of their measurements. */
import { changed, type Mutant } from "./mutant.ts";

export const benchMutants: readonly Mutant[] = [
  ...changed(
    "bench/cpu/compare.ts",
    ["test/bench/cpu.test.ts"],
    [
      [
        "a loss of NaN is as the others",
        "faults.has(i) || Math.abs(value - middle) <= tolerance * Math.abs(middle)",
        "faults.has(i) || !(Math.abs(value - middle) > tolerance * Math.abs(middle))",
      ],
    ],
  ),
  ...changed(
    "bench/cpu/report.ts",
    ["test/bench/cpu.test.ts"],
    [["the worst setting counts", "(least(b) < least(a) ? b : a)", "(least(b) > least(a) ? b : a)"]],
  ),
  ...changed(
    "bench/isa/listing.ts",
    ["test/bench/isa/listing.test.ts"],
    [["instructions that are printed once run once", "if (again !== undefined) last?.push", "if (false) last?.push"]],
  ),
  ...changed(
    "bench/isa/flow.ts",
    ["test/bench/isa/listing.test.ts"],
    [
      ["every jump back makes a loop", "if (dominators[from]?.has(to)) latches", "if (to <= from) latches"],
      [
        "a loop lies in the first one that has its head",
        "findLastIndex(({ blocks }) => blocks.has(loop.header))",
        "findIndex(({ blocks }) => !blocks.has(loop.header))",
      ],
    ],
  ),
  ...changed(
    "bench/isa/wave/scalar-ops.ts",
    ["test/bench/isa/workgroup.test.ts"],
    [
      ["constants of 16 bits have no sign", "s_movk_i32: (a) => plain(short(a)),", "s_movk_i32: (a) => plain(a),"],
      [
        "literals of 64 bits are extended by their sign",
        "place.isLiteral ? 0 : wave.scalar(place.index) >> 31",
        "wave.scalar(place.index) >> 31",
      ],
      ["a scalar comparison of data fails", "const result = !isKnown || (", "const result = isKnown && ("],
    ],
  ),
  ...changed(
    "bench/isa/wave/vector-ops.ts",
    ["test/bench/isa/workgroup.test.ts"],
    [
      ["a comparison of data fails", "const result = [execLow & ~low, execHigh & ~high];", "const result = [0, 0];"],
      ["lanes have their own operands always", "if (modifiers.length > 0) return undefined;", ""],
      ["data is known", "} else if (!wave.isKnown(index)) low = high = 0;", "}"],
      ["registers that change places keep what they had", "[one, second],", "[one, first],"],
    ],
  ),
  ...changed(
    "bench/isa/wave/workgroup.ts",
    ["test/bench/isa/workgroup.test.ts"],
    [
      ["data may decide how often a loop runs", "if (this.#code.decidesLoop[this.#block])", "if (false)"],
      ["a swap by xor forgets", "for (const steps of ready) markSwaps(steps);", ""],
      [
        "waves do not wait at a barrier",
        "clock.time = latest + launch.chip.latency.barrier",
        "clock.time += launch.chip.latency.barrier",
      ],
      ["lanes that are not there run", "mask(active), mask(active - 32)", "-1, -1"],
    ],
  ),
  ...changed(
    "bench/isa/wave/memory-ops.ts",
    ["test/bench/isa/workgroup.test.ts"],
    [
      [
        "an index that all lanes share scatters them",
        "const shapeLow = isVector ? (wave.vShapeLow[",
        "const shapeLow = isVector ? (wave.vKnownLow[",
      ],
      ["each lane takes a line", "if (seen.at(-1) === line || seen.includes(line)) continue;", ""],
      ["lanes that read one word take turns", "if (this.#counted[word] === this.#now) continue;", ""],
    ],
  ),
  ...changed(
    "bench/isa/wave/clock.ts",
    ["test/bench/isa/cycles.test.ts"],
    [
      ["a wait waits for all loads", "const done = this.#times.length - left;", "const done = this.#times.length;"],
      [
        "results are there at once",
        "for (let i = index; i < index + count; i++) start = Math.max(start, ready[i] ?? 0);",
        "",
      ],
      [
        "transcendental functions do not wait for their unit",
        "const free = Math.max(start, this.#transcendentalFree);",
        "const free = start;",
      ],
    ],
  ),
  ...changed(
    "bench/isa/cycles.ts",
    ["test/bench/isa/cycles.test.ts"],
    [
      ["one wave uses all SIMDs", "/ Math.min(units, waves * most)", "/ units"],
      ["all workgroups run at a time", "const rounds = Math.ceil(most / resident);", "const rounds = 1;"],
      ["L2 sees every load of a line", "Math.min(counts.loadLines, footprintLines)", "counts.loadLines"],
    ],
  ),
  ...changed(
    "bench/isa/kernel-row.ts",
    ["test/bench/isa/kernel-row.test.ts"],
    [
      ["a step is two", "const scale = 1 / (more - few);", "const scale = 1;"],
      ["code may do less than its IR asks for", "if (flopsDone < leastShare * flopsPlanned)", "if (flopsDone < 0)"],
      ["dispatches cost nothing", "cyclesPerStep: cycles * perStep + gap,", "cyclesPerStep: cycles * perStep,"],
    ],
  ),
  ...changed(
    "bench/isa/summary.ts",
    ["test/bench/isa/report.test.ts"],
    [
      [
        "kernels outside the loop are part of the recurrence",
        'const recurrent = all.filter(({ loop }) => loop !== "once");',
        "const recurrent = all;",
      ],
    ],
  ),
];
