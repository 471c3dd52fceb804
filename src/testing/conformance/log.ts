/** Log: ordered history. */
import assert from "node:assert/strict";
import type { Broker, Log, LogEntry } from "../../broker/broker.ts";
import { type CaseOptions, type ConformanceCase, conformanceCase } from "./case.ts";
import { assertRejects, bytes, collect, text } from "./messages.ts";
import type { Trial } from "./trial.ts";

const needsLog = { needs: ["log"] } as const;

function logCase(
  name: string,
  body: (trial: Trial, log: Log) => Promise<void>,
  options: CaseOptions = needsLog,
): ConformanceCase {
  return conformanceCase(name, (trial) => body(trial, logOf(trial.broker)), options);
}

function logOf({ log }: Broker): Log {
  assert.ok(log, "it says that it has a log");
  return log;
}

async function append(
  log: Log,
  stream: string,
  entries: readonly string[],
  at?: number,
): Promise<number> {
  const outcome = await log.append(stream, entries.map(bytes), at);
  assert.ok(outcome.kind === "appended", JSON.stringify(outcome));
  return outcome.position;
}

async function history(
  trial: Trial,
  log: Log,
  stream: string,
  from = 1,
): Promise<readonly string[]> {
  return texts(await collect(log.read(stream, from, {}, trial.signal)));
}

function texts(entries: readonly LogEntry[]): readonly string[] {
  return entries.map(({ position, data }) => `${position} ${text(data)}`);
}

/** Follows a stream. Its entries come into the list; `ended` tells how the loop ended. */
function follow(log: Log, stream: string, from: number, signal: AbortSignal) {
  const seen: string[] = [];
  const run = async (): Promise<void> => {
    for await (const entries of log.read(stream, from, { follow: true }, signal)) {
      seen.push(...texts(entries));
    }
  };
  const ended = run().then(
    () => "ended",
    () => "ended",
  );
  return { seen, ended };
}

export const logPortCases: readonly ConformanceCase[] = [
  logCase("a stream begins at position 1 and counts up by one", async (trial, log) => {
    assert.equal(await append(log, "s", ["a"]), 1);
    assert.equal(await append(log, "s", ["b", "c", "d"]), 2);
    assert.equal(await append(log, "s", ["e"]), 5);
    assert.deepEqual(await history(trial, log, "s"), ["1 a", "2 b", "3 c", "4 d", "5 e"]);
  }),

  logCase("every client reads what any has appended", async (trial, log) => {
    const other = logOf(await trial.connect());
    await append(log, "s", ["a"]);
    await append(other, "s", ["b"]);
    assert.deepEqual(await history(trial, log, "s"), ["1 a", "2 b"]);
    assert.deepEqual(await history(trial, other, "s"), ["1 a", "2 b"]);
  }),

  logCase("streams are apart from one another", async (trial, log) => {
    await append(log, "s", ["a"]);
    assert.equal(await append(log, "t", ["x"]), 1);
    await append(log, "s", ["b"]);
    assert.deepEqual(await history(trial, log, "s"), ["1 a", "2 b"]);
    assert.deepEqual(await history(trial, log, "t"), ["1 x"]);
  }),

  logCase("an append may ask for its position", async (trial, log) => {
    assert.equal(await append(log, "s", ["a", "b"], 1), 1);
    assert.equal(await append(log, "s", ["c"], 3), 3);
    const taken = await log.append("s", [bytes("x")], 2);
    assert.deepEqual(taken, { kind: "conflict", next: 4 });
    const ahead = await log.append("s", [bytes("x"), bytes("y")], 7);
    assert.deepEqual(ahead, { kind: "conflict", next: 4 });
    const absent = await log.append("t", [bytes("x")], 2);
    assert.deepEqual(absent, { kind: "conflict", next: 1 });
    assert.deepEqual(await history(trial, log, "s"), ["1 a", "2 b", "3 c"]);
    assert.deepEqual(await history(trial, log, "t"), []);
  }),

  logCase("of clients that append at one position at once, one succeeds", async (trial, log) => {
    const logs = [log, logOf(await trial.connect()), logOf(await trial.connect())];
    for (let position = 1; position <= 10; position++) {
      const outcomes = await Promise.all(
        logs.map((each, index) => each.append("s", [bytes(`${index}`)], position)),
      );
      assert.equal(outcomes.filter(({ kind }) => kind === "appended").length, 1);
    }
    assert.equal((await history(trial, log, "s")).length, 10);
  }),

  logCase("entries of one append stay together", async (trial, log) => {
    const logs = [log, logOf(await trial.connect()), logOf(await trial.connect())];
    await Promise.all(
      logs.flatMap((each, index) =>
        Array.from({ length: 10 }, (_, round) =>
          append(
            each,
            "s",
            ["x", "y", "z"].map((part) => `${index}.${round}.${part}`),
          ),
        ),
      ),
    );
    const entries = (await history(trial, log, "s")).map((entry) => entry.split(" ")[1] ?? "");
    assert.equal(entries.length, 90);
    for (let begin = 0; begin < entries.length; begin += 3) {
      const owner = entries[begin]?.slice(0, -2);
      assert.deepEqual(
        entries.slice(begin, begin + 3),
        ["x", "y", "z"].map((part) => `${owner}.${part}`),
      );
    }
  }),

  logCase("reading begins where it is asked to", async (trial, log) => {
    await append(log, "s", ["a", "b", "c"]);
    await append(log, "s", ["d", "e"]);
    assert.deepEqual(await history(trial, log, "s", 2), ["2 b", "3 c", "4 d", "5 e"]);
    assert.deepEqual(await history(trial, log, "s", 5), ["5 e"]);
    assert.deepEqual(await history(trial, log, "s", 6), []);
    assert.deepEqual(await history(trial, log, "s", 600), []);
    assert.deepEqual(await history(trial, log, "never appended"), []);
  }),

  logCase("a long history is read whole", async (trial, log) => {
    for (let begin = 0; begin < 3_000; begin += 100) {
      const entries = Array.from({ length: 100 }, (_, index) => `${begin + index + 1}`);
      await append(log, "s", entries);
    }
    const entries = await history(trial, log, "s");
    assert.equal(entries.length, 3_000);
    assert.ok(entries.every((entry, index) => entry === `${index + 1} ${index + 1}`));
  }),

  logCase("one append may hold many large entries", async (trial, log) => {
    const entries = Array.from({ length: 12 }, (_, index) => new Uint8Array(50_000).fill(index));
    const outcome = await log.append("s", [bytes("first"), ...entries, bytes("last")]);
    assert.deepEqual(outcome, { kind: "appended", position: 1 });
    assert.equal(await append(log, "s", ["after"]), 15);
    const found = await collect(log.read("s", 1, {}, trial.signal));
    assert.deepEqual(
      found.map(({ position, data }) => `${position}: ${data.length} of ${data[0]}`),
      [
        "1: 5 of 102",
        ...entries.map((_, index) => `${index + 2}: 50000 of ${index}`),
        "14: 4 of 108",
        "15: 5 of 97",
      ],
    );
    assert.deepEqual(await history(trial, log, "s", 14), ["14 last", "15 after"]);
  }),

  logCase("entries come back as they were: empty, binary", async (trial, log) => {
    const every = Uint8Array.from({ length: 512 }, (_, index) => index & 255);
    await log.append("s", [new Uint8Array(), every.subarray(100, 400)]);
    const [empty, binary] = await collect(log.read("s", 1, {}, trial.signal));
    assert.equal(empty?.data.length, 0);
    assert.deepEqual([...(binary?.data ?? [])], [...every.subarray(100, 400)]);
  }),

  logCase("a follower gets what is there, then what comes", async (trial, log) => {
    const other = logOf(await trial.connect());
    await append(log, "s", ["a"]);
    const { seen } = follow(log, "s", 1, trial.signal);
    await trial.eventually("the first entry", () => seen[0]);
    await append(other, "s", ["b"]);
    await append(log, "t", ["x"]);
    await append(log, "s", ["c"]);
    await trial.eventually("the third entry", () => seen[2]);
    assert.deepEqual(seen, ["1 a", "2 b", "3 c"]);
  }),

  logCase("a follower may wait for a stream that is not there yet", async (trial, log) => {
    const { seen } = follow(log, "s", 2, trial.signal);
    await trial.quiet();
    await append(log, "s", ["a", "b"]);
    await append(log, "s", ["c"]);
    await trial.eventually("the third entry", () => seen[1]);
    assert.deepEqual(seen, ["2 b", "3 c"]);
  }),

  logCase("a follower misses nothing that is appended while it reads", async (trial, log) => {
    const other = logOf(await trial.connect());
    const followers = [1, 1, 1].map((from) => follow(log, "s", from, trial.signal));
    for (let round = 0; round < 40; round++) await append(other, "s", [`${2 * round}`, "x"]);
    for (const { seen } of followers) {
      await trial.eventually("all entries", () => (seen.length >= 80 ? true : undefined));
      assert.ok(seen.every((entry, index) => entry.startsWith(`${index + 1} `)));
    }
  }),

  logCase("a follower ends when it is aborted", async (trial, log) => {
    await append(log, "s", ["a"]);
    const controller = new AbortController();
    const { seen, ended } = follow(log, "s", 1, controller.signal);
    await trial.eventually("the first entry", () => seen[0]);
    controller.abort();
    await trial.within("the end of following", ended);
    await append(log, "s", ["b"]);
    await trial.quiet();
    assert.deepEqual(seen, ["1 a"]);
  }),

  logCase("reading under an aborted signal is cancelled, following ends", async (_, log) => {
    await append(log, "s", ["a"]);
    await assertRejects(collect(log.read("s", 1, {}, AbortSignal.abort())), "CANCELLED");
    const following = log.read("s", 1, { follow: true }, AbortSignal.abort());
    assert.deepEqual(await collect(following), []);
  }),

  logCase("an append under an aborted signal is cancelled", async (_, log) => {
    const call = log.append("s", [bytes("x")], undefined, AbortSignal.abort());
    await assertRejects(call, "CANCELLED");
  }),

  logCase(
    "history survives a restart and goes on after it",
    async (trial, log) => {
      await append(log, "s", ["a", "b"]);
      const afterClean = logOf(await trial.restart("clean"));
      assert.equal(await append(afterClean, "s", ["c"], 3), 3);
      const afterCrash = logOf(await trial.restart("crash"));
      assert.deepEqual(await history(trial, afterCrash, "s"), ["1 a", "2 b", "3 c"]);
      assert.equal(await append(afterCrash, "s", ["d"]), 4);
    },
    { needs: ["log", "durability"] },
  ),

  logCase(
    "a follower goes on after a broken connection, without a gap",
    async (trial, log) => {
      const follower = await trial.connect();
      await append(log, "s", ["a"]);
      const { seen } = follow(logOf(follower), "s", 1, trial.signal);
      await trial.eventually("the first entry", () => seen[0]);
      const breaking = trial.disconnect(follower);
      await append(log, "s", ["b"]);
      await breaking;
      await append(log, "s", ["c"]);
      await trial.eventually("the third entry", () => seen[2]);
      assert.deepEqual(seen, ["1 a", "2 b", "3 c"]);
    },
    { needs: ["log", "disconnect"] },
  ),

  conformanceCase(
    "a broker without a log says so",
    async (trial) => {
      assert.equal(trial.broker.log, undefined);
    },
    { lacks: ["log"] },
  ),
];
