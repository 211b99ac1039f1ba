// Line icons, drawn on a 24 by 24 grid; always beside or inside a label, so hidden from screen readers.
import type { ComponentChildren } from "preact";

function Icon({ children, fill }: { children: ComponentChildren; fill?: boolean }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" fill={fill ? "currentColor" : "none"}
      stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">
      {children}
    </svg>
  );
}

export const StarIcon = () => <Icon fill><path d="M12 3.6l2.6 5.3 5.8.8-4.200 4.100 1 5.800-5.200-2.700-5.200 2.700 1-5.800-4.200-4.100 5.800-.8z" /></Icon>;
export const CloseIcon = () => <Icon><path d="M6 6l12 12M18 6L6 18" /></Icon>;
export const SearchIcon = () => <Icon><circle cx="11" cy="11" r="6.500" /><path d="M16 16l4.500 4.500" /></Icon>;
export const SendIcon = () => <Icon><path d="M12 19V5M6 11l6-6 6 6" /></Icon>;
export const StopIcon = () => <Icon fill><rect x="7" y="7" width="10" height="10" rx="1.500" /></Icon>;
export const AgainIcon = () => <Icon><path d="M19.500 12a7.500 7.500 0 1 1-2.200-5.300L20 9.200" /><path d="M20 4.500v4.700h-4.700" /></Icon>;
export const TuneIcon = () => <Icon><path d="M4 8h9M17 8h3M4 16h3M11 16h9" /><circle cx="15" cy="8" r="2" /><circle cx="9" cy="16" r="2" /></Icon>;
export const PersonIcon = () => <Icon><circle cx="12" cy="8.500" r="3.500" /><path d="M5 20c.8-3.600 3.500-5.500 7-5.500s6.200 1.900 7 5.500" /></Icon>;
export const ChatIcon = () => <Icon><path d="M5 5.500h14a1.500 1.500 0 0 1 1.500 1.500v8.500A1.500 1.500 0 0 1 19 17h-8l-4.500 3.500V17H5a1.500 1.500 0 0 1-1.500-1.500V7A1.500 1.500 0 0 1 5 5.500z" /></Icon>;
export const ListIcon = () => <Icon><path d="M9 6.500h11M9 12h11M9 17.500h11M4.500 6.500h.01M4.500 12h.01M4.500 17.500h.01" /></Icon>;
export const SunIcon = () => <Icon><circle cx="12" cy="12" r="4" /><path d="M12 3v1.500M12 19.500V21M3 12h1.500M19.500 12H21M5.600 5.600l1.100 1.100M17.300 17.300l1.100 1.100M18.400 5.600l-1.100 1.100M6.700 17.300l-1.100 1.100" /></Icon>;
export const MoonIcon = () => <Icon><path d="M19.500 14.200A8 8 0 0 1 9.800 4.500a8 8 0 1 0 9.700 9.700z" /></Icon>;
export const AutoIcon = () => <Icon><circle cx="12" cy="12" r="7.500" /><path d="M12 4.500v15a7.500 7.500 0 0 0 0-15z" fill="currentColor" /></Icon>;
export const BinIcon = () => <Icon><path d="M5 7h14M10 7V5h4v2M7 7l.8 12.500h8.400L17 7" /></Icon>;

/** The mark: five strings, one in tune. */
export const Mark = () => (
  <svg class="mark" viewBox="0 0 32 32" width="30" height="30" aria-hidden="true">
    <rect class="mark-ground" width="32" height="32" rx="8" />
    <g stroke-width="2.6" stroke-linecap="round">
      <path class="mark-string" d="M7 13.500v5M11.500 10v12M16 6.500v19M25 13.500v5" />
      <path class="mark-tuned" d="M20.500 10v12" />
    </g>
  </svg>
);
