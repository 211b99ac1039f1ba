// Five stars as one tab stop: arrow keys move between them, Enter or Space gives the rating (moving alone must not store anything).
import { useRef, useState } from "preact/hooks";
import { StarIcon } from "./icons";

interface StarsProps {
  /** What is rated, for the label. */
  title: string;
  /** Rating given so far, 0 for none. */
  value: number;
  disabled: boolean;
  onRate: (value: number) => void;
}

const kStars = [1, 2, 3, 4, 5];

export function Stars({ title, value, disabled, onRate }: StarsProps) {
  const [focused, setFocused] = useState(0);
  const group = useRef<HTMLDivElement>(null);
  const stop = focused || value || 1;

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const next = event.key === "Home" ? 1 : event.key === "End" ? 5 : step === undefined ? 0 : Math.min(5, Math.max(1, stop + step));
    if (next === 0) return;
    event.preventDefault();
    setFocused(next);
    group.current?.querySelectorAll("button")[next - 1]?.focus();
  };

  return (
    <div class="stars" role="group" aria-label={`Rate ${title}`} ref={group} onKeyDown={onKeyDown}>
      {kStars.map((star) => (
        <button
          key={star}
          type="button"
          class={star <= value ? "star lit" : "star"}
          tabIndex={star === stop ? 0 : -1}
          aria-label={`${star} of 5`}
          aria-pressed={star === value}
          aria-disabled={disabled}
          onFocus={() => setFocused(star)}
          onBlur={() => setFocused(0)}
          onClick={() => !disabled && onRate(star)}
        >
          <StarIcon />
        </button>
      ))}
    </div>
  );
}
