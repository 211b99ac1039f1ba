// Soft attributes of the made-up catalogue: a word is a weight per genre, an age, and a little noise of its own; "dark" has two senses.
// Degrees are in standard deviations over the catalogue, as the real server's.
import { items, seeded, taste } from "./data.mjs";

const kWords = [
  { name: "gory", senses: [{ Horror: 2, War: 1, Thriller: 0.7, Crime: 0.6, Children: -1 }], kind: "degree-subjective", users: 211 },
  {
    name: "dark",
    senses: [
      { "Film-Noir": 2, Crime: 1.5, Mystery: 1, Children: -1, Comedy: -0.5 },
      { Horror: 2, War: 1.2, Drama: 0.7, Comedy: -1.2, Children: -0.7 },
    ],
    shares: [0.58, 0.42],
    kind: "sense-subjective",
    users: 388,
  },
  { name: "funny", senses: [{ Comedy: 2, Animation: 0.6, Children: 0.4, War: -0.6, Drama: -0.7 }], kind: "degree-subjective", users: 540 },
  { name: "romantic", senses: [{ Romance: 2, Drama: 0.5, Horror: -0.7, Action: -0.5 }], kind: "objective", users: 305 },
  { name: "space", senses: [{ "Sci-Fi": 2, Adventure: 0.5, Romance: -0.4 }], kind: "objective", users: 276 },
  {
    name: "family friendly",
    senses: [{ Children: 2, Animation: 1.5, Musical: 1, Horror: -1, Thriller: -0.8 }],
    kind: "objective",
    users: 197,
  },
  { name: "tense", senses: [{ Thriller: 2, Mystery: 1, Crime: 0.6, Comedy: -1, Musical: -0.6 }], kind: "degree-subjective", users: 231 },
  { name: "classic", senses: [{}], age: 1, kind: "objective", users: 162 },
  { name: "big budget", senses: [{ Action: 1.5, Adventure: 1, "Sci-Fi": 0.7, Drama: -0.6 }], kind: "objective", users: 88 },
  { name: "tear-jerker", senses: [{ Drama: 1.5, Romance: 1, War: 0.6, Comedy: -0.7 }], kind: "degree-subjective", users: 74 },
  { name: "odd title length", senses: [{}], noise: 1, kind: "irrelevant", users: 60 },
];

const round = (value, digits = 4) => Number(value.toFixed(digits));
const bare = ({ item, title }, degree) => ({ item, title, degree: round(degree) });

/** The values less their mean, over their standard deviation. */
function standardised(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return values.map((value) => (value - mean) / sd);
}

/** By name of a sense ("dark#2", or the attribute where it has one): its attribute and the degree of every item. */
const senses = new Map();
for (const [index, word] of kWords.entries()) {
  word.names = word.senses.map((_, n) => (word.senses.length > 1 ? `${word.name}#${n + 1}` : word.name));
  word.senses.forEach((weights, n) => {
    const random = seeded(77 + 10 * index + n);
    const raw = items.map(({ genres, year }) => {
      const genre = genres.reduce((sum, name) => sum + (weights[name] ?? 0), 0) / Math.sqrt(genres.length);
      return genre + ((word.age ?? 0) * (1990 - year)) / 12 + (word.noise ?? 0.25) * (random() - 0.5);
    });
    senses.set(word.names[n], { word, degrees: standardised(raw) });
  });
}

/** Attribute and degrees of a name as clients may write it; "dark" alone means the user's own sense of it. undefined: unknown. */
export function findSense(name, user) {
  const word = kWords.find((other) => other.name === name);
  const sense = word === undefined ? name : ownSense(user, word);
  const found = senses.get(sense);
  return found && { sense, word: found.word, degrees: found.degrees };
}

function histogram(degrees, bins = 16) {
  const low = Math.min(...degrees);
  const width = (Math.max(...degrees) - low) / bins;
  const counts = Array(bins).fill(0);
  for (const degree of degrees) counts[Math.min(bins - 1, Math.floor((degree - low) / width))] += 1;
  return { edges: Array.from({ length: bins + 1 }, (_, n) => round(low + n * width)), counts };
}

function describe(word, count, withHistogram) {
  return {
    name: word.name,
    kind: word.kind,
    source: "tags",
    users: word.users,
    examples: word.users * 9,
    accuracy: word.kind === "irrelevant" ? 0.502 : 0.83,
    auc: word.kind === "irrelevant" ? 0.498 : 0.91,
    senses: word.names.map((name, n) => {
      const { degrees } = senses.get(name);
      const order = items.map((item, at) => bare(item, degrees[at])).sort((a, b) => b.degree - a.degree);
      return {
        name,
        share: word.shares?.[n] ?? 1,
        users: Math.round(word.users * (word.shares?.[n] ?? 1)),
        high: order.slice(0, count),
        low: order.slice(-count).reverse(),
        ...(withHistogram && { histogram: histogram(degrees) }),
      };
    }),
  };
}

/** GET /v1/attributes and GET /v1/attributes/{name}. */
export const listAttributes = () => kWords.map((word) => describe(word, 5, false));
export function describeAttribute(name) {
  const word = kWords.find((other) => other.name === name);
  return word && describe(word, 20, true);
}
/** Known names that share a beginning with `name`. */
export const closeNames = (name) => kWords.map((word) => word.name).filter((other) => other[0] === name[0]);

/** The sense in which a user means a word: the one named last in a critique, else the one that lies closest to the user's ratings. */
function ownSense(user, word) {
  const named = user.critiques.filter((critique) => critique.attribute === word.name && critique.named).at(-1);
  const fits = fitsOf(user);
  const along = (sense) => Math.abs(senses.get(sense).degrees.reduce((sum, degree, at) => sum + degree * fits[at], 0));
  return named?.sense ?? word.names.reduce((best, sense) => (along(sense) > along(best) ? sense : best));
}

/** How well the genres of every item fit a user's ratings. */
function fitsOf(user) {
  const weights = taste(user);
  return items.map((item) => item.genres.reduce((sum, genre) => sum + weights.get(genre), 0) / item.genres.length);
}

/** GET /v1/items/{id}/attributes: strongest first, in the senses of the user, or in the most common ones. */
export function spectrum(item, user) {
  const at = items.indexOf(item);
  const bars = kWords.map((word) => {
    const sense = user ? ownSense(user, word) : word.names[0];
    const { degrees } = senses.get(sense);
    const percentile = degrees.filter((degree) => degree < degrees[at]).length / items.length;
    return { name: word.name, degree: round(degrees[at]), sense, percentile: round(percentile) };
  });
  return bars.sort((a, b) => Math.abs(b.degree) - Math.abs(a.degree));
}

const kStep = 0.4;
const signOf = (critique) => (critique.direction === "more" ? 1 : -1);

/** What a user's critiques add to the score of every item. */
export function critiqueScores(user) {
  const sums = items.map(() => 0);
  for (const critique of user.critiques) {
    const { degrees } = senses.get(critique.sense);
    degrees.forEach((degree, at) => (sums[at] += kStep * signOf(critique) * degree));
  }
  return sums;
}

/** GET /v1/users/{id}/attributes, its first part: how the tasted genres and the critiques lie along each word. */
export function userTastes(user) {
  const fits = fitsOf(user);
  const half = 0.9 / Math.sqrt(1 + user.ratings.size / 6);
  const rows = kWords.map((word) => {
    const sense = ownSense(user, word);
    const { degrees } = senses.get(sense);
    const fit = (1.6 * degrees.reduce((sum, degree, at) => sum + degree * fits[at], 0)) / items.length;
    const said = user.critiques.filter((critique) => critique.attribute === word.name).reduce((sum, critique) => sum + signOf(critique), 0);
    const value = fit + kStep * said;
    return { name: word.name, sense, taste: round(value), low: round(value - half), high: round(value + half) };
  });
  return rows.sort((a, b) => Math.abs(b.taste) - Math.abs(a.taste));
}
