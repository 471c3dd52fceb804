/** Programs that ask and answer: requests and streams whose answers can be told from all others. */

import type { Agent } from "../../agent/agent.ts";
import { isColloquyError } from "../../errors.ts";
import type { Random } from "../../runtime/random.ts";
import { answerTo, chunksOf } from "./checkers/requests.ts";
import type { ScenarioEvent } from "./events.ts";
import type { ProcessContext, Program } from "./process.ts";

interface Question {
  readonly request: string;
  readonly workMs: number;
}

/** One of a pool that answers questions, at once or in chunks. */
export function answers(id: string): Program<ScenarioEvent> {
  return async (process) => {
    const net = await process.join();
    const agent = await net.agent(id, { type: "oracle", capacity: 20 });
    agent.handle<Question>("ASK", async ({ request, workMs }) => {
      process.record({ kind: "handling", request });
      await process.sleep(workMs);
      process.record({ kind: "handled", request });
      return answerTo(request);
    });
    agent.handle<Question>("TELL", async function* ({ request, workMs }) {
      process.record({ kind: "handling", request });
      for (let chunk = 0; chunk < chunksOf(request); chunk++) {
        if (chunk % 4 === 0) await process.sleep(workMs / 4);
        yield chunk;
      }
      process.record({ kind: "handled", request });
      return answerTo(request);
    });
    await agent.ready();
  };
}

/** Asks questions numbered from `first` on, every `streams`th for an answer in chunks; 0 for none. */
export function asks(
  random: Random,
  first: number,
  count: number,
  streams: number,
): Program<ScenarioEvent> {
  const questions = Array.from({ length: count }, (_, index) => ({
    number: first + index,
    workMs: Math.round(random.float() ** 3 * 200),
    pauseMs: random.uint32() % 2 === 0 ? 0 : Math.round(random.float() * 25),
    timeoutMs: random.uint32() % 8 === 0 ? 50 : 10_000,
  }));
  return async (process) => {
    const net = await process.join();
    const agent = await net.agent(process.name);
    await net.waitFor({ type: "oracle" });
    const asked = new Set(
      process.history.flatMap((event) => (event.kind === "asking" ? [event.request] : [])),
    );
    const asking: Promise<void>[] = [];
    for (const { number, workMs, pauseMs, timeoutMs } of questions) {
      const request = `request-${number}`;
      if (asked.has(request)) continue;
      const ask = streams > 0 && number % streams === 0 ? askForChunks : askOnce;
      process.record({ kind: "asking", request });
      asking.push(ask(process, agent, { request, workMs }, timeoutMs));
      if (pauseMs > 0) await process.sleep(pauseMs);
    }
    await Promise.all(asking);
  };
}

type Asker = ProcessContext<ScenarioEvent>;

async function askOnce(
  process: Asker,
  agent: Agent,
  question: Question,
  timeoutMs: number,
): Promise<void> {
  const { request } = question;
  try {
    const answer = await agent.request("type:oracle", "ASK", question, { timeoutMs });
    process.record({ kind: "answered", request, answer: String(answer) });
  } catch (error) {
    process.record(unanswered(request, error));
  }
}

async function askForChunks(
  process: Asker,
  agent: Agent,
  question: Question,
  timeoutMs: number,
): Promise<void> {
  const { request } = question;
  const chunks: number[] = [];
  const cameMs: number[] = [];
  try {
    const reply = agent.stream("type:oracle", "TELL", question, { timeoutMs, window: 4 });
    for await (const chunk of reply) {
      chunks.push(chunk as number);
      cameMs.push(process.clock.monotonicMs());
    }
    const answer = String(await reply.result);
    process.record({ kind: "read", request, chunks, cameMs });
    process.record({ kind: "answered", request, answer });
  } catch (error) {
    process.record({ kind: "read", request, chunks, cameMs });
    process.record(unanswered(request, error));
  }
}

function unanswered(request: string, error: unknown): ScenarioEvent {
  if (!isColloquyError(error)) return { kind: "unanswered", request, code: String(error) };
  const { outcome } = error.details;
  const known = typeof outcome === "string" ? { outcome } : {};
  return { kind: "unanswered", request, code: error.code, ...known };
}
