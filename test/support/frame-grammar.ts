/**
 * Frames as docs/protocol.md describes them, and by nothing else: its table of frames is read as a
 * grammar, so that what a reader of the page would write can be compared with what the code writes.
 *
 *   form  u8 u16 u32 u53 text8 text16 error
 *   item  name form | [items] where the first name has a value | run* | entry | JSON
 */
type Fields = Readonly<Record<string, unknown>>;

export interface Body {
  /** Hexadecimal, as everything here. */
  readonly header: string;
  /** Undefined where the table has only words about it. */
  readonly payload: string | undefined;
}

/** What stands below the table, word for word. */
const runs: Readonly<Record<string, string>> = {
  ENQUEUED: "kind u8, count u32, sequence u53, then",
  SETTLED: "kind u8, count u32, number u53, [error]",
  AWAIT: "run = number u53, position u53, count u32",
  FINAL: "run = number u53, count u32",
};
const afterThen = "[position u53], [error]";
const entry =
  "options u8, lane u8, queue text16, [id text16], [key text16], [notBeforeMs u53], [expiresAtMs u53], [origin: incarnation text16, sequence u53, repeatsFrom u53]";
const claim = "position u53, fence u53";

/** @param fields - of a frame of the type. @throws where the page does not say what is needed. */
export function bodyOf(page: string, type: string, fields: Fields): Body {
  const row = new RegExp(`^\\| \\d+ \\| ${type} \\| [^|]*\\| ([^|]*)\\| ([^|]*)\\|$`, "m").exec(
    page,
  );
  if (row === null) throw new Error(`no row for ${type}`);
  const [header = "", payload = ""] = row.slice(1).map((cell) => cell.trim());
  return {
    header: header === "JSON" ? utf8(JSON.stringify(fields)) : itemsOf(page, type, header, fields),
    payload: payloadOf(page, payload, fields),
  };
}

function payloadOf(page: string, grammar: string, fields: Fields): string | undefined {
  if (grammar === "") return "";
  if (grammar === "claim*") {
    if (!page.includes(`claim    ${claim}`)) throw new Error(`not on the page: ${claim}`);
    return (fields["claims"] as readonly Fields[])
      .map((each) => itemsOf(page, "", claim, each))
      .join("");
  }
  if (grammar === "(length u32, bytes)*") {
    return (fields["entries"] as readonly Uint8Array[])
      .map((bytes) => whole(bytes.length, 4) + Buffer.from(bytes).toString("hex"))
      .join("");
  }
  return undefined;
}

function itemsOf(page: string, type: string, grammar: string, fields: Fields): string {
  return split(grammar)
    .map((item) => itemOf(page, type, item, fields))
    .join("");
}

function itemOf(page: string, type: string, item: string, fields: Fields): string {
  if (item === "run*") return runsOf(page, type, fields);
  if (item === "count u32" && "runs" in fields) return whole((fields["runs"] as []).length, 4);
  if (item === "entry") {
    if (!spaceless(page).includes(spaceless(`entry ${entry}`)))
      throw new Error(`not there: ${entry}`);
    return itemsOf(page, type, entry, fields);
  }
  const optional = /^\[(.*)\]$/.exec(item)?.[1];
  if (optional === undefined) return fieldOf(item, fields);
  const named = /^(\w+): (.*)$/.exec(optional);
  if (named !== null) {
    const inner = fields[named[1] as string] as Fields | undefined;
    return inner === undefined ? "" : itemsOf(page, type, named[2] as string, inner);
  }
  const first = optional.split(" ")[0]?.replace(",", "") as string;
  return first in fields ? itemsOf(page, type, optional, fields) : "";
}

function runsOf(page: string, type: string, fields: Fields): string {
  const run = runs[type];
  if (run === undefined || !page.includes(run)) throw new Error(`no run of ${type} on the page`);
  const grammar = run.replace("run = ", "").replace("then", afterThen);
  return (fields["runs"] as readonly Fields[])
    .map((each) => itemsOf(page, type, grammar, each))
    .join("");
}

function fieldOf(item: string, fields: Fields): string {
  const [name = "", form = name] = item.split(" ");
  const value = fields[name];
  if (value === undefined) throw new Error(`no ${name} among ${Object.keys(fields)}`);
  switch (form) {
    case "u8":
      return whole(value as number, 1);
    case "u16":
      return whole(value as number, 2);
    case "u32":
      return whole(value as number, 4);
    case "u53":
      return whole(value as number, 8);
    case "text8":
      return text(value as string, 1);
    case "text16":
      return text(value as string, 2);
    case "error":
      return text(JSON.stringify(value), 2);
    default:
      throw new Error(`what is ${form}?`);
  }
}

/** At commas that are not in brackets. */
function split(grammar: string): readonly string[] {
  return grammar === "" ? [] : grammar.split(/, (?![^[]*\])/);
}

function whole(value: number, bytes: number): string {
  return value.toString(16).padStart(2 * bytes, "0");
}

function utf8(value: string): string {
  return Buffer.from(value).toString("hex");
}

function text(value: string, lengthBytes: number): string {
  return whole(Buffer.byteLength(value), lengthBytes) + utf8(value);
}

function spaceless(value: string): string {
  return value.replaceAll(/\s+/g, "");
}
