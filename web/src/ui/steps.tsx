// The two buttons "less" and "more" of an attribute, wherever one is named.
import type { ComponentChildren } from "preact";
import type { Direction } from "../lib/attributes";
import type { Item } from "../lib/types";
import { openAttribute } from "../state/attributes";
import { critique, critiqueText, critiquing } from "../state/critique";
import { saving } from "../state/recommend";
import { MinusIcon, PlusIcon } from "./icons";

interface StepProps {
  /** An attribute, or one of its senses. */
  attribute: string;
  direction: Direction;
  /** The item that it is said about; null: the list. */
  item: Item | null;
  /** Words on the button instead of its sign. */
  children?: ComponentChildren;
}

export function Step({ attribute, direction, item, children }: StepProps) {
  const busy = critiquing.value !== null || saving.value !== null;
  const label = critiqueText(direction, attribute);
  return (
    <button
      type="button"
      class={children === undefined ? "step" : "button with-icon"}
      aria-label={item === null ? label : `${label} than ${item.title}`}
      aria-disabled={busy}
      aria-busy={critiquing.value === `${direction} ${attribute}`}
      title={label}
      onClick={() => !busy && void critique(attribute, direction, item)}
    >
      {direction === "more" ? <PlusIcon /> : <MinusIcon />}
      {children}
    </button>
  );
}

/** An attribute's name, which opens its page. */
export function WordButton({ name, label, children }: { name: string; label?: string; children?: ComponentChildren }) {
  return (
    <button type="button" class="word-button" aria-haspopup="dialog" onClick={() => (openAttribute.value = name)}>
      {label ?? name}
      {children}
    </button>
  );
}
