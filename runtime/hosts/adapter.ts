/**
 * @file What every host hands back: an adapter, whether it is a graphics card or a program that imitates one, and a name
 * to show. The hosts themselves are the files beside this one.
 */

/** Which adapter to use. "auto" takes a graphics card where there is one and a software adapter otherwise. */
export type AdapterChoice = "auto" | "gpu" | "software";

export interface HostAdapter {
  readonly adapter: GPUAdapter;
  readonly kind: "gpu" | "software";
  /** For people, such as "NVIDIA H100 80GB HBM3" or "SwiftShader (software, subzero)". */
  readonly name: string;
  /** Waits for the device's work, in whatever way leaves the device most of the CPU. */
  readonly wait: <T>(work: Promise<T>) => Promise<T>;
  /** Destroys the devices that were requested from this host. The adapter is of no use afterwards. */
  readonly release: () => void;
}

const devices = new WeakMap<HostAdapter, GPUDevice[]>();

export function hostAdapter(adapter: GPUAdapter, wait: HostAdapter["wait"] = (work) => work): HostAdapter {
  const kind = isSoftware(adapter.info) ? "software" : "gpu";
  const requested: GPUDevice[] = [];
  const release = () => {
    for (const device of requested.splice(0)) device.destroy();
  };
  const host: HostAdapter = { adapter, kind, name: describe(adapter.info), wait, release };
  devices.set(host, requested);
  return host;
}

/** Makes `release` destroy this device too. */
export function ownDevice(host: HostAdapter, device: GPUDevice): void {
  devices.get(host)?.push(device);
}

/** The name is looked at as well as the flag, because not every host sets the flag. */
export function isSoftware(info: GPUAdapterInfo): boolean {
  const text = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
  return info.isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b/i.test(text);
}

function describe(info: GPUAdapterInfo): string {
  const { vendor, architecture, device, description } = info;
  const text = `${architecture} ${device} ${description}`;
  if (/swiftshader/i.test(text)) {
    // SwiftShader has two code generators of quite different speed, and tells which it was built with.
    const generator = /subzero|llvm/i.exec(text)?.[0].toLowerCase();
    return `SwiftShader (software${generator ? `, ${generator}` : ""})`;
  }
  // Browsers leave description and device empty, so that pages cannot tell users apart by them.
  const name = description || device || `${vendor} ${architecture}`.trim() || "unnamed adapter";
  return isSoftware(info) ? `${name} (software)` : name;
}
