/** Whether a face is like those of the training; the twin of ferboost/datasets/traits.py. */

import { faceSide } from "./faces";

/** In the order of the values of `traitsOf`; below and above what a face is called. */
const words = [
  ["brightness", "darker", "brighter"],
  ["contrast", "flatter", "starker"],
  ["sharpness", "more blurred", "sharper or noisier"],
] as const;

/** The range of each trait that all but one in a hundred training faces lie in. */
export type TraitLimits = Record<(typeof words)[number][0], [low: number, high: number]>;

/** Say in what a face of 48 x 48 gray values is outside of what was trained; null if in nothing. */
export function warningOf(crop: Uint8Array, limits: TraitLimits | null): string | null {
  if (limits === null) return null;
  const traits = traitsOf(crop);
  const found = words.flatMap(([name, below, above], place) => {
    const [low, high] = limits[name];
    const value = traits[place];
    if (low <= value && value <= high) return [];
    const [shown, from, to] = [value, low, high].map((number) => number.toFixed(0));
    return [`${value > high ? above : below} (${name} ${shown}; trained on ${from} to ${to})`];
  });
  return found.length === 0 ? null : `outside of what was trained: ${found.join(", ")}`;
}

/** The mean, the standard deviation, and the standard deviation of the Laplacian, in gray values. */
function traitsOf(crop: Uint8Array): number[] {
  const laplacian: number[] = [];
  for (let y = 1; y < faceSide - 1; y += 1) {
    for (let x = 1; x < faceSide - 1; x += 1) {
      const at = y * faceSide + x;
      const beside = crop[at - 1] + crop[at + 1] + crop[at - faceSide] + crop[at + faceSide];
      laplacian.push(beside - 4 * crop[at]);
    }
  }
  const [brightness, contrast] = meanAndDeviation(crop);
  return [brightness, contrast, meanAndDeviation(laplacian)[1]];
}

function meanAndDeviation(values: ArrayLike<number>): [number, number] {
  let sum = 0;
  for (let k = 0; k < values.length; k += 1) sum += values[k];
  const mean = sum / values.length;
  let squares = 0;
  for (let k = 0; k < values.length; k += 1) squares += (values[k] - mean) ** 2;
  return [mean, Math.sqrt(squares / values.length)];
}
