// Identifiers that the page makes up.

const kAlphabet = "23456789abcdefghjkmnpqrstuvwxyz";

function randomText(length: number): string {
  return [...crypto.getRandomValues(new Uint8Array(length))].map((byte) => kAlphabet[byte % kAlphabet.length]).join("");
}

/** A new user id such as "guest-7k2m9x"; letters that look alike are left out. */
export const newGuestId = (): string => `guest-${randomText(6)}`;

/** Idempotency key of one feedback event: sent again unchanged when a request is repeated. (randomUUID needs a secure context.) */
export const newEventId = (): string => `page-${randomText(20)}`;
