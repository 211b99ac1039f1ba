// The small charts. Drawn with presentation attributes only: the content security policy allows no inline styles.
import type { Histogram, TrajectoryStep } from "../lib/attributes";
import { describeTrajectory, formatDegree, histogramBars, spanOf, trajectoryPoints, type LinePoint } from "../lib/chart";

interface DegreeBarProps {
  value: number;
  limit: number;
  /** Ends of the interval, if one is known. */
  low?: number;
  high?: number;
}

/** A bar from the middle (0) to the right (more) or left (less), with its interval as a thin line. The figure stands beside it, as text. */
export function DegreeBar({ value, limit, low, high }: DegreeBarProps) {
  const bar = spanOf(0, value, limit);
  const interval = low !== undefined && high !== undefined && high > low ? spanOf(low, high, limit) : null;
  return (
    <svg class="degree-bar" viewBox="-100 0 200 12" preserveAspectRatio="none" aria-hidden="true">
      <rect class="degree-track" x="-100" y="4" width="200" height="4" />
      <rect class={value < 0 ? "degree-fill less" : "degree-fill"} x={bar.x} y="2" width={bar.width} height="8" />
      {interval !== null && <rect class="degree-interval" x={interval.x} y="5.25" width={interval.width} height="1.5" />}
      <rect class="degree-zero" x="-0.5" y="0" width="1" height="12" />
    </svg>
  );
}

/** Where the list's mean was and where it is, on the axis of the degrees. */
export function Shift({ before, after, limit }: { before: number; after: number; limit: number }) {
  const way = spanOf(before, after, limit);
  const from = spanOf(before, before, limit).x;
  const to = spanOf(after, after, limit).x;
  return (
    <svg class="shift" viewBox="-124 -14 248 52" aria-hidden="true">
      <path class="shift-axis" d="M-116 12H116M0 5V19" />
      <rect class="shift-way" x={way.x} y="10.5" width={way.width} height="3" />
      <circle class="shift-before" cx={from} cy="12" r="5" />
      <circle class={after < before ? "shift-after less" : "shift-after"} cx={to} cy="12" r="6" />
      <text class="shift-text" x={from} y="-2" text-anchor="middle">
        before
      </text>
      <text class="shift-text now" x={to} y="34" text-anchor="middle">
        now
      </text>
    </svg>
  );
}

const kHistogram = { width: 240, height: 56 };

/** How many items have how much of it. */
export function HistogramChart({ histogram, name, level: Title }: { histogram: Histogram; name: string; level: "h3" | "h4" }) {
  const { edges, counts } = histogram;
  const bars = histogramBars(histogram, kHistogram.width, kHistogram.height);
  const low = edges[0] ?? 0;
  const high = edges.at(-1) ?? 0;
  const zero = (kHistogram.width * (0 - low)) / (high - low);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const peak = counts.indexOf(Math.max(...counts));
  const label =
    `${name}: degrees of ${total} items from ${formatDegree(low)} to ${formatDegree(high)}, ` +
    `most of them between ${formatDegree(edges[peak] ?? low)} and ${formatDegree(edges[peak + 1] ?? high)}.`;
  return (
    <figure class="histogram">
      <Title class="part-title">All items</Title>
      <svg viewBox={`0 0 ${kHistogram.width} ${kHistogram.height + 1}`} preserveAspectRatio="none" role="img" aria-label={label}>
        {bars.map((bar, n) => (
          <rect
            key={n}
            class={(edges[n] ?? 0) + (edges[n + 1] ?? 0) < 0 ? "histogram-bar less" : "histogram-bar"}
            x={bar.x + 0.5}
            y={bar.y}
            width={Math.max(0.5, bar.width - 1)}
            height={bar.height}
          />
        ))}
        <rect class="histogram-base" x="0" y={kHistogram.height} width={kHistogram.width} height="1" />
        {zero > 0 && zero < kHistogram.width && <rect class="histogram-zero" x={zero - 0.5} y="0" width="1" height={kHistogram.height} />}
      </svg>
      <figcaption aria-hidden="true">
        <span>{formatDegree(low)}</span>
        <span>{total} items</span>
        <span>{formatDegree(high)}</span>
      </figcaption>
    </figure>
  );
}

const kLine = { width: 232, height: 52, side: 14, top: 20 };

/** Whether there is more room above the first (0) or last (1) point than below it: the line goes or comes the other way. */
function liesAbove(points: readonly LinePoint[], end: number): boolean {
  const [point, neighbour] = end === 0 ? [points[0], points[1]] : [points.at(-1), points.at(-2)];
  return (point?.y ?? 0) <= (neighbour?.y ?? 0);
}

/** The list's mean degree from critique to critique: up-pointing marks after "more", down-pointing after "less". */
export function TrajectoryChart({ name, steps }: { name: string; steps: readonly TrajectoryStep[] }) {
  const { points, zero } = trajectoryPoints(steps, kLine.width, kLine.height);
  const ends = points.filter((_, n) => n === 0 || n === points.length - 1);
  return (
    <svg
      class="trajectory"
      viewBox={`${-kLine.side} ${-kLine.top} ${kLine.width + 2 * kLine.side} ${kLine.height + 2 * kLine.top}`}
      role="img"
      aria-label={describeTrajectory(name, steps)}
    >
      {zero !== null && <path class="trajectory-zero" d={`M${-kLine.side} ${zero}H${kLine.width + kLine.side}`} />}
      <path class="trajectory-line" d={`M${points.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`} />
      {points.map(({ x, y, step }, n) => (
        <g key={n} transform={`translate(${x.toFixed(1)} ${y.toFixed(1)})`}>
          {step.direction === null ? (
            <circle class="trajectory-start" r="4" />
          ) : (
            <path
              class={step.direction === "less" ? "trajectory-mark less" : "trajectory-mark"}
              d={step.direction === "less" ? "M-5.5 -4.5H5.5L0 5.5Z" : "M-5.5 4.5H5.5L0 -5.5Z"}
            />
          )}
        </g>
      ))}
      {ends.map(({ x, y, step }, n) => (
        <text
          key={n}
          class={n === 0 ? "trajectory-text" : "trajectory-text now"}
          x={n === 0 ? x - 4 : x + kLine.side - 2}
          y={liesAbove(points, n) ? y - 10 : y + 19}
          text-anchor={n === 0 ? "start" : "end"}
        >
          {formatDegree(step.meanDegree)}
        </text>
      ))}
    </svg>
  );
}
