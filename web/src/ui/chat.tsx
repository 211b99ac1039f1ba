// The conversation with the model.
import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { answering, ask, clearChat, regenerate, stop, turns, type Turn } from "../state/chat";
import { model, server } from "../state/session";
import { ChatSettingsForm } from "./chat_settings";
import { AgainIcon, BinIcon, SendIcon, StopIcon, TuneIcon } from "./icons";
import { Markdown } from "./markdown";

const kEndings = { writing: "", stop: "", length: "reached the token limit", stopped: "stopped", failed: "failed" };

function Stats({ turn }: { turn: Turn }) {
  const stats = turn.stats.value;
  const parts: string[] = [];
  if (stats?.tokensPerSecond != null) parts.push(`${stats.tokensPerSecond.toFixed(1)} tokens/s`);
  if (stats != null) parts.push(`${stats.tokens} tokens`);
  if (stats?.firstTokenMs != null) parts.push(`first after ${(stats.firstTokenMs / 1000).toFixed(2)} s`);
  const ending = kEndings[turn.state.value];
  if (ending !== "") parts.push(ending);
  return <p class="stats">{parts.join(" · ")}</p>;
}

function TurnView({ turn, last }: { turn: Turn; last: boolean }) {
  if (turn.role === "user")
    return (
      <li class="turn question">
        <span class="sr-only">You: </span>
        {turn.text.value}
      </li>
    );
  const writing = turn.state.value === "writing";
  return (
    <li class={writing ? "turn answer writing" : "turn answer"}>
      <span class="sr-only">Model: </span>
      {writing && turn.text.value === "" ? (
        <p class="thinking">
          <span class="sr-only">Writing</span>
          <i />
          <i />
          <i />
        </p>
      ) : (
        <Markdown text={turn.text.value} />
      )}
      <div class="turn-foot">
        <Stats turn={turn} />
        {last && !writing && (
          <button type="button" class="quiet-button with-icon" onClick={regenerate}>
            <AgainIcon /> Regenerate
          </button>
        )}
      </div>
    </li>
  );
}

const nearEnd = 48;

/**
 * Keeps the newest line in view, unless the reader has scrolled up. A component of its own because it is redrawn with every piece of text,
 * and earlier turns must not be. The reader's place is looked at here too: text can come before the event that tells of the scrolling.
 */
function KeepAtEnd({ log, stuck }: { log: RefObject<HTMLDivElement | null>; stuck: RefObject<boolean> }) {
  const text = turns.value.at(-1)?.text.value ?? "";
  const height = useRef(0);
  useEffect(() => {
    const element = log.current;
    if (element === null) return;
    const end = Math.min(height.current, element.scrollHeight);
    if (end - element.scrollTop - element.clientHeight >= nearEnd) stuck.current = false;
    if (stuck.current) element.scrollTo({ top: element.scrollHeight });
    height.current = element.scrollHeight;
  }, [turns.value.length, text]);
  return null;
}

function Composer() {
  const draft = useSignal("");
  const ready = server.value === "ready";
  const submit = () => {
    if (answering.value || !ready) return;
    ask(draft.value);
    draft.value = "";
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <label class="sr-only" for="message">
        Message
      </label>
      <textarea
        id="message"
        rows={2}
        placeholder="Write a message"
        value={draft.value}
        onInput={(event) => (draft.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          submit();
        }}
      />
      {answering.value ? (
        <button type="button" class="round-button stop" aria-label="Stop" title="Stop" onClick={stop}>
          <StopIcon />
        </button>
      ) : (
        <button type="submit" class="round-button" aria-label="Send" title="Send" disabled={!ready || draft.value.trim() === ""}>
          <SendIcon />
        </button>
      )}
    </form>
  );
}

function Empty() {
  const base = model.value !== null && !model.value.instructionTuned;
  return (
    <div class="chat-empty">
      <p>
        {base
          ? "A base model continues what it reads. Begin a conversation and it goes on in the same tone."
          : "Ask anything. Answers are written on this machine."}
      </p>
    </div>
  );
}

export function ChatPanel() {
  const tuning = useSignal(false);
  const all = turns.value;
  const log = useRef<HTMLDivElement>(null);
  const stuck = useRef(true);
  const onScroll = () => {
    const element = log.current;
    if (element !== null) stuck.current = element.scrollHeight - element.scrollTop - element.clientHeight < nearEnd;
  };
  return (
    <section class="panel chat-panel" aria-labelledby="chat-title">
      <div class="chat-head">
        <h2 id="chat-title" tabIndex={-1}>
          Chat
        </h2>
        <div class="chat-tools">
          {all.length > 0 && (
            <button type="button" class="icon-button" aria-label="Clear the chat" title="Clear the chat" onClick={clearChat}>
              <BinIcon />
            </button>
          )}
          <button
            type="button"
            class="icon-button"
            aria-label="Settings"
            title="Settings"
            aria-expanded={tuning.value}
            aria-controls="chat-settings"
            onClick={() => (tuning.value = !tuning.value)}
          >
            <TuneIcon />
          </button>
        </div>
      </div>
      <div id="chat-settings" hidden={!tuning.value}>
        <ChatSettingsForm />
      </div>
      <div class="chat-log" ref={log} onScroll={onScroll} tabIndex={0} role="log" aria-label="Conversation" aria-busy={answering.value}>
        {all.length === 0 ? (
          <Empty />
        ) : (
          <ol class="turns">
            {all.map((turn, index) => (
              <TurnView key={turn.id} turn={turn} last={index === all.length - 1} />
            ))}
          </ol>
        )}
        <KeepAtEnd log={log} stuck={stuck} />
      </div>
      <Composer />
    </section>
  );
}
