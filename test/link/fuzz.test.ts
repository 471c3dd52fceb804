/** G19: what a stranger says on the way to a WebSocket and over it. The long run is `npm run fuzz`. */
import { expect, test } from "vitest";
import { extent } from "../support/extent.ts";
import { fuzzUpgrade } from "../support/fuzz/fuzz-upgrade.ts";
import { fuzzWebSocket } from "../support/fuzz/fuzz-websocket.ts";

const timeout = 240_000;

test("G19: no frames of a WebSocket are read otherwise than others read them", { timeout }, () => {
  const { reasons, survived } = fuzzWebSocket(extent({ ci: 200_000, here: 30_000 }), 1);
  expect([...reasons.keys()].sort()).toEqual([
    "1002 a close frame without a valid code",
    "1002 a continuation out of place",
    "1002 a control frame is cut",
    "1002 a control frame is too long",
    "1002 a frame is not masked",
    "1002 an unknown opcode",
    "1002 half a close code",
    "1002 reserved bits are set",
    "1003 binary messages only",
    "1007 the reason to close is no UTF-8",
    "1008 a message in too many pieces",
    "1009 a message of more than 65536 bytes",
    "told",
  ]);
  expect(survived).toBeGreaterThan(1_000);
});

test("G19: no request becomes a WebSocket but one that asks for it as it must", {
  timeout,
}, async () => {
  const { reasons } = await fuzzUpgrade(extent({ ci: 200_000, here: 5_000 }), 1);
  expect([...reasons.keys()].sort()).toEqual(["101", "400", "403", "404", "405", "426", "none"]);
});
