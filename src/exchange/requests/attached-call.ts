/** A wait for a request or stream that somebody else sent, or that this process has stopped waiting for. */
import { sendControl } from "./control.ts";
import type { Operation } from "./operation.ts";
import { RemoteWait, type Settle, type WaitInput, type WaitTable } from "./remote-wait.ts";

export class AttachedCall extends RemoteWait {
  readonly id: string;
  override readonly operation: Operation;
  readonly #attach: WaitInput;
  readonly #table: WaitTable;

  constructor(attach: WaitInput, operation: Operation, table: WaitTable, settle: Settle) {
    super(attach, table, settle);
    this.#attach = attach;
    this.#table = table;
    this.operation = operation;
    this.id = attach.site.newId();
  }

  override send(): void {
    this.#table.inquire(this);
  }

  override inquire(onUnheard: () => void): void {
    const { site, from } = this.#attach;
    const { instance, messageId, agent } = this.operation;
    const { reader } = this;
    sendControl(site, {
      id: this.id,
      name: "attach",
      from,
      to: agent,
      topic: site.space.inbox(instance),
      correlationId: messageId,
      replyTo: site.space.inbox(site.instance),
      sequence: reader?.received ?? 0,
      credit: reader?.granted ?? 0,
      onUnheard,
    });
  }

  protected override get onTimeout(): "leave" {
    return "leave";
  }

  protected override get attached(): string {
    return this.id;
  }

  protected override missing(): void {}
  protected override refused(): void {}
  protected override ended(): void {}
}
