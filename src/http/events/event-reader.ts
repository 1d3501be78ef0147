// Reading server-sent events: a parser for chunks that may end anywhere.

/** One event of a stream. */
export interface StreamedEvent {
  readonly kind: string;
  readonly data: string;
  readonly id: string | undefined;
}

/** Longest event that is kept together, in UTF-16 units: a job with its input and result at their bounds. */
const MAX_EVENT_LENGTH = 4_194_304;

/** Makes a parser: give it text as it comes, get the events that became complete. */
export function createEventParser(): (chunk: string) => readonly StreamedEvent[] {
  let rest = "";
  let kind = "message";
  let data: string[] = [];
  let id: string | undefined;
  const takeLine = (line: string): StreamedEvent | undefined => {
    if (line === "") {
      const event = data.length === 0 ? undefined : { kind, data: data.join("\n"), id };
      kind = "message";
      data = [];
      return event;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") kind = value;
    else if (field === "data") data.push(value);
    else if (field === "id") id = value;
    return undefined;
  };
  return (chunk) => {
    rest += chunk;
    if (rest.length > MAX_EVENT_LENGTH) throw new Error("an event is longer than any can be");
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    return lines.map(takeLine).filter((event) => event !== undefined);
  };
}
