/** @file What to learn from: the documentation of this project, text or a table of the visitor's own, or a built-in task. */
import type { TaskReport } from "../../shared/protocol.ts";
import { h } from "../dom.ts";
import { grouped } from "../numbers.ts";
import { DataEntry, documentation, own } from "../session/data-entry.ts";
import { messageOf, type Training } from "../session/training.ts";
import type { DataChoice, Workspace } from "../session/workspace.ts";
import type { WorkerClient } from "../worker-client.ts";
import { choiceOfFile, choiceOfPaste } from "./data-files.ts";
import { fillSelect, numberField, selectField } from "./field.ts";

export function dataPanel(workspace: Workspace, training: Training, worker: WorkerClient): HTMLElement {
  let tasks: readonly TaskReport[] = [];
  const about = h("p", { class: "about", role: "status" });
  const more = h("div", { class: "data-more" });
  const { element: choice, select } = selectField("Learn from", [], (value) => {
    const task = tasks.find(({ name }) => name === value);
    if (task !== undefined) use({ kind: "task", name: task.name, parameters: initialOf(task) });
    else if (value === documentation) use({ kind: "documentation" });
    else if (lastOwn !== undefined) use(lastOwn);
    else {
      entry.askForOwn();
      showMore();
      ownFields.wait();
    }
  });
  const entry = new DataEntry();
  let lastOwn: DataChoice | undefined;
  const use = (data: DataChoice) => {
    // The data in use may be chosen again: then no change tells of it.
    entry.replaced();
    workspace.data.set(data);
  };
  const ownFields = ownData(workspace, training, entry);
  let before = "";
  workspace.onSettle(ownFields.settle);
  const showMore = () => {
    before = select.value;
    const task = tasks.find(({ name }) => name === select.value);
    const given = workspace.data.value;
    more.replaceChildren(
      ...(select.value === own
        ? ownFields.elements
        : task === undefined
          ? []
          : [taskFields(task, given.kind === "task" ? given.parameters : {}, use)]),
    );
  };
  const showChoices = () => {
    fillSelect(select, [
      { value: documentation, label: "This project’s documentation" },
      { value: own, label: "Text or CSV of your own…" },
      ...tasks.map(({ name }) => ({ value: name, label: titles[name] ?? name })),
    ]);
    showChosen();
  };
  const showChosen = () => {
    select.value = entry.chosen(workspace.data.value);
    // Fields that are in use stay as they are: to put them in anew would take the cursor out of them.
    if (select.value !== before) showMore();
  };
  const follow = (data: DataChoice) => {
    entry.replaced();
    if (data.kind === "text" || data.kind === "csv") lastOwn = data;
    ownFields.show(data);
    showChosen();
  };
  const showAbout = () => {
    const { value: problem } = training.dataProblem;
    const { value: report } = training.data;
    about.classList.toggle("wrong", problem !== undefined);
    const task = tasks.find(({ name }) => name === report?.name);
    const source = task === undefined ? "" : ` (${task.source})`;
    about.textContent = problem ?? (report === undefined ? "" : `${report.about}${source}`);
  };
  showChoices();
  workspace.data.follow((data) => {
    follow(data);
    void training.useData(data);
  });
  training.data.follow(showAbout);
  training.dataProblem.follow(showAbout);
  void worker.ask({ type: "listTasks" }).then(
    (found) => {
      tasks = found;
      showChoices();
    },
    () => {},
  );
  return h("div", { class: "data" }, choice, about, more);
}

/** Learns from a file, or says why that is not possible. */
export async function useFile(file: File, workspace: Workspace, training: Training): Promise<void> {
  try {
    workspace.data.set(await choiceOfFile(file));
  } catch (error) {
    training.dataProblem.set(messageOf(error));
  }
}

/** What people call the tasks; one that is new goes by its own name. */
const titles: Readonly<Record<string, string>> = {
  "embedded-reber": "Embedded Reber grammar",
  adding: "Adding problem",
  "noisy-sine": "Noisy sine",
};

function initialOf({ parameters }: TaskReport): Record<string, number> {
  return Object.fromEntries(parameters.map(({ name, initial }) => [name, initial]));
}

function taskFields(
  task: TaskReport,
  given: Readonly<Record<string, number>>,
  use: (data: DataChoice) => void,
): HTMLElement {
  const values = { ...initialOf(task), ...given };
  const fields = task.parameters.map(({ name, about, initial, least, most, whole }) =>
    numberField({
      ...{ label: name, hint: about, value: values[name] ?? initial, least, most, whole },
      onChange: (value) => {
        values[name] = value;
        use({ kind: "task", name: task.name, parameters: { ...values } });
      },
    }),
  );
  return h("div", { class: "fields" }, ...fields);
}

/** A text that is longer than this is kept beside the field: a field that holds it would freeze the page. */
const longestShown = 100_000;
/** How long the keyboard rests before what was typed is used, in milliseconds. */
const rest = 800;

interface OwnData {
  readonly elements: readonly HTMLElement[];
  /** Shows data that are in use. */
  readonly show: (data: DataChoice) => void;
  /** Uses what was typed or pasted; a line where there is nothing to learn from. */
  readonly settle: () => string | undefined;
  /** Uses what the field holds after a rest. */
  readonly wait: () => void;
}

function ownData(workspace: Workspace, training: Training, entry: DataEntry): OwnData {
  const text = h("textarea", {
    rows: 4,
    "aria-label": "Text or table to learn from",
    placeholder: "Paste text here, or a table with a row for each time step. Or drop a file anywhere on this page.",
    spellcheck: "false",
  });
  const note = h("p", { class: "about" });
  let used = "";
  let timer: number | undefined;
  const settle = () => {
    window.clearTimeout(timer);
    // Typed text is used even if the list shows something else: the visitor gave it last.
    const typed = entry.take();
    if (typed !== undefined) workspace.data.set(choiceOfPaste(typed));
    const { value: data } = workspace.data;
    const { kind } = data;
    if (typed !== undefined || entry.chosen(data) !== own) return undefined;
    const isThere = kind === "text" || kind === "csv" || kind === "missing" || training.dataProblem.value !== undefined;
    return isThere ? undefined : "there is nothing to learn from yet: paste a text or a table, or choose a file";
  };
  const wait = () => {
    entry.type(text.value === used ? undefined : text.value);
    window.clearTimeout(timer);
    timer = window.setTimeout(settle, rest);
  };
  text.addEventListener("input", () => {
    note.textContent = "";
    wait();
  });
  text.addEventListener("paste", (event) => {
    const pasted = event.clipboardData?.getData("text/plain") ?? "";
    if (pasted.length <= longestShown) return;
    event.preventDefault();
    text.value = "";
    workspace.data.set(choiceOfPaste(pasted));
  });
  const file = h("input", { type: "file", "aria-label": "File to learn from", accept: ".txt,.md,.csv,.tsv,text/*" });
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    if (chosen !== undefined) void useFile(chosen, workspace, training);
  });
  return {
    elements: [text, h("div", { class: "row" }, file), note],
    settle,
    wait,
    show: (data) => {
      used = "";
      if (data.kind !== "text" && data.kind !== "csv") return;
      const isShown = typeof data.text === "string" && data.text.length <= longestShown;
      used = isShown && typeof data.text === "string" ? data.text : "";
      if (text.value !== used) text.value = used;
      const size = grouped(data.text.length);
      note.textContent = isShown
        ? ""
        : typeof data.text === "string"
          ? `Training data: ${data.name}, ${size} characters, too many to show here.`
          : `Training data: ${data.name}.`;
    },
  };
}
