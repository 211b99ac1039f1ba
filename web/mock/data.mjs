// Deterministic catalogue and users for the mock server. Latent taste is a weight per genre; nothing here is real behaviour.
const kFilms = [
  ["Star Wars", 1977, "Action Adventure Sci-Fi"],
  ["Contact", 1997, "Drama Sci-Fi"],
  ["Fargo", 1996, "Crime Drama Thriller"],
  ["Return of the Jedi", 1983, "Action Adventure Sci-Fi"],
  ["Liar Liar", 1997, "Comedy"],
  ["The English Patient", 1996, "Drama Romance War"],
  ["Scream", 1996, "Horror Thriller"],
  ["Toy Story", 1995, "Animation Children Comedy"],
  ["Air Force One", 1997, "Action Thriller"],
  ["Independence Day", 1996, "Action Sci-Fi War"],
  ["Raiders of the Lost Ark", 1981, "Action Adventure"],
  ["The Godfather", 1972, "Action Crime Drama"],
  ["Pulp Fiction", 1994, "Crime Drama"],
  ["Twelve Monkeys", 1995, "Drama Sci-Fi"],
  ["The Silence of the Lambs", 1991, "Drama Thriller"],
  ["Jerry Maguire", 1996, "Drama Romance"],
  ["The Rock", 1996, "Action Adventure Thriller"],
  ["The Empire Strikes Back", 1980, "Action Adventure Sci-Fi"],
  ["Star Trek: First Contact", 1996, "Action Adventure Sci-Fi"],
  ["Back to the Future", 1985, "Comedy Sci-Fi"],
  ["Titanic", 1997, "Drama Romance"],
  ["Mission: Impossible", 1996, "Action Adventure Mystery"],
  ["The Fugitive", 1993, "Action Thriller"],
  ["Indiana Jones and the Last Crusade", 1989, "Action Adventure"],
  ["Willy Wonka and the Chocolate Factory", 1971, "Adventure Children Comedy"],
  ["The Princess Bride", 1987, "Adventure Comedy Romance"],
  ["Forrest Gump", 1994, "Comedy Romance War"],
  ["Monty Python and the Holy Grail", 1974, "Comedy"],
  ["Saint, The", 1997, "Action Romance Thriller"],
  ["The Full Monty", 1997, "Comedy"],
  ["Men in Black", 1997, "Action Comedy Sci-Fi"],
  ["The Terminator", 1984, "Action Sci-Fi Thriller"],
  ["E.T. the Extra-Terrestrial", 1982, "Children Drama Sci-Fi"],
  ["Dead Man Walking", 1995, "Drama"],
  ["Leaving Las Vegas", 1995, "Drama Romance"],
  ["The Shawshank Redemption", 1994, "Drama"],
  ["Braveheart", 1995, "Action Drama War"],
  ["Mr. Holland's Opus", 1995, "Drama"],
  ["L.A. Confidential", 1997, "Crime Film-Noir Mystery"],
  ["Alien", 1979, "Action Horror Sci-Fi"],
  ["Aliens", 1986, "Action Sci-Fi Thriller"],
  ["The Wizard of Oz", 1939, "Adventure Children Musical"],
  ["Psycho", 1960, "Horror Thriller"],
  ["Vertigo", 1958, "Mystery Thriller"],
  ["Casablanca", 1942, "Drama Romance War"],
  ["Blade Runner", 1982, "Film-Noir Sci-Fi"],
  ["Amadeus", 1984, "Drama Mystery"],
  ["Schindler's List", 1993, "Drama War"],
  ["The Lion King", 1994, "Animation Children Musical"],
  ["Aladdin", 1992, "Animation Children Comedy"],
  ["Jurassic Park", 1993, "Action Adventure Sci-Fi"],
  ["Sense and Sensibility", 1995, "Drama Romance"],
  ["Groundhog Day", 1993, "Comedy Romance"],
  ["Dr. Strangelove, or How I Learned to Stop Worrying and Love the Bomb", 1963, "Sci-Fi War"],
  ["The Graduate", 1967, "Drama Romance"],
  ["2001: A Space Odyssey", 1968, "Drama Mystery Sci-Fi"],
  ["Taxi Driver", 1976, "Drama Thriller"],
  ["Trainspotting", 1996, "Drama"],
  ["Babe", 1995, "Children Comedy Drama"],
  ["The Usual Suspects", 1995, "Crime Thriller"],
  ["Chinatown", 1974, "Film-Noir Mystery Thriller"],
  ["Delicatessen", 1991, "Comedy Sci-Fi"],
  ["Cinema Paradiso", 1988, "Comedy Drama Romance"],
  ["Some Like It Hot", 1959, "Comedy Crime"],
];

/// mulberry32: a small generator so that every start of the mock serves the same users.
export function seeded(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const quality = seeded(7);
export const items = kFilms.map(([title, year, genres], i) => ({
  item: String(i + 1),
  title,
  year,
  genres: genres.split(" "),
  quality: 0.6 * quality(),
}));
export const genres = [...new Set(items.flatMap((item) => item.genres))].sort();

/// A user as the learned model would know it: id and a handful of ratings whose mean over genres is its taste.
export function makeUsers(count) {
  const users = new Map();
  for (let id = 1; id <= count; ++id) {
    const random = seeded(1000 + id);
    const liked = new Set([0, 1, 2].map(() => genres[Math.floor(random() * genres.length)]));
    const ratings = new Map();
    for (let n = 0; n < 14; ++n) {
      const item = items[Math.floor(random() * items.length)];
      const base = item.genres.some((genre) => liked.has(genre)) ? 4 : 2;
      ratings.set(item.item, { value: Math.min(5, base + Math.floor(random() * 2)), time: 880000000 + id * 1000 + n * 60 });
    }
    users.set(String(id), { ratings, dismissed: new Set(), critiques: [] });
  }
  return users;
}

/// Weight of each genre for a user: mean of (rating - 3) with one pseudo-count, dismissals count as -1.5.
export function taste(user) {
  const sum = new Map(genres.map((genre) => [genre, { total: 0, n: 1 }]));
  const add = (itemId, amount) => {
    for (const genre of items[Number(itemId) - 1].genres) {
      const entry = sum.get(genre);
      entry.total += amount;
      entry.n += 1;
    }
  };
  for (const [item, { value }] of user.ratings) add(item, value - 3);
  for (const item of user.dismissed) add(item, -1.5);
  return new Map([...sum].map(([genre, { total, n }]) => [genre, total / n]));
}

/// `extra` is added to the score of each item of the catalogue: what critiques change.
export function rank(user, k, excludeSeen, extra = []) {
  const weights = taste(user);
  const scored = items
    .map((item, at) => {
      const fit = item.genres.reduce((total, genre) => total + weights.get(genre), 0) / item.genres.length;
      return { ...item, score: Math.round((3.4 + fit + item.quality + (extra[at] ?? 0)) * 1000) / 1000 };
    })
    .filter((item) => !user.dismissed.has(item.item) && !(excludeSeen && user.ratings.has(item.item)));
  scored.sort((a, b) => b.score - a.score || Number(a.item) - Number(b.item));
  return scored.slice(0, k).map(({ quality: unused, ...item }) => item);
}

export function profile(id, user) {
  const weights = [...taste(user)].sort((a, b) => b[1] - a[1]);
  const ratings = [...user.ratings]
    .sort((a, b) => b[1].time - a[1].time)
    .map(([item, { value, time }]) => ({ item, title: items[Number(item) - 1].title, value, time }));
  return {
    user: id,
    num_ratings: ratings.length,
    ratings: ratings.slice(0, 50),
    taste: {
      likes: weights
        .filter(([, w]) => w > 0.3)
        .slice(0, 4)
        .map(([genre]) => genre),
      dislikes: weights
        .filter(([, w]) => w < -0.3)
        .slice(-3)
        .reverse()
        .map(([genre]) => genre),
      favourites: ratings
        .filter((r) => r.value === 5)
        .slice(0, 3)
        .map((r) => r.title),
    },
  };
}

const kReasons = [
  (item, near, genre) =>
    `You gave ${near} high marks, and this ${genre} story has the same patience with its people and the same eye for a quiet turn.`,
  (item, near, genre) => `A ${genre} picture in the vein of ${near}: brisk, generous with its jokes, and never far from trouble.`,
  (item, near, genre) => `Because ${near} stayed with you, this one may too; it trades spectacle for mood and earns its ending.`,
  (item, near, genre) => `People who share your taste for ${genre} tend to rate it next to ${near}.`,
];

/// The reason for one item: its final text, and who wrote it. Every fourth is refused by the (pretended) check and becomes the template.
export function reason(user, item, index) {
  const liked = [...user.ratings].filter(([, r]) => r.value >= 4).map(([id]) => items[Number(id) - 1]);
  const near = (liked.find((other) => other.genres.some((g) => item.genres.includes(g))) ?? liked[0] ?? items[0]).title;
  const genre = item.genres[0].toLowerCase();
  const draft = kReasons[index % kReasons.length](item, near, genre);
  if (index % 4 === 3) return { draft, text: `Close to ${near}, which you rated highly.`, source: "template" };
  return { draft, text: draft, source: "model" };
}
