/** G19: greetings, and who is let in. The long run is `npm run fuzz`. */
import { expect, test } from "vitest";
import { extent } from "../support/extent.ts";
import { fuzzHello } from "../support/fuzz/fuzz-hello.ts";

test("G19: no greeting is anything but read or refused, and only the token lets anybody in", {
  timeout: 240_000,
}, async () => {
  const { reasons, admitted } = await fuzzHello(extent({ ci: 200_000, here: 30_000 }), 1);
  expect(reasons.size).toBeGreaterThan(15);
  expect(admitted).toBeGreaterThan(1_000);
});
