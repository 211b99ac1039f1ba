// Server-sent events over fetch (EventSource cannot POST). Follows the WHATWG rules that matter here: lines end in LF, CR or CRLF, `data:`
// lines of one event are joined by LF, a blank line ends the event, lines that begin with a colon are comments, other fields are ignored.

/** An event longer than this many characters is refused: the server is not to be trusted with the page's memory. */
export const kMaxEventChars = 1 << 20;

/** Incremental parser: push text as it arrives, get the data of every completed event back. */
export class EventParser {
  private line = "";
  private data: string[] = [];
  private size = 0;
  private lastWasCr = false;

  /** Feeds a piece of text; returns the events that it completed, in order. Throws RangeError when one event exceeds kMaxEventChars. */
  push(text: string): string[] {
    const done: string[] = [];
    let start = 0;
    for (let i = 0; i < text.length; ++i) {
      const c = text.charCodeAt(i);
      if (c !== 10 && c !== 13) {
        this.lastWasCr = false;
        continue;
      }
      const skip = c === 10 && this.lastWasCr && i === start && this.line === "";
      this.lastWasCr = c === 13;
      if (!skip) this.endLine(this.line + text.slice(start, i), done);
      this.line = "";
      start = i + 1;
    }
    this.line += text.slice(start);
    if (this.line.length + this.size > kMaxEventChars) throw new RangeError("The server sent an event that is too long.");
    return done;
  }

  private endLine(line: string, done: string[]): void {
    if (line === "") {
      if (this.data.length > 0) done.push(this.data.join("\n"));
      this.data = [];
      this.size = 0;
      return;
    }
    if (line !== "data" && !line.startsWith("data:")) return;
    const value = line.slice(5);
    this.data.push(value.startsWith(" ") ? value.slice(1) : value);
    this.size += value.length;
    if (this.size > kMaxEventChars) throw new RangeError("The server sent an event that is too long.");
  }
}

/** Yields the data of each event of a response body; multi-byte characters may be split between chunks. Ends with the body. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      yield* parser.push(done ? decoder.decode() : decoder.decode(value, { stream: true }));
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
