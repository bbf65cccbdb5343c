/** Faces in pictures, and how one is cut out; the twin of ferboost/inference/faces.py. */

import { type Box, type Raster, grayPiece, lanczos, resize, rotate, roundHalfEven } from "./raster";

export type Point = [x: number, y: number];

/** Places in pixels, from the upper left corner; a part of the box may lie outside. */
export interface Face {
  box: Box;
  score: number;
  eyes: [Point, Point];
}

export const faceSide = 48;

const cropSide = 0.92;
const oversampling = 4;

/** Cut a face out as FER-2013's are: from chin to brow, the eyes level; 48 x 48 gray values. */
export function cropFace(rgb: Raster, face: Face): Uint8Array {
  const { left, top, right, bottom } = face.box;
  const x = (left + right) / 2;
  const y = (top + bottom) / 2;
  const length = Math.max(right - left, bottom - top) * cropSide;
  const reach = length / Math.SQRT2; // the square in any turn
  const kept = Math.min(2 * reach, Math.SQRT2 * oversampling * faceSide);
  const size = Math.max(2, roundHalfEven(kept));
  const outer = {
    left: Math.floor(x - reach),
    top: Math.floor(y - reach),
    right: Math.ceil(x + reach),
    bottom: Math.ceil(y + reach),
  };
  const inner = {
    left: x - reach - outer.left,
    top: y - reach - outer.top,
    right: x + reach - outer.left,
    bottom: y + reach - outer.top,
  };
  const piece = resize(grayPiece(rgb, outer), size, size, lanczos, inner);
  const [[x0, y0], [x1, y1]] = face.eyes;
  const margin = (size - size / Math.SQRT2) / 2;
  const square = { left: margin, top: margin, right: size - margin, bottom: size - margin };
  // What the last step reads: the square, and as much beside it as its filter reaches.
  const beside = lanczos.support * Math.max(1, (size - 2 * margin) / faceSide);
  const first = Math.floor(margin - beside);
  const part = { left: first, top: first, right: size - first, bottom: size - first };
  const upright = rotate(piece, (Math.atan2(y1 - y0, x1 - x0) * 180) / Math.PI, part);
  return new Uint8Array(resize(upright, faceSide, faceSide, lanczos, square).data);
}

/** Take a whole picture as a face: the square in its middle, as 48 x 48 gray values. */
export function wholeFace(rgb: Raster): Uint8Array {
  const { width, height } = rgb;
  const gray = grayPiece(rgb, { left: 0, top: 0, right: width, bottom: height });
  const side = Math.min(width, height);
  const [left, top] = [(width - side) / 2, (height - side) / 2];
  const square = { left, top, right: left + side, bottom: top + side };
  return new Uint8Array(resize(gray, faceSide, faceSide, lanczos, square).data);
}

/** Intersection over union. */
export function overlap(one: Box, other: Box): number {
  const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  const shared = Math.max(0, width) * Math.max(0, height);
  const areas = [one, other].map((box) => (box.right - box.left) * (box.bottom - box.top));
  return shared / (areas[0] + areas[1] - shared);
}
