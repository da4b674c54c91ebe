/** @file The playground's page: opens the sandbox and the worker, and puts the parts in their places. */
import { copy } from "./clipboard.ts";
import { deviceChip } from "./device-notices.ts";
import { button, byId } from "./dom.ts";
import { onDrop } from "./drop.ts";
import { notify } from "./notices.ts";
import { cellPanel } from "./panels/cell-panel.ts";
import { checkPanel } from "./panels/check-panel.ts";
import { compiledPanel } from "./panels/compiled-panel.ts";
import { useFile } from "./panels/data-panel.ts";
import { flowPanel } from "./panels/flow-panel.ts";
import { samplePanel } from "./panels/sample-panel.ts";
import { createTabs } from "./panels/tabs.ts";
import { trainingPanel } from "./panels/training-panel.ts";
import { firstPreset, presets } from "./presets.ts";
import { openSandbox, type Sandbox } from "./sandbox-client.ts";
import { messageOf, Training } from "./session/training.ts";
import { Workspace } from "./session/workspace.ts";
import { isOwn, linkOf, type Shared, sharedIn } from "./share.ts";
import { themeButton } from "./theme.ts";
import { openWorker } from "./worker-client.ts";

const workspace = new Workspace();
const sandbox = openSandbox();
const worker = openWorker();
const training = new Training(worker, sandbox, workspace);

workspace.open(presets.filter(({ name }) => name === firstPreset));
void training.open("auto");
await openLink();

const sample = samplePanel(training, worker);
const flow = flowPanel(training, worker);
const compiled = compiledPanel(training, worker);
byId("cell").append(cellPanel(workspace, training, sandbox));
byId("train").append(trainingPanel(workspace, training, worker));
byId("inside").append(
  createTabs("A look inside", [
    { id: "sample", label: "Sample and gates", panel: sample.element },
    { id: "flow", label: "Gradient flow", panel: flow.element, onShow: flow.shown },
    { id: "compiled", label: "Compiled", panel: compiled.element, onShow: compiled.shown },
    { id: "check", label: "Gradient check", panel: checkPanel(workspace, sandbox, worker) },
  ]),
);
byId("top-actions").append(
  deviceChip(workspace, training),
  button("Share", () => void share()),
  themeButton(),
);
onDrop(
  (file) => void (file.name.endsWith(".safetensors") ? sample.takeModel(file) : useFile(file, workspace, training)),
);

/** Shows what the address holds. It runs when the visitor agrees, or at once where it is this page's own. */
async function openLink(): Promise<void> {
  try {
    const shared = await sharedIn(location.hash);
    if (shared !== undefined) show(shared);
  } catch (error) {
    notify({ kind: "trouble", text: messageOf(error), actions: [{ label: "Close", act: () => {} }] });
  }
}

function show(shared: Shared): void {
  if (!isOwn(shared)) hold(sandbox);
  workspace.open(shared.cells);
  workspace.change(shared.settings);
  workspace.data.set(shared.data);
}

function hold({ held }: Sandbox): void {
  held.set(true);
  notify({
    text: "This cell came by a link. It would run without access to this page or to the network; read it before you run it.",
    actions: [{ label: "Run it", act: () => held.set(false) }],
  });
}

async function share(): Promise<void> {
  const { cells, settings, data } = workspace;
  const link = await linkOf({
    cells: cells.value.map(({ name, source }) => ({ name, source })),
    settings: settings.value,
    data: data.value.kind === "task" ? data.value : { kind: "documentation" as const },
  });
  history.replaceState(null, "", link);
  const copied = await copy(link);
  const own = data.value.kind === "text" || data.value.kind === "csv" ? " Your own data are not part of it." : "";
  notify({
    text: `${copied ? "The link is copied." : "The link is in the address bar."} It holds the cells and the settings.${own}`,
    actions: [{ label: "Close", act: () => {} }],
  });
}
