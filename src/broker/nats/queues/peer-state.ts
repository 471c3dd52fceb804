/** The state of a message as clients tell it to one another: bytes in base 64. */
import type { MessageState } from "../../broker.ts";
import type { PeerState } from "./peers.ts";

export function peerState(state: MessageState): PeerState {
  const told: Record<string, unknown> = { ...state };
  for (const field of ["question", "progress"]) {
    const value = told[field];
    if (value instanceof Uint8Array) told[field] = Buffer.from(value).toString("base64");
  }
  return told as unknown as PeerState;
}

export function stateOfPeer(state: PeerState | undefined): MessageState | undefined {
  if (state === undefined) return undefined;
  const { question, progress, ...rest } = state;
  return {
    ...rest,
    ...(question === undefined ? {} : { question: Buffer.from(question, "base64") }),
    ...(progress === undefined ? {} : { progress: Buffer.from(progress, "base64") }),
  } as MessageState;
}
