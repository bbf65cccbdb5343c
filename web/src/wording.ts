/** What the page says of a face, in words and numbers. */

import type { ModelInfo } from "./engine/model_file";

export interface Verdict {
  /** Place of the likeliest class. */
  top: number;
  /** Places of the classes in the 90 % set, the likeliest first. */
  set: number[];
  /** False where the set holds more than one class. */
  sure: boolean;
  /** "happy" or "not sure: sad or neutral". */
  words: string;
}

/** Say what the probabilities of a face mean. */
export function verdictOf(probabilities: Float32Array, model: ModelInfo): Verdict {
  const ranked = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const top = ranked[0];
  const { setThreshold } = model;
  const set =
    setThreshold === null ? [top] : ranked.filter((k) => probabilities[k] >= setThreshold);
  const sure = set.length === 1;
  const names = set.map((k) => model.classes[k]);
  return { top, set, sure, words: sure ? names[0] : unsure(names) };
}

function unsure(names: string[]): string {
  if (names.length === 0) return "not sure";
  if (names.length > 3) return `not sure: ${names.slice(0, 2).join(", ")} or ${names.length - 2} others`;
  return `not sure: ${listed(names, "or")}`;
}

/** "a", "a or b", "a, b or c". */
export function listed(names: string[], conjunction: string): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} ${conjunction} ${names.at(-1)}`;
}

/** "93 %", with a space that does not break. */
export function percent(share: number): string {
  const rounded = Math.round(100 * share);
  return `${rounded === 0 && share > 0 ? "<1" : rounded}\u00a0%`;
}

/** "1:05" or "1:05.2". */
export function clock(seconds: number, decimals = 0): string {
  const tenths = Math.round(seconds * 10 ** decimals) / 10 ** decimals;
  const minutes = Math.floor(tenths / 60);
  const rest = (tenths - 60 * minutes).toFixed(decimals);
  return `${minutes}:${rest.padStart(decimals === 0 ? 2 : 3 + decimals, "0")}`;
}

export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count === 0 ? "no" : count} ${count === 1 ? one : several}`;
}

export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
