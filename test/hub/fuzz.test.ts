/** G19: what comes over a link, on both of its ends. The long run is `npm run fuzz`. */
import { expect, test } from "vitest";
import { extent } from "../support/extent.ts";
import { fuzzClient } from "../support/fuzz/fuzz-client.ts";
import { fuzzHub } from "../support/fuzz/fuzz-hub.ts";

/** With two and a half frames in each: in continuous integration some more than 200,000. */
const chunks = extent({ ci: 85_000, here: 12_000 });
const timeout = 240_000;

test("G19: no client can make a hub break, stall, or stop serving the others", {
  timeout,
}, async () => {
  const { refusals, survived } = await fuzzHub(chunks, 1);
  expect(refusals.size).toBeGreaterThan(30);
  expect(survived).toBeGreaterThan(50);
});

test("G19: no hub can make a client break, or keep it from working with a better one", {
  timeout,
}, async () => {
  const { refusals } = await fuzzClient(chunks, 1);
  expect(refusals.size).toBeGreaterThan(15);
});
