// What changed between two rankings, for the markers in the list.

/** "new": not shown before; a number: ranks gained (positive is up) among the items that stay; 0: kept its place. */
export type Move = "new" | number;

/**
 * Compares two rankings of ids. Items of `before` that left are taken out first, so that rating the first item does not mark all others as
 * risen; likewise new ones are taken out of `after`. An empty `before` gives no entries: a first list has no news. O(n).
 */
export function compareRanks(before: readonly string[], after: readonly string[]): Map<string, Move> {
  const moves = new Map<string, Move>();
  if (before.length === 0) return moves;
  const stays = new Set(after);
  const rankBefore = new Map(before.filter((id) => stays.has(id)).map((id, rank) => [id, rank]));
  let rankAfter = 0;
  for (const id of after) {
    const old = rankBefore.get(id);
    if (old === undefined) moves.set(id, "new");
    else moves.set(id, old - rankAfter++);
  }
  return moves;
}

/** One line about a set of moves, for the eye and for screen readers: "2 new, 3 moved", or "same order". */
export function describeMoves(moves: ReadonlyMap<string, Move>): string {
  let added = 0;
  let moved = 0;
  for (const move of moves.values()) {
    if (move === "new") ++added;
    else if (move !== 0) ++moved;
  }
  const parts = [added > 0 ? `${added} new` : "", moved > 0 ? `${moved} moved` : ""].filter((part) => part !== "");
  return parts.length > 0 ? parts.join(", ") : "same order";
}
