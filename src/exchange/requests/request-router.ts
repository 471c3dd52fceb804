/**
 * Finds who takes a request, and begins it there: at an agent of this process the short way, else by
 * wire. What must not be asked is refused before that.
 */
import { type Address, agentAddress } from "../../message/address.ts";
import { assertPlain } from "../../message/plain.ts";
import type { Candidate } from "../../routing/candidate.ts";
import { type Admission, callOf } from "../admission.ts";
import { deadlineOf } from "../causality/deadline.ts";
import type { Mandate } from "../causality/mandate.ts";
import type { CallOptions, RequestOptions, StreamOptions } from "../options.ts";
import type { Site } from "../site.ts";
import type { Speaker } from "../speaker.ts";
import type { LocalAgent } from "../work.ts";
import { handleOf } from "./attaching.ts";
import { callLocally, holdLocally, type LocalCallInput, streamLocally } from "./local-call.ts";
import { holdRemotely, requestRemotely, streamRemotely } from "./remote-begin.ts";
import type { RemoteCallInput } from "./remote-call.ts";
import type { RemoteCalls } from "./remote-calls.ts";
import type { Call, StreamReply } from "./stream.ts";

/** Of a request that nobody limits: known by being this very object. */
export const noOptions: StreamOptions = Object.freeze({});

export interface RequestRouterParts {
  /** The agent of this process at that address. */
  readonly agentAt: (address: Address) => LocalAgent | undefined;
  readonly admission: Admission;
  readonly calls: RemoteCalls;
}

/** All methods throw what makes a request unfit to be sent. */
export class RequestRouter {
  readonly #site: Site;
  readonly #agentAt: RequestRouterParts["agentAt"];
  readonly #admission: Admission;
  readonly #calls: RemoteCalls;

  constructor(site: Site, { agentAt, admission, calls }: RequestRouterParts) {
    this.#site = site;
    this.#agentAt = agentAt;
    this.#admission = admission;
    this.#calls = calls;
  }

  request(
    speaker: Speaker,
    to: Address,
    name: string,
    input: unknown,
    options: RequestOptions,
  ): Promise<unknown> {
    const agent = this.#begin(speaker, to, name);
    this.#site.counters.requests++;
    if (agent === undefined) return this.#requestElsewhere(speaker, to, name, input, options);
    return callLocally(this.#local(speaker, agent, name, input, options));
  }

  stream(
    speaker: Speaker,
    to: Address,
    name: string,
    input: unknown,
    options: StreamOptions,
  ): StreamReply {
    const agent = this.#begin(speaker, to, name);
    this.#site.counters.streams++;
    const read = (here: LocalAgent) =>
      streamLocally(this.#local(speaker, here, name, input, options));
    if (agent !== undefined) return read(agent);
    const chosen = this.#admission.choose(callOf(speaker, to, name, options), options);
    const here = this.#here(chosen.target);
    if (here !== undefined) return read(here);
    const call = this.#remote("stream", speaker, name, input, options, chosen.target);
    return streamRemotely(call, this.#calls, chosen);
  }

  call(speaker: Speaker, to: Address, name: string, input: unknown, options: CallOptions): Call {
    const agent = this.#begin(speaker, to, name);
    this.#site.counters.requests++;
    const hold = (here: LocalAgent) =>
      handleOf(holdLocally(this.#local(speaker, here, name, input, options)));
    if (agent !== undefined) return hold(agent);
    const chosen = this.#admission.choose(callOf(speaker, to, name, options), options);
    const here = this.#here(chosen.target);
    if (here !== undefined) return hold(here);
    const call = this.#remote("request", speaker, name, input, options, chosen.target);
    return holdRemotely(call, this.#calls, chosen);
  }

  /** @returns the agent, when it is one of this process. */
  #begin({ cause }: Speaker, to: Address, name: string): LocalAgent | undefined {
    if (cause !== undefined) this.#admission.assertWanted(name, cause);
    return this.#agentAt(to);
  }

  #local(
    speaker: Speaker,
    agent: LocalAgent,
    name: string,
    input: unknown,
    options: StreamOptions,
  ): LocalCallInput {
    assertPlain(input);
    const { from, cause } = speaker;
    const mandate = this.#admit(speaker, agent.id, name, options);
    return { site: this.#site, from, agent, name, input, options, cause, mandate };
  }

  /** What nobody caused and nobody limits costs nothing. */
  #admit(
    speaker: Speaker,
    agent: string,
    name: string,
    options: StreamOptions,
  ): Mandate | undefined {
    if (speaker.cause === undefined && options === noOptions) return undefined;
    const call = callOf(speaker, agentAddress(agent), name, options);
    return this.#admission.admit(call, speaker.cause, agent);
  }

  #requestElsewhere(
    speaker: Speaker,
    to: Address,
    name: string,
    input: unknown,
    options: RequestOptions,
  ): Promise<unknown> {
    const chosen = this.#admission.choose(callOf(speaker, to, name, options), options);
    const here = this.#here(chosen.target);
    if (here !== undefined) {
      const answer = callLocally(this.#local(speaker, here, name, input, options));
      return options.strategy === "fastest" ? this.#timed(answer, chosen.target) : answer;
    }
    const call = this.#remote("request", speaker, name, input, options, chosen.target);
    return requestRemotely(call, this.#calls, chosen);
  }

  /** Answers of this process count for "fastest" too; nobody else pays for the clock. */
  async #timed(answer: Promise<unknown>, target: Candidate): Promise<unknown> {
    const { clock } = this.#site;
    const startMs = clock.monotonicMs();
    const result = await answer;
    target.learn(clock.monotonicMs() - startMs);
    return result;
  }

  #remote(
    kind: "request" | "stream",
    speaker: Speaker,
    name: string,
    input: unknown,
    options: StreamOptions,
    target: Candidate,
  ): RemoteCallInput {
    const site = this.#site;
    const { from, cause } = speaker;
    const deadlineAtMs = deadlineOf(site.clock, options, cause);
    const mandate = this.#admit(speaker, target.card.id, name, options);
    return { site, kind, from, name, input, options, cause, mandate, deadlineAtMs, target };
  }

  #here(target: Candidate): LocalAgent | undefined {
    if (target.instance !== this.#site.instance) return undefined;
    return this.#agentAt(agentAddress(target.card.id));
  }
}
