/** @file The playground's page: opens the sandbox and the worker, and puts the parts in their places. */
import { deviceChip } from "./device-notices.ts";
import { button, byId } from "./dom.ts";
import { onDrop } from "./drop.ts";
import { galleryButton } from "./examples/gallery.ts";
import { cellPanel } from "./panels/cell-panel.ts";
import { checkPanel } from "./panels/check-panel.ts";
import { compiledPanel } from "./panels/compiled-panel.ts";
import { useFile } from "./panels/data-panel.ts";
import { flowPanel } from "./panels/flow-panel.ts";
import { samplePanel } from "./panels/sample-panel.ts";
import { createTabs } from "./panels/tabs.ts";
import { trainingPanel } from "./panels/training-panel.ts";
import { openSandbox } from "./sandbox-client.ts";
import { Training } from "./session/training.ts";
import { Workspace } from "./session/workspace.ts";
import { offerTables } from "./table-offer.ts";
import { themeButton } from "./theme.ts";
import { openVisit } from "./visit.ts";
import { openWorker } from "./worker-client.ts";

const workspace = new Workspace();
const sandbox = openSandbox();
const worker = openWorker();
const training = new Training(worker, sandbox, workspace);

void training.open("auto");
const visit = await openVisit(workspace, training, sandbox);

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
  galleryButton(({ title, work }) => visit.begin(title, work)),
  visit.earlier,
  button("Share", () => void visit.share()),
  themeButton(),
);
offerTables(workspace);
onDrop(
  (file) => void (file.name.endsWith(".safetensors") ? sample.takeModel(file) : useFile(file, workspace, training)),
);
