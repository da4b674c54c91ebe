/**
 * @file The cells in plain numbers: the equations of the papers for one sequence, without tensors and independent of cells/.
 * Each function returns the outputs for inputs xs [time][features], from a zero state.
 */

/** Weights by path within the cell. */
export interface Weights {
  /** A vector under a path. */
  readonly vector: (path: string) => number[];
  /** concat(parts)·kernel + bias of the dense layer `name`, where it has a bias. */
  readonly affine: (name: string, ...parts: number[][]) => number[];
  /** A matrix under a path, as rows. */
  readonly matrix: (path: string) => number[][];
}

export type ReferenceCell = (w: Weights, xs: readonly number[][], units: number) => number[][];

const sigma = (x: number): number => 1 / (1 + Math.exp(-x));
const th = Math.tanh;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const zeros = (n: number): number[] => new Array<number>(n).fill(0);
const of = (v: readonly number[], i: number): number => v[i] ?? Number.NaN;
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * of(b, i), 0);

/** Runs a step that stores its state in its own variables. */
const over = (xs: readonly number[][], step: (x: number[]) => number[]): number[][] => xs.map(step);

/** The sequence of states h' = next(x, h), elementwise after the gates. */
function recurrent(
  xs: readonly number[][],
  units: number,
  gates: (x: number[], h: number[]) => (i: number) => number,
): number[][] {
  let h = zeros(units);
  return over(xs, (x) => {
    h = range(units).map(gates(x, h));
    return h;
  });
}

const rnnWith =
  (f: (x: number) => number): ReferenceCell =>
  (w, xs, units) =>
    recurrent(xs, units, (x, h) => {
      const a = w.affine("hidden", x, h);
      return (i) => f(of(a, i));
    });

export const rnn = rnnWith(th);
export const reluRnn = rnnWith((x) => Math.max(x, 0));

export const indrnn: ReferenceCell = (w, xs, units) =>
  recurrent(xs, units, (x, h) => {
    const a = w.affine("input", x);
    return (i) => Math.max(0, of(a, i) + of(w.vector("recurrent"), i) * of(h, i));
  });

/** Spikes of the previous potential, and of the new one as the output. */
export const lif =
  (current: number, membrane: number): ReferenceCell =>
  (w, xs, units) => {
    let [i, u] = [zeros(units), zeros(units)];
    return over(xs, (x) => {
      const s = u.map((v) => (v > 1 ? 1 : 0));
      const [fromX, fromSpikes] = [w.affine("input", x), w.affine("recurrent", s)];
      u = range(units).map((k) => of(u, k) * Math.exp(-1 / membrane) + of(i, k) - of(s, k));
      i = range(units).map((k) => of(i, k) * Math.exp(-1 / current) + of(fromX, k) + of(fromSpikes, k));
      return u.map((v) => (v > 1 ? 1 : 0));
    });
  };

export const gru: ReferenceCell = (w, xs, units) =>
  recurrent(xs, units, (x, h) => {
    const [z, r] = [w.affine("update", x, h).map(sigma), w.affine("reset", x, h).map(sigma)];
    const reset = h.map((value, i) => of(r, i) * value);
    const n = w.affine("candidate", x, reset).map(th);
    return (i) => of(z, i) * of(h, i) + (1 - of(z, i)) * of(n, i);
  });

export const gruResetAfter: ReferenceCell = (w, xs, units) =>
  recurrent(xs, units, (x, h) => {
    const [z, r] = [w.affine("update", x, h).map(sigma), w.affine("reset", x, h).map(sigma)];
    const [fromX, fromH] = [w.affine("candidate", x), w.affine("recurrent", h)];
    return (i) => of(z, i) * of(h, i) + (1 - of(z, i)) * th(of(fromX, i) + of(r, i) * of(fromH, i));
  });

export const mgu: ReferenceCell = (w, xs, units) =>
  recurrent(xs, units, (x, h) => {
    const f = w.affine("forget", h, x).map(sigma);
    const n = w.affine(
      "candidate",
      h.map((value, i) => of(f, i) * value),
      x,
    );
    return (i) => (1 - of(f, i)) * of(h, i) + of(f, i) * th(of(n, i));
  });

export const janet: ReferenceCell = (w, xs, units) =>
  recurrent(xs, units, (x, h) => {
    const [s, n] = [w.affine("forget", x, h), w.affine("candidate", x, h)];
    return (i) => sigma(of(s, i)) * of(h, i) + (1 - sigma(of(s, i) - 1)) * th(of(n, i));
  });

export const ugrnn: ReferenceCell = (w, xs, units) =>
  recurrent(xs, units, (x, h) => {
    const [g, n] = [w.affine("update", x, h), w.affine("candidate", x, h)];
    return (i) => sigma(of(g, i)) * of(h, i) + (1 - sigma(of(g, i))) * th(of(n, i));
  });

export const recurrentHighway =
  (depth: number): ReferenceCell =>
  (w, xs, units) =>
    recurrent(xs, units, (x, h) => {
      let s = h;
      for (const layer of range(depth)) {
        const seen = layer === 0 ? [x, s] : [s];
        const [n, t] = [w.affine(`${layer}/candidate`, ...seen), w.affine(`${layer}/transform`, ...seen)];
        s = s.map((value, i) => th(of(n, i)) * sigma(of(t, i)) + value * (1 - sigma(of(t, i))));
      }
      return (i) => of(s, i);
    });

export const minGru: ReferenceCell = (w, xs, units) =>
  recurrent(xs, units, (x, h) => {
    const [z, n] = [w.affine("update", x).map(sigma), w.affine("candidate", x)];
    return (i) => of(h, i) + of(z, i) * (of(n, i) - of(h, i));
  });

export const minLstm: ReferenceCell = (w, xs, units) =>
  recurrent(xs, units, (x, h) => {
    const [f, g, n] = [w.affine("forget", x).map(sigma), w.affine("input", x).map(sigma), w.affine("candidate", x)];
    return (i) => (of(f, i) * of(h, i) + of(g, i) * of(n, i)) / (of(f, i) + of(g, i));
  });

// -- with a cell state --------------------------------------------------------------------------------------------------

interface LstmVariant {
  readonly input?: "own" | "coupled";
  readonly forget?: boolean;
  readonly peepholes?: boolean;
  readonly multiplicative?: boolean;
  /** The output goes through this projection. */
  readonly projected?: boolean;
}

const lstmWith =
  ({
    input = "own",
    forget = true,
    peepholes = false,
    multiplicative = false,
    projected = false,
  }: LstmVariant): ReferenceCell =>
  (w, xs, units) => {
    let c = zeros(units);
    let h = zeros(projected ? (w.matrix("projection/kernel")[0]?.length ?? 0) : units);
    return over(xs, (x) => {
      const inX = multiplicative ? w.affine("intermediate/input", x) : [];
      const inH = multiplicative ? w.affine("intermediate/recurrent", h) : [];
      const m = multiplicative ? inX.map((value, i) => value * of(inH, i)) : h;
      const seen = (gate: string) => w.affine(gate, x, m);
      const peep = (gate: string, i: number, state: number) =>
        peepholes ? of(w.vector(`${gate}/peephole`), i) * state : 0;
      const [g, o] = [seen("candidate"), seen("output")];
      const f = forget ? seen("forget") : [];
      const inputs = input === "own" ? seen("input") : [];
      const before = c;
      c = range(units).map((i) => {
        const keep = forget ? sigma(of(f, i) + peep("forget", i, of(before, i))) : 1;
        const write = input === "coupled" ? 1 - keep : sigma(of(inputs, i) + peep("input", i, of(before, i)));
        return keep * of(before, i) + write * th(of(g, i));
      });
      const out = c.map((state, i) => sigma(of(o, i) + peep("output", i, state)) * th(state));
      h = projected ? w.affine("projection", out) : out;
      return h;
    });
  };

export const lstm = lstmWith({});
export const lstm1997 = lstmWith({ forget: false });
export const coupledLstm = lstmWith({ input: "coupled" });
export const peepholeLstm = lstmWith({ peepholes: true });
export const projectedLstm = lstmWith({ peepholes: true, projected: true });
export const plainProjectedLstm = lstmWith({ projected: true });
export const multiplicativeLstm = lstmWith({ multiplicative: true });

/** Mean 0, variance 1 (to within 1e-5), gain and shift. */
function normed(w: Weights, name: string, v: readonly number[]): number[] {
  const mean = v.reduce((a, b) => a + b, 0) / v.length;
  const variance = v.reduce((sum, x) => sum + (x - mean) ** 2, 0) / v.length;
  const [gain, shift] = [w.vector(`${name}/gain`), w.vector(`${name}/bias`)];
  return v.map((x, i) => (of(gain, i) * (x - mean)) / Math.sqrt(variance + 1e-5) + of(shift, i));
}

export const layerNormLstm: ReferenceCell = (w, xs, units) => {
  let [c, h] = [zeros(units), zeros(units)];
  return over(xs, (x) => {
    const [fromH, fromX] = [
      normed(w, "recurrent_norm", w.affine("recurrent", h)),
      normed(w, "input_norm", w.affine("input", x)),
    ];
    const gate = (which: number, name: string, i: number) =>
      of(fromH, which * units + i) + of(fromX, which * units + i) + of(w.vector(`${name}_bias`), i);
    c = c.map(
      (state, i) => sigma(gate(1, "forget", i)) * state + sigma(gate(0, "input", i)) * th(gate(3, "candidate", i)),
    );
    const shown = normed(w, "state_norm", c);
    h = shown.map((value, i) => sigma(gate(2, "output", i)) * th(value));
    return h;
  });
};

// -- by element ---------------------------------------------------------------------------------------------------------

export const sru: ReferenceCell = (w, xs, units) => {
  let c = zeros(units);
  return over(xs, (x) => {
    const before = c;
    const gate = (name: string, i: number) =>
      sigma(of(w.affine(name, x), i) + of(w.vector(`${name}/recurrent`), i) * of(before, i));
    c = before.map((state, i) => {
      const f = gate("forget", i);
      return f * state + (1 - f) * of(w.affine("candidate", x), i);
    });
    const highway = x.length === units ? x : w.affine("highway", x);
    return c.map((state, i) => gate("reset", i) * state + (1 - gate("reset", i)) * of(highway, i));
  });
};

/** The filters as sums over the current and past steps; steps before the first are absent. */
export const qrnn =
  (pooling: "f" | "fo" | "ifo", width: number): ReferenceCell =>
  (w, xs, units) => {
    const filtered = (gate: string, t: number) =>
      range(width)
        .filter((lag) => lag <= t)
        .map((lag) => w.affine(`${gate}/lag${lag}`, xs[t - lag] ?? []))
        .reduce((a, b) => a.map((value, i) => value + of(b, i)));
    let c = zeros(units);
    return xs.map((_, t) => {
      const [z, f] = [filtered("z", t).map(th), filtered("f", t).map(sigma)];
      const write = pooling === "ifo" ? filtered("i", t).map(sigma) : f.map((value) => 1 - value);
      c = c.map((state, i) => of(f, i) * state + of(write, i) * of(z, i));
      return pooling === "f" ? c : c.map((state, i) => sigma(of(filtered("o", t), i)) * state);
    });
  };

/** In polar form: the state at t is the sum of all inputs so far, rotated and scaled once for each step since. */
export const lru: ReferenceCell = (w, xs, units) => {
  const radius = w.vector("nu").map((nu) => Math.exp(-Math.exp(nu)));
  const angle = w.vector("theta").map(Math.exp);
  const into = (part: string, t: number) => w.affine(`B/${part}`, xs[t] ?? []);
  return xs.map((x, t) => {
    const state = (turned: (re: number, im: number, angle: number) => number) =>
      range(units).map((i) =>
        range(t + 1).reduce((sum, s) => {
          const [fade, turn] = [of(radius, i) ** (t - s), of(angle, i) * (t - s)];
          const gamma = Math.sqrt(1 - of(radius, i) ** 2);
          return sum + gamma * fade * turned(of(into("real", s), i), of(into("imaginary", s), i), turn);
        }, 0),
      );
    const re = state((a, b, turn) => a * Math.cos(turn) - b * Math.sin(turn));
    const im = state((a, b, turn) => a * Math.sin(turn) + b * Math.cos(turn));
    const [fromRe, fromIm, direct] = [w.affine("C/real", re), w.affine("C/imaginary", im), w.affine("D", x)];
    return direct.map((value, i) => value + of(fromRe, i) - of(fromIm, i));
  });
};

// -- exponential gates, without their stabilizer, which cancels -----------------------------------------------------------

export const slstm =
  (heads: number): ReferenceCell =>
  (w, xs, units) => {
    let [c, n, h] = [zeros(units), zeros(units), zeros(units)];
    const d = units / heads;
    /** What unit k gets from the units of its own head. */
    const fromHead = (rows: number[][], k: number) => {
      const first = k - (k % d);
      return dot(
        h.slice(first, first + d),
        rows.slice(first, first + d).map((row) => of(row, k % d)),
      );
    };
    const gate = (name: string, x: number[]) => {
      if (heads === 1) return w.affine(name, x, h);
      const rows = w.matrix(`${name}/recurrent`);
      return w.affine(name, x).map((a, k) => a + fromHead(rows, k));
    };
    return over(xs, (x) => {
      const [i, f] = [gate("input", x).map(Math.exp), gate("forget", x).map(sigma)];
      const [o, z] = [gate("output", x).map(sigma), gate("candidate", x).map(th)];
      c = c.map((state, k) => of(f, k) * state + of(i, k) * of(z, k));
      n = n.map((state, k) => of(f, k) * state + of(i, k));
      h = c.map((state, k) => (of(o, k) * state) / of(n, k));
      return h;
    });
  };

export const mlstm =
  (heads: number): ReferenceCell =>
  (w, xs, units) => {
    const d = units / heads;
    const memory = range(heads).map(() => ({ C: range(d).map(() => zeros(d)), n: zeros(d) }));
    return over(xs, (x) => {
      const [query, value] = [w.affine("query", x), w.affine("value", x)];
      const key = w
        .affine("key", x)
        .map((k, i) => (k - of(w.vector("key/bias"), i)) / Math.sqrt(d) + of(w.vector("key/bias"), i));
      const o = w.affine("output", x).map(sigma);
      const out = memory.flatMap((head, number) => {
        const part = (all: number[]) => all.slice(number * d, (number + 1) * d);
        const [q, k, v] = [part(query), part(key), part(value)];
        const i = Math.exp(of(w.affine("input", x), number));
        const f = sigma(of(w.affine("forget", x), number));
        head.C = head.C.map((row, a) => row.map((cell, b) => f * cell + i * of(v, a) * of(k, b)));
        head.n = head.n.map((sum, b) => f * sum + i * of(k, b));
        return head.C.map((row) => dot(row, q) / Math.max(Math.abs(dot(head.n, q)), 1));
      });
      return out.map((read, i) => of(o, i) * read);
    });
  };

// -- linear attention -------------------------------------------------------------------------------------------------------

const swish = (x: number): number => x * sigma(x);
const softplus = (x: number): number => Math.log(1 + Math.exp(x));
const norm = (v: readonly number[], extra: number): number => Math.sqrt(dot(v, v) + extra);

/** o_t as a sum over all past steps, each by the product of the decays since: the paper's eq. 4 without its memory. */
export const gatedLinearAttention =
  (heads: number): ReferenceCell =>
  (w, xs, units) => {
    const d = units / heads;
    const part = (all: number[], head: number) =>
      all.slice((head * all.length) / heads, ((head + 1) * all.length) / heads);
    const decay = (x: number[]) => w.affine("decay", w.affine("decay/in", x)).map((a) => sigma(a) ** (1 / 16));
    return xs.map((x, t) => {
      const o = range(heads).flatMap((head) => {
        const q = part(w.affine("query", x), head);
        const found = xs.slice(0, t + 1).reduce((sum, past, s) => {
          const [k, v] = [part(w.affine("key", past), head), part(w.affine("value", past), head)];
          const left = xs.slice(s + 1, t + 1).reduce(
            (product, later) => product.map((p, j) => p * of(part(decay(later), head), j)),
            q.map(() => 1),
          );
          const score = q.reduce((total, a, j) => total + a * of(k, j) * of(left, j), 0);
          return sum.map((a, i) => a + score * of(v, i));
        }, zeros(d));
        const center = found.reduce((a, b) => a + b, 0) / d;
        const deviation = Math.sqrt(found.reduce((a, b) => a + (b - center) ** 2, 0) / d + 1e-5);
        const [gain, shift] = [w.vector("norm/gain"), w.vector("norm/bias")];
        return found.map((a, i) => ((a - center) / deviation) * of(gain, i) + of(shift, i));
      });
      const r = w.affine("gate", x).map(swish);
      return w.affine(
        "output",
        o.map((a, i) => a * of(r, i)),
      );
    });
  };

/** The memory by eq. 10 itself: a product with the matrix a (I - b k k^T). */
export const gatedDeltaNet =
  (heads: number, width: number): ReferenceCell =>
  (w, xs, units) => {
    const d = units / heads;
    const part = (all: number[], head: number) => all.slice(head * d, (head + 1) * d);
    const memories = range(heads).map(() => range(d).map(() => zeros(d)));
    const convolution = (what: string, t: number) =>
      range(units).map((i) =>
        swish(
          range(Math.min(width, t + 1)).reduce((sum, lag) => {
            const x = xs[t - lag] ?? [];
            return sum + of(w.matrix(`${what}/filter`)[lag] ?? [], i) * of(w.affine(what, x), i);
          }, 0),
        ),
      );
    return xs.map((x, t) => {
      const [queries, keys, values] = [convolution("query", t), convolution("key", t), convolution("value", t)];
      const o = memories.flatMap((S, head) => {
        const scaled = (v: number[]) => v.map((a) => a / norm(v, 1e-6));
        const [q, k, v] = [scaled(part(queries, head)), scaled(part(keys, head)), part(values, head)];
        const a = Math.exp(-Math.exp(of(w.vector("decay/rate"), head)) * softplus(of(w.affine("decay", x), head)));
        const b = sigma(of(w.affine("correction", x), head));
        const transition = range(d).map((i) => range(d).map((j) => a * ((i === j ? 1 : 0) - b * of(k, i) * of(k, j))));
        const next = S.map((row, i) =>
          range(d).map(
            (j) =>
              dot(
                row,
                transition.map((other) => of(other, j)),
              ) +
              b * of(v, i) * of(k, j),
          ),
        );
        memories[head] = next;
        const found = next.map((row) => dot(row, q));
        const scale = Math.sqrt(dot(found, found) / d + 1e-6);
        return found.map((y, i) => (y / scale) * of(w.vector("norm/gain"), i));
      });
      const g = w.affine("gate", x).map(swish);
      return w.affine(
        "output",
        o.map((y, i) => y * of(g, i)),
      );
    });
  };

// -- along a line ---------------------------------------------------------------------------------------------------------

export const convLstm =
  (positions: number, width: number): ReferenceCell =>
  (w, xs, units) => {
    const channels = units / positions;
    const line = (row: readonly number[]) => {
      const each = row.length / positions;
      return range(positions).map((p) => row.slice(p * each, (p + 1) * each));
    };
    let [c, h] = [line(zeros(units)), line(zeros(units))];
    return over(xs, (x) => {
      /** What a filter sees at p: the channels of `width` positions, zeros beyond the ends. */
      const seenAt = (all: readonly number[][], p: number) =>
        range(width).flatMap((j) => all[p + j - Math.floor((width - 1) / 2)] ?? zeros(all[0]?.length ?? 0));
      const convolved = (gate: string) => range(positions).map((p) => w.affine(gate, seenAt(line(x), p), seenAt(h, p)));
      const [i, f, g, o] = [convolved("input"), convolved("forget"), convolved("candidate"), convolved("output")];
      const number = (all: readonly number[][], p: number, k: number) => all[p]?.[k] ?? Number.NaN;
      const gate = (all: readonly number[][], name: string, p: number, k: number, state: number) =>
        sigma(number(all, p, k) + of(w.vector(`${name}/peephole`), p * channels + k) * state);
      c = c.map((row, p) =>
        row.map(
          (state, k) => gate(f, "forget", p, k, state) * state + gate(i, "input", p, k, state) * th(number(g, p, k)),
        ),
      );
      h = c.map((row, p) => row.map((state, k) => gate(o, "output", p, k, state) * th(state)));
      return h.flat();
    });
  };
