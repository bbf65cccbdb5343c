/** What the page and its worker say to each other. */

import type { Face } from "./engine/faces";
import type { ModelInfo } from "./engine/model_file";

/** A face in a picture and what the model says of it. */
export interface Finding extends Face {
  /** 48 x 48 gray values: what the model sees. */
  crop: Uint8Array;
  /** In the order of the model's classes. */
  probabilities: Float32Array;
  /** In what it is outside of what was trained. */
  warning: string | null;
}

/** The faces of a picture; places in its pixels. */
export interface Findings {
  width: number;
  height: number;
  /** Whether the picture was taken as a face, without looking for any. */
  isFace: boolean;
  faces: Finding[];
}

export interface Explanation {
  /** 48 x 48: how much the probability falls, on average, when a patch over the pixel is covered. */
  falls: Float32Array;
  probability: number;
  /** The patch that lowers the probability most, and what is left of it. */
  lowest: { x: number; y: number; probability: number };
}

/** Every request and its answer. */
export interface Calls {
  start: {
    request: { runtime: ArrayBuffer; emotions: ArrayBuffer; faces: ArrayBuffer };
    answer: ModelInfo;
  };
  /** Look for faces, or take those that are given or the picture as one; tell their emotions. */
  analyse: {
    request: { picture: ImageBitmap; longestSide: number; faces?: Face[]; isFace?: boolean };
    answer: Findings;
  };
  explain: { request: { crop: Uint8Array; emotion: number }; answer: Explanation };
}

export type Kind = keyof Calls;

export type Request = {
  [K in Kind]: { id: number; kind: K; content: Calls[K]["request"] };
}[Kind];

export type Answer =
  | { id: number; content: Calls[Kind]["answer"] }
  | { id: number; error: string };
