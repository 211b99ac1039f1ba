// Choosing a user: a search box over a list (ARIA combobox), or a new guest.
import { useId, useState } from "preact/hooks";
import { searchUsers } from "../lib/api";
import { chooseGuest, chooseUser, pickerOpen, server, user } from "../state/session";
import { Dialog } from "./dialog";
import { SearchIcon } from "./icons";
import { useSearch } from "./use_search";

const kShown = 20;
const search = (query: string, signal: AbortSignal) => searchUsers(query, kShown, signal);

export function UserPicker() {
  const [query, setQuery] = useState("");
  const [active, setActive] = useState(0);
  const id = useId();
  const found = useSearch(query, server.value === "ready", search);
  const options = found ?? [];
  const current = Math.min(active, options.length - 1);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = Math.min(options.length - 1, Math.max(0, current + (event.key === "ArrowDown" ? 1 : -1)));
      setActive(next);
      document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" && options[current] !== undefined) {
      event.preventDefault();
      chooseUser(options[current]);
    }
  };

  return (
    <div class="picker">
      <label class="field-label" for={`${id}-input`}>
        Find a user by id
      </label>
      <div class="search-field">
        <SearchIcon />
        <input
          id={`${id}-input`}
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls={`${id}-list`}
          aria-autocomplete="list"
          aria-activedescendant={options.length > 0 ? `${id}-${current}` : undefined}
          autocomplete="off"
          spellcheck={false}
          placeholder="For example 196"
          value={query}
          onInput={(event) => {
            setQuery(event.currentTarget.value);
            setActive(0);
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <ul class="user-options" id={`${id}-list`} role="listbox" aria-label="Users">
        {options.map((option, index) => (
          <li
            key={option}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === current}
            class={option === user.value ? "user-option current" : "user-option"}
            onClick={() => chooseUser(option)}
          >
            {option}
          </li>
        ))}
      </ul>
      <p class="hint" role="status">
        {found !== null && options.length === 0 ? "No user matches." : ""}
      </p>
      <div class="picker-guest">
        <p>Not in the data? A guest starts with an empty page and is learned from the first rating on.</p>
        <button type="button" class="button" onClick={chooseGuest}>
          Continue as a new guest
        </button>
      </div>
    </div>
  );
}

export function PickerDialog() {
  if (!pickerOpen.value) return null;
  return (
    <Dialog title="Who is this for?" onClose={() => (pickerOpen.value = false)}>
      <UserPicker />
    </Dialog>
  );
}
