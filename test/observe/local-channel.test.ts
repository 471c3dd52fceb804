import { expect, test } from "vitest";
import { LocalChannel } from "../../src/observe/local-channel.ts";

test("every listener hears a fact until it stops", () => {
  const channel = new LocalChannel("colloquy:example");
  const heard: unknown[] = [];
  const listener = (fact: unknown) => heard.push(fact);
  expect(channel.hasSubscribers).toBe(false);
  channel.subscribe(listener);
  expect(channel.hasSubscribers).toBe(true);
  channel.publish("one");
  channel.unsubscribe(listener);
  channel.publish("two");
  expect(heard).toEqual(["one"]);
  expect(channel.hasSubscribers).toBe(false);
});
