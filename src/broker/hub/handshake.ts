/** The beginning of a session, as its client sees it. */
import { ColloquyError, errorFromInfo } from "../../errors.ts";
import type { FrameOutput } from "../../link/frame-output.ts";
import type { Link } from "../../link/link.ts";
import { type Frame, frameTypes } from "../../message/frame.ts";
import type { FrameParser } from "../../message/frame-parser.ts";
import {
  type Hello,
  readGoodbye,
  readWelcome,
  type Welcome,
  writeHello,
} from "./operations/greeting.ts";

/** A link on which a session is about to begin. */
export interface NewLink {
  readonly link: Link;
  readonly output: FrameOutput;
  readonly chunks: AsyncIterator<Uint8Array>;
  readonly parser: FrameParser;
}

export interface Welcomed {
  readonly welcome: Welcome;
  /** The frames that came in one chunk with the WELCOME. */
  readonly early: readonly Frame[];
}

/**
 * Introduces the client to the hub.
 *
 * @throws the reason for which the hub refuses, AGENT_UNREACHABLE when it ends the link without one,
 *   INVALID_VERSION or INVALID_MESSAGE when it is no hub of this protocol.
 */
export async function shakeHands(
  { link, output, chunks, parser }: NewLink,
  hello: Hello,
): Promise<Welcomed> {
  writeHello(output.data, hello);
  output.flush();
  const frames: Frame[] = [];
  while (frames.length === 0) {
    const { done, value } = await chunks.next();
    if (done === true) throw notAnswering(link);
    parser.push(value, (frame) => frames.push(frame));
  }
  const [first, ...early] = frames as [Frame, ...Frame[]];
  if (first.type !== frameTypes.GOODBYE) return { welcome: readWelcome(first), early };
  const reason = readGoodbye(first);
  throw reason === undefined ? notAnswering(link) : errorFromInfo(reason);
}

function notAnswering(link: Link): ColloquyError<"AGENT_UNREACHABLE"> {
  const message = `${link.peer} took the link and does not answer`;
  if (!/^(tls|wss):/.test(link.peer)) return new ColloquyError("AGENT_UNREACHABLE", message);
  // The other side need not say why it ends a handshake.
  const fix = "does it ask for certificates? Then tls: { cert, key }, or --tls-cert and --tls-key";
  return new ColloquyError("AGENT_UNREACHABLE", `${message}; ${fix}`, { details: { fix } });
}
