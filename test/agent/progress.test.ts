import type { Network } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

const places = [
  { where: "in one process", processes: 1 },
  { where: "across processes", processes: 2 },
];

async function open(processes: number) {
  fabric = await openFabric(processes);
  const asker = await fabric.until((fabric.networks[0] as Network).agent("asker"));
  const writer = await fabric.until((fabric.networks[processes - 1] as Network).agent("writer"));
  await fabric.acquainted();
  return { asker, writer };
}

test.each(places)("$where what onProgress throws is reported, and the work goes on", async (it) => {
  const { asker, writer } = await open(it.processes);
  writer.handle("write", (_input, { progress }) => {
    progress("one");
    progress("two");
    return "written";
  });
  const heard: unknown[] = [];
  const thrown = new Error("no screen");
  const rejected = new Error("no network");
  const onProgress = (data: unknown) => {
    heard.push(data);
    if (data === "one") throw thrown;
    return Promise.reject(rejected);
  };
  const asked = asker.request("agent:writer", "write", undefined, { onProgress });
  expect(await fabric.until(asked)).toBe("written");
  await fabric.eventually(() => expect(fabric.errors).toEqual([thrown, rejected]));
  expect(heard).toEqual(["one", "two"]);
});

test.each(places)("$where progress is plain data, and a copy", async ({ processes }) => {
  const { asker, writer } = await open(processes);
  const draft = { pages: 1 };
  writer.handle("write", (_input, { progress }) => {
    progress(draft);
    progress(() => {});
  });
  const heard: unknown[] = [];
  const onProgress = (data: unknown) => heard.push(data);
  const asked = asker.request("agent:writer", "write", undefined, { onProgress });
  await expect(fabric.until(asked)).rejects.toMatchObject({ code: "SERIALIZATION_ERROR" });
  expect(heard).toEqual([{ pages: 1 }]);
  expect(heard[0]).not.toBe(draft);
});
