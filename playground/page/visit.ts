/**
 * @file What a visit begins with: a link, what was last worked on, or the first cell; and that all of it is kept. A link
 * never replaces the visitor's own work: that stays on the shelf, one press away.
 */
import { copy } from "./clipboard.ts";
import { h } from "./dom.ts";
import { isEquations } from "./equations-cell.ts";
import { notify } from "./notices.ts";
import { firstPreset, presets } from "./presets.ts";
import type { Sandbox } from "./sandbox-client.ts";
import { Keeper } from "./session/keeper.ts";
import { dataOf, keepData, keepDataOf } from "./session/large-data.ts";
import { type Kept, ofLink, type Shelf } from "./session/shelf.ts";
import { messageOf, type Training } from "./session/training.ts";
import type { Work, Workspace } from "./session/workspace.ts";
import { linkOf, sharedIn, unreadInWords } from "./share.ts";

/** How long nothing changes before it is kept, in milliseconds. */
const rest = 300;
/** Curves grow all the time. */
const restOfRuns = 2000;

export interface Visit {
  /** A menu of what was worked on before. */
  readonly earlier: HTMLElement;
  readonly share: () => Promise<void>;
  /** Opens another piece of work, by its title; the one before it stays on the shelf, and one press brings it back. */
  readonly begin: (title: string, work: Work) => void;
}

export async function openVisit(workspace: Workspace, training: Training, sandbox: Sandbox): Promise<Visit> {
  const keeper = new Keeper(
    () => localStorage,
    (text) => notify({ kind: "trouble", text, actions: [{ label: "Close", act: () => {} }] }),
  );
  let closeQuestion = () => {};
  const hold = (isHeld: boolean) => {
    closeQuestion();
    sandbox.held.set(isHeld);
    if (!isHeld) return;
    closeQuestion = notify({
      text: "This cell came by a link. It would run without access to this page or to the network; read it before you run it.",
      actions: [{ label: "Run it", act: () => sandbox.held.set(false) }],
    });
  };
  /** What was worked on until now is kept first; a cell that must not run yet is held before it is shown. */
  const show = (work: Work, piece: Partial<Pick<Kept, "id" | "link" | "held">>) => {
    keep();
    if (piece.held) hold(true);
    workspace.openWork(work);
    keeper.open(piece, workspace.work);
    if (!piece.held) hold(false);
  };
  const earlier = earlierMenu(keeper, (kept) => open(kept));
  const open = ({ id, link, held, work }: Kept) => {
    show(work, { id, ...(link !== undefined && { link }), ...(held && { held }) });
    if (location.hash !== (link ?? "")) history.replaceState(null, "", addressWith(link ?? ""));
    earlier.update();
    if (work.data.kind === "missing" && work.data.from === "visit")
      void dataOf(id).then((found) => {
        if (found !== undefined && workspace.data.value === work.data) workspace.data.set(found);
      });
  };
  const openShared = (shared: Work) => {
    const [latest] = keeper.shelf.value;
    show(shared, { link: location.hash, ...(!isSafe(shared) && { held: true }) });
    earlier.update();
    if (latest === undefined) return;
    notify({
      text: `Your own work (${namesOf(latest.work)}) is kept.`,
      actions: [
        { label: "Back to it", act: () => open(latest) },
        { label: "Close", act: () => {} },
      ],
    });
  };
  const begin = (title: string, work: Work) => {
    workspace.settle();
    const [before, piece] = [workspace.work, keeper.current];
    show(work, {});
    earlier.update();
    closeBegun();
    closeBegun = notify({
      text: `${title}: press Train. What you had before is kept.`,
      actions: [
        {
          label: "Undo",
          act: () => {
            show(before, piece);
            earlier.update();
          },
        },
        { label: "Close", act: () => {} },
      ],
    });
  };
  let closeBegun = () => {};
  let large: unknown;
  const keep = () => {
    const { work } = workspace;
    const hasChanged = keeper.save(work);
    if (large === work.data) return;
    large = work.data;
    // The shelf has just been read: what other pages put there is on it.
    if (hasChanged) void keepDataOf(keeper.shelf.value.map(({ id }) => id));
    if (work.data.kind === "text" || work.data.kind === "csv") void keepData(keeper.current.id, work.data);
  };

  workspace.open(presets.filter(({ name }) => name === firstPreset));
  keeper.open({}, workspace.work);
  training.records.set(keeper.readRuns());
  const [latest] = keeper.shelf.value;
  const trouble = (text: string) => notify({ kind: "trouble", text, actions: [{ label: "Close", act: () => {} }] });
  const found = await sharedIn(location.hash).catch((error: unknown) => {
    trouble(messageOf(error));
    return undefined;
  });
  const unread = found && unreadInWords(found);
  if (unread !== undefined) trouble(unread);
  const shared = found?.work;
  const known = ofLink(keeper.shelf.value, location.hash);
  if (shared === undefined) {
    if (latest !== undefined && location.hash === "") open(latest);
  } else if (known === undefined) openShared(shared);
  else {
    open(known);
    if (!isSame(known.work, shared))
      notify({
        text: "You have changed what this link brought; your changes are shown.",
        actions: [
          { label: "Show it as it came", act: () => openShared(shared) },
          { label: "Close", act: () => {} },
        ],
      });
  }
  keepFromNowOn(workspace, training, keeper, keep);
  sandbox.held.follow((held) => {
    if (!held) keeper.release();
  });
  return {
    earlier: earlier.element,
    begin,
    share: async () => {
      // What was pasted or written a moment ago belongs to it.
      workspace.settle();
      await training.nameCells();
      await share(workspace, keeper);
    },
  };
}

/** Keeps every change soon after it was made, and at the latest when the page is left. */
function keepFromNowOn(workspace: Workspace, training: Training, keeper: Keeper, keep: () => void): void {
  const later = (milliseconds: number, action: () => void) => {
    let timer: number | undefined;
    return () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(action, milliseconds);
    };
  };
  const soon = later(rest, keep);
  for (const signal of [workspace.cells, workspace.active, workspace.settings, workspace.data]) signal.follow(soon);
  let kept = training.records.value;
  const keepRuns = () => {
    const { value: records } = training.records;
    if (records !== kept) keeper.saveRuns(records);
    kept = records;
  };
  let waiting = false;
  training.records.follow(() => {
    if (waiting) return;
    waiting = true;
    window.setTimeout(() => {
      waiting = false;
      keepRuns();
    }, restOfRuns);
  });
  // The workspace is then still as it was before the start.
  workspace.started.follow((started) => {
    if (started !== undefined && !isOwn(workspace.work)) keeper.keepCopy(workspace.work);
  });
  const leave = () => {
    keep();
    keepRuns();
  };
  window.addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") leave();
  });
}

async function share(workspace: Workspace, keeper: Keeper): Promise<void> {
  const { work } = workspace;
  const { hash, withoutData } = await linkOf(work);
  const link = addressWith(hash);
  history.replaceState(null, "", link);
  keeper.shared(hash, work);
  const copied = await copy(link);
  const { data } = work;
  const named = "name" in data ? data.name : "";
  const about = withoutData
    ? ` and the settings. Your data are too large for a link: it names them (${named}), and asks for them where it is opened.`
    : data.kind === "text" || data.kind === "csv"
      ? `, the settings and your data (${named}).`
      : " and the settings.";
  notify({
    text: `${copied ? "The link is copied." : "The link is in the address bar."} It holds ${namesOf(work)}${about}`,
    actions: [{ label: "Close", act: () => {} }],
  });
}

function earlierMenu(keeper: Keeper, open: (kept: Kept) => void) {
  const title = "Earlier work…";
  const element = h("select", { class: "menu", "aria-label": title });
  let others: Shelf = [];
  const update = () => {
    others = keeper.shelf.value.filter(({ id }) => id !== keeper.current.id);
    element.hidden = others.length === 0;
    element.replaceChildren(
      h("option", { value: "" }, title),
      ...others.map(({ id, saved, work }) => h("option", { value: id }, `${namesOf(work)} – ${moment(saved)}`)),
    );
  };
  element.addEventListener("change", () => {
    const chosen = others.find(({ id }) => id === element.value);
    element.value = "";
    if (chosen !== undefined) open(chosen);
  });
  keeper.shelf.follow(update);
  return { element, update };
}

/** Whether every cell is one of this page's own, which need no question. */
function isOwn({ cells }: Work): boolean {
  return cells.every(({ source }) => presets.some((preset) => preset.source === source));
}

/** Whether nothing of it runs that a stranger wrote. */
function isSafe({ cells }: Work): boolean {
  return cells.every(({ source }) => isEquations(source) || presets.some((preset) => preset.source === source));
}

function addressWith(hash: string): string {
  return `${location.href.replace(/#.*$/, "")}${hash}`;
}

function namesOf({ cells }: Work): string {
  return cells.map(({ name }) => name).join(", ");
}

function isSame(a: Work, b: Work): boolean {
  const of = ({ cells, settings }: Work) => JSON.stringify([cells.map(({ source }) => source), settings]);
  return of(a) === of(b);
}

/** Such as 2026-11-28 14:05, by the clock of the visitor. */
function moment(time: number): string {
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
