// What the user likes, over the attributes, and what was said so far.
import { useState } from "preact/hooks";
import type { PastCritique, Taste } from "../lib/attributes";
import { formatDegree, senseLabel } from "../lib/chart";
import { formatDate } from "../lib/format";
import { userAttributes } from "../state/attributes";
import { critiqueText, critiquing, undo } from "../state/critique";
import { DegreeBar } from "./charts";
import { UndoIcon } from "./icons";
import { WordButton } from "./steps";

const kMost = 5;
const kLeast = 3;
const kSaid = 4;

/** The ends of the profile; all of it if that is hardly more. */
function endsOf(sorted: readonly Taste[]): Taste[] {
  return sorted.length <= kMost + kLeast + 1 ? [...sorted] : [...sorted.slice(0, kMost), ...sorted.slice(-kLeast)];
}

function Row({ taste, limit }: { taste: Taste; limit: number }) {
  const label = senseLabel(taste.sense);
  const interval = taste.high > taste.low ? `, between ${formatDegree(taste.low)} and ${formatDegree(taste.high)}` : "";
  return (
    <li class="taste-row" title={`${label}: ${formatDegree(taste.taste)}${interval}`}>
      <WordButton name={taste.name} label={label} />
      <span class="sr-only">
        {formatDegree(taste.taste)}
        {interval}
      </span>
      <DegreeBar value={taste.taste} limit={limit} low={taste.low} high={taste.high} />
    </li>
  );
}

function Critique({ critique }: { critique: PastCritique }) {
  const busy = critiquing.value !== null;
  const text = critiqueText(critique.direction, critique.attribute);
  return (
    <li class="past-critique">
      <span title={formatDate(critique.timeMs)}>{text}</span>
      <button
        type="button"
        class="icon-button"
        aria-label={`Take back: ${text}`}
        title="Take it back"
        aria-disabled={busy}
        onClick={() => !busy && void undo(critique)}
      >
        <UndoIcon />
      </button>
    </li>
  );
}

export function TasteSection() {
  const [all, setAll] = useState(false);
  const [said, setSaid] = useState(false);
  const known = userAttributes.value;
  if (known === null || known.tastes.length + known.critiques.length === 0) return null;
  const sorted = [...known.tastes].sort((a, b) => b.taste - a.taste);
  const ends = endsOf(sorted);
  const limit = Math.max(0.5, ...sorted.flatMap(({ taste, low, high }) => [taste, low, high].map(Math.abs)).filter(Number.isFinite));
  return (
    <>
      {sorted.length > 0 && (
        <>
          <h3 id="taste-title">What you like</h3>
          <p class="hint">Beside the average user, who is the line in the middle. Thin lines: how sure.</p>
          <ul class="tastes" aria-labelledby="taste-title">
            {(all ? sorted : ends).map((taste) => (
              <Row key={taste.sense} taste={taste} limit={limit} />
            ))}
          </ul>
          {ends.length < sorted.length && (
            <button type="button" class="quiet-button taste-more" aria-expanded={all} onClick={() => setAll(!all)}>
              {all ? "Show the ends only" : `Show all ${sorted.length}`}
            </button>
          )}
        </>
      )}
      {known.critiques.length > 0 && (
        <>
          <h3 id="critiques-title">What you said</h3>
          <ul class="past-critiques" aria-labelledby="critiques-title">
            {[...known.critiques]
              .reverse()
              .slice(0, said ? undefined : kSaid)
              .map((critique) => (
                <Critique key={critique.event} critique={critique} />
              ))}
          </ul>
          {known.critiques.length > kSaid && (
            <button type="button" class="quiet-button taste-more" aria-expanded={said} onClick={() => setSaid(!said)}>
              {said ? "Show the latest only" : `Show all ${known.critiques.length}`}
            </button>
          )}
        </>
      )}
    </>
  );
}
