"""Statistics of alternating pairs: what is kept, the median ratio and its interval. Pure functions, tested in tests/bench/."""

import random
from dataclasses import dataclass, field

MAX_BANDWIDTH_CHANGE = 0.25  # of the probe before and after a pair
MAX_OTHER_LOAD = 0.15        # cores that other processes kept busy during a pair
MAX_STEAL = 0.15             # cores that the hypervisor took
MIN_KEPT = 3                 # fewer pairs that count say nothing: then there is no ratio


@dataclass
class Pair:
    ours: float
    peer: float
    bandwidth_before: float
    bandwidth_after: float
    other_load: float
    steal: float
    details: dict = field(default_factory=dict)

    def reason_to_drop(self):
        """Why this pair does not count, or None."""
        low, high = sorted((self.bandwidth_before, self.bandwidth_after))
        if low <= 0 or high / low - 1 > MAX_BANDWIDTH_CHANGE:
            return "bandwidth moved"
        if self.other_load > MAX_OTHER_LOAD:
            return "other processes"
        if self.steal > MAX_STEAL:
            return "steal"
        return None


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def lower_bound_90(ratios, draws=2000, seed=1):
    """Lower end of the 90 % percentile-bootstrap interval of the median: its 5 % quantile."""
    generator = random.Random(seed)
    medians = sorted(median(generator.choices(ratios, k=len(ratios))) for _ in range(draws))
    return medians[int(0.05 * (draws - 1))]


def ratio_of(pair, smaller_is_better):
    """Above 1: we are ahead."""
    return pair.peer / pair.ours if smaller_is_better else pair.ours / pair.peer


def summarise(pairs, smaller_is_better, min_kept=MIN_KEPT, keep_disturbed=False):
    """With keep_disturbed every pair counts. Medians of the pairs that count. With fewer than min_kept of them `noisy` is true and ratio and bound are None: disturbances do not
    hit both sides alike, so the ratio of disturbed pairs (noisy_ratio) is no measurement."""
    if not pairs:
        raise ValueError("[pairs] no pair was measured")
    kept = [pair for pair in pairs if keep_disturbed or pair.reason_to_drop() is None]
    noisy = len(kept) < max(1, min_kept)
    used = pairs if noisy else kept
    ratios = [ratio_of(pair, smaller_is_better) for pair in used]
    reasons = {}
    for pair in pairs:
        reason = pair.reason_to_drop()
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
    return {
        "ours": median([pair.ours for pair in used]),
        "peer": median([pair.peer for pair in used]),
        "ratio": None if noisy else median(ratios),
        "lower90": None if noisy else lower_bound_90(ratios),
        "noisy": noisy,
        "noisy_ratio": median(ratios) if noisy else None,
        "pairs": len(kept),
        "dropped": len(pairs) - len(kept),
        "dropped_because": {} if keep_disturbed else reasons,
        "disturbed": sum(pair.reason_to_drop() is not None for pair in kept),
        "load": median([pair.other_load for pair in used]),
        "steal": median([pair.steal for pair in used]),
        "bandwidth_before": median([pair.bandwidth_before for pair in used]),
        "bandwidth_after": median([pair.bandwidth_after for pair in used]),
    }
