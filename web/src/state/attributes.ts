// The words that can be said about the list: which there are, what the shown items have of them, and what the user likes.
import { computed, effect, signal, untracked } from "@preact/signals";
import { ApiError } from "../lib/api";
import {
  fetchAttributes,
  fetchSpectrum,
  fetchUserAttributes,
  type Attribute,
  type SpectrumBar,
  type UserAttributes,
} from "../lib/attributes";
import { chooseOffers, meanSpectrum } from "../lib/chart";
import { createLoader } from "./loader";
import { shown } from "./recommend";
import { recommends, server, user } from "./session";
import { reportError } from "./toasts";

/** unknown: not asked yet, or a server without these routes; absent: the recommender has none, and `absentHint` says what to do. */
export const attributesState = signal<"unknown" | "known" | "absent">("unknown");
export const attributes = signal<Attribute[]>([]);
/** The server's own words on how to learn attributes. */
export const absentHint = signal("");
/** By item, as the current user means the words; items that the server knows nothing about have an empty one. */
export const spectra = signal<ReadonlyMap<string, SpectrumBar[]>>(new Map());
/** null while unknown: none chosen, not loaded yet, or a guest without events. */
export const userAttributes = signal<UserAttributes | null>(null);

/** The sense in which the current user seems to mean a word; undefined while unknown. */
export const ownSense = (name: string): string | undefined => userAttributes.value?.tastes.find((taste) => taste.name === name)?.sense;

/** The attribute whose page is open, and whether the list of all is. */
export const openAttribute = signal<string | null>(null);
export const wordsOpen = signal(false);

const kOffers = 6;

/** Mean degrees of the shown list, strongest first; null until every item's spectrum is there. */
export const listMeans = computed(() => {
  const all = shown.value.map((item) => spectra.value.get(item.item));
  return all.length > 0 && all.every((spectrum) => spectrum !== undefined) ? meanSpectrum(all as SpectrumBar[][]) : null;
});
/** False for words that were found to say little about what people like: they are not put forward. */
export function isTelling(name: string): boolean {
  return attributes.value.find((attribute) => attribute.name === name)?.kind !== "irrelevant";
}

/** Names offered above the list. Chosen at a user's first list and then kept, so that no button moves away under the pointer. */
export const offered = signal<string[]>([]);

/** Puts an attribute among those offered. */
export function offer(name: string): void {
  if (!offered.value.includes(name)) offered.value = [...offered.value, name];
}

async function loadAttributes(): Promise<void> {
  try {
    attributes.value = await fetchAttributes();
    attributesState.value = "known";
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) {
      absentHint.value = error.message;
      attributesState.value = "absent";
    } else if (!(error instanceof ApiError && error.status === 404)) {
      reportError(error);
    }
  }
}

const loadTastes = createLoader(userAttributes, fetchUserAttributes);

export function loadUserAttributes(): Promise<void> {
  return loadTastes(attributesState.value === "known" ? user.value : null);
}

/** Asked for the current user and not answered yet. */
let asked = new Set<string>();

async function loadSpectrum(item: string, id: string): Promise<void> {
  if (asked.has(item) || spectra.value.has(item)) return;
  const ours = asked;
  ours.add(item);
  let spectrum: SpectrumBar[] = [];
  try {
    spectrum = await fetchSpectrum(item, id);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) return reportError(error);
  } finally {
    ours.delete(item);
  }
  if (ours === asked) spectra.value = new Map(spectra.value).set(item, spectrum);
}

/** Keeps all of the above in step with the server, the user and the list. */
export function followAttributes(): void {
  effect(() => {
    if (server.value === "ready" && recommends.value) untracked(() => void loadAttributes());
  });
  effect(() => {
    void user.value;
    untracked(() => {
      userAttributes.value = null;
      spectra.value = new Map();
      asked = new Set();
      offered.value = [];
      openAttribute.value = null;
      wordsOpen.value = false;
    });
  });
  effect(() => {
    void user.value;
    if (attributesState.value === "known") untracked(() => void loadUserAttributes());
  });
  effect(() => {
    const ids = shown.value.map((item) => item.item);
    const id = user.value;
    if (attributesState.value === "known" && id !== null) untracked(() => ids.forEach((item) => void loadSpectrum(item, id)));
  });
  effect(() => {
    const means = listMeans.value;
    if (means === null || offered.value.length > 0) return;
    const telling = means.filter((mean) => isTelling(mean.name));
    offered.value = chooseOffers(telling, kOffers);
  });
}
