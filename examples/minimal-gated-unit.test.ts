import { openDevice } from "cellgrad";
import { matchers } from "cellgrad/testing";
import { expect, test } from "vitest";
import myCell from "./minimal-gated-unit.ts";

expect.extend(matchers);

test("the gradient of my cell", () => expect(myCell).toHaveCorrectGradients({ cases: 20, order: 2 }));
test("my cell on a device", async () => expect(myCell).toAgreeOnDevice(await openDevice(), { cases: 1 }));
