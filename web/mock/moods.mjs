// The mock's routes of moods: states are genres, the belief counts ratings of their items.
import { items, rank } from "./data.mjs";
import { Refusal } from "./refusal.mjs";

const kNames = ["Drama", "Comedy", "Action", "Sci-Fi", "Romance", "Thriller"];
const kNotLearned = "[moods] none were learned: run `attune learn bandit --recommender FOLDER`";
export const kPolicies = ["vector", "greedy", "latent_ts", "latent_ids", "latent_ucb", "latent_mmts"];

const states = kNames.map((name, state) => ({
  state,
  name,
  share: 1 / kNames.length,
  users: 100,
  items: items
    .filter((item) => item.genres.includes(name))
    .slice(0, 8)
    .map((item) => ({ item: item.item, title: item.title, mean: 0.8, lift: 0.2 })),
  genres: [{ genre: name, lift: 2 }],
}));

/** Steps of a user, oldest first, with the belief after each. */
function walk(user) {
  const weights = kNames.map(() => 0);
  const steps = [];
  const add = (id, kind, value) => {
    const item = items[Number(id) - 1];
    kNames.forEach((name, z) => {
      weights[z] *= 0.9;
      if (item.genres.includes(name)) weights[z] += kind === "dismiss" ? -0.6 : (value - 3) / 2;
    });
    const raised = weights.map((weight) => Math.exp(weight));
    const sum = raised.reduce((a, b) => a + b, 0);
    const belief = raised.map((weight) => weight / sum);
    const place = steps.length;
    steps.push({
      step: place,
      event: `m${place}`,
      kind,
      item: id,
      title: item.title,
      value: kind === "dismiss" ? null : value,
      at: 1,
      belief,
    });
  };
  for (const [id, { value }] of user.ratings) add(id, "rating", value);
  for (const id of user.dismissed) add(id, "dismiss");
  return steps;
}

const flat = kNames.map(() => 1 / kNames.length);
const likeliest = (p) => p.indexOf(Math.max(...p));
export const beliefOf = (user) => walk(user).at(-1)?.belief ?? flat;

/** Scores that prefer what the mood asks for; null for the user's own list. */
export function moodList(user, k, excludeSeen, policy) {
  const belief = beliefOf(user);
  const name = kNames[policy === "latent_ts" ? (likeliest(belief) + 1) % kNames.length : likeliest(belief)];
  return rank(user, items.length, excludeSeen)
    .map((item) => ({ ...item, score: item.score + (item.genres.includes(name) ? 2 : 0) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, k);
}

/** Handler (method, path, query) to the answer's body, or null for a path that is none of these. */
export function createMoods({ findUser, learned }) {
  return (method, path, query) => {
    const id = /^\/v1\/users\/([^/]+)\/belief$/.exec(path)?.[1];
    if (id === undefined && path !== "/v1/states") return null;
    if (!learned) throw new Refusal(409, kNotLearned, "moods_not_learned");
    if (method !== "GET") throw new Refusal(405, `[route] expected GET, found ${method}`);
    if (id === undefined)
      return { object: "list", model: "mock/1", recommender: "mock", rho: 0.01, round_hours: 24, noise_sd: 0.3, data: states };
    const steps = walk(findUser(id));
    const belief = steps.at(-1)?.belief ?? flat;
    let change = null;
    steps.forEach((step, n) => {
      const [from, to] = [likeliest(n > 0 ? steps[n - 1].belief : flat), likeliest(step.belief)];
      if (from !== to) change = { step: n, from, to, steps_since: steps.length - 1 - n };
    });
    return {
      user: id,
      model: "mock/1",
      states: states.map((state, z) => ({ ...state, probability: belief[z] })),
      entropy: -belief.reduce((sum, p) => sum + p * Math.log(p), 0),
      steps: steps.length,
      rounds_since: 1,
      last_change: change,
      misfit: { rounds: steps.length, z: 0, alarms: 0 },
      impossible: 0,
      trajectory: steps.slice(steps.length - Math.min(steps.length, Number(query.get("limit") ?? 100))),
    };
  };
}
