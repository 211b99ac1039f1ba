// What an item has of the attributes: its strongest ones as bars around the average item, each with "less" and "more".
import { degreeLimit, formatDegree, formatShare, senseLabel } from "../lib/chart";
import type { SpectrumBar } from "../lib/attributes";
import type { Item } from "../lib/types";
import { isTelling, spectra } from "../state/attributes";
import { DegreeBar } from "./charts";
import { Step, WordButton } from "./steps";

const kShown = 6;

function Row({ bar, item, limit }: { bar: SpectrumBar; item: Item; limit: number }) {
  const share = formatShare(bar.percentile);
  return (
    <li class="spectrum-row">
      <WordButton name={bar.name} label={senseLabel(bar.sense)} />
      <span class="spectrum-bar" title={share === "" ? undefined : `More of it than ${share} of all items`}>
        <DegreeBar value={bar.degree} limit={limit} />
      </span>
      <span class="figure">{formatDegree(bar.degree)}</span>
      <span class="steps">
        <Step attribute={bar.sense} direction="less" item={item} />
        <Step attribute={bar.sense} direction="more" item={item} />
      </span>
    </li>
  );
}

export function Spectrum({ item, id }: { item: Item; id: string }) {
  const bars = spectra.value
    .get(item.item)
    ?.filter((bar) => isTelling(bar.name))
    .slice(0, kShown);
  const limit = degreeLimit(bars?.map((bar) => bar.degree) ?? []);
  return (
    <div class="spectrum" id={id}>
      {bars === undefined ? (
        <p class="hint">Loading</p>
      ) : bars.length === 0 ? (
        <p class="hint">Nothing is known about this one.</p>
      ) : (
        <ul aria-label={`What ${item.title} is like`}>
          {bars.map((bar) => (
            <Row key={bar.sense} bar={bar} item={item} limit={limit} />
          ))}
        </ul>
      )}
    </div>
  );
}
