/**
 * @file The common result of all hosts: an adapter, whether it is hardware or software, and a name to show. Each host has
 * its own file in this folder.
 */

/** Which adapter to use. "auto" is a graphics card if there is one, otherwise a software adapter. */
export type AdapterChoice = "auto" | "gpu" | "software";

/** What reports of the hardware; hosts and versions differ in what they say. */
export type AdapterInfo = Partial<GPUAdapterInfo>;

/** What is known of where a device is. */
export interface DeviceHost {
  readonly info: AdapterInfo;
  readonly kind: "gpu" | "software";
  /** For people, such as "NVIDIA H100 80GB HBM3" or "SwiftShader (software, subzero)". */
  readonly name: string;
  /** Awaits the device's work in the way that leaves it most of the CPU. */
  readonly wait: <T>(work: Promise<T>) => Promise<T>;
  /** Whether workgroup memory is cleared by code that takes long to compile: by SwiftShader in a browser. */
  readonly clearsWorkgroups: boolean;
}

export interface HostAdapter extends DeviceHost {
  readonly adapter: GPUAdapter;
  /** Destroys the devices that were requested from this host. The adapter cannot be used afterwards. */
  readonly release: () => void;
}

const devices = new WeakMap<HostAdapter, GPUDevice[]>();

export function hostAdapter(adapter: GPUAdapter, wait?: DeviceHost["wait"], isBrowser = false): HostAdapter {
  const requested: GPUDevice[] = [];
  const release = () => {
    for (const device of requested.splice(0)) device.destroy();
  };
  const host: HostAdapter = { ...deviceHost(adapter.info, wait, isBrowser), adapter, release };
  devices.set(host, requested);
  return host;
}

/** `clears`: whether the host has devices clear workgroup memory. */
export function deviceHost(
  info: AdapterInfo,
  wait: DeviceHost["wait"] = (work) => work,
  clears: boolean = false,
): DeviceHost {
  const clearsWorkgroups = clears && /swiftshader/i.test(textOf(info));
  return { info, kind: isSoftware(info) ? "software" : "gpu", name: describe(info), wait, clearsWorkgroups };
}

/** Registers a device that `release` then destroys. */
export function ownDevice(host: HostAdapter, device: GPUDevice): void {
  devices.get(host)?.push(device);
}

/** Checks the name as well as the flag, because not every host sets the flag. */
export function isSoftware(info: AdapterInfo): boolean {
  const names = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b/i;
  return info.isFallbackAdapter === true || names.test(textOf(info));
}

function textOf({ vendor = "", architecture = "", device = "", description = "" }: AdapterInfo): string {
  return `${vendor} ${architecture} ${device} ${description}`;
}

function describe(info: AdapterInfo): string {
  const { vendor = "", architecture = "", device = "", description = "" } = info;
  const text = `${architecture} ${device} ${description}`;
  if (/swiftshader/i.test(text)) {
    // SwiftShader has two code generators of very different speed, and reports which one it was built with.
    const generator = /subzero|llvm/i.exec(text)?.[0].toLowerCase();
    return `SwiftShader (software${generator ? `, ${generator}` : ""})`;
  }
  // Browsers leave description and device empty to prevent fingerprinting.
  const name = description || device || `${vendor} ${architecture}`.trim() || "unnamed adapter";
  return isSoftware(info) ? `${name} (software)` : name;
}
