// The HTTP contract of moods: states that users move between, and what one user is believed to be in the mood for. Normalised like lib/api.ts.
import { asList, asNumber, asRecord, asText, getJson } from "./http";

/** How the list is chosen. */
export type Policy = "vector" | "greedy" | "latent_ts" | "latent_ids" | "latent_ucb" | "latent_mmts";

/** In the order they are offered, in plain words. */
export const kPolicies: readonly { id: Policy; name: string }[] = [
  { id: "vector", name: "All you ever rated" },
  { id: "greedy", name: "Your mood, as we believe it" },
  { id: "latent_ts", name: "Your mood, with some trying out" },
  { id: "latent_ids", name: "Your mood, asking where unsure" },
  { id: "latent_ucb", name: "Your mood, hopefully" },
  { id: "latent_mmts", name: "Your mood and your own taste, drawn" },
];

export interface MoodState {
  state: number;
  name: string;
  /** 0 to 1. */
  probability: number;
  /** Titles, the most typical first. */
  items: string[];
  genres: string[];
}

/** The belief after something that the user said. */
export interface MoodStep {
  step: number;
  kind: string;
  title: string;
  value: number | null;
  /** [states] */
  belief: number[];
}

export interface Mood {
  states: MoodState[];
  steps: number;
  /** Step at which the likeliest state changed last, or null. */
  lastChange: { step: number; to: number; stepsSince: number } | null;
  trajectory: MoodStep[];
}

const share = (value: unknown): number => Math.max(0, Math.min(1, asNumber(value, 0)));

function toState(value: unknown, place: number): MoodState {
  const record = asRecord(value);
  const texts = (list: unknown, key: string) =>
    asList(list)
      .map((entry) => asText(asRecord(entry)[key]))
      .filter((text) => text !== "");
  return {
    state: place,
    name: asText(record["name"]) || `Mood ${place + 1}`,
    probability: share(record["probability"]),
    items: texts(record["items"], "title"),
    genres: texts(record["genres"], "genre"),
  };
}

function toStep(value: unknown): MoodStep {
  const record = asRecord(value);
  return {
    step: asNumber(record["step"], 0),
    kind: asText(record["kind"]),
    title: asText(record["title"]),
    value: typeof record["value"] === "number" ? record["value"] : null,
    belief: asList(record["belief"]).map(share),
  };
}

export async function fetchMood(user: string, signal?: AbortSignal): Promise<Mood> {
  const body = await getJson("GET", `/v1/users/${encodeURIComponent(user)}/belief?limit=40`, undefined, signal);
  const change = body["last_change"] === null ? null : asRecord(body["last_change"]);
  const states = asList(body["states"]).map(toState);
  return {
    states,
    steps: asNumber(body["steps"], 0),
    lastChange:
      change === null
        ? null
        : { step: asNumber(change["step"], -1), to: asNumber(change["to"], -1), stepsSince: asNumber(change["steps_since"], 0) },
    trajectory: asList(body["trajectory"])
      .map(toStep)
      .filter((step) => step.belief.length === states.length),
  };
}

/** "Alien, 5 of 5", "Alien taken off": what a step was. */
export function describeStep(step: MoodStep): string {
  return step.kind === "dismiss" || step.value === null ? `${step.title} taken off` : `${step.title}, ${step.value} of 5`;
}

/** "0 %" to "100 %". */
export const formatProbability = (p: number): string => `${Math.round(100 * p)} %`;

/** Points of a line of probabilities in a box, from the first step (left) to the last. */
export function linePoints(values: readonly number[], width: number, height: number): { x: number; y: number }[] {
  const last = Math.max(1, values.length - 1);
  return values.map((value, n) => ({ x: (width * n) / last, y: height * (1 - value) }));
}
