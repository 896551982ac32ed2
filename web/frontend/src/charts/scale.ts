// The two scales that the charts need; a library's come with time, colour and formats, a sixth of the whole page.

/** Place bands beside each other from one end to another; return where a band begins, how wide it is, and each step. */
export function bands(count: number, from: number, to: number, gap = 0.3) {
  const step = (to - from) / Math.max(1, count);
  return { at: (i: number) => from + step * (i + gap / 2), width: step * (1 - gap), step };
}

/** Return round numbers from 0 to at least the most, about count of them. */
export function ticks(most: number, count: number): number[] {
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((times) => times * power >= rough) ?? 10);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step);
}
