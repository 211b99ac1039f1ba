// Line icons, drawn on a 24 by 24 grid; always beside or inside a label, so hidden from screen readers.
import type { ComponentChildren } from "preact";

function Icon({ children, fill }: { children: ComponentChildren; fill?: boolean }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 24 24"
      width="20"
      height="20"
      aria-hidden="true"
      fill={fill ? "currentColor" : "none"}
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
    >
      {children}
    </svg>
  );
}

export const StarIcon = () => (
  <Icon fill>
    <path d="M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8-4.2-4.1 5.8-.8z" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="M6 6l12 12M18 6L6 18" />
  </Icon>
);
export const SearchIcon = () => (
  <Icon>
    <circle cx="11" cy="11" r="6.5" />
    <path d="M16 16l4.5 4.5" />
  </Icon>
);
export const SendIcon = () => (
  <Icon>
    <path d="M12 19V5M6 11l6-6 6 6" />
  </Icon>
);
export const StopIcon = () => (
  <Icon fill>
    <rect x="7" y="7" width="10" height="10" rx="1.5" />
  </Icon>
);
export const AgainIcon = () => (
  <Icon>
    <path d="M19.5 12a7.5 7.5 0 1 1-2.2-5.3L20 9.2" />
    <path d="M20 4.5v4.7h-4.7" />
  </Icon>
);
export const TuneIcon = () => (
  <Icon>
    <path d="M4 8h9M17 8h3M4 16h3M11 16h9" />
    <circle cx="15" cy="8" r="2" />
    <circle cx="9" cy="16" r="2" />
  </Icon>
);
export const PersonIcon = () => (
  <Icon>
    <circle cx="12" cy="8.5" r="3.5" />
    <path d="M5 20c.8-3.6 3.5-5.5 7-5.5s6.2 1.9 7 5.5" />
  </Icon>
);
export const ChatIcon = () => (
  <Icon>
    <path d="M5 5.5h14a1.5 1.5 0 0 1 1.5 1.5v8.5A1.5 1.5 0 0 1 19 17h-8l-4.5 3.5V17H5a1.5 1.5 0 0 1-1.5-1.5V7A1.5 1.5 0 0 1 5 5.5z" />
  </Icon>
);
export const ListIcon = () => (
  <Icon>
    <path d="M9 6.5h11M9 12h11M9 17.5h11M4.5 6.5h.01M4.5 12h.01M4.5 17.5h.01" />
  </Icon>
);
export const SunIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="4" />
    <path d="M12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M18.4 5.6l-1.1 1.1M6.7 17.3l-1.1 1.1" />
  </Icon>
);
export const MoonIcon = () => (
  <Icon>
    <path d="M19.5 14.2A8 8 0 0 1 9.8 4.5a8 8 0 1 0 9.7 9.7z" />
  </Icon>
);
export const AutoIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="7.5" />
    <path d="M12 4.5v15a7.5 7.5 0 0 0 0-15z" fill="currentColor" />
  </Icon>
);
export const BinIcon = () => (
  <Icon>
    <path d="M5 7h14M10 7V5h4v2M7 7l.8 12.5h8.4L17 7" />
  </Icon>
);

export const PlusIcon = () => (
  <Icon>
    <path d="M12 6v12M6 12h12" />
  </Icon>
);
export const MinusIcon = () => (
  <Icon>
    <path d="M6 12h12" />
  </Icon>
);
export const UndoIcon = () => (
  <Icon>
    <path d="M8.5 5L4.5 9l4 4" />
    <path d="M4.5 9H14a5.5 5.5 0 0 1 0 11H9" />
  </Icon>
);

/** The mark: five strings, one in tune. */
export const Mark = () => (
  <svg class="mark" viewBox="0 0 32 32" width="30" height="30" aria-hidden="true">
    <rect class="mark-ground" width="32" height="32" rx="8" />
    <g stroke-width="2.6" stroke-linecap="round">
      <path class="mark-string" d="M7 13.5v5M11.5 10v12M16 6.5v19M25 13.5v5" />
      <path class="mark-tuned" d="M20.5 10v12" />
    </g>
  </svg>
);
