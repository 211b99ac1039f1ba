// The mock's routes of soft attributes and critiques.
import { closeNames, critiqueScores, describeAttribute, findSense, listAttributes, spectrum, userTastes } from "./attributes.mjs";
import { items, rank } from "./data.mjs";
import { Refusal } from "./refusal.mjs";

const kNotLearned =
  '[attributes] expected learned attributes beside the recommender, found none; learn them with "attune learn attributes"';

/** Handler (method, path, readJson) to the answer's body, or null for a path that is none of these. */
export function createCritiques({ findUser, learned, state }) {
  const known = (found, name) => {
    if (found) return found;
    throw new Refusal(
      404,
      `[attributes] expected a learned attribute, found "${name}"; close: ${closeNames(name).join(", ")}`,
      "not_found",
    );
  };
  const slate = (user, limit, degrees) => {
    const list = rank(user, limit, true, critiqueScores(user));
    const rows = list.map((item) => ({ ...item, because: null, because_source: null, degree: degrees[Number(item.item) - 1] }));
    return { mean_degree: rows.reduce((sum, row) => sum + row.degree, 0) / Math.max(1, rows.length), items: rows };
  };
  /** The list's mean after each of the user's critiques of one attribute, from before the first of them. */
  const trajectory = (user, name, degrees, limit) => {
    const steps = [];
    user.critiques.forEach((critique, n) => {
      if (critique.attribute !== name) return;
      const after = (count) => slate({ ...user, critiques: user.critiques.slice(0, count) }, limit, degrees).mean_degree;
      if (steps.length === 0) steps.push({ step: 0, mean_degree: after(n), direction: null, attribute: name });
      steps.push({ step: steps.length, mean_degree: after(n + 1), direction: critique.direction, attribute: name });
    });
    return steps;
  };

  async function critique(readJson) {
    const { user: id, attribute, direction, limit = 10, item, event_id: eventId } = await readJson();
    const user = findUser(String(id));
    const { sense, word, degrees } = known(findSense(attribute, user), attribute);
    if (direction !== "more" && direction !== "less") throw new Refusal(400, `[critique] expected more or less, found "${direction}"`);
    if (item !== undefined && !items[Number(item) - 1]) throw new Refusal(404, `[critique] expected a known item, found "${item}"`);
    const before = slate(user, limit, degrees);
    const event = eventId ?? `c${state.critiques}`;
    if (!user.critiques.some((other) => other.event === event)) {
      state.critiques += 1;
      const named = attribute === sense;
      user.critiques.push({ event, attribute: word.name, sense, named, direction, at: Math.floor(Date.now() / 1000) });
    }
    const after = slate(user, limit, degrees);
    const steps = trajectory(user, word.name, degrees, limit);
    return { user: id, attribute: word.name, sense, direction, update: "bayesian", event, before, after, trajectory: steps };
  }

  function take(id, event) {
    const user = findUser(id);
    const at = user.critiques.findIndex((other) => other.event === event);
    if (at < 0) throw new Refusal(404, `[critique] expected an event of this user, found "${event}"`, "not_found");
    user.critiques.splice(at, 1);
    return { user: id, event, undone: true, duplicate: false };
  }

  return async (method, path, query, readJson) => {
    const part = /^\/v1\/(attributes|items|users|critique)(?:\/([^/]+))?(?:\/(attributes|critiques))?(?:\/([^/]+))?$/.exec(path);
    if (part === null) return null;
    const [, kind, id, sub, event] = part;
    if (kind !== "attributes" && kind !== "critique" && sub === undefined) return null;
    if (!learned) throw new Refusal(409, kNotLearned, "attributes_not_learned");
    if (method === "POST" && kind === "critique") return critique(readJson);
    if (method === "DELETE" && sub === "critiques") return take(id, event);
    if (method !== "GET") throw new Refusal(405, `[route] expected GET, found ${method}`);
    if (kind === "attributes" && id === undefined)
      return { object: "list", model: "mock/1", space: "ratings", data: listAttributes(), skipped: [{ name: "sepia", reason: "3 users" }] };
    if (kind === "attributes") return known(describeAttribute(id), id);
    if (kind === "items") {
      const item = items[Number(id) - 1];
      if (!item) throw new Refusal(404, `[attributes] expected a known item, found "${id}"`, "item_not_found");
      return { item: id, title: item.title, attributes: spectrum(item, query.has("user") ? findUser(query.get("user")) : null) };
    }
    const user = findUser(id);
    const said = user.critiques.map(({ event: name, attribute, sense, named, direction, at }) => ({
      event: name,
      attribute: named ? sense : attribute,
      direction,
      at,
    }));
    return { user: id, attributes: userTastes(user), critiques: said };
  };
}
