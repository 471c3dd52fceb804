/**
 * The header of a message as docs/protocol.md describes it: its tables of kinds, priorities and fields
 * give the numbers, the order and the forms. What comes before the fields is written out here, line by
 * line as the page has it.
 */
import type { Envelope } from "../../src/message/envelope.ts";

/** Rows of the table between `<!-- name -->` and `<!-- /name -->`, as their cells. */
export function tableOf(page: string, name: string): readonly (readonly string[])[] {
  const part = page.split(`<!-- ${name} -->`)[1]?.split(`<!-- /${name} -->`)[0];
  if (part === undefined) throw new Error(`no table ${name}`);
  const rows = [...part.matchAll(/^\|(.*)\|$/gm)].map(([, row = ""]) =>
    row
      .replaceAll("\\|", "\u0000")
      .split("|")
      .map((cell) => cell.replaceAll("\u0000", "|").trim()),
  );
  return rows.slice(2);
}

/** Numbers by name, where the first cell is the number and the second the name. */
export function numbersOf(page: string, table: string): Readonly<Record<string, number>> {
  return Object.fromEntries(
    tableOf(page, table).map(([number, name]) => [name as string, Number(number)]),
  );
}

/** Hexadecimal. */
export function headerOf(
  page: string,
  envelope: Envelope,
  codec: number,
  compression: number,
): string {
  const fields = tableOf(page, "fields").map(([bit, name = "", form = ""]) => {
    return { bit: Number(bit), name, form, value: fieldOf(envelope, name) };
  });
  const there = fields.filter(({ value }) => value !== undefined);
  const kind = numbersOf(page, "kinds")[envelope.kind] as number;
  const priority = numbersOf(page, "priorities")[envelope.priority] as number;
  const { from, to } = envelope;
  return [
    ...envelope.version.split(".").map((part) => whole(Number(part), 1)),
    ...[kind, priority, codec, compression, 0].map((byte) => whole(byte, 1)),
    whole(
      there.reduce((bits, { bit }) => bits | bit, 0),
      4,
    ),
    whole(envelope.createdMs, 8),
    whole(0, 2),
    text(envelope.id === envelope.correlationId ? "" : envelope.id, 1),
    ...[envelope.name, from.agent, from.type, from.instance].map((each) => text(each, 1)),
    whole(to.length, 2),
    ...to.map((address) => text(address, 1)),
    ...there.map(({ form, value }) => formed(form, value)),
  ].join("");
}

function fieldOf(envelope: Envelope, name: string): unknown {
  if (name === "partial") return envelope.status === "partial" ? true : undefined;
  return envelope[name as keyof Envelope];
}

function formed(form: string, value: unknown): string {
  if (form === "u53") return whole(value as number, 8);
  if (form.startsWith("text8")) return text(value as string, 1);
  if (form === "nothing") return "";
  if (form === "count u8, (agent text8, name text8)*") {
    const handlers = value as NonNullable<Envelope["path"]>;
    return (
      whole(handlers.length, 1) +
      handlers.map(({ agent, name }) => text(agent, 1) + text(name, 1)).join("")
    );
  }
  if (form === "count u8, (name text8, value text16)*") {
    const pairs = Object.entries(value as NonNullable<Envelope["headers"]>);
    return (
      whole(pairs.length, 1) + pairs.map(([name, each]) => text(name, 1) + text(each, 2)).join("")
    );
  }
  throw new Error(`what is ${form}?`);
}

function whole(value: number, bytes: number): string {
  return value.toString(16).padStart(2 * bytes, "0");
}

function text(value: string, lengthBytes: number): string {
  return whole(Buffer.byteLength(value), lengthBytes) + Buffer.from(value).toString("hex");
}
