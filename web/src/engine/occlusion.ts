/**
 * Which parts of a face the model's answer rests on: cover each with a gray patch and see how much
 * the probability falls (Zeiler and Fergus, 2014, "Visualizing and understanding convolutional
 * networks", section 4.2).
 */

import { faceSide } from "./faces";

const patch = 12;
const step = 6;

export interface Occlusions {
  faces: Uint8Array[];
  places: [x: number, y: number][];
}

/** Cover a face, one patch at a time, with its own mean gray. */
export function occlude(face: Uint8Array): Occlusions {
  const gray = Math.round(face.reduce((sum, value) => sum + value, 0) / face.length);
  const faces: Uint8Array[] = [];
  const places: [number, number][] = [];
  for (let y = 0; y <= faceSide - patch; y += step) {
    for (let x = 0; x <= faceSide - patch; x += step) {
      const covered = face.slice();
      for (let row = y; row < y + patch; row += 1) {
        covered.fill(gray, row * faceSide + x, row * faceSide + x + patch);
      }
      faces.push(covered);
      places.push([x, y]);
    }
  }
  return { faces, places };
}

/** Return for each pixel the mean fall of the probability; a patch counts most at its middle. */
export function meanFalls(places: [number, number][], falls: number[]): Float32Array {
  const sums = new Float32Array(faceSide * faceSide);
  const weights = new Float32Array(faceSide * faceSide);
  places.forEach(([left, top], k) => {
    for (let y = 0; y < patch; y += 1) {
      for (let x = 0; x < patch; x += 1) {
        const weight = nearness(x) * nearness(y);
        const place = (top + y) * faceSide + left + x;
        sums[place] += falls[k] * weight;
        weights[place] += weight;
      }
    }
  });
  return sums.map((sum, place) => sum / weights[place]);
}

function nearness(offset: number): number {
  return 1 - Math.abs(offset + 0.5 - patch / 2) / (patch / 2);
}
