// Rating something that is not in the list: search by title, stars beside each hit. Also the start page of a guest.
import { useRef, useState } from "preact/hooks";
import { searchItems } from "../lib/api";
import type { Item } from "../lib/types";
import { profile } from "../state/profile";
import { rate, saving } from "../state/recommend";
import { SearchIcon } from "./icons";
import { Stars } from "./stars";
import { useSearch } from "./use_search";

const kShown = 8;
const search = (query: string, signal: AbortSignal) => searchItems(query, kShown, signal);

function Hits({ items }: { items: Item[] }) {
  const [given, setGiven] = useState<Record<string, number>>({});
  const past = new Map(profile.value?.ratings.map((rating) => [rating.item, rating.value]));
  const onRate = async (item: Item, value: number) => {
    if (await rate(item, value)) setGiven((old) => ({ ...old, [item.item]: value }));
  };
  return (
    <ul class="hits">
      {items.map((item) => (
        <li key={item.item} class="hit">
          <span class="hit-title">
            {item.title} {item.year !== null && <span class="year">{item.year}</span>}
          </span>
          <Stars
            title={item.title}
            value={given[item.item] ?? past.get(item.item) ?? 0}
            disabled={saving.value !== null}
            onRate={(value) => void onRate(item, value)}
          />
        </li>
      ))}
    </ul>
  );
}

export function RateSearch() {
  const [query, setQuery] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const open = query.trim() !== "";
  const found = useSearch(query, open, search);
  return (
    <div
      class="rate-search"
      ref={box}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open) return;
        setQuery("");
        box.current?.querySelector("input")?.focus();
      }}
    >
      <label class="sr-only" for="rate-search">
        Find something to rate
      </label>
      <div class="search-field">
        <SearchIcon />
        <input
          id="rate-search"
          type="search"
          autocomplete="off"
          placeholder="Find something you know and rate it"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
        />
      </div>
      {open && found !== null && (
        <div class="hits-panel" role="region" aria-label="Search results">
          {found.length === 0 ? <p class="hint">Nothing has this in its title.</p> : <Hits items={found} />}
        </div>
      )}
    </div>
  );
}

/** What a guest sees first: a few items to rate. */
export function StartRating() {
  const found = useSearch("", true, search);
  return (
    <div class="start">
      <p class="start-text">Nothing is known about you yet. Rate one or two of these, or find others above, and the list begins.</p>
      <Hits items={found ?? []} />
    </div>
  );
}
