import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import { messageSent, replyLate } from "../../src/observe/signals.ts";

const fact = { id: "1", kind: "command", name: "PAY", from: "a", to: ["type:b"] };

test("a signal is heard while somebody listens, by as many as do", () => {
  expect(messageSent.heard).toBe(false);
  messageSent.tell(fact);
  const first: unknown[] = [];
  const second: unknown[] = [];
  const stopFirst = messageSent.listen((sent) => first.push(sent));
  const stopSecond = messageSent.listen((sent) => second.push(sent));
  expect(messageSent.heard).toBe(true);
  messageSent.tell(fact);
  stopFirst();
  stopFirst();
  messageSent.tell(fact);
  stopSecond();
  messageSent.tell(fact);
  expect([first, second]).toEqual([[fact], [fact, fact]]);
  expect(messageSent.heard).toBe(false);
});

test("tools listen by name, without this package", () => {
  const heard: unknown[] = [];
  const listener = (late: unknown) => heard.push(late);
  expect(replyLate.name).toBe("colloquy:reply.late");
  subscribe("colloquy:reply.late", listener);
  replyLate.tell({ id: "2", correlationId: "1" });
  unsubscribe("colloquy:reply.late", listener);
  expect(heard).toEqual([{ id: "2", correlationId: "1" }]);
});
