/** @file Node with user-selected drivers: they are used as they are, once per process. */
import { expect, test } from "vitest";
import { requestAdapter } from "../../runtime/host.ts";
import { swiftShader } from "../../runtime/hosts/swiftshader.ts";

test("a selected driver is the system's adapter, and is not a graphics card", async () => {
  const before = { ...process.env };
  process.env.VK_DRIVER_FILES = (await swiftShader()).manifest;
  try {
    const host = await requestAdapter("auto");
    expect([host.kind, host.name]).toEqual(["software", expect.stringMatching(/^SwiftShader/)]);
    const line = await requestAdapter("gpu").catch((error: Error) => `${error.name}: ${error.message}`);
    expect(line).toBe(
      `DeviceUnavailableError: The only adapter is ${host.name}, not a graphics card. ` +
        'Install its Vulkan driver and libvulkan, or use the CPU ("cpu").',
    );
    expect((await requestAdapter("software")).name).toBe(host.name);
  } finally {
    delete process.env.VK_DRIVER_FILES;
  }
  expect({ ...process.env }).toEqual(before);
});
