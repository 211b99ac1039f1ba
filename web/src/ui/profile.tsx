// What is known about the user, in words and in full, and the way to have it erased.
import { useState } from "preact/hooks";
import { counted, formatDate } from "../lib/format";
import type { PastRating } from "../lib/types";
import { eraseMyData, profile } from "../state/profile";
import { isGuest, pickerOpen, user } from "../state/session";
import { Dialog } from "./dialog";
import { BinIcon, StarIcon } from "./icons";
import { MoodSection } from "./moods";
import { TasteSection } from "./taste";

function Taste({ title, words, kind }: { title: string; words: string[]; kind: string }) {
  if (words.length === 0) return null;
  return (
    <div class="taste">
      <h3>{title}</h3>
      <ul class={`chips ${kind}`}>
        {words.map((word) => (
          <li key={word}>{word}</li>
        ))}
      </ul>
    </div>
  );
}

function Rating({ rating }: { rating: PastRating }) {
  return (
    <li class="past">
      <span class="past-title">{rating.title}</span>
      <span class="past-value">
        <span class="sr-only">{rating.value} of 5</span>
        <span aria-hidden="true">
          {rating.value}
          <StarIcon />
        </span>
      </span>
      {rating.timeMs !== null && <span class="past-time">{formatDate(rating.timeMs)}</span>}
    </li>
  );
}

function EraseDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const [busy, setBusy] = useState(false);
  const erase = async () => {
    setBusy(true);
    await eraseMyData();
    onClose();
  };
  return (
    <Dialog title="Erase all data?" onClose={onClose}>
      <p>
        Every rating and dismissal of <strong>{id}</strong> is removed from this server, and the learned model no longer knows this user.
        This cannot be undone.
      </p>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          Keep it
        </button>
        <button type="button" class="button danger" disabled={busy} onClick={() => void erase()}>
          {busy ? "Erasing" : "Erase everything"}
        </button>
      </div>
    </Dialog>
  );
}

export function ProfilePanel() {
  const [erasing, setErasing] = useState(false);
  const id = user.value ?? "";
  const known = profile.value;
  const hasTaste = known !== null && known.likes.length + known.dislikes.length + known.favourites.length > 0;
  return (
    <section class="panel profile-panel" aria-labelledby="profile-title">
      <div class="profile-head">
        <h2 id="profile-title">{isGuest(id) ? id : `User ${id}`}</h2>
        <button type="button" class="quiet-button" onClick={() => (pickerOpen.value = true)}>
          Change
        </button>
      </div>
      <p class="sub">{known === null ? "Nothing stored yet" : counted(known.numRatings, "rating")}</p>
      {hasTaste && (
        <>
          <Taste title="Likes" words={known.likes} kind="likes" />
          <Taste title="Dislikes" words={known.dislikes} kind="dislikes" />
          <Taste title="Favourites" words={known.favourites} kind="favourites" />
        </>
      )}
      <MoodSection />
      <TasteSection />
      {known !== null && known.ratings.length > 0 && (
        <>
          <h3 id="past-title">{known.ratings.some((rating) => rating.timeMs !== null) ? "Recent ratings" : "Ratings"}</h3>
          <ul class="pasts" aria-labelledby="past-title" tabIndex={0}>
            {known.ratings.map((rating) => (
              <Rating key={rating.item} rating={rating} />
            ))}
          </ul>
        </>
      )}
      {known !== null && (
        <button type="button" class="erase-button" aria-haspopup="dialog" onClick={() => setErasing(true)}>
          <BinIcon /> Erase my data
        </button>
      )}
      {erasing && <EraseDialog id={id} onClose={() => setErasing(false)} />}
    </section>
  );
}
