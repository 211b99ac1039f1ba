// Above the list: words to steer it by, and what the last one did.
import { degreeLimit, formatDegree, senseLabel } from "../lib/chart";
import { absentHint, attributesState, listMeans, offered, wordsOpen } from "../state/attributes";
import { critiqueText, critiquing, undo } from "../state/critique";
import { impact, type Impact } from "../state/impact";
import { shown } from "../state/recommend";
import { DegreeBar, Shift, TrajectoryChart } from "./charts";
import { SearchIcon, UndoIcon } from "./icons";
import { Step, WordButton } from "./steps";

/** Means of a list reach less far than degrees of items. */
const kMeanLimit = 1.5;

function Absent() {
  return (
    <div class="steer absent">
      <p>
        <strong>No words to steer by yet.</strong> With them a list follows “more romantic” or “less gory”. Learn them with{" "}
        <code>attune learn attributes</code>, then start the server again.
      </p>
      {absentHint.value !== "" && <p class="hint">The server says: {absentHint.value}</p>}
    </div>
  );
}

interface WordProps {
  name: string;
  /** Mean of the list; null while unknown. */
  degree: number | null;
  limit: number;
}

function Word({ name, degree, limit }: WordProps) {
  return (
    <div class="word" role="group" aria-label={name}>
      <Step attribute={name} direction="less" item={null} />
      <WordButton name={name}>
        {degree !== null && (
          <>
            <span class="sr-only">, mean of the list {formatDegree(degree)}</span>
            <DegreeBar value={degree} limit={limit} />
          </>
        )}
      </WordButton>
      <Step attribute={name} direction="more" item={null} />
    </div>
  );
}

export function Steer() {
  if (attributesState.value === "absent") return <Absent />;
  if (attributesState.value !== "known" || shown.value.length === 0) return null;
  const means = new Map(listMeans.value?.map(({ name, degree }) => [name, degree]));
  const limit = degreeLimit(
    offered.value.map((name) => means.get(name) ?? 0),
    kMeanLimit,
  );
  return (
    <section class="steer" aria-labelledby="steer-title">
      <div class="steer-head">
        <h3 id="steer-title">Steer the list</h3>
        <button type="button" class="quiet-button with-icon" aria-haspopup="dialog" onClick={() => (wordsOpen.value = true)}>
          <SearchIcon /> All words
        </button>
      </div>
      <ul class="words">
        {offered.value.map((name) => (
          <li key={name}>
            <Word name={name} degree={means.get(name) ?? null} limit={limit} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Means({ change }: { change: Impact }) {
  return (
    <p class="impact-means">
      Mean of the list: <span class="figure">{formatDegree(change.before)}</span>
      <span aria-hidden="true"> → </span>
      <span class="sr-only">, now </span>
      <strong class="figure">{formatDegree(change.after)}</strong>
    </p>
  );
}

function ImpactCard({ change }: { change: Impact }) {
  const limit = Math.max(1, Math.abs(change.before), Math.abs(change.after)) * 1.1;
  const busy = critiquing.value !== null;
  return (
    <div class="impact">
      <div class="impact-text">
        <h3>{critiqueText(change.direction, change.sense)}</h3>
        <Means change={change} />
        <p class="hint">0 is the average item, 1 a standard deviation above it.</p>
        <button type="button" class="button with-icon" aria-disabled={busy} onClick={() => !busy && void undo(change)}>
          <UndoIcon /> Take it back
        </button>
      </div>
      {change.trajectory.length > 2 ? (
        <TrajectoryChart name={senseLabel(change.attribute)} steps={change.trajectory} />
      ) : (
        <Shift before={change.before} after={change.after} limit={limit} />
      )}
    </div>
  );
}

/** What the last critique did. The region stays while it is empty, so that its news are read out. */
export function ImpactPanel() {
  const change = impact.value;
  return (
    <div class="impact-region" role="status">
      {change !== null && <ImpactCard key={change.event} change={change} />}
    </div>
  );
}
