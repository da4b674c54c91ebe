/** @file What the visitor has made: the cells, what they learn from, and the settings. It is what is kept and shared. */
import { plainTraining, type RunSettings } from "../../shared/settings.ts";
import { Signal } from "./signal.ts";

export interface CellDraft {
  readonly id: number;
  /** The cell's own name, as far as it is known; with a number where others have it too. */
  readonly name: string;
  readonly source: string;
  /** Place among the colours of curves: that of its latest run. */
  readonly colour: number;
}

export type DataChoice =
  | { readonly kind: "documentation" }
  | { readonly kind: "task"; readonly name: string; readonly parameters: Readonly<Record<string, number>> }
  /** Text or a table of the visitor's own; bytes where it came as a file. */
  | {
      readonly kind: "text" | "csv";
      readonly name: string;
      readonly text: string | Uint8Array<ArrayBuffer>;
    }
  /** Data that were too large to come along: of a link, or of the last visit. */
  | { readonly kind: "missing"; readonly name: string; readonly size: number; readonly from: "link" | "visit" };

export interface NamedSource {
  readonly name: string;
  readonly source: string;
}

/** A state of the whole workspace, as plain data. */
export interface Work {
  readonly cells: readonly NamedSource[];
  /** Place of the cell in the editor. */
  readonly active: number;
  readonly settings: RunSettings;
  readonly data: DataChoice;
}

/** What a visitor starts from: a cell in place of the one in the editor, and what it should be trained with. */
export interface Start extends NamedSource {
  readonly settings?: Partial<RunSettings>;
  readonly data?: DataChoice;
}

/** A start that can be undone. */
export interface Started {
  readonly name: string;
  /** The cell whose source was replaced, as it was. */
  readonly before: CellDraft;
  readonly settings: RunSettings;
  readonly data: DataChoice;
}

export const mostCells = 4;

/** Small enough for a software adapter, large enough to learn to spell. */
export const firstSettings: RunSettings = {
  ...plainTraining,
  units: 64,
  layers: 1,
  embed: 24,
  batch: 16,
  time: 32,
  learningRate: 0.005,
  seed: 1,
};

/** For the interpreter, which takes a second for what a GPU does in a millisecond. */
export const tinySettings: RunSettings = {
  ...firstSettings,
  units: 8,
  embed: 8,
  batch: 4,
  time: 12,
  learningRate: 0.02,
};

export class Workspace {
  readonly cells = new Signal<readonly CellDraft[]>([]);
  /** Id of the cell in the editor. */
  readonly active = new Signal(0);
  readonly settings = new Signal<RunSettings>(firstSettings);
  readonly data = new Signal<DataChoice>({ kind: "documentation" });
  /** The last start from another cell, until it is undone or put away. */
  readonly started = new Signal<Started | undefined>(undefined);
  #ids = 0;
  #pending: () => string | undefined = () => undefined;

  get activeCell(): CellDraft {
    const { value: cells } = this.cells;
    const draft = cells.find(({ id }) => id === this.active.value) ?? cells[0];
    if (draft === undefined) throw new Error("internal: the workspace has no cell");
    return draft;
  }

  get work(): Work {
    const { value: cells } = this.cells;
    return {
      cells: cells.map(({ name, source }) => ({ name, source })),
      active: cells.indexOf(this.activeCell),
      settings: this.settings.value,
      data: this.data.value,
    };
  }

  /** Replaces all cells; the first is shown, or the one at `active`. */
  open(cells: readonly NamedSource[], active = 0): void {
    const opened: CellDraft[] = [];
    for (const { name, source } of cells.slice(0, mostCells)) {
      opened.push({ id: ++this.#ids, name: freeName(name, opened), source, colour: opened.length });
    }
    this.started.set(undefined);
    this.active.set((opened[active] ?? opened[0])?.id ?? 0);
    this.cells.set(opened);
  }

  /** Replaces everything. */
  openWork({ cells, active, settings, data }: Work): void {
    this.open(cells, active);
    this.settings.set(settings);
    this.data.set(data);
  }

  /** Adds a cell beside the others and shows it. */
  add(name: string, source: string): void {
    const { value: cells } = this.cells;
    const colour = [0, 1, 2, 3].find((hue) => cells.every((cell) => cell.colour !== hue)) ?? 0;
    const draft = { id: ++this.#ids, name: freeName(name, cells), source, colour };
    this.active.set(draft.id);
    this.cells.set([...cells, draft]);
  }

  remove(id: number): void {
    const { value: cells } = this.cells;
    const left = cells.filter((cell) => cell.id !== id);
    const [first] = left;
    if (first === undefined) return;
    if (this.active.value === id) this.active.set(first.id);
    this.cells.set(left);
  }

  /** Another source for the cell in the editor. */
  edit(source: string): void {
    this.#replace(this.activeCell.id, { source });
  }

  /** The name that a cell's source gives it. */
  rename(id: number, name: string): void {
    const others = this.cells.value.filter((cell) => cell.id !== id);
    const found = this.cells.value.find((cell) => cell.id === id);
    const free = freeName(name, others);
    if (found !== undefined && found.name !== free) this.#replace(id, { name: free });
  }

  /** The colour of a cell's latest run. */
  recolour(id: number, colour: number): void {
    if (this.cells.value.some((cell) => cell.id === id && cell.colour !== colour)) this.#replace(id, { colour });
  }

  /** Another cell in place of the one in the editor, with what it should be trained with; `undoStart` takes it back. */
  startFrom({ name, source, settings, data }: Start): void {
    const before = this.activeCell;
    this.started.set({ name, before, settings: this.settings.value, data: this.data.value });
    this.#replace(before.id, { source });
    this.rename(before.id, name);
    if (settings !== undefined) this.change(settings);
    if (data !== undefined) this.data.set(data);
  }

  undoStart(): void {
    const { value: started } = this.started;
    if (started === undefined) return;
    const { before, settings, data } = started;
    this.started.set(undefined);
    if (this.cells.value.every(({ id }) => id !== before.id)) this.add(before.name, before.source);
    else {
      this.active.set(before.id);
      this.#replace(before.id, { source: before.source, name: before.name });
    }
    this.settings.set(settings);
    this.data.set(data);
  }

  change(settings: Partial<RunSettings>): void {
    this.settings.set({ ...this.settings.value, ...settings });
  }

  /** Registers what takes over what a form holds, or says in a line what is missing there. */
  onSettle(take: () => string | undefined): void {
    this.#pending = take;
  }

  /** Takes over what was typed or pasted and not yet used; a line where something is missing. */
  settle(): string | undefined {
    return this.#pending();
  }

  #replace(id: number, change: Partial<CellDraft>): void {
    this.cells.set(this.cells.value.map((cell) => (cell.id === id ? { ...cell, ...change } : cell)));
  }
}

function freeName(name: string, taken: readonly CellDraft[]): string {
  const isFree = (candidate: string) => taken.every((cell) => cell.name !== candidate);
  if (isFree(name)) return name;
  for (let n = 2; ; n++) if (isFree(`${name} ${n}`)) return `${name} ${n}`;
}
