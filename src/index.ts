export { Agent } from "./agent/agent.ts";
export type { AgentOptions } from "./agent/agent-options.ts";
export type { Client } from "./agent/client.ts";
export type { Context, StagedLog, StagedStore } from "./agent/context.ts";
export type { BatchHandler, BatchHandlerOptions, HandlerOptions } from "./agent/handler.ts";
export type { Registration } from "./agent/handlers.ts";
export type { Implementation } from "./agent/implementation.ts";
export type { Receipts, Refusal } from "./agent/multicast.ts";
export type {
  CommandMember,
  EventMember,
  Given,
  Member,
  Protocol,
  RequestMember,
  StreamMember,
  Taken,
} from "./agent/protocol.ts";
export { command, event, protocol, request, stream } from "./agent/protocol.ts";
export type { EventContext, SubscribeOptions, Subscription } from "./agent/subscription.ts";
export type {
  Attempts,
  Broker,
  BrokerStatus,
  Capabilities,
  Durability,
  DurabilityClaim,
  Failure,
  Guarantee,
} from "./broker/broker.ts";
export type { LifeState } from "./broker/life-cycle.ts";
export type { BatchOptions, BatchResults } from "./delivery/batch.ts";
export type { BreakerOptions } from "./delivery/breaker.ts";
export type { Switch } from "./delivery/policy.ts";
export type { RateLimitOptions } from "./delivery/rate-limit.ts";
export type { RetryPolicy } from "./delivery/retry.ts";
export type { WindowOptions } from "./delivery/window.ts";
export type { ErrorCode, ErrorDetails, ErrorInfo, TimeoutOutcome } from "./errors.ts";
export { ColloquyError, isColloquyError } from "./errors.ts";
export type { CausalityLimits } from "./exchange/causality/limits.ts";
export type {
  AnswerOptions,
  Outcome,
  Progress,
  Receipt,
  ReceiptCancelOptions,
  RescindOutcome,
} from "./exchange/commands/receipt.ts";
export type {
  AttachOptions,
  CallOptions,
  PublishOptions,
  RequestOptions,
  SendOptions,
  StreamOptions,
} from "./exchange/options.ts";
export type { OnInput } from "./exchange/requests/input-desk.ts";
export type { AskOptions } from "./exchange/requests/questions.ts";
export type { Call, CancelOutcome, StreamRecord, StreamReply } from "./exchange/requests/stream.ts";
export type { Counters } from "./exchange/site.ts";
export type {
  KeyedState,
  LogValue,
  OrderedHistory,
  StoredChange,
  StoredValue,
} from "./exchange/state.ts";
export type { AgentActivity, ProcessActivity } from "./exchange/survey.ts";
export type { Address, SingleAddress } from "./message/address.ts";
export type { CompressionOptions } from "./message/compression.ts";
export type { Ancestor, Envelope, MessageKind, Priority, Sender } from "./message/envelope.ts";
export type { AutomaticReplayOptions } from "./network/automatic-replay.ts";
export type {
  DeadLetter,
  DeadLetterQuery,
  DeadLetterRange,
  DeadLetters,
  ReplayOptions,
} from "./network/dead-letters.ts";
export type {
  Damage,
  DeadLetterRecord,
  EntryRecord,
  ExportedRecord,
  ExportSummary,
  LogRecord,
  MessageRecord,
} from "./network/export-store.ts";
export { exportStore } from "./network/export-store.ts";
export type { JoinOptions } from "./network/join.ts";
export { join } from "./network/join.ts";
export type { JoinLimits } from "./network/limits.ts";
export type {
  BrowseOptions,
  MailboxInfo,
  MailboxList,
  WaitingMessage,
} from "./network/mailboxes.ts";
export type { ActivityOptions, Network, WaitForOptions } from "./network/network.ts";
export type { AgentInfo, AgentStatus, ProcessCard } from "./routing/card.ts";
export type { AgentQuery } from "./routing/registry.ts";
export type { Strategy } from "./routing/strategies.ts";
export type { WaitOptions } from "./runtime/abort.ts";
