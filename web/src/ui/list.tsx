// The ranked list. It is redrawn only when the order changes (words of a reason redraw one paragraph), and then items glide to their new
// places: positions are read before the change and played back by the Web Animations API, unless less motion is asked for.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { degreeLimit, formatDegree, senseLabel } from "../lib/chart";
import { kPolicies, type Policy } from "../lib/moods";
import { counted, formatScore, scoreFractions } from "../lib/format";
import { attributesState } from "../state/attributes";
import { impact } from "../state/impact";
import { choosePolicy, moodsState, policy } from "../state/moods";
import { profile } from "../state/profile";
import {
  changeNote,
  dismiss,
  listState,
  rate,
  refresh,
  saving,
  setReasons,
  share,
  shown,
  withReasons,
  type ShownItem,
} from "../state/recommend";
import { DegreeBar } from "./charts";
import { TuneIcon } from "./icons";
import { RateSearch, StartRating } from "./rate_search";
import { Spectrum } from "./spectrum";
import { Stars } from "./stars";
import { ImpactPanel, Steer } from "./steer";

function Because({ item }: { item: ShownItem }) {
  const { text, source, state } = item.reason.value;
  if (state === "absent") return null;
  if (state === "waiting")
    return (
      <p class="because waiting">
        <span class="sr-only">The reason is not written yet.</span>
        <i />
        <i />
      </p>
    );
  const label = state === "final" ? (source === "model" ? "Gemma" : source) : state === "writing" ? "writing" : "from before";
  return (
    <div class={`because ${state}`}>
      <p>
        {text}
        {state === "writing" && <span class="caret" />}
      </p>
      {"\u00a0"}
      {label !== null && <span class={`source ${state === "final" ? (source ?? "") : "pending"}`}>{label}</span>}
    </div>
  );
}

function MoveMark({ item }: { item: ShownItem }) {
  const { move } = item;
  if (move === 0) return null;
  if (move === "new") return <span class="move new">new</span>;
  const places = counted(Math.abs(move), "place");
  return (
    <span class={move > 0 ? "move up" : "move down"}>
      <span aria-hidden="true">
        {move > 0 ? "▲" : "▼"} {Math.abs(move)}
      </span>
      <span class="sr-only">{move > 0 ? `up ${places}` : `down ${places}`}</span>
    </span>
  );
}

function Score({ score, fraction }: { score: number; fraction: number }) {
  return (
    <div class="score" title="Score of the learned model, drawn between the least and the best of this list">
      <svg class="score-bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect class="score-track" width="100" height="4" />
        <rect class="score-fill" width={Math.max(1, fraction * 100)} height="4" />
      </svg>
      <span class="score-value">
        <span class="sr-only">Score </span>
        {formatScore(score)}
      </span>
    </div>
  );
}

/** How far the item has what was last asked for. */
function Degree({ item }: { item: ShownItem }) {
  const change = impact.value;
  const degree = change?.degrees.get(item.item);
  if (change === null || degree === undefined || !Number.isFinite(degree)) return null;
  return (
    <div class="card-degree">
      <span>{senseLabel(change.sense)}</span>
      <DegreeBar value={degree} limit={degreeLimit(change.degrees.values())} />
      <span class="figure">{formatDegree(degree)}</span>
    </div>
  );
}

function Card({ item, rank, fraction }: { item: ShownItem; rank: number; fraction: number }) {
  const busy = saving.value !== null;
  const titleId = `title-${item.item}`;
  const spectrumId = `spectrum-${item.item}`;
  const [open, setOpen] = useState(false);
  return (
    <li class={saving.value === item.item ? "card saving" : "card"} data-item={item.item}>
      <span class="rank" aria-hidden="true">
        {rank}
      </span>
      <article class="card-body" aria-labelledby={titleId}>
        <div class="card-head">
          <h3 id={titleId}>
            <span class="sr-only">{rank}. </span>
            {item.title} {item.year !== null && <span class="year">{item.year}</span>}
          </h3>
          <MoveMark item={item} />
        </div>
        <div class="card-facts">
          <ul class="chips" aria-label="Genres">
            {item.genres.map((genre) => (
              <li key={genre}>{genre}</li>
            ))}
          </ul>
          <Score score={item.score} fraction={fraction} />
        </div>
        <Degree item={item} />
        <Because item={item} />
        <div class="card-actions">
          <Stars title={item.title} value={0} disabled={busy} onRate={(value) => void rate(item, value)} />
          {attributesState.value === "known" && (
            <button
              type="button"
              class="quiet-button with-icon adjust"
              aria-expanded={open}
              aria-controls={open ? spectrumId : undefined}
              aria-label={`More or less like ${item.title}`}
              onClick={() => setOpen(!open)}
            >
              <TuneIcon /> More or less
            </button>
          )}
          <button
            type="button"
            class="quiet-button"
            aria-disabled={busy}
            aria-label={`Not for me: ${item.title}`}
            onClick={() => !busy && void dismiss(item)}
          >
            Not for me
          </button>
        </div>
        {open && <Spectrum item={item} id={spectrumId} />}
      </article>
    </li>
  );
}

const kGlide: KeyframeAnimationOptions = { duration: 480, easing: "cubic-bezier(.2,.7,.2,1)" };
const lessMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Vertical places of the cards, by item, relative to the list. */
function placesOf(list: HTMLElement | null): Map<string, number> {
  const cards = [...(list?.querySelectorAll<HTMLElement>(".card") ?? [])];
  return new Map(cards.map((card) => [card.dataset["item"] ?? "", card.offsetTop]));
}

function glide(list: HTMLElement, before: Map<string, number>): void {
  for (const card of list.querySelectorAll<HTMLElement>(".card")) {
    const old = before.get(card.dataset["item"] ?? "");
    if (old === undefined)
      card.animate(
        [
          { opacity: 0, transform: "translateY(12px)" },
          { opacity: 1, transform: "none" },
        ],
        kGlide,
      );
    else if (old !== card.offsetTop) card.animate([{ transform: `translateY(${old - card.offsetTop}px)` }, { transform: "none" }], kGlide);
  }
}

/** When the card with the focus left the list, the focus goes to the card now at its place, so that the keyboard does not start over. */
function keepFocus(list: HTMLElement, lostRank: number): void {
  if (document.activeElement !== null && document.activeElement !== document.body) return;
  const cards = list.querySelectorAll<HTMLElement>(".card");
  cards[Math.min(lostRank, cards.length - 1)]?.querySelector<HTMLElement>(".star[tabindex='0']")?.focus({ preventScroll: true });
}

function Cards() {
  const list = useRef<HTMLOListElement>(null);
  const items = shown.value;
  const before = placesOf(list.current);
  const focused = [...(list.current?.querySelectorAll(".card") ?? [])].findIndex((card) => card.contains(document.activeElement));
  useLayoutEffect(() => {
    if (list.current === null) return;
    if (before.size > 0) list.current.classList.add("still");
    if (before.size > 0 && !lessMotion()) glide(list.current, before);
    if (focused >= 0) keepFocus(list.current, focused);
  }, [items]);
  const wake = () => list.current?.classList.remove("still");
  const fractions = scoreFractions(items.map((item) => item.score));
  return (
    <ol class="cards" ref={list} onPointerMove={wake} onPointerDown={wake}>
      {items.map((item, index) => (
        <Card key={item.item} item={item} rank={index + 1} fraction={fractions[index] ?? 0} />
      ))}
    </ol>
  );
}

function Progress() {
  const written = shown.value.filter((item) => item.reason.value.state === "final").length;
  if (listState.value === "ranking") return <p class="progress">Ranking</p>;
  if (listState.value === "writing" && withReasons.value)
    return (
      <p class="progress">
        Writing reasons, {written} of {shown.value.length}
      </p>
    );
  if (share.value !== null && share.value.model + share.value.template > 0) {
    return (
      <p class="progress">
        Reasons: {share.value.model} by Gemma, {share.value.template} from the template
      </p>
    );
  }
  return <p class="progress" />;
}

function ListBody() {
  switch (listState.value) {
    case "unknown":
      return <StartRating />;
    case "failed":
      return (
        <>
          <div class="empty">
            <p>The list could not be completed.</p>
            <button type="button" class="button" onClick={() => void refresh()}>
              Try again
            </button>
          </div>
          <Cards />
        </>
      );
    default:
      if (shown.value.length > 0) return <Cards />;
      if (listState.value === "done") return <p class="empty">Nothing is left to recommend.</p>;
      return (
        <ol class="cards ghosts" aria-hidden="true">
          {[1, 2, 3, 4, 5].map((n) => (
            <li key={n} class="card">
              <span class="rank">{n}</span>
              <div class="ghost">
                <i />
                <i />
                <i />
              </div>
            </li>
          ))}
        </ol>
      );
  }
}

/** By what the list is chosen. */
function PolicyChoice() {
  if (moodsState.value === "absent") return null;
  const choose = (chosen: Policy) => {
    choosePolicy(chosen);
    void refresh(`Chosen by: ${kPolicies.find(({ id }) => id === chosen)?.name.toLowerCase() ?? chosen}.`);
  };
  return (
    <label class="policy">
      <span>Chosen by</span>
      <select value={policy.value} onChange={(event) => choose(event.currentTarget.value as Policy)}>
        {kPolicies.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

export function ListPanel() {
  const busy = listState.value === "ranking" || listState.value === "writing";
  const learned = profile.value?.numRatings ?? 0;
  return (
    <section class="panel list-panel" aria-labelledby="list-title" aria-busy={busy}>
      <div class="list-head">
        <div>
          <h2 id="list-title" tabIndex={-1}>
            For you
          </h2>
          <p class="sub">{learned > 0 ? `Learned from ${counted(learned, "rating")}` : "Rate something and the list follows"}</p>
        </div>
        <label class="switch">
          <input type="checkbox" role="switch" checked={withReasons.value} onChange={(event) => setReasons(event.currentTarget.checked)} />
          <span>Write reasons</span>
        </label>
      </div>
      <PolicyChoice />
      <RateSearch />
      <Steer />
      <ImpactPanel />
      <div class="list-status">
        <p class="change" role="status">
          {changeNote.value}
        </p>
        <Progress />
      </div>
      <div class={listState.value === "ranking" ? "thread running" : "thread"} aria-hidden="true" />
      <ListBody />
    </section>
  );
}
