// Shapes of the HTTP contract that the page reads, after normalising (lib/api.ts). Until then everything from the
// server is treated as optional.

export interface Item {
  item: string;
  title: string;
  year: number | null;
  genres: string[];
}

export interface RankedItem extends Item {
  score: number;
  because: string | null;
  becauseSource: ReasonSource | null;
}

export type ReasonSource = "model" | "template";

export interface ModelInfo {
  id: string;
  instructionTuned: boolean;
}

export interface PastRating {
  item: string;
  title: string;
  value: number;
  /** Milliseconds since 1970, or null if the server sent none. */
  timeMs: number | null;
}

export interface Profile {
  user: string;
  numRatings: number;
  ratings: PastRating[];
  likes: string[];
  dislikes: string[];
  favourites: string[];
}

export interface BecauseShare {
  model: number;
  template: number;
}

/** One event of a streamed recommendation. */
export type RecommendEvent =
  | { type: "items"; items: RankedItem[] }
  | { type: "because_delta"; item: string; text: string }
  | { type: "because"; item: string; because: string | null; source: ReasonSource | null }
  | { type: "done"; share: BecauseShare | null };

export interface ChatMessage {
  role: "user" | "assistant" | "system";
  content: string;
}

export interface ChatSettings {
  temperature: number;
  topP: number;
  topK: number;
  maxTokens: number;
  /** null asks for a fresh draw each time. */
  seed: number | null;
}
