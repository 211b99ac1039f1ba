// What we think the user is in the mood for: bars of the states with what is typical of them, and how the belief moved.
import { useState } from "preact/hooks";
import { counted } from "../lib/format";
import { describeStep, formatProbability, linePoints, type Mood, type MoodState } from "../lib/moods";
import { mood, moodsHint, moodsState } from "../state/moods";

const kShown = 4;
const kTypical = 3;
const kLine = { width: 120, height: 26 };

/** Probability of one state after each step, the last change marked. */
function Line({ state, known }: { state: MoodState; known: Mood }) {
  const values = known.trajectory.map((step) => step.belief[state.state] ?? 0);
  const first = values[0];
  if (first === undefined || values.length < 2) return null;
  const points = linePoints(values, kLine.width, kLine.height);
  const at = known.trajectory.findIndex((step) => step.step === known.lastChange?.step);
  const mark = known.lastChange?.to === state.state && at >= 0 ? points[at] : undefined;
  const label = `${state.name}: from ${formatProbability(first)} to ${formatProbability(values.at(-1) ?? 0)} over ${counted(values.length, "step")}`;
  return (
    <svg class="mood-line" viewBox={`-4 -4 ${kLine.width + 8} ${kLine.height + 8}`} role="img" aria-label={label}>
      <path class="mood-base" d={`M0 ${kLine.height}H${kLine.width}`} />
      <path class="mood-path" d={`M${points.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`} />
      {mark !== undefined && <circle class="mood-mark" cx={mark.x} cy={mark.y} r="3.5" />}
    </svg>
  );
}

function Row({ state, known }: { state: MoodState; known: Mood }) {
  return (
    <li class="mood-row">
      <div class="mood-head">
        <span class="mood-name">{state.name}</span>
        <span class="figure">{formatProbability(state.probability)}</span>
      </div>
      <svg class="mood-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="mood-track" width="100" height="8" />
        <rect class="mood-fill" width={100 * state.probability} height="8" />
      </svg>
      <div class="mood-more">
        <p class="mood-items">{state.items.slice(0, kTypical).join(", ")}</p>
        <Line state={state} known={known} />
      </div>
    </li>
  );
}

function Change({ known }: { known: Mood }) {
  const change = known.lastChange;
  if (change === null) return null;
  const step = known.trajectory.find((other) => other.step === change.step);
  const since = change.stepsSince === 0 ? "just now" : `${counted(change.stepsSince, "step")} ago`;
  return (
    <p class="hint mood-change">
      Last change {since}
      {step !== undefined && `, after ${describeStep(step)}`}: to {known.states[change.to]?.name ?? "another mood"}.
    </p>
  );
}

export function MoodSection() {
  const [all, setAll] = useState(false);
  if (moodsState.value === "absent")
    return (
      <>
        <h3>What we think you are in the mood for</h3>
        <p class="hint">This recommender has no moods yet. The server says: {moodsHint.value}</p>
      </>
    );
  const known = mood.value;
  if (known === null || known.states.length === 0) return null;
  const sorted = [...known.states].sort((a, b) => b.probability - a.probability);
  return (
    <>
      <h3 id="moods-title">What we think you are in the mood for</h3>
      <p class="hint">From {counted(known.steps, "rating")} and dismissals, the latest counting most. Lines: how it moved.</p>
      <ul class="moods" aria-labelledby="moods-title">
        {(all ? sorted : sorted.slice(0, kShown)).map((state) => (
          <Row key={state.state} state={state} known={known} />
        ))}
      </ul>
      <Change known={known} />
      {sorted.length > kShown && (
        <button type="button" class="quiet-button mood-all" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "Show the likeliest only" : `Show all ${sorted.length} moods`}
        </button>
      )}
    </>
  );
}
