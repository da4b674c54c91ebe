/** @file README.md and requirements.txt of an exported folder. */
import type { TrainScriptOptions } from "./training/options.ts";

/** The versions that `npm run test:jax` runs. */
export function requirementsOf(reads: TrainScriptOptions["reads"]): string {
  return ["jax==0.10.2", "safetensors==0.8.0", ...(reads === "tokens" ? ["tokenizers==0.23.3"] : []), ""].join("\n");
}

/** `about` describes the model, `data` is a file of its kind. */
export function readme(about: string, data: string): string {
  return `# Training with JAX

Written by cellgrad: ${about}.

- \`model.py\`: the network, its loss and the update of its optimizer as functions of arrays
- \`train.py\`: trains it on all devices of all hosts; \`python train.py --help\` lists the options
- \`weights.safetensors\`: the model, which training starts from
- \`requirements.txt\`: the packages, with the versions that were tested

## One host

\`\`\`sh
pip install -r requirements.txt
python train.py ${data} --steps 1000 --out trained.safetensors
\`\`\`

For NVIDIA GPUs install \`jax[cuda13]\` in place of \`jax\`, for TPUs \`jax[tpu]\`. The rows of a batch are divided among all devices; \`--batch\` must be a multiple of their number. \`--model-devices N\` also divides each weight, by its last axis, among N devices: for wide layers and large vocabularies. \`--dtype bf16\` computes in bfloat16 and keeps the weights in float32; \`--remat\` recomputes the forward pass in place of storing it; \`--accumulate N\` makes one update of N batches.

The last tenth of the data is held out. \`--eval-every N\` measures its loss every N batches and saves the best weights; \`--patience N\` ends the run after N measurements without an improvement.

\`--save-every N\` saves during the run; a file is always whole. \`--resume trained.safetensors\` goes on from it, as if the run had not ended.

## Several hosts

The same command on each host, with the address of the first one and the number of each:

\`\`\`sh
python train.py ${data} --coordinator 10.0.0.1:1234 --processes 4 --process 0   # 1, 2, 3 on the others
\`\`\`

Each host needs the whole file, checks it once, and then reads only its own rows of it; the first one writes the model. Before training, the hosts compare the bytes of their data and of the model that they start from: where one has none, a short, a damaged or another file, each prints one line and all end. A host that is lost later, also while the others wait for its check, ends them within \`--timeout\` seconds (100 by default), in most cases at once. Start all of them again with \`--resume\` and the last file saved (\`--save-every\`).

## Back again

What \`train.py\` writes is a cellgrad model: \`cellgrad sample trained.safetensors\`, \`cellgrad forecast\` and the playground read it, and \`cellgrad train ${data} --resume trained.safetensors\` goes on with it, as \`--resume\` does here with models of \`cellgrad train\`: optimizer, carried state and place in the data included.
`;
}
