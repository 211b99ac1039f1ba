// The HTTP contract of soft attributes and critiques: words that were learned as directions among the items, what items and users have of them,
// and "more" or "less" of one. Degrees are in standard deviations over the catalogue: 0 is the average item. Normalised like lib/api.ts.
import { toItem, toRanked } from "./api";
import { parseTime } from "./format";
import { ApiError, asList, asNumber, asRecord, asText, getJson, type Json } from "./http";
import type { RankedItem } from "./types";

export type Direction = "more" | "less";

/** How far an item has an attribute. */
export interface ItemDegree {
  item: string;
  title: string;
  degree: number;
}

/** counts[n] items lie between edges[n] and edges[n + 1]. */
export interface Histogram {
  edges: number[];
  counts: number[];
}

/** What some of the users mean by a word. */
export interface Sense {
  name: string;
  /** Share of the users, 0 to 1. */
  share: number;
  users: number;
  high: ItemDegree[];
  low: ItemDegree[];
  histogram: Histogram | null;
}

export interface Attribute {
  name: string;
  kind: string;
  source: string;
  users: number;
  examples: number;
  /** Share of held-out pairs in the right order, and area under the ROC curve; NaN where not measured. */
  accuracy: number;
  auc: number;
  senses: Sense[];
}

/** One bar of an item's spectrum. */
export interface SpectrumBar {
  name: string;
  /** Name of the sense that was measured; the attribute's own name if it has one sense. */
  sense: string;
  degree: number;
  /** Share of the items that have less of it, 0 to 1; NaN where the server sent none. */
  percentile: number;
}

/** What a user's profile wants beyond that of the average user. */
export interface Taste {
  name: string;
  sense: string;
  taste: number;
  low: number;
  high: number;
}

export interface PastCritique {
  event: string;
  attribute: string;
  direction: Direction;
  /** Milliseconds since 1970, or null. */
  timeMs: number | null;
}

export interface UserAttributes {
  tastes: Taste[];
  critiques: PastCritique[];
}

export interface CritiquedItem extends RankedItem {
  degree: number;
}

export interface RankedSlate {
  meanDegree: number;
  items: CritiquedItem[];
}

/** The list's mean degree after each critique of an attribute; the first step has no direction. */
export interface TrajectoryStep {
  meanDegree: number;
  direction: Direction | null;
}

export interface CritiqueResult {
  event: string;
  attribute: string;
  sense: string;
  direction: Direction;
  before: RankedSlate;
  after: RankedSlate;
  trajectory: TrajectoryStep[];
}

const asRate = (value: unknown): number => asNumber(value, Number.NaN);
const toDirection = (value: unknown): Direction | null => (value === "more" || value === "less" ? value : null);
const isShown = ({ name }: { name: string }): boolean => name !== "";

function toItemDegree(value: unknown): ItemDegree {
  const { item, title } = toItem(value);
  return { item, title, degree: asRate(asRecord(value)["degree"]) };
}

/** null unless there is one edge more than counts, all are numbers and the edges rise. */
function toHistogram(value: unknown): Histogram | null {
  const record = asRecord(value);
  const edges = asList(record["edges"]).map(asRate);
  const counts = asList(record["counts"]).map(asRate);
  const rises = edges.every((edge, n) => Number.isFinite(edge) && (n === 0 || edge > (edges[n - 1] ?? edge)));
  const fits = edges.length === counts.length + 1 && counts.length > 0 && rises && counts.every((count) => count >= 0);
  return fits ? { edges, counts } : null;
}

function toSense(value: unknown): Sense {
  const record = asRecord(value);
  return {
    name: asText(record["name"]),
    share: asNumber(record["share"], 1),
    users: asNumber(record["users"], 0),
    high: asList(record["high"]).map(toItemDegree),
    low: asList(record["low"]).map(toItemDegree),
    histogram: toHistogram(record["histogram"]),
  };
}

/** A histogram may stand in each sense, or once beside a single sense. */
function toAttribute(value: unknown): Attribute {
  const record = asRecord(value);
  const senses = asList(record["senses"]).map(toSense);
  const only = senses.length === 1 ? senses[0] : undefined;
  if (only !== undefined) only.histogram ??= toHistogram(record["histogram"]);
  return {
    name: asText(record["name"]),
    kind: asText(record["kind"]) || "unknown",
    source: asText(record["source"]),
    users: asNumber(record["users"], 0),
    examples: asNumber(record["examples"], 0),
    accuracy: asRate(record["accuracy"]),
    auc: asRate(record["auc"]),
    senses,
  };
}

/** All attributes of the recommender. ApiError 409 if none were learned; its message says how to learn them. */
export async function fetchAttributes(signal?: AbortSignal): Promise<Attribute[]> {
  const body = await getJson("GET", "/v1/attributes", undefined, signal);
  return asList(body["data"]).map(toAttribute).filter(isShown);
}

/** One attribute with its longer lists of items and its histograms. */
export async function fetchAttribute(name: string, signal?: AbortSignal): Promise<Attribute> {
  return toAttribute(await getJson("GET", `/v1/attributes/${encodeURIComponent(name)}`, undefined, signal));
}

const nameAndSense = (record: Json): { name: string; sense: string } => {
  const name = asText(record["name"]);
  return { name, sense: asText(record["sense"]) || name };
};

/** What an item has of the attributes, each as this user means it, strongest first. */
export async function fetchSpectrum(item: string, user: string, signal?: AbortSignal): Promise<SpectrumBar[]> {
  const path = `/v1/items/${encodeURIComponent(item)}/attributes?user=${encodeURIComponent(user)}`;
  const body = await getJson("GET", path, undefined, signal);
  return asList(body["attributes"])
    .map(asRecord)
    .map((record) => ({ ...nameAndSense(record), degree: asRate(record["degree"]), percentile: asRate(record["percentile"]) }))
    .filter((bar) => isShown(bar) && Number.isFinite(bar.degree));
}

/** A user's taste over the attributes and the critiques so far, as the server orders them. */
export async function fetchUserAttributes(user: string, signal?: AbortSignal): Promise<UserAttributes> {
  const body = await getJson("GET", `/v1/users/${encodeURIComponent(user)}/attributes`, undefined, signal);
  const tastes = asList(body["attributes"])
    .map(asRecord)
    .map((record) => {
      const taste = asRate(record["taste"]);
      return { ...nameAndSense(record), taste, low: asNumber(record["low"], taste), high: asNumber(record["high"], taste) };
    });
  const critiques = asList(body["critiques"]).map((value) => {
    const record = asRecord(value);
    return {
      event: asText(record["event"]),
      attribute: asText(record["attribute"]),
      direction: toDirection(record["direction"]) ?? "more",
      timeMs: parseTime(record["at"]),
    };
  });
  return {
    tastes: tastes.filter((taste) => isShown(taste) && Number.isFinite(taste.taste)),
    critiques: critiques.filter((critique) => critique.attribute !== ""),
  };
}

function toSlate(value: unknown): RankedSlate {
  const record = asRecord(value);
  return {
    meanDegree: asRate(record["mean_degree"]),
    items: asList(record["items"]).map((item) => ({ ...toRanked(item), degree: asRate(asRecord(item)["degree"]) })),
  };
}

export interface CritiqueRequest {
  user: string;
  /** An attribute's name, or that of one of its senses. */
  attribute: string;
  direction: Direction;
  /** The item that it was said about; null: the list. */
  item: string | null;
  limit: number;
}

/** Says "more" or "less"; resolves once that is durable. Sent again once, under the same event id, if the connection fails. */
export async function sendCritique({ item, ...request }: CritiqueRequest, eventId: string): Promise<CritiqueResult> {
  const said = { ...request, ...(item !== null && { item }), event_id: eventId };
  let body: Json;
  try {
    body = await getJson("POST", "/v1/critique", said);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 0) throw error;
    body = await getJson("POST", "/v1/critique", said);
  }
  const attribute = asText(body["attribute"]) || request.attribute;
  return {
    event: asText(body["event"]) || eventId,
    attribute,
    sense: asText(body["sense"]) || attribute,
    direction: toDirection(body["direction"]) ?? request.direction,
    before: toSlate(body["before"]),
    after: toSlate(body["after"]),
    trajectory: asList(body["trajectory"])
      .map((value) => ({ meanDegree: asRate(asRecord(value)["mean_degree"]), direction: toDirection(asRecord(value)["direction"]) }))
      .filter((step) => Number.isFinite(step.meanDegree)),
  };
}

/** Takes a critique back, as if it had never been made. */
export async function undoCritique(user: string, event: string): Promise<void> {
  await getJson("DELETE", `/v1/users/${encodeURIComponent(user)}/critiques/${encodeURIComponent(event)}`);
}
