import { expect, test } from "vitest";
import { Deferred } from "../../src/runtime/deferred.ts";

test("only the first settlement counts", async () => {
  const answered = new Deferred<number>();
  answered.resolve(1);
  answered.resolve(2);
  answered.reject(new Error("late"));
  await expect(answered.promise).resolves.toBe(1);

  const failed = new Deferred<number>();
  failed.reject(new Error("first"));
  failed.resolve(1);
  await expect(failed.promise).rejects.toThrow("first");
});
