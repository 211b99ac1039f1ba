// A small, safe part of Markdown for answers: paragraphs, lists, fenced code, `code`, **bold**, *italic*. It builds elements, never HTML
// text, so nothing that a model writes can become markup; what it does not know stays as written.
import type { ComponentChildren } from "preact";

export type Block =
  { kind: "text"; lines: string[] } | { kind: "list"; ordered: boolean; start: number; entries: string[] } | { kind: "code"; text: string };

/** Splits a text into blocks. An open fence at the end (an answer still being written) is code up to there. O(length). */
export function parseBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  let open: Block | null = null;
  for (const line of text.split("\n")) {
    const fence = /^\s*```/.test(line);
    if (open?.kind === "code") {
      if (fence) open = null;
      else open.text += (open.text === "" ? "" : "\n") + line;
      continue;
    }
    const entry = /^\s*(?:([-*•])|(\d{1,4})[.)])\s+(.*)$/.exec(line);
    if (fence) {
      open = { kind: "code", text: "" };
      blocks.push(open);
    } else if (line.trim() === "") {
      open = null;
    } else if (entry !== null) {
      const ordered = entry[1] === undefined;
      if (open?.kind !== "list" || open.ordered !== ordered) {
        open = { kind: "list", ordered, start: Number(entry[2] ?? 1), entries: [] };
        blocks.push(open);
      }
      open.entries.push(entry[3] ?? "");
    } else if (open?.kind === "text") {
      open.lines.push(line);
    } else {
      open = { kind: "text", lines: [line] };
      blocks.push(open);
    }
  }
  return blocks;
}

const kSpan = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\*([^*\s][^*\n]*)\*/g;

function inline(text: string): ComponentChildren[] {
  const out: ComponentChildren[] = [];
  let end = 0;
  for (const match of text.matchAll(kSpan)) {
    out.push(text.slice(end, match.index));
    if (match[1] !== undefined) out.push(<code>{match[1]}</code>);
    else if (match[2] !== undefined) out.push(<strong>{match[2]}</strong>);
    else out.push(<em>{match[3]}</em>);
    end = match.index + match[0].length;
  }
  out.push(text.slice(end));
  return out;
}

function draw(block: Block, key: number) {
  if (block.kind === "code")
    return (
      <pre key={key} tabIndex={0}>
        <code>{block.text}</code>
      </pre>
    );
  if (block.kind === "text") return <p key={key}>{inline(block.lines.join("\n"))}</p>;
  const entries = block.entries.map((entry, index) => <li key={index}>{inline(entry)}</li>);
  return block.ordered ? (
    <ol key={key} start={block.start}>
      {entries}
    </ol>
  ) : (
    <ul key={key}>{entries}</ul>
  );
}

export function Markdown({ text }: { text: string }) {
  return <div class="prose">{parseBlocks(text).map(draw)}</div>;
}
