/** Who is who from one picture of a video to the next: the face whose box overlaps most. */

import { overlap } from "./engine/faces";
import type { Finding, Findings } from "./messages";

/** A face with the number that it keeps, from 1. */
export interface Person extends Finding {
  number: number;
}

/** The faces of one picture, at a time in seconds; null in a photo. */
export interface Sample {
  time: number | null;
  width: number;
  height: number;
  people: Person[];
}

const minOverlap = 0.1;
/** Seconds that a face may be gone and is still known. */
export const memory = 4;

export class Crowd {
  #seen = new Map<number, { face: Finding; time: number }>();
  #count = 0;
  #memory: number;

  constructor(seconds = memory) {
    this.#memory = seconds;
  }

  /** Number the faces of the next picture. */
  recognise({ width, height, faces }: Findings, time: number | null): Sample {
    const now = time ?? 0;
    this.#seen = new Map([...this.#seen].filter(([, last]) => now - last.time <= this.#memory));
    const free = new Map(this.#seen);
    const people = faces.map((face) => {
      let number = 0;
      let most = minOverlap;
      for (const [candidate, last] of free) {
        const shared = overlap(face.box, last.face.box);
        if (shared > most) [number, most] = [candidate, shared];
      }
      if (number === 0) {
        this.#count += 1;
        number = this.#count;
      }
      free.delete(number);
      this.#seen.set(number, { face, time: now });
      return { ...face, number };
    });
    people.sort((one, other) => one.number - other.number);
    return { time, width, height, people };
  }
}
