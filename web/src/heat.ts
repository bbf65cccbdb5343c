/** Faces of 48 x 48 gray values, and heat over them, on canvases. */

import { faceSide } from "./engine/faces";

/** Warm where covering lowers the probability, cool where it raises it (ColorBrewer's RdBu ends). */
const warm = [214, 96, 37];
const cool = [33, 118, 181];
const strongestCover = 0.8;

export function drawGray(canvas: HTMLCanvasElement, face: Uint8Array): void {
  const pixels = new ImageData(faceSide, faceSide);
  face.forEach((gray, place) => pixels.data.set([gray, gray, gray, 255], 4 * place));
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
}

export function drawHeat(canvas: HTMLCanvasElement, face: Uint8Array, falls: Float32Array): void {
  const context = canvas.getContext("2d");
  if (context === null) return;
  const layer = document.createElement("canvas");
  layer.width = layer.height = faceSide;
  context.imageSmoothingQuality = "high";
  drawGray(layer, face);
  context.drawImage(layer, 0, 0, canvas.width, canvas.height);
  const strongest = Math.max(0.02, ...falls.map(Math.abs));
  const heat = new ImageData(faceSide, faceSide);
  falls.forEach((fall, place) => {
    const strength = Math.abs(fall) / strongest;
    heat.data.set([...(fall > 0 ? warm : cool), 255 * strongestCover * strength], 4 * place);
  });
  layer.getContext("2d")?.putImageData(heat, 0, 0);
  context.drawImage(layer, 0, 0, canvas.width, canvas.height);
}
