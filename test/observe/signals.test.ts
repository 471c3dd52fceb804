import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import { Signal } from "../../src/observe/signals.ts";

const fact = { id: "1" };

test("a signal is heard while somebody listens, by as many as do", () => {
  const messageSent = new Signal<typeof fact>("message.sent");
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
  const replyLate = new Signal<typeof fact>("reply.late");
  expect(replyLate.name).toBe("colloquy:reply.late");
  subscribe("colloquy:reply.late", listener);
  replyLate.tell(fact);
  unsubscribe("colloquy:reply.late", listener);
  expect(heard).toEqual([fact]);
});
