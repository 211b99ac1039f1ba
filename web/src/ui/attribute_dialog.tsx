// An attribute's page: what people mean by the word, sense by sense side by side, and how its items lie. And the list of all words.
import { useEffect, useState } from "preact/hooks";
import { isAbort } from "../lib/api";
import { fetchAttribute, type Attribute, type ItemDegree, type Sense } from "../lib/attributes";
import { degreeLimit, describeKind, describeSource, findAttributes, formatDegree, formatShare } from "../lib/chart";
import { counted } from "../lib/format";
import { attributes, openAttribute, ownSense, wordsOpen } from "../state/attributes";
import { trajectories } from "../state/critique";
import { reportError } from "../state/toasts";
import { DegreeBar, HistogramChart, TrajectoryChart } from "./charts";
import { Dialog } from "./dialog";
import { SearchIcon } from "./icons";
import { Step, WordButton } from "./steps";

const kFew = 5;
const kMaxWords = 60;

/** The attribute with its longer lists; until they are there, or if they do not come, what the list of all attributes had. */
function useAttribute(name: string): Attribute | null {
  const [full, setFull] = useState<Attribute | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    fetchAttribute(name, controller.signal).then(setFull, (error: unknown) => {
      if (!isAbort(error)) reportError(error);
    });
    return () => controller.abort();
  }, [name]);
  return full ?? attributes.value.find((attribute) => attribute.name === name) ?? null;
}

/** Below the heading of a sense, or right below the dialog's. */
type Level = "h3" | "h4";

function Items({ title, items, limit, level: Title }: { title: string; items: ItemDegree[]; limit: number; level: Level }) {
  return (
    <div class="sense-items">
      <Title class="part-title">{title}</Title>
      <ul>
        {items.map(({ item, title: name, degree }) => (
          <li key={item} class="sense-item">
            <span class="sense-item-title">{name}</span>
            <DegreeBar value={degree} limit={limit} />
            <span class="figure">{formatDegree(degree)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

interface SenseProps {
  sense: Sense;
  /** null for the only one. */
  number: number | null;
  /** Whether the current user seems to mean this one. */
  own: boolean;
  /** All items, not only the first few. */
  all: boolean;
}

function SenseColumn({ sense, number, own, all }: SenseProps) {
  const limit = degreeLimit([...sense.high, ...sense.low].map((item) => item.degree));
  const few = (items: ItemDegree[]) => (all ? items : items.slice(0, kFew));
  const share = formatShare(sense.share);
  const level = number === null ? "h3" : "h4";
  return (
    <section class="sense" aria-label={number === null ? "Items" : `Sense ${number}`}>
      {number !== null && (
        <div class="sense-head">
          <h3>Sense {number}</h3>
          <p class="hint">
            {share !== "" && `${share} of the users`}
            {sense.users > 0 && ` (${sense.users})`}
          </p>
          {own && <span class="own-sense">yours, it seems</span>}
          <svg class="share-bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
            <rect class="degree-track" width="100" height="4" />
            <rect class="degree-fill" width={100 * Math.max(0, Math.min(1, sense.share))} height="4" />
          </svg>
        </div>
      )}
      <Items title="Much of it" items={few(sense.high)} limit={limit} level={level} />
      <Items title="Little of it" items={few(sense.low)} limit={limit} level={level} />
      {sense.histogram !== null && (
        <HistogramChart histogram={sense.histogram} name={number === null ? "All items" : `Sense ${number}`} level={level} />
      )}
      <div class="sense-actions">
        <Step attribute={sense.name} direction="less" item={null}>
          Less
        </Step>
        <Step attribute={sense.name} direction="more" item={null}>
          More
        </Step>
      </div>
    </section>
  );
}

function Facts({ attribute }: { attribute: Attribute }) {
  const { users, examples, accuracy, auc } = attribute;
  const facts = [
    describeSource(attribute.source),
    users > 0 ? `${counted(users, "user")}, ${counted(examples, "example")}` : "",
    Number.isFinite(accuracy) ? `orders ${formatShare(accuracy)} of held-out pairs rightly` : "",
    Number.isFinite(auc) ? `AUC ${auc.toFixed(2)}` : "",
  ].filter((fact) => fact !== "");
  return (
    <div>
      <p>{describeKind(attribute.kind)}</p>
      <p class="hint">{facts.join(" · ")}</p>
    </div>
  );
}

function AttributePage({ name }: { name: string }) {
  const attribute = useAttribute(name);
  const [all, setAll] = useState(false);
  if (attribute === null) return <p class="hint">Loading</p>;
  const { senses } = attribute;
  const longest = Math.max(0, ...senses.flatMap((sense) => [sense.high.length, sense.low.length]));
  const steps = trajectories.value.get(name) ?? [];
  return (
    <>
      <Facts attribute={attribute} />
      <div class={senses.length > 1 ? "senses several" : "senses"}>
        {senses.map((sense, n) => (
          <SenseColumn
            key={sense.name}
            sense={sense}
            number={senses.length > 1 ? n + 1 : null}
            own={ownSense(name) === sense.name}
            all={all}
          />
        ))}
      </div>
      {longest > kFew && (
        <button type="button" class="quiet-button more-items" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "Show fewer items" : `Show ${longest} items of each`}
        </button>
      )}
      {steps.length > 1 && (
        <section class="sense-trajectory" aria-labelledby="trajectory-title">
          <h3 id="trajectory-title">Your list so far</h3>
          <p class="hint">Mean of {name} after each critique; the line is the average item.</p>
          <TrajectoryChart name={name} steps={steps} />
        </section>
      )}
    </>
  );
}

export function AttributeDialog() {
  const name = openAttribute.value;
  if (name === null) return null;
  const senses = attributes.value.find((attribute) => attribute.name === name)?.senses.length ?? 1;
  const title = senses > 1 ? `${name}: ${senses} senses` : name;
  return (
    <Dialog key={name} title={title} wide onClose={() => (openAttribute.value = null)}>
      <AttributePage name={name} />
    </Dialog>
  );
}

function noteOf({ senses, users, kind }: Attribute): string {
  if (kind === "irrelevant") return "says little";
  const notes = [senses.length > 1 ? `${senses.length} senses` : "", users > 0 ? counted(users, "user") : ""];
  return notes.filter((note) => note !== "").join(", ");
}

function Words() {
  const [query, setQuery] = useState("");
  const found = findAttributes(attributes.value, query);
  return (
    <>
      <div class="search-field">
        <SearchIcon />
        <input
          type="search"
          aria-label="Find a word"
          placeholder="Find a word"
          autocomplete="off"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
        />
      </div>
      <ul class="all-words" aria-label="Words">
        {found.slice(0, kMaxWords).map((attribute) => (
          <li key={attribute.name} class="all-word">
            <WordButton name={attribute.name} />
            <span class="hint">{noteOf(attribute)}</span>
            <span class="steps">
              <Step attribute={attribute.name} direction="less" item={null} />
              <Step attribute={attribute.name} direction="more" item={null} />
            </span>
          </li>
        ))}
      </ul>
      <p class="hint" role="status">
        {found.length === 0 && "No such word was learned."}
        {found.length > kMaxWords && `${found.length - kMaxWords} more: type a part of one to find it.`}
      </p>
    </>
  );
}

export function WordsDialog() {
  if (!wordsOpen.value) return null;
  return (
    <Dialog title="Words to steer by" onClose={() => (wordsOpen.value = false)}>
      <Words />
    </Dialog>
  );
}
